"""Messages that come again and again, and how long a timer has still to go."""

from __future__ import annotations

import math

import pytest

import actors
from tests.actors.helpers import SECONDS, hear, on_hub, start_probe


def test_messages_come_again_and_again_until_cancelled() -> None:
    ref, heard = start_probe()
    timer = actors.send_interval(0.001, ref, "tick")
    assert [hear(heard) for _ in range(3)] == ["tick"] * 3
    assert actors.cancel_timer(timer) is not None
    assert actors.read_timer(timer) is None
    assert actors.cancel_timer(timer) is None
    ref.stop()


def test_they_end_with_the_actor() -> None:
    ref, heard = start_probe()
    timer = actors.send_interval(0.001, ref, "tick")
    hear(heard)
    ref.stop()
    assert actors.read_timer(timer) is None
    while not timer.cancelled:  # it rings once more, and sees
        on_hub(lambda: None)


def test_a_name_is_looked_up_each_time() -> None:
    timer = actors.send_interval(0.001, "interval", "tick")
    ref, heard = start_probe()
    actors.register("interval", ref)
    assert hear(heard) == "tick"
    ref.stop()
    assert not timer.cancelled
    actors.cancel_timer(timer)


def test_a_timer_says_how_long_it_has() -> None:
    ref, _ = start_probe()
    timer = actors.send_after(60.0, ref, "late")
    left = actors.read_timer(timer)
    assert left is not None
    assert 50 < left <= 60
    assert actors.read_timer(timer) is not None  # reading takes nothing back
    actors.cancel_timer(timer)
    assert actors.read_timer(timer) is None
    ref.stop(timeout=SECONDS)


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, "1"])
def test_an_interval_that_is_none(seconds: float) -> None:
    with pytest.raises(ValueError):
        actors.send_interval(seconds, "nobody", "tick")
