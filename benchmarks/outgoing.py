"""Messages that a client sends over a kept connection, for each second of its processor time.

    python -m benchmarks.outgoing [--slices 40] [--messages 250]

All clients send the same message to Postfix's `smtp-sink`. They take turns in slices of one run, in one
process, so that what else the machine does hits all of them. Counted is the processor time of the thread that
a client works in.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import smtplib
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any

import actors
from gen_smtp.gen_smtp_client import Client, Envelope

SENDER, RECIPIENT = "me@example.com", "you@example.org"
LINE = b"The quick brown fox jumps over the lazy dog. Pack my box with jugs now.\r\n"
"""Of a message of 1 KiB, with the header."""

Slice = Callable[[list[bytes]], float]
"""Sends these messages, and returns the seconds of processor time that they took."""


@contextlib.contextmanager
def sink() -> Generator[tuple[str, int]]:
    """Postfix's smtp-sink at a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        host, port = free.getsockname()
    user = ["-u", "root"] if os.getuid() == 0 else []
    command = ["smtp-sink", *user, f"{host}:{port}", "1024"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        _wait_for(host, port)
        yield host, port
    finally:
        process.terminate()
        process.wait()


def _wait_for(host: str, port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection((host, port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


# -- the clients --------------------------------------------------------------------------------------


def ours(host: str, port: int) -> dict[str, Slice]:
    """gen_smtp_client, in two ways: the messages one by one, and all at once."""
    client = Client({"relay": host, "port": port, "hostname": "bench.test", "messages": None})
    connection = client.connect()
    envelope = Envelope(SENDER, [RECIPIENT])

    def one_by_one(messages: list[bytes]) -> float:
        begun = time.thread_time()
        for message in messages:
            assert connection.deliver(envelope, message).ok
        return time.thread_time() - begun

    def at_once(messages: list[bytes]) -> float:
        begun = time.thread_time()
        mails = ((envelope, message) for message in messages)
        assert all(outcome.ok for outcome in connection.deliver_all(mails))
        return time.thread_time() - begun

    def kept(messages: list[bytes]) -> float:
        begun = time.thread_time()
        for message in messages:
            assert client.deliver(envelope, message).ok
        return time.thread_time() - begun

    return {
        "Connection.deliver_all": _on_hub(at_once),
        "Connection.deliver": _on_hub(one_by_one),
        "Client.deliver": _on_hub(kept),
    }


def _on_hub(run: Slice) -> Slice:
    def on_hub(messages: list[bytes]) -> float:
        seconds: float = actors.spawn(run, messages).get()
        return seconds

    return on_hub


def of_standard_library(host: str, port: int) -> dict[str, Slice]:
    """smtplib."""
    client = smtplib.SMTP(host, port, local_hostname="bench.test")
    client.ehlo()

    def run(messages: list[bytes]) -> float:
        begun = time.thread_time()
        for message in messages:
            client.sendmail(SENDER, [RECIPIENT], message)
        return time.thread_time() - begun

    return {"smtplib": run}


def of_aiosmtplib(host: str, port: int) -> dict[str, Slice]:
    """aiosmtplib, if it is installed."""
    try:
        import aiosmtplib
    except ImportError:
        return {}
    loop = asyncio.new_event_loop()
    client = aiosmtplib.SMTP(hostname=host, port=port, local_hostname="bench.test", start_tls=False)
    loop.run_until_complete(client.connect())

    async def send(messages: list[bytes]) -> float:
        begun = time.thread_time()
        for message in messages:
            await client.sendmail(SENDER, [RECIPIENT], message)
        return time.thread_time() - begun

    return {"aiosmtplib": lambda messages: loop.run_until_complete(send(messages))}


# -- the run ------------------------------------------------------------------------------------------


def messages_of(count: int) -> list[bytes]:
    """So many messages of 1 KiB, each another."""
    header = "Message-ID: <{:010}@bench.test>\r\nSubject: hello\r\nFrom: me@example.com\r\n\r\n"
    return [(header.format(number).encode() + LINE * 14)[:1022] + b"\r\n" for number in range(count)]


def measure(clients: Mapping[str, Slice], slices: int, messages: int) -> dict[str, float]:
    """Messages for each second of processor time: of each client the median of its slices."""
    rates: dict[str, list[float]] = {name: [] for name in clients}
    sent = messages_of(messages)
    for run in clients.values():
        run(sent)  # nothing is as fast the first time
    for _ in range(slices):
        for name, run in clients.items():
            rates[name].append(messages / run(sent))
    return {name: statistics.median(each) for name, each in rates.items()}


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outgoing", description=__doc__)
    parser.add_argument("--slices", type=int, default=40)
    parser.add_argument("--messages", type=int, default=250, help="of a slice")
    given: Any = parser.parse_args(arguments)
    with sink() as (host, port):
        clients = ours(host, port) | of_standard_library(host, port) | of_aiosmtplib(host, port)
        rates = measure(clients, given.slices, given.messages)
    peers = [name for name in ("smtplib", "aiosmtplib") if name in rates]
    print("| client | messages a second of its processor time |", *(f" times {name} |" for name in peers))
    print("|---|---|", *("---|" for _ in peers), sep="")
    for name, rate in rates.items():
        print(f"| {name} | {rate:,.0f} |", *(f" {rate / rates[peer]:.1f} |" for peer in peers))
    return rates


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
