"""`gen-smtp serve` as a process, for tests that look at it from outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from tests.gen_smtp.live import PATIENCE, Client
from tests.gen_smtp.processes import PROJECT, command_line

HERE = ("--address", "127.0.0.1", "--port", "0", "--domain", "mx.example")
EXAMPLE_AUTH = ("--allow-insecure-auth", "--callback-option", "auth=true")


class Served:
    """A running `gen-smtp serve`.

    Attributes:
        process: the process that was started.
        log_file: what its standard error is appended to.
        address: where its first listener listens.
    """

    def __init__(self, process: subprocess.Popen[str], log_file: Path) -> None:
        self.process = process
        self.log_file = log_file
        self.address = ("127.0.0.1", int(self.said(r"listening on \S+:(\d+) \(")))

    def said(self, pattern: str) -> str:
        """The first group of a pattern in the next line of its output."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.match(pattern, line)
        assert found, f"{line!r}\n{self.log()}"
        return found[1]

    def connect(self) -> Client:
        """A client that was greeted."""
        client = Client(self.address)
        assert client.reply().startswith("220")
        return client

    def log(self) -> str:
        """What it has logged."""
        return self.log_file.read_text()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """Stop it; the exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def served(folder: Path, *arguments: str) -> Generator[Served]:
    """`gen-smtp serve` with these arguments, run in `folder`; what is left of it at the end is killed."""
    log = folder / "log"
    with (
        log.open("ab") as stderr,
        subprocess.Popen(
            command_line("serve", *HERE, *arguments),
            stdout=subprocess.PIPE,
            stderr=stderr,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
        ) as process,
    ):
        try:
            yield Served(process, log)
        finally:
            kill_all_of(process.pid)


def kill_all_of(group: int) -> None:
    """Kill a group of processes, if there is one left of it."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def send_mail(client: Client, size: int = 0) -> str:
    """Say hello and send a message; the reply to it.

    Args:
        client: was greeted.
        size: so many octets more than a few.
    """
    client.say("EHLO client.example", "MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>", "DATA")
    client.send("Subject: hello\r\n\r\nhello" + "x" * size + "\r\n.\r\n")
    return client.reply()


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what another process does, and tells nobody."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()
