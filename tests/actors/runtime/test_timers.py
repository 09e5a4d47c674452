"""Timers of the hub, and messages sent later."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

import actors
from actors import events
from actors.runtime.hub import Hub
from actors.runtime.timers import FEWEST_TO_SWEEP, Timers
from tests.actors.helpers import SECONDS, Gate, hear, hold, on_hub, start_probe


@pytest.fixture
def timers() -> Timers:
    return Hub.current().timers


def test_timers_ring_in_the_order_of_their_times(timers: Timers) -> None:
    rung: list[str] = []
    done = actors.GeventFuture[None]()

    def set_all() -> None:
        timers.call_later(0.04, lambda: done.set(None))
        timers.call_later(0.02, lambda: rung.append("second"))
        timers.call_later(0.0, lambda: rung.append("first"))
        timers.call_later(0.03, lambda: rung.append("third"))

    on_hub(set_all)
    done.get(timeout=SECONDS)
    assert rung == ["first", "second", "third"]


def test_equal_times_ring_in_the_order_they_were_set(timers: Timers, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[int] = []
    done = actors.GeventFuture[None]()

    def set_all() -> None:
        with monkeypatch.context() as patch:
            patch.setattr("actors.runtime.timers.time.monotonic", lambda: 0.0)
            for number in range(50):
                timers.call_later(0.0, lambda number=number: rung.append(number))
            timers.call_later(0.0, lambda: done.set(None))

    on_hub(set_all)
    done.get(timeout=SECONDS)
    assert rung == list(range(50))


def test_a_timer_cancelled_does_not_ring_and_tells_what_was_left(timers: Timers) -> None:
    rung: list[str] = []
    done = actors.GeventFuture[None]()

    def set_all() -> tuple[float | None, float | None, bool]:
        timer = timers.call_later(0.005, lambda: rung.append("cancelled"))
        long = timers.call_later(1000, lambda: None)
        timers.call_later(0.01, lambda: done.set(None))
        timer.cancel()
        return long.cancel(), timer.cancel(), timer.pending

    left, again, pending = on_hub(set_all)
    assert 990 < left <= 1000
    assert again is None
    assert not pending
    done.get(timeout=SECONDS)
    assert rung == []


def test_a_timer_that_has_rung_cannot_be_cancelled(timers: Timers) -> None:
    done = actors.GeventFuture[None]()
    timer = on_hub(lambda: timers.call_later(0, lambda: done.set(None)))
    done.get(timeout=SECONDS)
    assert on_hub(timer.cancel) is None


def test_a_timer_may_set_another(timers: Timers) -> None:
    done = actors.GeventFuture[str]()
    on_hub(timers.call_later, 0, lambda: timers.call_later(0, lambda: done.set("second")))
    assert done.get(timeout=SECONDS) == "second"


def test_a_call_that_raises_is_reported_and_the_next_one_rings(timers: Timers) -> None:
    done = actors.GeventFuture[None]()
    reported: list[BaseException] = []
    unsubscribe = events.subscribe(events.HookFailed, lambda event: reported.append(event.error))

    def set_all() -> None:
        timers.call_later(0, lambda: 1 / 0)
        timers.call_later(0, lambda: done.set(None))

    on_hub(set_all)
    done.get(timeout=SECONDS)
    unsubscribe()
    assert [type(error) for error in reported] == [ZeroDivisionError]


def test_cancelled_entries_are_swept_out_when_they_are_the_greater_part(timers: Timers) -> None:
    def set_and_cancel() -> int:
        kept = timers.call_later(1000, lambda: None)
        most = 0
        for _ in range(FEWEST_TO_SWEEP * 5):
            timers.call_later(1000, lambda: None).cancel()
            most = max(most, len(timers._heap))
        kept_is_there = any(entry[2] is kept for entry in timers._heap)
        kept.cancel()
        assert kept_is_there
        return most

    assert on_hub(set_and_cancel) <= FEWEST_TO_SWEEP * 2


def test_a_cancelled_timer_holds_what_it_was_to_call_no_longer(timers: Timers) -> None:
    class Held:
        def ring(self) -> None: ...

    def set_and_cancel() -> weakref.ref[Held]:
        held = Held()
        timers.call_later(1000, held.ring).cancel()
        return weakref.ref(held)

    seen = on_hub(set_and_cancel)
    gc.collect()
    assert seen() is None


# -- send_after ---------------------------------------------------------------------------------------


def test_a_message_is_sent_later_from_a_thread_and_from_a_turn() -> None:
    ref, heard = start_probe()
    actors.send_after(0.01, ref, "from a thread")
    assert hear(heard) == "from a thread"
    ref.ask(lambda _: actors.send_after(0, ref, "from a turn"))
    assert hear(heard) == "from a turn"
    ref.stop()


def test_messages_after_the_same_time_come_in_the_order_they_were_sent() -> None:
    ref, heard = start_probe()
    for number in range(20):
        actors.send_after(0.01, ref, number)
    assert [hear(heard) for _ in range(20)] == list(range(20))
    ref.stop()


def test_a_name_is_looked_up_when_the_time_has_come() -> None:
    timer = actors.send_after(0.02, "later", "message")
    ref, heard = start_probe()
    actors.register("later", ref)
    assert hear(heard) == "message"
    assert actors.cancel_timer(timer) is None
    ref.stop()


@pytest.mark.parametrize("named", [False, True])
def test_a_message_to_nobody_is_lost_silently(named: bool) -> None:
    """Neither a dead actor nor a free name is an error, then or later."""
    dead, _ = start_probe()
    dead.stop()
    reported: list[Any] = []
    unsubscribe = events.subscribe(events.HookFailed, reported.append)
    lost = actors.send_after(0.001, "nobody" if named else dead, "message")
    ref, heard = start_probe()
    actors.send_after(0.01, ref, "after it")
    assert hear(heard) == "after it"
    unsubscribe()
    assert reported == []
    assert actors.cancel_timer(lost) is None
    ref.stop()


def test_a_message_taken_back_does_not_come() -> None:
    ref, heard = start_probe()
    timer = actors.send_after(0.01, ref, "taken back")
    left = actors.cancel_timer(timer)
    assert left is not None
    assert 0 <= left <= 0.01
    assert actors.cancel_timer(timer) is None
    actors.send_after(0.02, ref, "the next")
    assert hear(heard) == "the next"
    ref.stop()


def test_the_timer_of_an_actor_goes_with_it() -> None:
    ref, _ = start_probe()
    timer = actors.send_after(1000, ref, "never")
    ref.stop()
    assert actors.read_timer(timer) is None
    assert actors.cancel_timer(timer) is None
    assert actors.cancel_timer(actors.send_after(1000, ref, "never")) is None


def test_the_hub_takes_back_what_a_thread_has_only_begun_to_send() -> None:
    ref, heard = start_probe()
    gate = Gate()
    timers: list[actors.TimerRef] = []

    def cancel_in_turn(_: Any) -> float | None:
        gate.wait()
        return actors.cancel_timer(timers[0])

    left = ref.ask(cancel_in_turn, block=False)
    timers.append(actors.send_after(1000, ref, "taken back"))
    gate.open()
    assert left.get(timeout=SECONDS) > 990
    assert heard.empty()
    ref.stop()


def test_a_timer_outlives_the_actor_that_set_it() -> None:
    ref, heard = start_probe()
    setter, _ = start_probe()
    setter.ask(lambda _: actors.send_after(0.01, ref, "from the grave"))
    setter.stop()
    assert hear(heard) == "from the grave"
    ref.stop()


def test_a_time_in_the_past_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        actors.send_after(-1, "name", "message")


def test_setting_a_timer_in_a_turn_that_waits_rings_while_it_waits() -> None:
    ref, heard = start_probe()
    actors.send_after(0.001, ref, "queued")
    gate = hold(ref)
    other, other_heard = start_probe()
    actors.send_after(0.005, other, "rings meanwhile")
    assert hear(other_heard) == "rings meanwhile"
    gate.open()
    assert hear(heard) == "queued"
    ref.stop()
    other.stop()
