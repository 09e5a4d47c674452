"""What the protocol costs without sockets and actors: `python -m benchmarks.core [--against TREE]`.

`--against` names another checkout (`git worktree add ../before HEAD~1`); the two run in turn, in processes of
their own, because only ratios within one interleaved run count on a shared machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

from gen_smtp.protocol.protocol import Protocol, ProtocolConfig
from gen_smtp.protocol.questions import CLOSED, NEED_DATA, PAUSED, SEND, Hello, Mail, MessageComplete, Rcpt
from gen_smtp.protocol.verdicts import Accept

ROOT = Path(__file__).resolve().parent.parent
MESSAGES = 20_000
LARGE_MESSAGES = 10
IDLE_SESSIONS = 5_000
READ = 65536
MEBIBYTE = 1048576

CONFIG = ProtocolConfig("mx.example")
QUESTIONS = frozenset({Hello, Mail, Rcpt, MessageComplete})
WAITS = (NEED_DATA, PAUSED, CLOSED)
ACCEPT = Accept()
ENVELOPE = [b"MAIL FROM:<sender@client.example>\r\n", b"RCPT TO:<recipient@mx.example>\r\n", b"DATA\r\n"]
LINE = b"0123456789 abcdefghijklmnopqrstuvwxyz. ABCDEFGHIJKLMNOPQRSTUVWXYZ, 0123456\r\n"


def body(octets: int) -> bytes:
    """A message of about so many octets and its end."""
    return LINE * (octets // len(LINE)) + b".\r\n"


def in_reads(data: bytes) -> list[bytes]:
    """`data` as a session receives it."""
    return [data[start : start + READ] for start in range(0, len(data), READ)]


BODY = body(1024)
LARGE_BODY = in_reads(body(5 * MEBIBYTE))


def converse(protocol: Protocol, reads: list[bytes]) -> None:
    """Drive the protocol as a session does: each read, its steps and verdicts, the replies."""
    for read in reads:
        step = protocol.hear(read)
        while True:
            if type(step) in QUESTIONS:
                protocol.respond(ACCEPT)
            elif step is SEND:
                protocol.data_to_send()
            elif step in WAITS:
                break
            step = protocol.next_step()
        protocol.data_to_send()


def session() -> Protocol:
    """A client that has said EHLO."""
    protocol = Protocol(CONFIG)
    protocol.greet("mx.example ESMTP")
    converse(protocol, [b"EHLO client.example\r\n"])
    return protocol


def cpu_per_message(reads: list[bytes], messages: int, per_reads: int = 1) -> float:
    """Microseconds of CPU for each message; `reads` has `per_reads` of them."""
    protocol = session()
    converse(protocol, reads)
    started = time.process_time()
    for _ in range(messages // per_reads):
        converse(protocol, reads)
    return (time.process_time() - started) / messages * 1e6


def idle_octets() -> float:
    """Octets of memory that a session holds after its EHLO."""
    session()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        sessions = [session() for _ in range(IDLE_SESSIONS)]
        return (tracemalloc.get_traced_memory()[0] - before) / len(sessions)
    finally:
        tracemalloc.stop()


SIZED = [b"MAIL FROM:<sender@client.example> SIZE=1024\r\n", *ENVELOPE[1:], BODY]
FIGURES: dict[str, Callable[[], float]] = {
    "command by command, us": lambda: cpu_per_message([*ENVELOPE, BODY], MESSAGES),
    "with SIZE=1024, us": lambda: cpu_per_message(SIZED, MESSAGES),
    "MAIL RCPT DATA at once, us": lambda: cpu_per_message([b"".join(ENVELOPE), BODY], MESSAGES),
    "50 messages at once, us": lambda: cpu_per_message([b"".join([*ENVELOPE, BODY]) * 50], MESSAGES, 50),
    "5 MiB, us per MiB": lambda: cpu_per_message([*ENVELOPE, *LARGE_BODY], LARGE_MESSAGES) / 5,
    "idle session, octets": idle_octets,
}


def rounds(trees: list[Path], count: int) -> Iterator[list[dict[str, float]]]:
    """The figures of each tree, measured in turn, `count` times over."""
    command = [sys.executable, "-P", __file__, "--once"]
    for _ in range(count):
        yield [
            json.loads(subprocess.check_output(command, env={**os.environ, "PYTHONPATH": str(tree)}))
            for tree in trees
        ]


def main() -> None:
    """Print the medians, and how this checkout compares with the other."""
    parser = argparse.ArgumentParser(prog="benchmarks.core", description=__doc__)
    parser.add_argument("--against", type=Path, metavar="TREE", help="another checkout")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--once", action="store_true", help="one measurement, as JSON")
    options = parser.parse_args()
    if options.once:
        print(json.dumps({name: measure() for name, measure in FIGURES.items()}))
        return
    trees = [ROOT] if options.against is None else [options.against.resolve(), ROOT]
    measured = list(rounds(trees, options.rounds))
    for name in FIGURES:
        medians = [statistics.median(each[i][name] for each in measured) for i in range(len(trees))]
        ratio = f"  x {medians[-1] / medians[0]:.2f}" if len(trees) > 1 else ""
        print(f"{name:28}" + "".join(f"{value:10.2f}" for value in medians) + ratio)


if __name__ == "__main__":
    main()
