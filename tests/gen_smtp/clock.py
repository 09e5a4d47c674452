"""Time in tests: a clock that stands still until a test moves it, and options with few deadlines."""

from __future__ import annotations

import math
import time
from typing import Any

import actors
from actors.runtime.hub import Hub
from gen_smtp import gen_smtp_server_session
from gen_smtp.options.deadlines import EXCEEDED
from gen_smtp.session.session import SmtpSession
from tests.actors.helpers import live_actors
from tests.gen_smtp.live import PATIENCE, Server

NONE = dict.fromkeys(
    ("banner", "proxy_header", "handshake", "data_block", "message", "rate_grace", "session", "reply"),
    math.inf,
)
"""No deadline at all; besides it, a `minimum_rate` of 0."""


def only(timeout: float = math.inf, **deadlines: float) -> dict[str, Any]:
    """Session options with these deadlines and no other."""
    return {"timeout": timeout, "deadlines": {**NONE, "minimum_rate": 0, **deadlines}}


def exceeded(deadline: str) -> str:
    """The last that a client hears when a deadline has struck."""
    return f"421 {EXCEEDED[deadline].text}\r\n"


class Clock:
    """Stands in for `time.monotonic`. The numbers are whole, so that no sum of them is rounded.

    Attributes:
        now: the time.
    """

    def __init__(self) -> None:
        self.now = float(int(time.monotonic()))

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let so much time pass: what is due by then is rung for, and its sessions have had their turn."""
        self.now += seconds
        hub, rung = Hub.current(), actors.GeventFuture[None]()
        hub.run_soon(hub.timers._ring)
        hub.run_soon(hub.run_soon, rung.set)  # behind the turns that the first brings
        rung.get(timeout=PATIENCE)


def sessions() -> list[SmtpSession]:
    """All sessions of this process, also those that are in the middle of a TLS handshake."""
    return [actor for actor in live_actors() if isinstance(actor, SmtpSession)]


def wait_for_sessions(count: int) -> None:
    """Return when so many sessions have looked at the clock, in a turn that is over."""
    while len([each for each in sessions() if each.alarm is not None and each.turn_greenlet is None]) < count:
        pass


def wait_for_octets(server: Server, count: int) -> None:
    """Return when the only session has taken in so many octets of messages."""
    while gen_smtp_server_session.info(server.sessions[0]).octets < count:
        pass
