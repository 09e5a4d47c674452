"""Local names."""

from __future__ import annotations

import threading
from typing import Any

import pykka
import pytest

import actors
from tests.actors.helpers import SECONDS, Gate, Probe, hear, hold, raise_, start_probe


def test_a_name_leads_to_its_actor_until_it_is_taken_away() -> None:
    ref, _ = start_probe()
    actors.register("mx", ref)
    assert actors.whereis("mx") is ref
    assert actors.registered() == ["mx"]
    actors.unregister("mx")
    assert actors.whereis("mx") is None
    assert actors.registered() == []
    ref.stop()


@pytest.mark.parametrize("name", ["", None, 7, b"mx"])
def test_a_name_is_a_text_with_something_in_it(name: Any) -> None:
    ref, _ = start_probe()
    with pytest.raises(ValueError, match="non-empty text"):
        actors.register(name, ref)
    ref.stop()


def test_a_taken_name_is_refused_and_says_who_has_it() -> None:
    first, _ = start_probe()
    second, _ = start_probe()
    actors.register("mx", first)
    with pytest.raises(actors.AlreadyStarted, match="'mx'") as caught:
        actors.register("mx", second)
    assert (caught.value.name, caught.value.ref) == ("mx", first)
    assert isinstance(caught.value, actors.StartError)
    first.stop()
    second.stop()


def test_an_actor_has_one_name_at_the_most() -> None:
    ref, _ = start_probe()
    actors.register("one", ref)
    with pytest.raises(ValueError, match="a name already"):
        actors.register("two", ref)
    actors.unregister("one")
    actors.register("two", ref)
    assert actors.registered() == ["two"]
    ref.stop()


def test_a_dead_actor_gets_no_name() -> None:
    ref, _ = start_probe()
    ref.stop()
    with pytest.raises(ValueError, match="dead"):
        actors.register("mx", ref)


def test_a_name_nobody_has_cannot_be_taken_away() -> None:
    with pytest.raises(ValueError, match="'nobody'"):
        actors.unregister("nobody")


@pytest.mark.parametrize(
    "end",
    [
        lambda ref: ref.stop(),
        lambda ref: ref.tell(lambda _: 1 / 0),
        lambda ref: ref.tell(lambda _: raise_(actors.ActorExit("shutdown"))),
        lambda ref: ref.kill(),
    ],
    ids=["stop", "crash", "exit", "kill"],
)
def test_a_name_goes_with_its_actor_however_it_got_it(end: Any) -> None:
    launched = actors.launch(Probe(), name="launched")
    given, _ = start_probe()
    actors.register("given", given)
    for ref in (launched, given):
        end(ref)
        actors.wait_down(ref, SECONDS)
    assert actors.registered() == []
    assert actors.whereis("launched") is None
    actors.launch(Probe(), name="launched").stop()


def test_a_name_is_free_when_a_call_has_failed_and_when_the_down_is_seen() -> None:
    ref = actors.launch(Probe(), name="mx")
    with pytest.raises(actors.ActorDeadError):
        ref.ask(lambda _: raise_(actors.ActorExit("boom")))
    again = actors.launch(Probe(), name="mx")
    again.kill()
    actors.wait_down(again, SECONDS)
    actors.launch(Probe(), name="mx").stop()


def test_the_name_is_bound_in_on_start_and_in_on_stop() -> None:
    seen: list[Any] = []

    class Named(actors.GeventActor):
        def on_start(self) -> None:
            seen.append(actors.whereis("mx") is self.actor_ref)

        def on_stop(self) -> None:
            seen.append(actors.whereis("mx") is self.actor_ref)

    actors.launch(Named(), name="mx").stop()
    assert seen == [True, True]


def test_the_start_of_a_second_actor_of_a_name_runs_nothing_of_it() -> None:
    first = actors.launch(Probe(), name="mx")
    second = Probe()
    with pytest.raises(actors.AlreadyStarted):
        actors.launch(second, name="mx")
    assert actors.whereis("mx") is first
    assert second.actor_ref not in pykka.ActorRegistry.get_all()
    first.stop()


