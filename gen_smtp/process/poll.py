"""The poll loop of a process that serves: one wait for signals, other processes and points in time."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Callable
from typing import Any

import gevent.select
from gevent.monkey import is_module_patched

from actors.seconds import number_of_seconds

LONGEST_WAIT = 2**31 - 1
"""Milliseconds; poll(2) takes no more at one time."""


_ENDS = select.POLLHUP | select.POLLERR | select.POLLNVAL
_READS, _WRITES = select.POLLIN | _ENDS, select.POLLOUT | _ENDS


class Alarm:
    """One call at a time to come.

    Args:
        due: when, by `time.monotonic`.
        call: what to call.
    """

    __slots__ = ("call", "due")

    def __init__(self, due: float, call: Callable[[], object]) -> None:
        self.due = due
        self.call = call


class PollLoop:
    """Makes calls when descriptors are readable, and when their time has come; for one thread.

    In a monkey-patched program its waits leave the hub to the other greenlets.
    """

    def __init__(self) -> None:
        self._poll: Any = gevent.select.poll() if is_module_patched("threading") else select.poll()
        self._calls: dict[int, Callable[[], object]] = {}
        self._writers: dict[int, Callable[[], object]] = {}
        self._alarms: list[Alarm] = []

    def on_readable(self, descriptor: int, call: Callable[[], object]) -> None:
        """Call a function whenever a descriptor is readable, or its other end is gone."""
        self._calls[descriptor] = call
        self._watch(descriptor)

    def forget(self, descriptor: int) -> None:
        """Take back `on_readable`, if it still holds."""
        if self._calls.pop(descriptor, None) is not None:
            self._watch(descriptor)

    def on_writable(self, descriptor: int, call: Callable[[], object]) -> None:
        """Call a function whenever a descriptor is writable, or its other end is gone."""
        self._writers[descriptor] = call
        self._watch(descriptor)

    def forget_writable(self, descriptor: int) -> None:
        """Take back `on_writable`, if it still holds."""
        if self._writers.pop(descriptor, None) is not None:
            self._watch(descriptor)

    def _watch(self, descriptor: int) -> None:
        reads = select.POLLIN if descriptor in self._calls else 0
        writes = select.POLLOUT if descriptor in self._writers else 0
        if reads or writes:
            self._poll.register(descriptor, reads | writes)
        else:
            self._poll.unregister(descriptor)

    def later(self, seconds: float, call: Callable[[], object]) -> Alarm:
        """Call a function once, after so many seconds.

        Raises:
            ValueError: that is no number, or NaN.
        """
        alarm = Alarm(time.monotonic() + number_of_seconds(seconds), call)
        self._alarms.append(alarm)
        return alarm

    def cancel(self, alarm: Alarm) -> None:
        """Take back `later`, if the call was not made yet."""
        if alarm in self._alarms:
            self._alarms.remove(alarm)

    def run_once(self) -> None:
        """Wait until there is something to do, and do it."""
        for descriptor, is_so in self._poll.poll(self._milliseconds_left()):
            for events, calls in ((_READS, self._calls), (_WRITES, self._writers)):
                call = calls.get(descriptor) if is_so & events else None
                if call is not None:  # a call before this one may have had it forgotten
                    call()
        now = time.monotonic()
        for alarm in [each for each in self._alarms if each.due <= now]:
            if alarm in self._alarms:
                self._alarms.remove(alarm)
                alarm.call()

    def _milliseconds_left(self) -> int | None:
        if not self._alarms:
            return None
        left = min(alarm.due for alarm in self._alarms) - time.monotonic()
        return max(0, math.ceil(min(left * 1000, LONGEST_WAIT)))
