"""Finds out when something blocks the hub, and what.

A native thread asks the hub for a sign of life now and then; when none comes within the threshold, it
takes the stack of the hub's thread. It sleeps, without any timer, while the hub has no turns to run.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Sized
from typing import Any, Protocol

from gevent.monkey import get_original

from actors import events
from actors.runtime.future import new_native_lock
from actors.seconds import FOREVER

threshold = 1.0
"""Seconds the hub may be blocked before that is reported; read at each look. What is no time counts as 1."""

_sleep = get_original("time", "sleep")
_now = get_original("time", "monotonic")
_start_new_thread = get_original("_thread", "start_new_thread")


class Watched(Protocol):
    """The hub, as far as the watchdog looks at it: attributes alone, since it looks from another thread.

    Attributes:
        thread_id: the thread that it runs in.
        loop: its gevent loop.
        turns_begun: how many turns were begun so far.
        greenlets: how many greenlets run turns or wait for one.
        idle: those that wait for one.
    """

    thread_id: int
    loop: Any
    turns_begun: int
    greenlets: int

    @property
    def idle(self) -> Sized: ...


class Watchdog:
    """Watches one hub.

    Attributes:
        parked: whether it sleeps until `wake` is called.
    """

    def __init__(self, hub: Watched) -> None:
        self._hub = hub
        self.parked = True
        self._started = False
        self._stopped = False
        self._bell = new_native_lock()
        self._bell.acquire()

    def wake(self) -> None:
        """The hub has turns to run: look on."""
        self.parked = False
        if self._started:
            self._bell.release()
            return
        self._started = True
        try:
            _start_new_thread(self._watch, ())
        except RuntimeError:  # the system has no thread to spare: with the next turns, perhaps
            self._started, self.parked = False, True

    def stop(self) -> None:
        """End the watch."""
        self._stopped = True
        if self.parked and self._started:
            self.parked = False
            self._bell.release()

    def _watch(self) -> None:
        while not self._stopped:
            _sleep(_checked_threshold() / 2)
            self._wait_for(_SignOfLife(self._hub))
            turns_under_way = self._hub.greenlets - len(self._hub.idle)
            if turns_under_way == 0 and not self._stopped:
                self.parked = True
                self._bell.acquire()

    def _wait_for(self, sign: _SignOfLife) -> None:
        """Wait for a sign of life; report a hub that does nothing at all until it comes.

        A hub that begins turn after turn is not blocked, however slowly it goes, as when other threads
        leave it little of the interpreter's lock. A stall is reported again when it has lasted ten times
        as long.
        """
        turns, since, report_after = self._hub.turns_begun, sign.asked, _checked_threshold()
        while not sign.came and not self._stopped:
            _sleep(_checked_threshold() / 10)
            now = _now()
            if self._hub.turns_begun != turns:
                turns, since, report_after = self._hub.turns_begun, now, _checked_threshold()
            elif now - since >= report_after:
                report_after *= 10
                if events.wanted(events.HubStalled):
                    events.emit(events.HubStalled(now - since, self._stack()))

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._hub.thread_id)
        return "".join(traceback.format_stack(frame)) if frame is not None else "(the hub is gone)"


def _checked_threshold() -> float:
    """The threshold. A program may have set it to anything, and the watch must not end by that."""
    given: object = threshold
    return float(min(given, FOREVER)) if isinstance(given, int | float) and given >= 0 else 1.0  # NaN is not


class _SignOfLife:
    """Asks the hub, in the moment it is made, for a call that says that it lives."""

    def __init__(self, hub: Watched) -> None:
        self.asked = _now()
        self.came = False
        with contextlib.suppress(ValueError):  # the interpreter is exiting and the loop destroyed
            hub.loop.run_callback_threadsafe(self._come)

    def _come(self) -> None:
        self.came = True
