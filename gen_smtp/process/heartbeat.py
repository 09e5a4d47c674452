"""Signs of life for a service manager, given only while all servers are alive."""

from __future__ import annotations

from collections.abc import Callable

from actors.runtime.hub import Hub
from gen_smtp.process.poll import PollLoop

LIVENESS_TIME = 1.0
"""Seconds within which a server must show that it is alive, at most."""


class HubHeartbeat:
    """Gives signs from the hub itself: a hub that is blocked, or in a turn that does not end, gives none.

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


class PolledHeartbeat:
    """Gives a sign each time that a question is answered with yes: in a process without a hub.

    Args:
        sign: gives one.
        seconds: between two of them; after a no it asks again sooner.
        all_alive: asks, for so many seconds at most, whether all are alive that should be.
        poll_loop: what the thread waits for.
    """

    def __init__(
        self,
        sign: Callable[[], object],
        seconds: float,
        all_alive: Callable[[float], bool],
        poll_loop: PollLoop,
    ) -> None:
        self._sign = sign
        self._seconds = seconds
        self._all_alive = all_alive
        self._poll_loop = poll_loop
        self._over = False
        poll_loop.later(seconds, self._beat)

    def stop(self) -> None:
        """Give no more."""
        self._over = True

    def _beat(self) -> None:
        if self._over:
            return
        again = self._seconds / 4
        if self._all_alive(min(LIVENESS_TIME, again)):
            self._sign()
            again = self._seconds
        self._poll_loop.later(again, self._beat)
