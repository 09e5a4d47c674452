"""Finds out when something blocks the hub, and what.

A native thread asks the hub for a sign of life now and then; when none comes within the threshold, it
takes the stack of the hub's thread. It sleeps, without any timer, while the hub has no turns to run.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from typing import TYPE_CHECKING

from gevent.monkey import get_original

from actors import events
from actors.future import Signal, new_native_lock

if TYPE_CHECKING:
    from actors.hub import Hub

threshold = 1.0
"""Seconds the hub may be blocked before that is reported; read at each look."""

_sleep = get_original("time", "sleep")
_now = get_original("time", "monotonic")


class Watchdog:
    """Watches one hub.

    Attributes:
        parked: whether it sleeps until `wake` is called.
    """

    def __init__(self, hub: Hub) -> None:
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
        else:
            self._started = True
            get_original("_thread", "start_new_thread")(self._watch, ())

    def stop(self) -> None:
        """End the watch."""
        self._stopped = True
        if self.parked and self._started:
            self.parked = False
            self._bell.release()

    def _watch(self) -> None:
        while not self._stopped:
            seen = _SignOfLife(self._hub)
            _sleep(threshold / 2)
            if not seen.came():
                _sleep(threshold / 2)
                if not seen.came():
                    self._report_until(seen)
            if self._hub.turns_under_way == 0 and not self._stopped:
                self.parked = True
                self._bell.acquire()

    def _report_until(self, sign: _SignOfLife) -> None:
        """Report the stall now, and again each time it has lasted ten times as long."""
        wait = threshold
        while not sign.came() and not self._stopped:
            if events.wanted(events.HubStalled):
                seconds = _now() - sign.asked
                events.emit(events.HubStalled(seconds, self._stack()))
            wait *= 10
            while not sign.came() and not self._stopped and _now() - sign.asked < wait:
                _sleep(0.05)

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._hub.thread_id)
        return "".join(traceback.format_stack(frame)) if frame is not None else "(the hub is gone)"


class _SignOfLife:
    def __init__(self, hub: Hub) -> None:
        self.asked = _now()
        self._seen = Signal()
        with contextlib.suppress(ValueError):  # the interpreter is exiting and the loop destroyed
            hub.loop.run_callback_threadsafe(self._seen.set)

    def came(self) -> bool:
        return self._seen.is_set()
