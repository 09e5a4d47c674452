"""How a child process ended."""

from __future__ import annotations

import os
from collections.abc import Callable

from gevent.monkey import get_original

_wait: Callable[[int, int], tuple[int, int]] = get_original("os", "waitpid")


def how_child_ended(pid: int) -> str | None:
    """How a child process ended, in words; None while it runs. It never waits."""
    try:
        ended, status = _wait(pid, os.WNOHANG)
    except ChildProcessError:
        return "ended; something else in this program has waited for it"
    if ended == 0:
        return None
    code = os.waitstatus_to_exitcode(status)
    return f"was killed by signal {-code}" if code < 0 else exited_with(code)


def exited_with(code: int) -> str:
    """The words for a child process that ended by itself."""
    return f"exited with code {code}"


_number: int | None = None


def be_worker(number: int) -> None:
    """This process is a worker from now on.

    Args:
        number: which one, from 0; the replacement of a worker has its number.
    """
    global _number
    _number = number


def worker_number() -> int | None:
    """Which of the workers this process is; None for one that is no worker."""
    return _number
