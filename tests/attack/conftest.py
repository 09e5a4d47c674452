"""A handler that keeps everything it is given, for attacks to be looked for in it."""

from __future__ import annotations

import queue
from typing import Any

import pytest

from gen_smtp.gen_smtp_server_session import Behaviour, ok, reply


class Witness(Behaviour):
    """Takes everything, and keeps what it was handed."""

    seen: queue.SimpleQueue[tuple[Any, ...]]

    def handle_HELO(self, hostname: str) -> Any:
        self.seen.put(("HELO", hostname))
        return ok

    def handle_EHLO(self, hostname: str, extensions: Any) -> Any:
        self.seen.put(("EHLO", hostname))
        return ok([*extensions, ("STARTTLS", True), ("AUTH", "PLAIN LOGIN CRAM-MD5")])

    def handle_AUTH(self, mechanism: str, username: str, credential: Any) -> Any:
        self.seen.put(("AUTH", mechanism, username, credential))
        return ok

    def handle_MAIL(self, sender: str) -> Any:
        self.seen.put(("MAIL", sender))
        return ok

    def handle_MAIL_extension(self, extension: str) -> Any:
        self.seen.put(("MAIL parameter", extension))
        return ok

    def handle_RCPT(self, recipient: str) -> Any:
        self.seen.put(("RCPT", recipient))
        return ok

    def handle_RCPT_extension(self, extension: str) -> Any:
        self.seen.put(("RCPT parameter", extension))
        return ok

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        self.seen.put(("DATA", sender, tuple(recipients), data))
        return ok("taken")

    def handle_VRFY(self, address: str) -> Any:
        self.seen.put(("VRFY", address))
        return ok

    def handle_other(self, verb: str, args: str) -> Any:
        self.seen.put(("other", verb, args))
        return reply(f"500 Error: command not recognized : '{verb}'")


@pytest.fixture
def seen() -> queue.SimpleQueue[tuple[Any, ...]]:
    """What the handler was given, in order."""
    return queue.SimpleQueue()


@pytest.fixture
def witness(seen: queue.SimpleQueue[tuple[Any, ...]]) -> type[Witness]:
    """The handler's class."""
    return type("WitnessOfThisTest", (Witness,), {"seen": seen})
