"""Flushing, monitors by name, signals without a sender, timers that tell who they are, sending to names."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import actors
from actors import Down, Exit, TimerExpired
from actors import sys as otp_sys
from tests.actors.helpers import SECONDS, exit_with, hear, hold, start_probe


def ended(reason: Any = "boom") -> Any:
    """A message that ends a probe."""
    return exit_with(reason)


def test_unlink_takes_an_exit_out_of_the_mailbox_if_it_is_told_to() -> None:
    one, heard = start_probe(trap_exits=True)
    others = [start_probe()[0] for _ in range(2)]
    gate = hold(one)
    for other in others:
        actors.link(one, other)
        other.tell(ended())
        actors.wait_down(other, SECONDS)
    actors.unlink(one, others[0], flush=True)
    gate.open()
    assert hear(heard) == Exit(others[1], "boom")
    one.stop()


def test_demonitor_takes_a_down_out_of_the_mailbox_if_it_is_told_to_and_says_that_it_was_sent() -> None:
    watcher, heard = start_probe()
    other, _ = start_probe()
    gate = hold(watcher)
    first, second = (actors.monitor(other, watcher) for _ in range(2))
    other.stop()
    assert actors.demonitor(first, flush=True) is False
    gate.open()
    assert hear(heard) == Down(second, other, "normal")
    watcher.stop()


def test_a_message_that_somebody_waits_for_is_never_flushed() -> None:
    one, _ = start_probe(trap_exits=True)
    other, _ = start_probe()
    gate = hold(one)
    waiting = one.ask(Exit(other, "invented"), block=False)
    actors.unlink(one, other, flush=True)
    gate.open()
    assert waiting.get(timeout=SECONDS) is None
    for ref in (one, other):
        ref.stop()


def test_flushing_reaches_the_messages_of_one_that_is_suspended() -> None:
    watcher, heard = start_probe(trap_exits=True)
    otp_sys.suspend(watcher)
    other, _ = start_probe()
    watching = actors.monitor(other, watcher)
    actors.link(watcher, other)
    other.stop()
    actors.demonitor(watching, flush=True)
    actors.unlink(watcher, other, flush=True)
    watcher.tell("the only one")
    otp_sys.resume(watcher)
    assert hear(heard) == "the only one"
    watcher.stop()


def test_demonitor_says_whether_it_was_watching() -> None:
    watcher, _ = start_probe()
    watched, _ = start_probe()
    watching = actors.monitor(watched, watcher)
    assert actors.demonitor(watching) is True
    assert actors.demonitor(watching, flush=True) is False
    watched.stop()
    watcher.stop()


def test_an_actor_can_end_its_own_monitors_alone() -> None:
    """As in OTP, where demonitor of another process's is false with `info`, and that goes on."""
    watcher, heard = start_probe()
    stranger, _ = start_probe()
    watched, _ = start_probe()
    watching = actors.monitor(watched, watcher)
    assert stranger.ask(lambda _: actors.demonitor(watching, flush=True)) is False
    watched.stop()
    assert hear(heard) == Down(watching, watched, "normal")
    own = watcher.ask(lambda _: actors.monitor(stranger))
    assert watcher.ask(lambda _: actors.demonitor(own)) is True
    stranger.stop()
    watcher.stop()


def test_of_its_own_end_an_actor_hears_nothing() -> None:
    watcher, _ = start_probe()
    watching = actors.monitor(watcher, watcher)
    assert watcher.bonds.watchers == watcher.bonds.monitoring == ()
    assert actors.demonitor(watching) is False
    watcher.stop()


def test_after_unlink_and_demonitor_in_any_thread_nothing_comes() -> None:
    for _ in range(200):
        one, heard = start_probe(trap_exits=True)
        other, _ = start_probe()
        gate = hold(one)
        actors.link(one, other)
        watching = actors.monitor(other, one)
        killer = threading.Thread(target=other.kill)
        killer.start()
        actors.unlink(one, other, flush=True)
        actors.demonitor(watching, flush=True)
        gate.open()
        actors.wait_down(other, SECONDS)
        killer.join(SECONDS)
        one.stop()
        assert [heard.get_nowait() for _ in range(heard.qsize())] == [("on_stop", "normal")]


