"""How much time the sessions of a server get when it stops, as its user says it."""

from __future__ import annotations

from typing import Any

from actors import StopTimes
from gen_smtp.options.checks import OptionsError, optional, time_span

DEFAULT_DRAIN = 60.0
"""Seconds for which sessions go on when another process has taken over: there is no hurry then."""

_CHECKS = {"grace": optional(time_span), "drain": time_span}


def stop_times(grace: Any = None, drain: Any = 0.0) -> StopTimes:
    """The times, checked.

    Args:
        grace: seconds for a message in hand; None leaves it to the server.
        drain: seconds for which sessions go on before that, as if nothing was.

    Raises:
        OptionsError: which of them is no time, and what is one.
    """
    times = {"grace": grace, "drain": drain}
    for name, check in _CHECKS.items():
        try:
            times[name] = check(times[name])
        except OptionsError as error:
            raise error.within(name) from None
    return StopTimes(**times)
