"""Plays scenarios on `actors`: what `otp_play.erl` does on the BEAM."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import gevent

import actors
from actors.otp.supervisor_base import SupervisorBase
from actors.runtime.future import Signal
from actors.runtime.hub import Hub
from tests.otp.python.deeds import Doer
from tests.otp.python.servers import Do
from tests.otp.python.trees import MAKERS
from tests.otp.python.world import Entry, World

CALM_ROUNDS = 3
LONGEST = 20.0

Seen = tuple[list[Entry], list[tuple[str, Any]]]
"""What happened in a step, and who has which name after it."""


def play(steps: list[Any], limit: int) -> list[Seen]:
    """Play a scenario.

    Args:
        steps: its steps.
        limit: milliseconds of any time limit in it; 0 if there is none that a step could wait for.
    """
    stage = Stage(limit)
    try:
        return [stage.observe(number, step) for number, step in enumerate(steps, 1)]
    finally:
        stage.clean_up()


class Stage:
    """Where one scenario is played."""

    def __init__(self, limit: int) -> None:
        self.world = World()
        self.limit = limit
        self.outsiders: list[Outsider] = []

    def observe(self, number: int, step: Any) -> Seen:
        """Take one step, and say what became of it when nothing moves any more."""
        match step:
            case ("do", label, deeds):
                ref = self.world.refs.get(label)
                if ref is not None:
                    ref.cast(Do(deeds))
            case ("open", label):
                self.world.open_gate(label)
            case ("outside", deeds):
                self.outsiders.append(Outsider(self.world, number, deeds))
                self.outsiders[-1].start()
        self.settle()
        for outsider in list(self.outsiders):
            if not outsider.is_alive():
                self.outsiders.remove(outsider)
                self.world.write(outsider.doer.who, None, ("ended", "normal"))
        return self.world.news(), self.world.named()

    # -- when a step is over --------------------------------------------------------------------------

    def settle(self) -> None:
        """Wait until nothing moves any more."""
        self.calm()
        while self.world.is_ringing():
            time.sleep(0.001)
        self.calm()
        if self.limit:
            deadline = time.monotonic() + 20 * self.limit / 1000
            while self.someone_has_a_limit() and time.monotonic() < deadline:
                time.sleep(0.001)
            self.calm()

    def calm(self) -> None:
        """Wait until no turn is due, and no thread is at work."""
        before, now = None, self._calm_once()
        while now != before or not all(each.is_blocked() for each in self.outsiders):
            before, now = now, self._calm_once()

    def _calm_once(self) -> tuple[int, int]:
        for outsider in self.outsiders:
            outsider.join_or_block()
        turns = Hub.current().spawn(_run_all_that_is_due).get(timeout=LONGEST)
        return turns, self.world.written

    def someone_has_a_limit(self) -> bool:
        """Whether anybody waits for something that goes on by itself."""
        return self.world.someone_has_a_limit() or any(
            isinstance(ref.actor(), SupervisorBase) and _is_waiting(ref)
            for ref in list(self.world.refs.values())
        )

    # -- the end of a scenario ------------------------------------------------------------------------

    def clean_up(self) -> None:
        """Leave nothing behind."""
        for timer in self.world.timers.values():
            actors.cancel_timer(timer)
        while living := Hub.current().spawn(_living).get(timeout=LONGEST):
            for ref in living:
                ref.kill()
            for ref in living:
                actors.wait_down(ref, LONGEST)
        for outsider in self.outsiders:
            outsider.join(LONGEST)


class Outsider(threading.Thread):
    """A thread that does deeds."""

    def __init__(self, world: World, number: int, deeds: list[Any]) -> None:
        super().__init__(daemon=True)
        self.doer = Doer(world, ("outside", number), None, MAKERS)
        self.deeds = deeds

    def run(self) -> None:
        self.doer.do_all(self.deeds)

    def join_or_block(self) -> None:
        """Return when the thread has ended or waits for an actor."""
        self.join(0.001)
        while self.is_alive() and not self.is_blocked():
            self.join(0.001)

    def is_blocked(self) -> bool:
        """Whether the thread waits for an actor, or has ended."""
        frame = sys._current_frames().get(self.ident or 0)
        if frame is None or not self.is_alive():
            return True
        # Its lock is free when it was woken and only waits for the interpreter.
        return frame.f_code is Signal._wait_in_thread.__code__ and bool(frame.f_locals["lock"].locked())


def _run_all_that_is_due() -> int:
    """Let the hub go round until no turn has begun for some rounds; how many turns it has begun so far."""
    hub = Hub.current()
    rounds, before = 0, -1
    while rounds < CALM_ROUNDS:
        gevent.sleep(0)
        gevent.sleep(1e-6)  # past what waits for the next look at timers and sockets
        rounds, before = rounds + 1 if hub.turns_begun == before else 0, hub.turns_begun
    return hub.turns_begun


def _is_waiting(ref: actors.GeventRef[Any]) -> bool:
    """Whether an actor waits in a turn."""
    actor = ref.actor()
    return actor is not None and actor.turn_greenlet is not None


def _living() -> list[actors.GeventRef[Any]]:
    """All actors, supervisors first, or they would start again what is ended."""
    living = list(Hub.current().actors)
    living.sort(key=lambda each: not isinstance(each, SupervisorBase))
    return [each.actor_ref for each in living]
