"""How often something may be restarted before its keeper gives up, as OTP counts it."""

from __future__ import annotations

import time
from collections import deque


class RestartIntensity:
    """At most `intensity` restarts within `period` seconds.

    Args:
        intensity: how many restarts are allowed; 0 allows none.
        period: seconds.
    """

    __slots__ = ("_intensity", "_period", "_times")

    def __init__(self, intensity: int, period: float) -> None:
        self._intensity = intensity
        self._period = period
        self._times: deque[float] = deque()

    def allows_restart(self) -> bool:
        """Count one restart more; False if that is one too many."""
        now = time.monotonic()
        self._times.append(now)
        while now - self._times[0] > self._period:
            self._times.popleft()
        return len(self._times) <= self._intensity
