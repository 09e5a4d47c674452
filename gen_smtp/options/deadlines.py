"""How long each part of a session may take: the option `deadlines`, and the clock of one message."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gen_smtp.options.checks import Check, OptionsError, check_fields, read_record, seconds, shown_option
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.replies import StandardReply


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """What a client, and the callback's `init`, may take; in seconds, and `math.inf` is without end.

    The time between two commands is the session option `timeout`. A client that exceeds one hears 421 with
    the time it exceeded, where a reply is possible, and the connection is closed.

    Attributes:
        banner: from the connection to the greeting: TLS from the first octet and `init` are in it (the five
            minutes that a client waits, RFC 5321 4.5.3.2.1).
        proxy_header: for the header of the PROXY protocol, where one is awaited; at least 3, for a packet
            that is sent again. Who sends it is no client, and hears nothing.
        handshake: for a TLS handshake, from the first octet on or after STARTTLS. Slow devices need
            seconds for their part of it.
        data_block: between two pieces of a message (RFC 5321 4.5.3.2.5).
        message: for a whole message, however steadily it comes.
        minimum_rate: octets a second, on average over a message; 0 is none.
        rate_grace: how long a message may come more slowly than that before it counts.
        session: for a whole session. A message under way may be finished, within its own deadlines.
        reply: for the client to read what it was answered, when no more of it fits into the socket.

    Raises:
        OptionsError: for a value of the wrong type or out of range.
    """

    banner: float = 300.0
    proxy_header: float = 5.0
    handshake: float = 60.0
    data_block: float = 180.0
    message: float = 3600.0
    minimum_rate: float = 100.0
    rate_grace: float = 60.0
    session: float = 86400.0
    reply: float = 60.0

    def __post_init__(self) -> None:
        check_fields(self, _CHECKS)

    @cached_property
    def soonest(self) -> float:
        """How long nothing of all this can be exceeded, but a TLS handshake and the reading of replies."""
        rate_counts = self.rate_grace if self.minimum_rate else math.inf
        return min(self.banner, self.data_block, self.message, rate_counts, self.session)


def read_deadlines(given: Any) -> Deadlines:
    """Deadlines from a mapping or an Erlang-like list of (key, value) pairs, or as they are.

    Raises:
        OptionsError: names the deadline that is unknown or wrong, and what is allowed.
    """
    return read_record(Deadlines, given)


class MessageClock:
    """How long a client may take over one message. It starts with the 354.

    Args:
        deadlines: what it may take.
        now: the time, of `time.monotonic` as all the times here.

    Attributes:
        began: when it started.
        ends_session: the session is overdue as well, and ends with this message.
    """

    ends_session = False

    def __init__(self, deadlines: Deadlines, now: float) -> None:
        self._deadlines = deadlines
        self.began = now
        self._ends = now + deadlines.message
        self._too_slow = now + deadlines.rate_grace if deadlines.minimum_rate else math.inf

    def count(self, octets: int) -> None:
        """So many have come: the time by which more must have come moves on."""
        if self._deadlines.minimum_rate:
            self._too_slow += octets / self._deadlines.minimum_rate

    def excuse(self, seconds: float) -> None:
        """So long it was the server that did not read: the client has that time besides."""
        self._ends += seconds
        self._too_slow += seconds

    def due(self, active_at: float) -> float:
        """When the first deadline strikes, if nothing comes after `active_at`."""
        due = active_at + self._deadlines.data_block
        if self._ends < due:
            due = self._ends
        return due if due < self._too_slow else self._too_slow

    def struck(self, active_at: float) -> str:
        """The name of the deadline that is due first."""
        block = active_at + self._deadlines.data_block
        dues = {"data_block": block, "message": self._ends, "minimum_rate": self._too_slow}
        return min(dues, key=dues.__getitem__)


MOST_TO_THROW_AWAY = 1024**3
"""Octets that a client may still write to a session that is over."""


class LingerClock(MessageClock):
    """How long, and how much, a client may still write to a session that is over.

    The deadlines are those of a message.

    Attributes:
        left: octets.
    """

    left = MOST_TO_THROW_AWAY

    def count(self, octets: int) -> None:
        super().count(octets)
        self.left -= octets


EXCEEDED: dict[str, StandardReply] = {
    "banner": replies.TIMEOUT_BANNER,
    "timeout": replies.TIMEOUT,
    "data_block": replies.TIMEOUT_DATA_BLOCK,
    "message": replies.TIMEOUT_MESSAGE,
    "minimum_rate": replies.TIMEOUT_RATE,
    "session": replies.TIMEOUT_SESSION,
    "grace": replies.TIMEOUT,
}
"""What the client hears of each; in a TLS handshake, or when it does not read, that is nothing."""


def _rate(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and 0 <= value < math.inf:
        return float(value)
    raise OptionsError(
        f"not a rate in octets a second: {shown_option(value)}",
        allowed="a number from 0, which is none, to what a client can do",
    )


_CHECKS: dict[str, Check] = {
    "banner": seconds,
    "proxy_header": seconds,
    "handshake": seconds,
    "data_block": seconds,
    "message": seconds,
    "minimum_rate": _rate,
    "rate_grace": seconds,
    "session": seconds,
    "reply": seconds,
}
