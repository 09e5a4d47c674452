"""How often a supervisor restarts its children before it gives up."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable


class RestartIntensity:
    """Counts restarts within a moving window of time.

    Args:
        intensity: how many restarts are allowed within the period; 0 allows none.
        period: seconds, more than 0.
        clock: tells the time in seconds; never goes back.

    Raises:
        ValueError: a number is out of its range.
    """

    def __init__(self, intensity: int, period: float, clock: Callable[[], float] = time.monotonic) -> None:
        if not isinstance(intensity, int) or isinstance(intensity, bool) or intensity < 0:
            raise ValueError(f"the intensity is a number of restarts, 0 or more, not {intensity!r}")
        if not isinstance(period, int | float) or isinstance(period, bool) or not period > 0:
            raise ValueError(f"the period is a number of seconds greater than 0, not {period!r}")
        self.intensity = intensity
        self.period = period
        self._clock = clock
        self._restarts: deque[float] = deque()

    def allows_another(self) -> bool:
        """Count one restart; tells whether that is still within the limit."""
        now = self._clock()
        self._restarts.append(now)
        while now - self._restarts[0] > self.period:
            self._restarts.popleft()
        return len(self._restarts) <= self.intensity
