"""Links and exit signals, row by row as OTP has them."""

from __future__ import annotations

from typing import Any

import pykka
import pytest

import actors
from actors.runtime import links
from tests.actors.helpers import SECONDS, Probe, exit_with, hear, hold, raise_, start_probe


def linked_pair(*, trapping: bool) -> tuple[Any, Any, actors.GeventRef[Any]]:
    """One that watches, what it hears, and one linked to it."""
    one, heard = start_probe(trap_exits=trapping)
    other, _ = start_probe()
    actors.link(one, other)
    return one, heard, other


REASONS = ["shutdown", ("shutdown", "x"), "boom", "kill"]


@pytest.mark.parametrize("reason", ["normal", *REASONS])
def test_one_that_traps_exits_hears_every_reason(reason: Any) -> None:
    one, heard, other = linked_pair(trapping=True)
    other.tell(exit_with(reason))
    assert hear(heard) == actors.Exit(other, reason)
    assert one.is_alive()
    one.stop()


@pytest.mark.parametrize("reason", REASONS)
def test_one_that_does_not_trap_dies_of_every_reason_but_normal(reason: Any) -> None:
    one, _, other = linked_pair(trapping=False)
    other.tell(exit_with(reason))
    assert actors.wait_down(one, SECONDS) in (reason, "noproc")
    assert one.exit_reason == reason


def test_a_normal_end_spares_one_that_does_not_trap() -> None:
    one, heard, other = linked_pair(trapping=False)
    other.stop()
    one.tell("lives on")
    assert hear(heard) == "lives on"
    one.stop()


def test_the_reason_of_a_crash_is_its_exception() -> None:
    one, heard, other = linked_pair(trapping=True)
    error = LookupError("boom")
    other.tell(lambda _: raise_(error))
    assert hear(heard).reason is error
    one.stop()


@pytest.mark.parametrize("trapping", [True, False])
def test_a_kill_reaches_the_others_as_killed(trapping: bool) -> None:
    one, heard, other = linked_pair(trapping=trapping)
    other.kill()
    if trapping:
        assert hear(heard) == actors.Exit(other, "killed")
        one.stop()
    else:
        actors.wait_down(one, SECONDS)
        assert one.exit_reason == "killed"


def test_linking_to_the_dead_raises_noproc_in_one_that_does_not_trap() -> None:
    one, heard = start_probe()
    dead, _ = start_probe()
    dead.stop()
    with pytest.raises(actors.NoProc) as caught:
        one.ask(lambda probe: probe.link(dead))
    assert caught.value.reason == "noproc"
    one.tell("lives on")
    assert hear(heard) == "lives on"
    one.stop()


def test_linking_to_the_dead_gives_one_that_traps_an_exit() -> None:
    one, heard = start_probe(trap_exits=True)
    dead, _ = start_probe()
    dead.stop()
    one.ask(lambda probe: probe.link(dead))
    assert hear(heard) == actors.Exit(dead, "noproc")
    one.stop()


def test_nothing_is_heard_of_one_unlinked_before_its_end() -> None:
    one, heard, other = linked_pair(trapping=True)
    one.ask(lambda probe: probe.unlink(other))
    other.tell(exit_with("boom"))
    actors.wait_down(other, SECONDS)
    one.tell("after it")
    assert hear(heard) == "after it"
    one.stop()


def test_an_exit_that_is_in_the_mailbox_stays_there_after_unlink() -> None:
    one, heard, other = linked_pair(trapping=True)
    gate = hold(one)
    other.tell(exit_with("boom"))
    actors.wait_down(other, SECONDS)
    actors.unlink(one, other)
    gate.open()
    assert hear(heard) == actors.Exit(other, "boom")
    one.stop()


