"""What one sender sends keeps its order, signals and messages alike, from threads and from turns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pykka
import pytest

import actors
from actors.otp.messaging import invoke_later
from tests.actors.helpers import SECONDS, Gate, Probe, hear, hold, on_hub, start_probe

Sender = Callable[[Callable[[], Any]], Any]


def in_a_turn(function: Callable[[], Any]) -> Any:
    ref, _ = start_probe()
    try:
        return ref.ask(lambda _: function(), timeout=SECONDS)
    finally:
        ref.stop()


@pytest.fixture(params=["thread", "turn", "greenlet"])
def sender(request: pytest.FixtureRequest) -> Sender:
    """Runs a function where signals are sent from."""
    return {"thread": lambda function: function(), "turn": in_a_turn, "greenlet": on_hub}[request.param]


ENDS: dict[str, Callable[[Any], Any]] = {
    "kill": lambda ref: ref.kill(),
    "exit kill": lambda ref: actors.send_exit(ref, "kill"),
    "exit": lambda ref: actors.send_exit(ref, "boom"),
}


@pytest.fixture(params=ENDS)
def end(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Sends a signal that ends an actor."""
    return ENDS[request.param]


def test_a_call_behind_it_is_not_answered(sender: Sender, end: Callable[[Any], Any]) -> None:
    ref, _ = start_probe()

    def send() -> Any:
        end(ref)
        with pytest.raises(actors.ActorDeadError) as caught:
            actors.call(ref, lambda _: "answered", SECONDS)
        return caught.value.reason

    assert sender(send) == "noproc"
    actors.wait_down(ref, SECONDS)


def test_of_a_thousand_casts_behind_it_none_is_handled(sender: Sender, end: Callable[[Any], Any]) -> None:
    ref, heard = start_probe()

    def send() -> None:
        end(ref)
        for number in range(1000):
            actors.cast(ref, number)

    sender(send)
    actors.wait_down(ref, SECONDS)
    left = [heard.get_nowait() for _ in range(heard.qsize())]
    assert [each for each in left if isinstance(each, int)] == []


def test_a_stop_behind_it_comes_too_late_and_returns_when_the_actor_is_gone(
    sender: Sender, end: Callable[[Any], Any]
) -> None:
    gone: list[bool] = []

    class Slow(Probe):
        def release(self) -> None:
            gone.append(True)

    ref = actors.launch(Slow())

    def send() -> Any:
        end(ref)
        return ref.stop(timeout=SECONDS), gone

    assert sender(send) == (False, [True])
    assert ref.exit_reason in ("boom", "killed")


def test_to_its_sender_the_actor_is_dead_at_once(sender: Sender, end: Callable[[Any], Any]) -> None:
    actors.launch(Probe(), name="ended")
    ref = actors.whereis("ended")
    assert isinstance(ref, actors.GeventRef)

    def send() -> Any:
        end(ref)
        return ref.is_alive(), actors.whereis("ended"), actors.wait_down(ref, SECONDS)

    assert sender(send) == (False, None, "noproc")


def test_a_monitor_behind_it_tells_noproc_once_the_actor_is_gone(end: Callable[[Any], Any]) -> None:
    watcher, heard = start_probe()
    ref, _ = start_probe()
    gate = hold(ref)
    early = actors.monitor(ref, watcher)

    def watch(_: Any) -> Any:
        end(ref)
        return actors.monitor(ref)

    late = watcher.ask(watch)
    gate.open()
    reason = {early: ref.exit_reason, late: "noproc"}
    for _ in range(2):
        down = hear(heard)
        assert down.reason == reason.pop(down.monitor)
        assert ref.actor() is None
    watcher.stop()


def test_a_link_behind_it_is_refused(sender: Sender, end: Callable[[Any], Any]) -> None:
    one, _ = start_probe()
    trapping, heard = start_probe(trap_exits=True)
    ref, _ = start_probe()

    def send() -> None:
        end(ref)
        with pytest.raises(actors.NoProc):
            actors.link(one, ref)
        actors.link(trapping, ref)

    sender(send)
    assert hear(heard) == actors.Exit(ref, "noproc")
    actors.wait_down(ref, SECONDS)
    assert one.is_alive()
    one.stop()
    trapping.stop()