def test_a_monitor_by_name_tells_the_name_and_stays_with_who_had_it() -> None:
    watcher, heard = start_probe()
    first, _ = start_probe()
    actors.register("someone", first)
    watching = actors.monitor("someone", watcher)
    actors.unregister("someone")
    second, _ = start_probe()
    actors.register("someone", second)
    first.tell(ended())
    assert hear(heard) == Down(watching, "someone", "boom")
    for ref in (second, watcher):
        ref.stop()


def test_a_monitor_of_a_name_that_nobody_has_tells_noproc() -> None:
    watcher, heard = start_probe()
    watching = actors.monitor("nobody", watcher)
    assert hear(heard) == Down(watching, "nobody", "noproc")
    assert actors.demonitor(watching) is False
    watcher.stop()


def test_an_actor_that_monitors_is_the_one_that_is_told() -> None:
    watcher, heard = start_probe()
    other, _ = start_probe()
    watching = watcher.ask(lambda _: actors.monitor(other))
    other.stop()
    assert hear(heard) == Down(watching, other, "normal")
    watcher.stop()


def test_outside_any_actor_a_monitor_needs_a_watcher() -> None:
    ref, _ = start_probe()
    with pytest.raises(ValueError):
        actors.monitor(ref)
    ref.stop()


@pytest.mark.parametrize("reason", ["normal", "boom"])
def test_a_signal_to_oneself_is_a_message_to_one_that_traps(reason: str) -> None:
    ref, heard = start_probe(trap_exits=True)
    ref.tell(lambda self: actors.send_exit(ref, reason))
    assert hear(heard) == Exit(ref, reason)
    ref.stop()


@pytest.mark.parametrize(("reason", "dies"), [("normal", False), ("boom", True), ("kill", True)])
def test_a_signal_to_oneself_ends_one_that_does_not_trap_unless_it_is_normal(reason: str, dies: bool) -> None:
    ref, _ = start_probe()
    ref.tell(lambda self: actors.send_exit(ref, reason))
    if dies:
        actors.wait_down(ref, SECONDS)
        assert ref.exit_reason == ("killed" if reason == "kill" else reason)
    else:
        assert ref.ask(lambda _: "alive") == "alive"
        ref.stop()


def test_a_signal_is_of_the_actor_that_sends_it() -> None:
    sender, _ = start_probe()
    target, heard = start_probe(trap_exits=True)
    sender.ask(lambda _: actors.send_exit(target, "boom"))
    assert hear(heard) == Exit(sender, "boom")
    for ref in (sender, target):
        ref.stop()


@pytest.mark.parametrize("reason", ["normal", "shutdown"])
def test_a_parents_signal_ends_a_child_that_traps_exits(reason: str) -> None:
    parent, _ = start_probe()
    child = parent.ask(lambda self: type(self).start_link(trap_exits=True))
    parent.ask(lambda _: actors.send_exit(child, reason))
    actors.wait_down(child, SECONDS)
    assert child.exit_reason == reason
    parent.stop()


def test_a_timer_says_which_one_it_is() -> None:
    ref, heard = start_probe()
    timer = actors.start_timer(0, ref, "ring")
    assert hear(heard) == TimerExpired(timer, "ring")
    assert actors.cancel_timer(timer) is None
    ref.stop()


def test_a_timer_that_is_cancelled_in_time_tells_what_was_left() -> None:
    ref, heard = start_probe()
    timer = actors.start_timer(60, ref, "never")
    left = actors.cancel_timer(timer)
    assert left is not None
    assert 0 < left <= 60
    ref.stop()
    assert hear(heard) == ("on_stop", "normal")


def test_a_negative_time_is_refused() -> None:
    ref, _ = start_probe()
    with pytest.raises(ValueError):
        actors.start_timer(-1, ref, "never")
    ref.stop()


def test_sending_reaches_an_actor_by_reference_and_by_name() -> None:
    ref, heard = start_probe()
    actors.register("someone", ref)
    actors.send(ref, 1)
    actors.send("someone", 2)
    assert [hear(heard), hear(heard)] == [1, 2]
    ref.stop()


def test_sending_to_the_dead_is_lost_and_to_an_unknown_name_raises() -> None:
    ref, _ = start_probe()
    ref.stop()
    actors.send(ref, "lost")
    with pytest.raises(actors.ActorDeadError):
        actors.send("nobody", "lost")