def test_unlinking_in_a_race_with_the_end_gives_one_exit_or_none() -> None:
    one, heard = start_probe(trap_exits=True)
    for number in range(200):
        other, _ = start_probe()
        actors.link(one, other)
        other.tell(exit_with("boom"))
        one.ask(lambda probe, other=other: probe.unlink(other))
        one.tell(number)
        told = hear(heard)
        assert told in (number, actors.Exit(other, "boom"))
        if told != number:
            assert hear(heard) == number
        actors.wait_down(other, SECONDS)
    one.stop()
    assert hear(heard) == ("on_stop", "normal")
    assert heard.empty()


def test_all_in_a_ring_die_once_each() -> None:
    ring = [start_probe() for _ in range(4)]
    for (one, _), (other, _) in zip(ring, ring[1:] + ring[:1], strict=True):
        actors.link(one, other)
    actors.send_exit(ring[0][0], "boom")
    for ref, heard in ring:
        assert hear(heard) == ("on_stop", "boom")
        actors.wait_down(ref, SECONDS)
        assert heard.empty()


def test_one_that_traps_in_the_middle_of_a_chain_protects_those_behind_it() -> None:
    first, first_heard = start_probe()
    middle, middle_heard = start_probe(trap_exits=True)
    last, _ = start_probe()
    actors.link(first, middle)
    actors.link(middle, last)
    last.tell(exit_with("boom"))
    assert hear(middle_heard) == actors.Exit(last, "boom")
    first.tell("lives on")
    assert hear(first_heard) == "lives on"
    middle.stop()
    first.stop()


def test_a_link_of_three_asks_is_one_link() -> None:
    one, heard, other = linked_pair(trapping=True)
    actors.link(one, other)
    actors.link(other, one)
    other.tell(exit_with("boom"))
    actors.wait_down(other, SECONDS)
    one.tell("after it")
    assert [hear(heard), hear(heard)] == [actors.Exit(other, "boom"), "after it"]
    one.stop()


def test_one_unlink_undoes_it() -> None:
    one, heard, other = linked_pair(trapping=True)
    actors.link(one, other)
    actors.unlink(other, one)
    other.stop()
    one.tell("after it")
    assert hear(heard) == "after it"
    one.stop()


def test_a_link_to_oneself_is_nothing() -> None:
    one, heard = start_probe(trap_exits=True)
    actors.link(one, one)
    one.stop()
    assert hear(heard) == ("on_stop", "normal")
    assert heard.empty()


def test_messages_sent_before_a_crash_come_before_the_exit() -> None:
    one, heard, other = linked_pair(trapping=True)

    def talk_and_crash(_: Probe) -> None:
        for number in range(3):
            one.tell(number)
        raise actors.ActorExit("boom")

    other.tell(talk_and_crash)
    assert [hear(heard) for _ in range(4)] == [0, 1, 2, actors.Exit(other, "boom")]
    one.stop()


def test_one_linked_and_monitored_hears_exit_then_down() -> None:
    one, heard, other = linked_pair(trapping=True)
    watching = one.ask(lambda probe: probe.monitor(other))
    other.tell(exit_with("boom"))
    assert [hear(heard), hear(heard)] == [actors.Exit(other, "boom"), actors.Down(watching, other, "boom")]
    one.stop()


def test_an_exit_that_came_stays_a_message_when_trapping_ends() -> None:
    one, heard, other = linked_pair(trapping=True)
    gate = hold(one)
    other.tell(exit_with("boom"))
    actors.wait_down(other, SECONDS)
    one._actor_weakref().trap_exits = False
    gate.open()
    assert hear(heard) == actors.Exit(other, "boom")
    one.stop()


# -- signals ------------------------------------------------------------------------------------------


def test_a_signal_ends_one_that_does_not_trap_and_its_on_stop_runs() -> None:
    """OTP does not run terminate here; Pykka's users expect on_stop."""
    one, heard = start_probe()
    actors.send_exit(one, "boom")
    assert hear(heard) == ("on_stop", "boom")
    assert actors.wait_down(one, SECONDS) in ("boom", "noproc")


def test_a_signal_is_acted_on_after_the_message_in_hand_and_before_the_next() -> None:
    one, heard = start_probe()
    gate = hold(one)
    one.tell("unread")
    actors.send_exit(one, "boom")
    gate.open()
    assert hear(heard) == ("on_stop", "boom")
    assert heard.empty()


