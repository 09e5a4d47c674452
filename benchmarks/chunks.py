"""A body by BDAT beside one by DATA: `python -m benchmarks.chunks [--mib 256] [--rounds 5]`.

All ways take turns on one server, a process of its own, so that what else the machine does hits all alike.
Printed is how much of a body the server takes in a second of its own CPU.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.big_message import BLOCK, HOST, MEBIOCTET, Chunking
from benchmarks.client.connection import ENVELOPE, ReplyError, connect, expect, hello
from benchmarks.processes import all_cores, running
from gen_smtp import gen_smtp_server

CHUNKS: dict[str, int | None] = {
    "DATA": None,
    "one chunk": 0,
    "chunks of 1 MiB": MEBIOCTET,
    "chunks of 64 KiB": 65536,
    "chunks of 8 KiB": 8192,
}
"""The size of a chunk, 0 for the whole body."""


def serve() -> None:
    """Serve until the standard input ends; says the port."""
    options = {"address": HOST, "port": 0, "sessionoptions": {"limits": {"message_size": None}}}
    with gen_smtp_server.running(Chunking, [options]) as server:
        print(gen_smtp_server.addresses(server)[0][1], flush=True)
        sys.stdin.read()


def measure(mib: int, rounds: int) -> dict[str, float]:
    """The median of each way, in octets for a second of the server's CPU.

    Raises:
        ReplyError: the server did not take a message whole.
    """
    figures: dict[str, list[float]] = {name: [] for name in CHUNKS}
    command = [sys.executable, "-m", "benchmarks.chunks", "--serve"]
    with running(command, all_cores(), pipes=True) as process:
        assert process.stdout is not None
        with connect((HOST, int(process.stdout.readline()))) as connection:
            hello(connection)
            _send(connection, 1, 0)
            for _ in range(rounds):
                for name, size in CHUNKS.items():
                    before = _cpu(process)
                    _send(connection, mib, size)
                    seconds = max(_cpu(process) - before, 1 / os.sysconf("SC_CLK_TCK"))
                    figures[name].append(mib * MEBIOCTET / seconds)
    return {name: statistics.median(each) for name, each in figures.items()}


def _send(connection: Any, mib: int, size: int | None) -> None:
    for command, code in zip(ENVELOPE[:2], (b"250", b"250"), strict=True):
        connection.sendall(command)
        expect(connection, code)
    if size is None:
        connection.sendall(b"DATA\r\n")
        expect(connection, b"354")
    else:
        for octets, count in _chunks(mib, size):
            connection.sendall(octets)
            _expect_lines(connection, count)
    if size is None:
        for _ in range(mib):
            connection.sendall(BLOCK)
        connection.sendall(b".\r\n")
    expect(connection, f"250 {mib * MEBIOCTET} octets".encode())


def _expect_lines(connection: Any, count: int) -> None:
    """Read the replies to so many chunks."""
    octets = b""
    while octets.count(b"\n") < count:
        octets += connection.recv(65536)
    if octets.count(b"250 ") != count:
        raise ReplyError(repr(octets[-200:]))


def _chunks(mib: int, size: int) -> Iterator[tuple[bytes, int]]:
    """What is sent, in writes of a MiB or so, and how many replies come before the last one."""
    if not size:
        yield b"BDAT %d LAST\r\n" % (mib * MEBIOCTET), 0
        yield from ((BLOCK, 0) for _ in range(mib))
        return
    count = MEBIOCTET // size
    one = b"BDAT %d\r\n%s" % (size, BLOCK[:size])
    yield from ((one * count, count) for _ in range(mib))
    yield b"BDAT 0 LAST\r\n", 0


def _cpu(process: subprocess.Popen[str]) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(prog="benchmarks.chunks", description=__doc__)
    parser.add_argument("--mib", type=int, default=256, help="size of the message")
    parser.add_argument("--rounds", type=int, default=5, help="messages of each way")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    figures = measure(options.mib, options.rounds)
    for name, rate in figures.items():
        beside = rate / figures["DATA"]
        print(f"{name:18}{rate / MEBIOCTET:7.0f} MiB a second of CPU, {beside:5.2f} of DATA")


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    main()
