"""What one big message takes of the server's memory: `python -m benchmarks.big_message [--mib 1024]`.

The server is a process of its own. Its growth is the most memory it ever had while the message came, less
what it had before, when it had taken a small one.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.client.connection import ENVELOPE, connect, expect, hello
from benchmarks.processes import all_cores, running
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, Extensions, MessageStream, Ok, ok

MEBIOCTET = 1048576
LINE = b"X" * 62 + b"\r\n"
BLOCK = LINE * (MEBIOCTET // len(LINE))
HOST = "127.0.0.1"


class Counting(Behaviour):
    """Counts octets in the greenlet of the callback."""

    def handle_DATA_stream(self, sender: str, recipients: list[str], stream: MessageStream) -> Ok:
        return ok(f"{sum(map(len, stream.chunks()))} octets")


class CountingInThread(Counting):
    """Counts octets in a worker thread."""

    blocking = frozenset({"handle_DATA_stream"})


class ToDisk(Behaviour):
    """Writes a file, in a worker thread."""

    blocking = frozenset({"handle_DATA_stream"})

    def handle_DATA_stream(self, sender: str, recipients: list[str], stream: MessageStream) -> Ok:
        with tempfile.TemporaryFile() as file:
            return ok(f"{sum(file.write(chunk) for chunk in stream.chunks())} octets")


class Chunking(Counting):
    """Counts octets that come in chunks (BDAT)."""

    def handle_EHLO(self, hostname: str, extensions: Extensions) -> Ok:
        return ok([*extensions, ("CHUNKING", True)])


class Whole(Behaviour):
    """Takes the message as one `bytes`."""

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Ok:
        return ok(f"{len(data)} octets")


@dataclass(frozen=True, slots=True)
class Way:
    """A way to take a message: the callback class, and session options."""

    module: Callable[[], Behaviour]
    options: dict[str, Any]


WAYS = {
    "greenlet": Way(Counting, {}),
    "thread": Way(CountingInThread, {}),
    "disk": Way(ToDisk, {}),
    "chunks": Way(Chunking, {}),
    "spooled": Way(Whole, {"spool_threshold": MEBIOCTET}),
    "memory": Way(Whole, {}),
}
STREAMS = ("greenlet", "thread", "disk", "chunks")


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one message.

    Attributes:
        growth: octets of memory.
        rate: octets a second.
    """

    growth: int
    rate: float


def serve(way: Way) -> None:
    """Serve until the standard input ends; says the port."""
    session = {"limits": {"message_size": None}, **way.options}
    options = {"address": HOST, "port": 0, "sessionoptions": session}
    with gen_smtp_server.running(way.module, [options], serveroptions={"max_buffered": None}) as server:
        print(gen_smtp_server.addresses(server)[0][1], flush=True)
        sys.stdin.read()


def measure(name: str, mib: int) -> Figures:
    """Send one message of so many MiB to a server of its own.

    Raises:
        ReplyError: the server did not take it whole.
    """
    command = [sys.executable, "-m", "benchmarks.big_message", "--serve", name]
    with running(command, all_cores(), pipes=True) as process:
        assert process.stdout is not None
        connection = connect((HOST, int(process.stdout.readline())))
        with connection:
            hello(connection)
            send = _send_chunk if name == "chunks" else _send
            send(connection, 1)
            before = _memory(process.pid, "VmRSS")
            started = time.perf_counter()
            send(connection, mib)
            seconds = time.perf_counter() - started
            return Figures(_memory(process.pid, "VmHWM") - before, mib * MEBIOCTET / seconds)


def _send(connection: Any, mib: int) -> None:
    for command, code in zip(ENVELOPE, (b"250", b"250", b"354"), strict=True):
        connection.sendall(command)
        expect(connection, code)
    for _ in range(mib):
        connection.sendall(BLOCK)
    connection.sendall(b".\r\n")
    expect(connection, f"250 {mib * MEBIOCTET} octets".encode())


def _send_chunk(connection: Any, mib: int) -> None:
    for command in ENVELOPE[:2]:
        connection.sendall(command)
        expect(connection, b"250")
    connection.sendall(b"BDAT %d LAST\r\n" % (mib * MEBIOCTET))
    for _ in range(mib):
        connection.sendall(BLOCK)
    expect(connection, f"250 {mib * MEBIOCTET} octets".encode())


def _memory(pid: int, what: str) -> int:
    """Octets, as `/proc` has them."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == what:
            return int(value.split()[0]) * 1024
    raise LookupError(what)


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(prog="benchmarks.big_message", description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="size of the message")
    parser.add_argument(
        "--ways", nargs="+", choices=WAYS, default=STREAMS, metavar="WAY", help=", ".join(WAYS)
    )
    parser.add_argument("--serve", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(WAYS[options.serve])
        return
    for name in options.ways:
        figures = measure(name, options.mib)
        print(
            f"{name:10}{options.mib:6} MiB: {figures.growth / MEBIOCTET:8.1f} MiB more memory,"
            f"{figures.rate / MEBIOCTET:6.0f} MiB/s",
            flush=True,
        )


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    main()
