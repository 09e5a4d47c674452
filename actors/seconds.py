"""Numbers of seconds that callers give: how long to wait, and after how long something is to happen.

NaN is the trap: it is a float, every comparison with it is false, and a timer set to it is first in line and
never due. So each function that takes seconds asks here, before it does anything else.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

FOREVER = 1e9
"""Seconds from which on a wait has no end: locks and timers of the system take no number of any size."""


def wait_seconds(value: Any) -> float | None:
    """How long to wait, as it was given.

    Args:
        value: seconds; None and infinity wait for ever, a number below 0 does not wait.

    Returns:
        the number; None to wait for ever.

    Raises:
        ValueError: it is no number, or NaN.
    """
    if value is None:
        return None
    seconds = number_of_seconds(value)
    return seconds if seconds < FOREVER else None


def delay_seconds(value: Any) -> float:
    """After how long something is to happen, as it was given.

    Args:
        value: seconds, 0 or more; infinity is never.

    Raises:
        ValueError: it is no number, NaN, or below 0.
    """
    seconds = number_of_seconds(value)
    if seconds < 0:
        raise ValueError(f"this takes at least 0 seconds, not {value!r}")
    return seconds


def number_of_seconds(value: Any) -> float:
    """A number of seconds, or a point in time, as it was given.

    Raises:
        ValueError: it is no number, or NaN.
    """
    if type(value) is not float:
        if isinstance(value, bool) or not isinstance(value, Real):
            raise ValueError(f"seconds are a number, not {value!r}")
        try:
            value = float(value)
        except OverflowError:
            value = math.inf if value > 0 else -math.inf
    if value != value:
        raise ValueError("seconds are a number, not NaN")
    return float(value)
