"""Signals as numbers to read, so that one wait covers them and whatever else there is to wait for."""

from __future__ import annotations

import _socket
import contextlib
import signal
from collections.abc import Collection
from types import FrameType
from typing import Any, Self

WOKEN = 0
"""What `SignalPipe.wake` adds; no signal has that number."""

_MOST_AT_ONCE = 256


class SignalPipe:
    """Catches signals for the length of a `with` block. Outside the main thread no signal is seen.

    A signal's number is in the pipe from the moment it came, even if nobody was reading yet.

    Args:
        signals: which to catch.
    """

    def __init__(self, signals: Collection[signal.Signals]) -> None:
        self._signals = signals
        self._reader, self._writer = _socket.socketpair()
        self._writer.setblocking(False)
        self._handlers_before: dict[signal.Signals, Any] = {}
        self._wakeup_before: int | None = None

    def __enter__(self) -> Self:
        # Only the main thread may; a greenlet of it, in a monkey-patched program, does not look like it.
        with contextlib.suppress(ValueError):
            self._wakeup_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
            self._handlers_before = {each: signal.signal(each, _leave_to_pipe) for each in self._signals}
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

    def read(self) -> bytes:
        """Wait for signals; their numbers, each an octet, in the order they came."""
        return self._reader.recv(_MOST_AT_ONCE)

    def wake(self) -> None:
        """End a wait, from any thread, with `WOKEN`."""
        with contextlib.suppress(OSError):  # it is full, so nobody sleeps; or closed, so nobody waits
            self._writer.send(bytes([WOKEN]))


def _leave_to_pipe(number: int, frame: FrameType | None) -> None:
    """The handler of each signal: its number is in the pipe already."""