def test_a_start_that_fails_frees_the_name() -> None:
    class Failing(actors.GeventActor):
        def on_start(self) -> None:
            raise LookupError("no")

    with pytest.raises(actors.StartError):
        actors.launch(Failing(), name="mx")
    assert actors.registered() == []


def test_one_of_many_concurrent_starts_gets_the_name_and_is_usable_by_it_at_once() -> None:
    """Those who lose find the winner by its name and reach it, though it may not run yet."""
    threads_count = 8
    for _ in range(25):
        start = threading.Barrier(threads_count)
        results: list[Any] = []

        def launch_one(start: threading.Barrier = start, results: list[Any] = results) -> None:
            start.wait(SECONDS)
            try:
                results.append(actors.launch(Probe(), name="mx"))
            except actors.AlreadyStarted as taken:
                taken.ref.tell("hello")
                results.append(taken)

        threads = [threading.Thread(target=launch_one) for _ in range(threads_count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        (winner,) = [each for each in results if isinstance(each, actors.GeventRef)]
        losers = [each for each in results if isinstance(each, actors.AlreadyStarted)]
        assert len(losers) == threads_count - 1
        assert all(each.ref is winner for each in losers)
        heard = winner.ask(lambda probe: probe.heard)
        assert [hear(heard) for _ in losers] == ["hello"] * len(losers)
        winner.stop()


def test_a_message_to_a_named_actor_that_does_not_run_yet_waits_for_it() -> None:
    probe = Probe()
    actors.register("mx", probe.actor_ref)
    actors.cast("mx", "early")
    actors.launch(probe)
    assert hear(probe.heard) == "early"
    probe.actor_ref.stop()


def test_an_actor_killed_by_its_name_before_it_runs_never_does() -> None:
    probe = Probe()
    actors.register("mx", probe.actor_ref)
    probe.actor_ref.kill()
    actors.wait_down(probe.actor_ref, SECONDS)
    with pytest.raises(actors.StartError) as caught:
        actors.launch(probe)
    assert caught.value.reason == "killed"


def test_pykkas_threaded_actors_may_have_names_too() -> None:
    class Threaded(pykka.ThreadingActor):
        def on_receive(self, message: Any) -> Any:
            return message

    first = Threaded.start()
    actors.register("threaded", first)
    assert actors.call("threaded", "ping", SECONDS) == "ping"
    with pytest.raises(actors.AlreadyStarted):
        actors.launch(Probe(), name="threaded")
    first.stop()
    assert actors.whereis("threaded") is None
    assert actors.registered() == []
    second = actors.launch(Probe(), name="threaded")
    assert actors.whereis("threaded") is second
    second.stop()


def test_names_reach_actors_by_call_cast_and_send_after() -> None:
    ref, heard = start_probe()
    actors.register("mx", ref)
    actors.cast("mx", "cast")
    actors.send_after(0, "mx", "later")
    assert [hear(heard), hear(heard)] == ["cast", "later"]
    assert actors.call("mx", lambda _: "answer") == "answer"
    ref.stop()
    actors.cast("mx", "nobody is there")
    with pytest.raises(actors.ActorDeadError, match="'mx'") as caught:
        actors.call("mx", "hello")
    assert caught.value.reason == "noproc"


@pytest.mark.parametrize("what", [None, 7, b"mx"])
def test_an_actor_is_meant_by_a_reference_or_a_name_and_nothing_else(what: Any) -> None:
    with pytest.raises(TypeError, match="reference or its registered name"):
        actors.call(what, "hello")


def test_a_name_taken_away_at_an_actors_end_is_not_taken_from_its_successor() -> None:
    first, _ = start_probe()
    actors.register("mx", first)
    actors.unregister("mx")
    second, _ = start_probe()
    actors.register("mx", second)
    first.stop()
    assert actors.whereis("mx") is second
    second.stop()


def test_a_busy_actor_keeps_its_name() -> None:
    ref, _ = start_probe()
    actors.register("mx", ref)
    gate: Gate = hold(ref)
    assert actors.whereis("mx") is ref
    gate.open()
    ref.stop()
