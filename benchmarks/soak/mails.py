"""Messages that can be told from each other, and whose every octet is checked."""

from __future__ import annotations

import base64
import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

_FIRST_FIELD = b"X-Soak: "
_DELIVERED_TO = re.compile(rb"^Delivered-To: (.*)$", re.MULTILINE)

_POOL_LINES = 20_000
_LINE = 76 + 2
"""Octets of a line in base64."""
_DOTS = (b".\r\n", b"..\r\n", b".text\r\n")
"""Lines that have to be stuffed."""


@dataclass(frozen=True, slots=True)
class SoakMail:
    """A message.

    Attributes:
        name: tells it from all others.
        recipients: whom it goes to.
        data: as the server has to give it to its callback.
        digest: of `data` with the line ends that a Maildir has.
    """

    name: str
    recipients: tuple[str, ...]
    data: bytes
    digest: str

    def copies(self) -> list[str]:
        """A name for what each recipient has to get, in their order."""
        return [copy_name(self.name, recipient) for recipient in self.recipients]

    def on_the_wire(self) -> bytes:
        """The message as a client sends it, with its end."""
        return self.data.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def make_lines(chance: random.Random) -> bytes:
    """The lines that bodies are cut from."""
    return base64.encodebytes(chance.randbytes(_POOL_LINES * 57)).replace(b"\n", b"\r\n")


class MailMaker:
    """Makes messages of all sizes.

    Args:
        chance: decides.
        sender: part of all names, so that two makers never give one name twice.
        recipients: those to choose from.
        lines: from `make_lines`; makers may share them.
        largest: octets that few messages exceed.
    """

    def __init__(
        self,
        chance: random.Random,
        sender: str,
        recipients: Sequence[str],
        lines: bytes,
        largest: int = 200_000,
    ) -> None:
        self._chance = chance
        self._sender = sender
        self._recipients = recipients
        self._pool = lines
        self._largest = largest
        self._made = 0

    def make(self) -> SoakMail:
        """The next message."""
        self._made += 1
        name = f"{self._sender}-{self._made}"
        count = self._chance.choice((1, 1, 1, min(2, len(self._recipients))))
        recipients = tuple(self._chance.sample(self._recipients, count))
        data = b"".join((_FIRST_FIELD, name.encode(), b"\r\n\r\n", *self._lines()))
        return SoakMail(name, recipients, data, _digest(data.replace(b"\r\n", b"\n")))

    def _lines(self) -> list[bytes]:
        """Many short bodies, few long ones."""
        chance = self._chance
        lines = int(self._largest ** chance.uniform(0.3, 1.0)) // _LINE
        start = chance.randrange(_POOL_LINES - lines)
        body = self._pool[start * _LINE : (start + lines) * _LINE]
        return [chance.choice(_DOTS), body, chance.choice(_DOTS)]


@dataclass(frozen=True, slots=True)
class Stored:
    """What a file in a Maildir says of itself.

    Attributes:
        copies: the copies that it is, by name; empty if it can't be told.
        digest: of its contents.
    """

    copies: tuple[str, ...]
    digest: str


def identify(content: bytes) -> Stored:
    """Read a file of a Maildir: the message begins behind the trace fields of the server."""
    start = content.find(b"\n" + _FIRST_FIELD) + 1
    trace, message = content[:start], content[start:]
    name, line_end, _ = message[len(_FIRST_FIELD) :].partition(b"\n")
    if not (start and line_end):
        return Stored((), _digest(content))
    owners = [owner.decode() for owner in _DELIVERED_TO.findall(trace)]
    return Stored(tuple(copy_name(name.decode(), owner) for owner in owners), _digest(message))


def copy_name(name: str, recipient: str) -> str:
    """The name of a recipient's copy of a message."""
    return f"{name} for {recipient}"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
