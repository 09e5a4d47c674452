"""Monitors: one Down for each, whatever the end."""

from __future__ import annotations

import threading
from typing import Any

import pykka
import pytest

import actors
from tests.actors.helpers import SECONDS, Gate, exit_with, hear, hold, on_hub, raise_, start_probe


@pytest.mark.parametrize("reason", ["normal", "shutdown", ("shutdown", "x"), "boom"])
def test_down_tells_the_exit_reason_also_to_one_that_does_not_trap(reason: Any) -> None:
    one, heard = start_probe()
    other, _ = start_probe()
    watching = actors.monitor(other, one)
    other.tell(exit_with(reason))
    assert hear(heard) == actors.Down(watching, other, reason)
    one.stop()


def test_down_after_a_crash_carries_the_exception() -> None:
    one, heard = start_probe()
    other, _ = start_probe()
    actors.monitor(other, one)
    error = LookupError("boom")
    other.tell(lambda _: raise_(error))
    assert hear(heard).reason is error
    one.stop()


def test_down_after_a_kill_says_killed() -> None:
    one, heard = start_probe()
    other, _ = start_probe()
    actors.monitor(other, one)
    other.kill()
    assert hear(heard).reason == "killed"
    one.stop()


def test_down_of_one_dead_already_says_noproc_whatever_it_died_of() -> None:
    one, heard = start_probe()
    other, _ = start_probe()
    other.tell(exit_with("boom"))
    actors.wait_down(other, SECONDS)
    watching = actors.monitor(other, one)
    assert hear(heard) == actors.Down(watching, other, "noproc")
    assert actors.demonitor(watching) is False
    one.stop()


def test_the_end_of_a_watcher_is_nothing_to_the_watched() -> None:
    one, _ = start_probe()
    other, heard = start_probe()
    actors.monitor(other, one)
    one.kill()
    actors.wait_down(one, SECONDS)
    other.tell("lives on")
    assert hear(heard) == "lives on"
    assert not other.bonds.watchers
    other.stop()


def test_each_monitor_tells_once_in_the_order_they_were_made() -> None:
    one, heard = start_probe()
    other, _ = start_probe()
    first, second, third = (actors.monitor(other, one) for _ in range(3))
    assert actors.demonitor(second) is True
    other.stop()
    assert [hear(heard).monitor, hear(heard).monitor] == [first, third]
    one.stop()
    assert hear(heard) == ("on_stop", "normal")


def test_a_monitor_taken_back_tells_nothing() -> None:
    one, heard = start_probe()
    other, _ = start_probe()
    watching = actors.monitor(other, one)
    assert actors.demonitor(watching) is True
    assert actors.demonitor(watching) is False
    other.stop()
    one.tell("after it")
    assert hear(heard) == "after it"
    one.stop()


def test_a_down_that_is_in_the_mailbox_stays_there_after_demonitor() -> None:
    one, heard = start_probe()
    other, _ = start_probe()
    gate = hold(one)
    watching = actors.monitor(other, one)
    other.stop()
    assert actors.demonitor(watching) is False
    gate.open()
    assert hear(heard) == actors.Down(watching, other, "normal")
    one.stop()


def test_a_reply_comes_before_the_down() -> None:
    one, heard = start_probe()
    other, _ = start_probe()
    actors.monitor(other, one)

    def reply_and_end(_: Any) -> str:
        one.tell("reply")
        other._actor_weakref().stop()
        return "asked"

    assert other.ask(reply_and_end) == "asked"
    assert hear(heard) == "reply"
    assert hear(heard).reason == "normal"
    one.stop()


def test_when_a_down_is_heard_the_actor_is_dead_to_everybody() -> None:
    other, _ = start_probe()
    seen: list[Any] = []

    class Watcher(actors.GeventActor):
        def on_receive(self, message: Any) -> None:
            seen.append((message.ref.is_alive(), message.ref.exit_reason))

    watcher = Watcher.start()
    actors.monitor(other, watcher)
    other.tell(exit_with("boom"))
    actors.wait_down(other, SECONDS)
    watcher.stop()
    assert seen == [(False, "boom")]


def test_a_thread_a_greenlet_and_a_turn_wait_for_an_end() -> None:
    other, _ = start_probe()
    asking, _ = start_probe()
    in_turn = asking.ask(lambda _: actors.wait_down(other, SECONDS), block=False)
    in_greenlet = actors.spawn(actors.wait_down, other, SECONDS)
    in_thread: list[Any] = []
    thread = threading.Thread(target=lambda: in_thread.append(actors.wait_down(other, SECONDS)))
    thread.start()
    gate = hold(other)
    on_hub(lambda: None)
    assert not in_turn.done()
    gate.open()
    other.tell(exit_with("boom"))
    thread.join(SECONDS)
    # Those who came late for their own reasons hear noproc; the two in the hub were there before.
    assert in_thread[0] in ("boom", "noproc")
    assert in_greenlet.get(timeout=SECONDS) == "boom"
    assert in_turn.get(timeout=SECONDS) == "boom"
    asking.stop()


def test_waiting_for_the_dead_returns_at_once() -> None:
    other, _ = start_probe()
    other.stop()
    assert actors.wait_down(other, 0) == "noproc"


def test_waiting_for_one_that_lives_times_out_and_leaves_no_monitor() -> None:
    other, _ = start_probe()
    with pytest.raises(pykka.Timeout):
        actors.wait_down(other, 0.01)
    assert not other.bonds.watchers
    other.stop()


def test_ends_and_monitors_that_race_are_told_once_each() -> None:
    one, heard = start_probe()
    for _ in range(100):
        other, _ = start_probe()
        gate: Gate = hold(other)
        start = threading.Barrier(2)

        def watch(start: threading.Barrier = start, other: Any = other) -> None:
            start.wait(SECONDS)
            actors.monitor(other, one)

        thread = threading.Thread(target=watch)
        thread.start()
        other.tell(exit_with("boom"))
        start.wait(SECONDS)
        gate.open()
        assert hear(heard).reason in ("boom", "noproc")
        thread.join(SECONDS)
        actors.wait_down(other, SECONDS)
    one.stop()
    assert hear(heard) == ("on_stop", "normal")
