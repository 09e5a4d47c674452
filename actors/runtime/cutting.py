"""How a greenlet that waits is cut off, whatever it does about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent import GreenletExit

from actors.runtime.hub import Hub

LONGEST_PAUSE = 1.0


def cut(greenlet: Any, is_busy: Callable[[], bool], attempt: int = 1) -> None:
    """Throw into a greenlet that waits, again and again for one that catches everything.

    Runs in the hub, which gets control back when the greenlet ends or waits again.

    Args:
        greenlet: what waits.
        is_busy: tells whether it still does what is to be cut.
        attempt: how often it was tried, with this time.
    """
    if not is_busy():
        return
    greenlet.throw(GreenletExit)
    pause = min(0.001 * 2**attempt, LONGEST_PAUSE)
    if is_busy():
        Hub.current().timers.call_later(pause, lambda: cut(greenlet, is_busy, attempt + 1))
