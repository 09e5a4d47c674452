"""What a catcher is told to fail at, and how often."""

from __future__ import annotations

import math
import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from gen_smtp.callbacks.results import FAILURE

CONNECT: Final = "CONNECT"
DOT: Final = "."
REPLIES: Final = {
    CONNECT: "421 4.3.2 Service not available",
    "HELO": "550 5.0.0 Refused as told",
    "AUTH": "535 5.7.8 Authentication credentials invalid",
    "MAIL": "451 4.3.0 Refused as told",
    "RCPT": "550 5.1.1 No such mailbox",
    DOT: "451 4.3.0 Refused as told",
}
"""The reply to each place where a reply can say no, unless another one is given."""
CUTS: Final = "DATA"
"""The place in the middle of a message, where no reply can be given."""
HANDSHAKE: Final = "STARTTLS"
"""The place where TLS fails."""
PLACES: Final = (*REPLIES, CUTS, HANDSHAKE)
_OTHER_NAMES: Final = {"EHLO": "HELO", "LHLO": "HELO", "GREETING": CONNECT, "DOT": DOT, "TLS": HANDSHAKE}


@dataclass(slots=True)
class Failure:
    """One thing that goes wrong.

    Attributes:
        place: where: one of `PLACES`; `DATA` is in the middle of the message, `.` behind it.
        reply: what the client hears; None where it hears none.
        sender, recipient: the only addresses that it happens with; None for any.
        times: how often it happens yet.
        delay: seconds that the client waits before.
        cut: whether the connection is closed without a reply.
    """

    place: str
    reply: str | None
    sender: str | None
    recipient: str | None
    times: float
    delay: float
    cut: bool

    def fits(self, place: str, sender: str | None, recipients: Collection[str]) -> bool:
        """Whether it happens here."""
        return (
            self.place == place
            and self.times > 0
            and self.sender in (None, sender)
            and (self.recipient is None or self.recipient in recipients)
        )


class Failures:
    """All that is to go wrong. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scripted: list[Failure] = []

    def add(self, failure: Failure) -> None:
        """One more; the first that fits happens."""
        with self._lock:
            self._scripted.append(failure)

    def clear(self) -> None:
        """Nothing more goes wrong."""
        with self._lock:
            self._scripted.clear()

    def take(self, place: str, sender: str | None = None, recipients: Collection[str] = ()) -> Failure | None:
        """The failure that happens now, counted; None if all goes well."""
        with self._lock:
            for failure in self._scripted:
                if failure.fits(place, sender, recipients):
                    failure.times -= 1
                    return failure
        return None


def make_failure(
    place: str,
    reply: str | None = None,
    *,
    sender: str | None = None,
    recipient: str | None = None,
    times: int | None = None,
    delay: float = 0.0,
    cut: bool = False,
) -> Failure:
    """A failure, checked; the arguments are those of `SmtpCatcher.fail`.

    Raises:
        ValueError: an argument is wrong; says which, and what is allowed.
    """
    name = _OTHER_NAMES.get(place.upper(), place.upper())
    if name not in PLACES:
        raise ValueError(f"place: {place!r} is none of {', '.join(PLACES)}")
    if times is not None and times < 1:
        raise ValueError(f"times: {times!r} is less than 1; None is for ever")
    if not 0 <= delay < math.inf:
        raise ValueError(f"delay: {delay!r} is no number of seconds")
    if name == HANDSHAKE and delay:
        raise ValueError("delay: a handshake fails at once; delay EHLO instead")
    if reply is not None:
        _check_reply(name, reply, cut)
    may_only_wait = delay > 0 and reply is None and not cut
    default = None if may_only_wait else REPLIES.get(name)
    ends = cut or (name == CUTS and not may_only_wait)
    return Failure(
        name,
        None if ends else reply or default,
        sender,
        recipient,
        math.inf if times is None else times,
        delay,
        ends,
    )


def _check_reply(place: str, reply: str, cut: bool) -> None:
    if cut:
        raise ValueError("reply: a connection that is cut gets none; leave out reply or cut")
    if place not in REPLIES:
        raise ValueError(
            f"reply: at {place} none can be given; behind the message it can, with place {DOT!r}"
        )
    if not FAILURE.match(reply):
        raise ValueError(f"reply: {reply!r} does not begin with a code, 4dd or 5dd")
