"""What happens to messages that are forwarded, as typed events."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from gen_smtp.events import SmtpEvent


@dataclass(frozen=True, slots=True)
class Forwarded(SmtpEvent):
    """A next host has taken a message.

    Attributes:
        host: its name or address.
        recipients: for whom it has taken it.
        reply: what it said.
    """

    text: ClassVar[str] = "{session} {peer}: forwarded to {recipients} at {host}: {reply}"
    host: str
    recipients: tuple[str, ...]
    reply: str


@dataclass(frozen=True, slots=True)
class ForwardFailed(SmtpEvent):
    """A next host has not taken a recipient or a message, and the client was told so.

    Attributes:
        host: its name or address; None if none was reached.
        recipients: for whom.
        reason: its reply, or what went wrong on the way there.
        permanent: whether it was 5yz.
    """

    level: ClassVar[int] = logging.WARNING
    absent = {**SmtpEvent.absent, "host": "no host"}  # noqa: RUF012 - as the base class has it
    text: ClassVar[str] = "{session} {peer}: not forwarded to {recipients} at {host}: {reason}"
    host: str | None
    recipients: tuple[str, ...]
    reason: str
    permanent: bool
