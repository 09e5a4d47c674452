"""An actor with deadlines: one that moves on with what it does, and a final one that nothing moves.

One timer, which rings early rather than late, has its turns look at both: to move a deadline to a later time
costs an assignment.
"""

from __future__ import annotations

import math
import time

from actors.errors import ActorExit, OutOfTime
from actors.runtime.actor import GeventActor
from actors.runtime.hub import Hub
from actors.runtime.timers import Reminder, Timer


class ClockedActor(GeventActor):
    """An actor with two deadlines.

    Attributes:
        final_due: a time of `time.monotonic` at which `on_final_timeout` is called, wherever the deadline
            was moved to; `math.inf` for none. Set by `set_final_due`.
    """

    __slots__ = ("_deadline", "_timer", "final_due")

    def __init__(self) -> None:
        super().__init__()
        self._deadline: float | None = None
        self.final_due = math.inf
        self._timer: Timer | Reminder | None = None

    # -- hooks --------------------------------------------------------------------------------------

    def moving_due(self) -> float:
        """Hook: when the deadline is, a time of `time.monotonic`, as long as `set_deadline` says nothing.

        It is asked when the timer rings: one that only moves on needs no word. One that comes nearer does.
        """
        return math.inf

    def on_timeout(self) -> None:
        """Hook: the deadline has passed, and was taken back. Ends the actor unless overridden."""
        raise ActorExit("normal")

    def on_final_timeout(self) -> None:
        """Hook: `final_due` has passed, and was taken back. Ends the actor unless overridden."""
        raise ActorExit("normal")

    def may_cut_wait(self) -> bool:
        """Hook: whether `OutOfTime` is raised in a turn that waits when the time is over.

        It runs in the hub and must not wait. Unless overridden, deadlines count once the turn is over.
        """
        return False

    # -- for subclasses -----------------------------------------------------------------------------

    def set_deadline(self, seconds: float | None) -> None:
        """Have `on_timeout` called in `seconds` unless the deadline is moved again; None for never.

        Moving it later costs nothing but an assignment: the timer looks when it rings.
        """
        self.set_due(math.inf if seconds is None else time.monotonic() + seconds)

    def set_due(self, due: float) -> None:
        """As `set_deadline`, to a time of `time.monotonic`; `math.inf` is never."""
        self._deadline = due
        timer = self._timer
        if timer is None or timer.due > due:
            self._set_timer()

    def set_final_due(self, due: float) -> None:
        """Have `on_final_timeout` called at a time of `time.monotonic`; `math.inf` is never."""
        self.final_due = due
        timer = self._timer
        if timer is None or timer.due > due:
            self._set_timer()

    # -- the timer ----------------------------------------------------------------------------------

    def on_turn(self) -> bool:
        """Do what the deadline brought."""
        if self._timer is None:
            self._look_at_clock()
        return False

    def ring(self) -> None:
        """Look at the clock in a turn. Runs in the hub, when the reminder is due."""
        self._timer = None
        if self.turn_greenlet is None or not self.may_cut_wait():
            self._wake_for_clock()
        elif self._is_early():
            self._set_timer()
        else:
            self.turn_greenlet.throw(OutOfTime)

    def _wake_for_clock(self) -> None:
        self.mailbox.wake()

    def _is_early(self) -> bool:
        return self._next_due() > time.monotonic()

    def _look_at_clock(self) -> None:
        if not self._is_early():
            self._strike()
        if self._timer is None:
            self._set_timer()

    def _strike(self) -> None:
        if self._next_due() < self.final_due:
            self._deadline = math.inf
            self.on_timeout()
        else:
            self.final_due = math.inf
            self.on_final_timeout()

    def _next_due(self) -> float:
        due = self._deadline
        return min(self.moving_due() if due is None else due, self.final_due)

    def _set_timer(self) -> None:
        self._ring_at(self._next_due())

    def _ring_at(self, due: float) -> None:
        """Have the clock looked at then; for deadlines that are moved to an earlier time, over and over."""
        self._forget_timer()
        if due < math.inf:
            self._timer = Hub.current().timers.remind(self, due)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel_for(self)
            self._timer = None

    def release(self) -> None:
        self._forget_timer()

    def leave_behind(self) -> None:
        self._timer = None  # it belongs to the parent's hub
        super().leave_behind()