def test_of_two_signals_the_first_counts() -> None:
    one, heard = start_probe()
    gate = hold(one)
    actors.send_exit(one, "first")
    actors.send_exit(one, "second")
    gate.open()
    assert hear(heard) == ("on_stop", "first")
    actors.wait_down(one, SECONDS)


def test_a_normal_signal_does_nothing_to_one_that_does_not_trap() -> None:
    one, heard = start_probe()
    actors.send_exit(one, "normal")
    one.tell("lives on")
    assert hear(heard) == "lives on"
    one.stop()


@pytest.mark.parametrize("reason", ["normal", "shutdown", "boom"])
def test_a_signal_is_a_message_to_one_that_traps(reason: str) -> None:
    one, heard = start_probe(trap_exits=True)
    sender, _ = start_probe()
    actors.send_exit(one, reason)
    actors.send_exit(one, reason, sender)
    assert [hear(heard), hear(heard)] == [actors.Exit(one, reason), actors.Exit(sender, reason)]
    one.stop()
    sender.stop()


def test_a_kill_signal_ends_one_that_traps_and_no_hook_runs() -> None:
    one, heard = start_probe(trap_exits=True)
    actors.send_exit(one, "kill")
    actors.wait_down(one, SECONDS)
    assert one.exit_reason == "killed"
    assert heard.empty()


@pytest.mark.parametrize("reason", ["normal", "boom", "kill"])
@pytest.mark.parametrize("trapping", [True, False])
def test_a_signal_to_the_dead_is_nothing(reason: str, trapping: bool) -> None:
    one, _ = start_probe(trap_exits=trapping)
    one.stop()
    actors.send_exit(one, reason)
    assert one.exit_reason == "normal"


def test_only_actors_of_this_library_can_be_linked() -> None:
    class Threaded(pykka.ThreadingActor):
        pass

    one, _ = start_probe()
    threaded = Threaded.start()
    for function in (
        lambda: actors.link(one, threaded),
        lambda: actors.link(threaded, one),
        lambda: actors.monitor(threaded, one),
        lambda: actors.monitor(one, threaded),
        lambda: actors.send_exit(threaded, "boom"),
        lambda: actors.wait_down(threaded, 0),
    ):
        with pytest.raises(TypeError, match="neither linked nor monitored"):
            function()
    threaded.stop()
    one.stop()


def test_ends_leave_nothing_in_the_books_of_those_who_live() -> None:
    one, _ = start_probe(trap_exits=True)
    for _ in range(5):
        other, _ = start_probe()
        actors.link(one, other)
        actors.monitor(other, one)
        actors.monitor(one, other)
        other.stop()
        actors.wait_down(other, SECONDS)
    assert not one.bonds.links
    assert not one.bonds.watchers
    assert not one.bonds.monitoring
    one.stop()


def test_an_actor_links_itself_and_traps_exits_in_erlangs_words() -> None:
    one, heard = start_probe()
    other, _ = start_probe()
    assert one.ask(lambda _: (actors.trap_exits(), actors.trap_exits())) == (False, True)
    one.ask(lambda _: actors.link(other))
    other.tell(exit_with("boom"))
    assert hear(heard) == actors.Exit(other, "boom")
    one.stop()


def test_an_actor_unlinks_itself() -> None:
    one, _, other = linked_pair(trapping=False)
    one.ask(lambda _: actors.unlink(other))
    other.tell(exit_with("boom"))
    assert links.wait_down(other, SECONDS) in ("boom", "noproc")
    assert one.ask(lambda _: "alive") == "alive"
    one.stop()


def test_linking_oneself_outside_any_actor_says_so() -> None:
    one, _ = start_probe()
    with pytest.raises(ValueError, match="outside any actor"):
        actors.link(one)
    with pytest.raises(ValueError, match="outside any actor"):
        actors.trap_exits()
    one.stop()