def test_of_two_signals_the_first_counts(sender: Sender) -> None:
    for first, second, reason in (
        ("boom", "bang", "boom"),
        ("kill", "boom", "killed"),
        ("boom", "kill", "boom"),
    ):
        ref, heard = start_probe()

        def send(ref: Any = ref, first: str = first, second: str = second) -> None:
            actors.send_exit(ref, first)
            actors.send_exit(ref, second)

        sender(send)
        actors.wait_down(ref, SECONDS)
        assert ref.exit_reason == reason
        assert heard.qsize() == (reason == "boom")  # on_stop


def test_messages_before_a_signal_that_is_trapped_come_before_it_and_those_behind_it_behind() -> None:
    ref, heard = start_probe(trap_exits=True)
    ref.tell(1)
    actors.send_exit(ref, "boom")
    ref.tell(2)
    assert [hear(heard) for _ in range(3)] == [1, actors.Exit(ref, "boom"), 2]
    ref.stop()


def test_a_killed_actor_handles_none_of_what_it_has_left() -> None:
    ref, heard = start_probe()
    handled: list[int] = []

    def kill_itself(_: Any) -> None:
        for number in range(10):
            ref.tell(lambda _, number=number: handled.append(number))
        ref.kill()

    ref.tell(kill_itself)
    actors.wait_down(ref, SECONDS)
    assert (handled, heard.qsize()) == ([], 0)


def test_who_asked_before_the_signal_hears_its_reason() -> None:
    ref, _ = start_probe()
    gate = Gate()
    ref.tell(lambda _: actors.run_blocking(gate.wait))
    gate.reached.get(timeout=SECONDS)
    answer = ref.ask("waits", block=False)
    actors.send_exit(ref, "boom")
    gate.open()
    with pytest.raises(actors.ActorDeadError) as caught:
        answer.get(timeout=SECONDS)
    assert caught.value.reason == "boom"


def test_no_message_is_handled_behind_a_signal_in_a_race_of_threads() -> None:
    for _ in range(50):
        ref, heard = start_probe()
        start = threading.Barrier(3)

        def send(name: int, ref: Any = ref, start: threading.Barrier = start) -> None:
            start.wait(SECONDS)
            for number in range(20):
                actors.cast(ref, (name, number))
            ref.kill()
            for _ in range(20):
                actors.cast(ref, (name, -1))

        threads = [threading.Thread(target=send, args=(name,)) for name in range(2)]
        for thread in threads:
            thread.start()
        start.wait(SECONDS)
        for thread in threads:
            thread.join(SECONDS)
        actors.wait_down(ref, SECONDS)
        came = [heard.get_nowait() for _ in range(heard.qsize())]
        assert all(number >= 0 for _, number in came)


def test_a_dead_actor_is_noproc_to_all_who_call_it() -> None:
    ref, _ = start_probe()
    ref.stop(reason="boom")
    for call in (
        lambda: actors.call(ref, "hello"),
        lambda: ref.ask("hello", block=False).get(timeout=SECONDS),
        lambda: ref.tell("hello"),
        lambda: actors.sys.get_state(ref),
    ):
        with pytest.raises(pykka.ActorDeadError) as caught:
            call()
        assert caught.value.reason == "noproc"  # type: ignore[attr-defined]
    assert ref.exit_reason == "boom"


def test_an_actor_linked_to_the_one_that_it_has_ended_does_not_go_on_behind_a_call_to_it() -> None:
    """Its own end, by the link, comes before the answer `noproc`."""
    one, heard = start_probe()
    other, _ = start_probe()
    actors.link(one, other)

    def work(_: Any) -> None:
        actors.send_exit(other, "boom")
        heard.put("calls")
        actors.call(other, "?")
        heard.put("went on")

    one.tell(work)
    assert [hear(heard), hear(heard)] == ["calls", ("on_stop", "boom")]


def test_a_call_to_an_actor_that_is_ending_fails_when_it_is_gone() -> None:
    ref, _ = start_probe()
    gate = Gate()
    ref.tell(lambda _: actors.run_blocking(gate.wait))
    gate.reached.get(timeout=SECONDS)
    actors.send_exit(ref, "boom")
    answers = [ref.ask("?", block=False), invoke_later(ref, Probe.on_stop)]
    assert [each.done() for each in answers] == [False, False]
    gate.open()
    for answer in answers:
        with pytest.raises(actors.ActorDeadError) as caught:
            answer.get(timeout=SECONDS)
        assert caught.value.reason == "noproc"
        assert ref.actor() is None
