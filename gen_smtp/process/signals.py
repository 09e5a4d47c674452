"""Signals as something to read, so that one wait covers them, other processes and points in time."""

from __future__ import annotations

import _socket
import contextlib
import signal
from collections import deque
from collections.abc import Callable, Collection
from types import FrameType
from typing import Any, Self

_WAKE = b"\0"

_MOST_AT_ONCE = 4096


class SignalPipe:
    """Catches signals for the length of a `with` block. Outside the main thread no signal is seen.

    A signal is noted from the moment it came, even if nobody was reading yet. Signals of one kind that wait
    are one, as they are in the kernel; none is lost, however many come.

    Args:
        signals: which to catch.
    """

    def __init__(self, signals: Collection[signal.Signals]) -> None:
        self._caught = signals
        self._reader, self._writer = _socket.socketpair()
        self._writer.setblocking(False)
        # A pipe that is full takes no more signals. So it only ends the wait; which came is noted here.
        self._waiting: dict[int, None] = {}
        self._calls: deque[Callable[[], object]] = deque()
        self._handlers_before: dict[signal.Signals, Any] = {}
        self._wakeup_before: int | None = None

    def __enter__(self) -> Self:
        # Only the main thread may; a greenlet of it, in a monkey-patched program, does not look like it.
        with contextlib.suppress(ValueError):
            self._wakeup_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
            self._handlers_before = {each: signal.signal(each, self._note) for each in self._caught}
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the signals back to whom they belonged, and close the pipe."""
        for each, handler in self._handlers_before.items():
            signal.signal(each, handler)
        self._handlers_before = {}
        if self._wakeup_before is not None:
            signal.set_wakeup_fd(self._wakeup_before)
            self._wakeup_before = None
        self._reader.close()
        self._writer.close()

    def fileno(self) -> int:
        """The descriptor that is readable when there is something to read."""
        return self._reader.fileno()

    def read(self) -> list[int]:
        """Wait for signals, and make the calls of `call_soon`.

        Returns:
            the signals that came since, each once, in the order they came.
        """
        # CPython notes that a signal came before it writes to the pipe, and runs its handler before the next
        # instruction: the handlers of all signals that are read here have run when recv returns.
        self._reader.recv(_MOST_AT_ONCE)
        came, self._waiting = self._waiting, {}
        while self._calls:
            self._calls.popleft()()
        return list(came)

    def wake(self) -> None:
        """End a wait, from any thread."""
        with contextlib.suppress(OSError):  # it is full, so nobody sleeps; or closed, so nobody waits
            self._writer.send(_WAKE)

    def call_soon(self, call: Callable[[], object]) -> None:
        """Have the thread that reads make a call; from any thread."""
        self._calls.append(call)
        self.wake()

    def _note(self, number: int, frame: FrameType | None) -> None:
        """The handler of each signal. It runs in the main thread, between two instructions of it."""
        self._waiting[number] = None
