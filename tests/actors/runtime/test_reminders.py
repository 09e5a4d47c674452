"""Reminders: who may be rung up to a second early shares a timer with all of that second."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from actors.runtime.hub import Hub
from actors.runtime.timers import EXACT_BELOW, Timers
from tests.actors.helpers import on_hub


class Sleeper:
    """Notes when it is rung."""

    def __init__(self, ring: Callable[[], object] = lambda: None) -> None:
        self.rung = 0
        self._ring = ring

    def ring(self) -> None:
        self.rung += 1
        self._ring()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """`time.monotonic`, to be set."""
    now = {"now": 1000.25}
    monkeypatch.setattr(time, "monotonic", lambda: now["now"])
    return now


@pytest.fixture
def timers() -> Any:
    made = on_hub(lambda: Timers(Hub.current().loop, lambda error: None))
    yield made
    on_hub(made.close)


def pending(timers: Timers) -> int:
    return sum(entry[2].pending for entry in timers._heap)


def test_all_of_a_second_share_a_timer(timers: Timers, clock: dict[str, float]) -> None:
    sleepers = [Sleeper() for _ in range(5)]
    due = [1010.0, 1010.3, 1010.999, 1011.0, 1012.5]
    reminders = on_hub(lambda: [timers.remind(*pair) for pair in zip(sleepers, due, strict=True)])
    assert pending(timers) == 3
    assert [reminder.due for reminder in reminders] == [1010, 1010, 1010, 1011, 1012]
    clock["now"] = 1010.0
    on_hub(timers._ring)
    assert [sleeper.rung for sleeper in sleepers] == [1, 1, 1, 0, 0]


def test_what_is_due_soon_is_exact(timers: Timers, clock: dict[str, float]) -> None:
    sleeper = Sleeper()
    reminder = on_hub(lambda: timers.remind(sleeper, clock["now"] + EXACT_BELOW - 0.3))
    assert reminder.due == clock["now"] + EXACT_BELOW - 0.3


def test_what_is_overdue_rings_at_once(timers: Timers, clock: dict[str, float]) -> None:
    sleeper = Sleeper()
    on_hub(lambda: timers.remind(sleeper, clock["now"] - 1))
    on_hub(timers._ring)
    assert sleeper.rung == 1


@pytest.mark.parametrize("seconds", [1.0, 60.0])
def test_nothing_is_left_of_reminders_that_are_cancelled(
    timers: Timers, clock: dict[str, float], seconds: float
) -> None:
    sleepers = [Sleeper(), Sleeper()]

    def come_and_go() -> None:
        reminders = [timers.remind(each, clock["now"] + seconds) for each in sleepers]
        for reminder, sleeper in zip(reminders, sleepers, strict=True):
            reminder.cancel_for(sleeper)
            reminder.cancel_for(sleeper)

    on_hub(come_and_go)
    assert (pending(timers), timers._reminders) == (0, {})
    clock["now"] += seconds + 1
    on_hub(timers._ring)
    assert [sleeper.rung for sleeper in sleepers] == [0, 0]


def test_one_of_several_may_go(timers: Timers, clock: dict[str, float]) -> None:
    leaving, staying = Sleeper(), Sleeper()
    reminders = on_hub(lambda: [timers.remind(each, 1060.0) for each in (leaving, staying)])
    on_hub(lambda: reminders[0].cancel_for(leaving))
    clock["now"] = 1060.0
    on_hub(timers._ring)
    assert (leaving.rung, staying.rung) == (0, 1)


def test_who_is_rung_may_want_to_be_reminded_again(timers: Timers, clock: dict[str, float]) -> None:
    sleeper = Sleeper(lambda: timers.remind(sleeper, clock["now"] + 60))
    on_hub(lambda: timers.remind(sleeper, 1060.0))
    for now in (1060.0, 1120.0):
        clock["now"] = now
        on_hub(timers._ring)
    assert sleeper.rung == 2
    assert list(timers._reminders) == [1180]
