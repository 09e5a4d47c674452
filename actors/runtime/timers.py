"""Timers of the hub: one libev timer serves them all.

A timer set is one entry in a heap; one cancelled stays there, empty, until it is due or until such
entries are the greater part, so that setting and cancelling one per connection costs little and holds
nothing. Reminders, for what need not be on the dot, share an entry for each second.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from typing import Any, Protocol

from actors.seconds import number_of_seconds

FEWEST_TO_SWEEP = 1000

EXACT_BELOW = 5.0
"""Seconds; a reminder that is due sooner has a timer of its own."""


class Timer:
    """One call at a time to come. `cancel` takes it back."""

    __slots__ = ("_function", "_timers", "due")

    def __init__(self, timers: Timers, due: float, function: Callable[[], object]) -> None:
        self._timers = timers
        self._function: Callable[[], object] | None = function
        self.due = due

    def cancel(self) -> float | None:
        """Take the call back.

        Returns:
            the seconds that were left, or None when it was made or cancelled before.
        """
        left = self.left()
        if left is not None:
            self._function = None
            self._timers.note_cancelled()
        return left

    def left(self) -> float | None:
        """The seconds that are left, or None when the call was made or cancelled before."""
        return None if self._function is None else max(0.0, self.due - time.monotonic())

    def cancel_for(self, whom: Rung) -> None:
        """As `Reminder.cancel_for`, of a reminder that is for one alone."""
        self.cancel()

    @property
    def pending(self) -> bool:
        """Whether the call is still to come."""
        return self._function is not None

    def fire(self) -> None:
        """Make the call, unless it was cancelled."""
        function, self._function = self._function, None
        if function is not None:
            function()


class Rung(Protocol):
    """What can be reminded."""

    def ring(self) -> None:
        """Runs in the hub, at the time or up to a second before."""


class Reminder:
    """All that are to be reminded within one second; each costs an entry here, and nothing else.

    Attributes:
        due: the beginning of that second.
        whom: those to be reminded, in order.
    """

    __slots__ = ("_timers", "due", "whom")

    def __init__(self, timers: Timers, due: int) -> None:
        self._timers = timers
        self.due = due
        self.whom: dict[Rung, None] = {}

    def cancel_for(self, whom: Rung) -> None:
        """Do not remind one of them; once it was, that is of no effect."""
        if self.whom.pop(whom, self) is None and not self.whom:
            self._timers.forget(self)
            self._timers.note_cancelled()

    @property
    def pending(self) -> bool:
        """Whether anybody is still to be reminded."""
        return bool(self.whom)

    def fire(self) -> None:
        """Remind all, if any are left."""
        if self.whom:
            self._timers.forget(self)
            whom, self.whom = self.whom, {}
            for each in whom:
                each.ring()


class Timers:
    """The timers of one hub; for its own thread alone.

    Args:
        loop: the hub's gevent loop.
        on_error: told of an exception that a call raised.
    """

    def __init__(self, loop: Any, on_error: Callable[[BaseException], None]) -> None:
        self._heap: list[tuple[float, int, Timer | Reminder]] = []
        self._reminders: dict[int, Reminder] = {}
        self._order = itertools.count()  # equal times fire in the order they were set
        self._cancelled = 0
        self._loop = loop
        self._alarm = loop.timer(0)
        self._alarm_due: float | None = None
        self._on_error = on_error

    def call_later(self, seconds: float, function: Callable[[], object]) -> Timer:
        """Call `function` on the hub after `seconds`, between turns.

        Raises:
            ValueError: that is no number, or NaN, which would be first in the heap and never due.
        """
        return self.call_at(time.monotonic() + number_of_seconds(seconds), function)

    def call_at(self, due: float, function: Callable[[], object]) -> Timer:
        """Call `function` on the hub at a time of `time.monotonic`, between turns."""
        timer = Timer(self, due, function)
        self._add(timer)
        return timer

    def remind(self, whom: Rung, due: float) -> Timer | Reminder:
        """Call `whom.ring` at a time of `time.monotonic`, or up to a second before.

        Returns:
            the reminder, whose `cancel_for` takes it back.
        """
        seconds = due - time.monotonic()
        if seconds < EXACT_BELOW:
            return self.call_later(max(0.0, seconds), whom.ring)
        second = int(due)
        reminder = self._reminders.get(second)
        if reminder is None:
            reminder = self._reminders[second] = Reminder(self, second)
            self._add(reminder)
        reminder.whom[whom] = None
        return reminder

    def forget(self, reminder: Reminder) -> None:
        """It has rung, or has nobody to remind: nobody may be added to it."""
        self._reminders.pop(reminder.due, None)

    def note_cancelled(self) -> None:
        """Count a cancelled entry. Nothing else: a finaliser may cancel in the middle of anything here."""
        self._cancelled += 1

    def _sweep(self) -> None:
        """Take cancelled entries out when they are the greater part."""
        if self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].pending]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def close(self) -> None:
        """Forget all timers."""
        self._heap.clear()
        self._reminders.clear()
        self._alarm.stop()
        self._alarm.close()

    def _add(self, entry: Timer | Reminder) -> None:
        if self._cancelled > FEWEST_TO_SWEEP:
            self._sweep()
        heapq.heappush(self._heap, (entry.due, next(self._order), entry))
        if self._alarm_due is None or entry.due < self._alarm_due:
            self._set_alarm()

    def _set_alarm(self) -> None:
        self._alarm.stop()
        self._alarm_due = self._heap[0][0] if self._heap else None
        if self._alarm_due is not None:
            # libev's own clock may be as old as the loop's iteration; the due time is measured afresh.
            self._loop.update_now()
            self._alarm = self._loop.timer(max(0.0, self._alarm_due - time.monotonic()))
            self._alarm.start(self._ring)

    def _ring(self) -> None:
        now = time.monotonic()
        while self._heap and self._heap[0][0] <= now:
            timer = heapq.heappop(self._heap)[2]
            if not timer.pending:
                self._cancelled = max(0, self._cancelled - 1)
            try:
                timer.fire()
            except BaseException as error:
                self._on_error(error)
        self._set_alarm()
