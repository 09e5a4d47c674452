"""Signs of life for a service manager, given only while those who serve are alive."""

from __future__ import annotations

from collections.abc import Callable

from actors.runtime.hub import Hub
from gen_smtp.process.poll import Attention
from gen_smtp.workers.roster import Roster

ANSWER_TIME = 1.0
"""Seconds that workers get to answer, at most."""


class HubPulse:
    """Gives signs from the hub itself: one that is blocked, or in a turn that does not end, gives none.

    Args:
        sign: gives one; it must not wait or raise.
        seconds: between two of them.
    """

    def __init__(self, sign: Callable[[], object], seconds: float) -> None:
        self._sign = sign
        self._seconds = seconds
        self._over = False
        Hub.current().run_soon(self._wait)

    def stop(self) -> None:
        """Give no more."""
        self._over = True

    def _beat(self) -> None:
        if not self._over:
            self._sign()
            self._wait()

    def _wait(self) -> None:
        Hub.current().timers.call_later(self._seconds, self._beat)


class WorkersPulse:
    """Gives signs when all workers have answered, which each does from its hub.

    Args:
        sign: gives one.
        seconds: between two of them; after an answer that did not come it asks again sooner.
        roster: the workers.
        size: how many there are to be.
        attention: what the parent's thread waits for.
    """

    def __init__(
        self, sign: Callable[[], object], seconds: float, roster: Roster, size: int, attention: Attention
    ) -> None:
        self._sign = sign
        self._seconds = seconds
        self._roster = roster
        self._size = size
        self._attention = attention
        self._over = False
        attention.later(seconds, self._beat)

    def stop(self) -> None:
        """Give no more."""
        self._over = True

    def _beat(self) -> None:
        if self._over:
            return
        again = self._seconds / 4
        if self._roster.all_answer(self._size, min(ANSWER_TIME, again)):
            self._sign()
            again = self._seconds
        self._attention.later(again, self._beat)
