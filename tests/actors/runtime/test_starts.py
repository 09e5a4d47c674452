"""What `on_start` may return, how long it may take, and a last reply."""

from __future__ import annotations

from typing import Any

import pytest

import actors
from actors import IGNORE, ActorExit, Continue
from tests.actors.helpers import SECONDS, Gate, hear, raise_, start_probe


class Starting(actors.GeventActor):
    """An actor whose `on_start` and `handle_continue` are functions."""

    def __init__(self, on_start: Any, go_on: Any = None) -> None:
        super().__init__()
        self._start = on_start
        self._go_on = go_on
        self.heard: list[Any] = []

    def on_start(self) -> Any:
        return self._start()

    def handle_continue(self, term: Any) -> None:
        self.heard.append(term)
        if self._go_on is not None:
            self._go_on()

    def on_receive(self, message: Any) -> list[Any]:
        return [*self.heard, message]


def test_the_start_of_an_actor_that_says_ignore_returns_none_and_frees_its_name() -> None:
    assert Starting.start(lambda: IGNORE) is None
    assert actors.launch(Starting(lambda: IGNORE), name="nobody") is None
    assert actors.whereis("nobody") is None


@pytest.mark.parametrize("trapping", [True, False])
def test_one_that_says_ignore_sends_its_normal_exit_to_a_parent_that_traps(trapping: bool) -> None:
    parent, heard = start_probe(trap_exits=trapping)
    assert parent.ask(lambda _: Starting.start_link(lambda: IGNORE)) is None
    parent.tell("after it")
    if trapping:
        assert hear(heard).reason == "normal"
    assert hear(heard) == "after it"
    parent.stop()


def test_any_other_result_fails_the_start() -> None:
    with pytest.raises(actors.StartError) as caught:
        Starting.start(lambda: 42)
    assert isinstance(caught.value.reason, TypeError)


def test_a_start_goes_on_when_the_starter_waits_no_more_and_before_any_message() -> None:
    gate = Gate()
    ref = Starting.start(lambda: Continue("later"), gate.wait)
    gate.reached.get(timeout=SECONDS)
    answer = ref.ask("message", block=False)
    gate.open()
    assert answer.get(timeout=SECONDS) == ["later", "message"]
    ref.stop()


@pytest.mark.parametrize("error", [ActorExit("boom"), ValueError("bad")])
def test_one_that_fails_when_it_goes_on_was_started_and_is_dead(error: Exception) -> None:
    gate = Gate()

    def fail() -> None:
        gate.wait()
        raise error

    ref = Starting.start(Continue, fail)
    gate.open()
    actors.wait_down(ref, SECONDS)
    assert ref.exit_reason == (error.reason if isinstance(error, ActorExit) else error)


def test_an_on_start_that_takes_too_long_is_cut_off() -> None:
    gate = Gate()
    with pytest.raises(actors.StartError) as caught:
        actors.launch(Starting(gate.wait), name="slow", start_timeout=0.01)
    assert caught.value.reason == "timeout"
    assert actors.whereis("slow") is None


def test_a_class_may_say_how_long_its_starts_may_take() -> None:
    class Slow(Starting):
        start_timeout = 0.01

    with pytest.raises(actors.StartError) as caught:
        Slow.start(Gate().wait)
    assert caught.value.reason == "timeout"


def test_an_on_start_in_time_is_left_alone() -> None:
    ref = actors.launch(Starting(lambda: None), start_timeout=SECONDS)
    assert ref.ask("alive") == ["alive"]
    ref.stop()


@pytest.mark.parametrize("trapping", [True, False])
def test_a_start_that_fails_or_takes_too_long_does_not_end_the_parent(trapping: bool) -> None:
    parent, heard = start_probe(trap_exits=trapping)

    def start(_: Any) -> None:
        for on_start, limit in ((lambda: raise_(ActorExit("bad")), None), (Gate().wait, 0.01)):
            with pytest.raises(actors.StartError):
                actors.launch(Starting(on_start), linked=True, start_timeout=limit)

    parent.ask(start)
    parent.tell("alive")
    if trapping:
        assert hear(heard).reason == "bad"  # of the start that takes too long nothing comes, as in OTP
    assert hear(heard) == "alive"
    parent.stop()


def test_of_a_start_that_takes_too_long_no_exit_is_left_in_the_mailbox() -> None:
    """OTP's start_link unlinks, kills and flushes."""
    parent, heard = start_probe(trap_exits=True)

    def start(_: Any) -> list[Any]:
        with pytest.raises(actors.StartError):
            actors.launch(Starting(Gate().wait), linked=True, start_timeout=0.01)
        return parent.mailbox.waiting()

    assert parent.ask(start) == []
    parent.stop()
    assert hear(heard) == ("on_stop", "normal")


def test_the_cause_of_an_exit_in_on_start_is_the_cause_of_the_error() -> None:
    error = OSError("no")

    def fail() -> None:
        raise ActorExit("bad") from error

    with pytest.raises(actors.StartError) as caught:
        Starting.start(fail)
    assert (caught.value.reason, caught.value.__cause__) == ("bad", error)


@pytest.mark.parametrize("reply", ["a reply", None])
def test_an_actor_that_ends_with_a_reply_gives_it_when_it_is_gone(reply: Any) -> None:
    order: list[Any] = []

    class Last(actors.GeventActor):
        def on_receive(self, message: Any) -> Any:
            raise ActorExit("boom", reply=reply)

        def on_stop(self) -> None:
            order.append("on_stop")

    ref = Last.start()
    watcher, heard = start_probe()
    actors.monitor(ref, watcher)
    assert ref.ask("bye", timeout=SECONDS) == reply
    assert order == ["on_stop"]
    assert hear(heard).reason == "boom"
    watcher.stop()


def test_a_name_taken_is_a_value_error_too() -> None:
    ref = actors.launch(Starting(lambda: None), name="taken")
    with pytest.raises(ValueError) as caught:
        actors.launch(Starting(lambda: None), name="taken")
    assert isinstance(caught.value, actors.AlreadyStarted)
    assert caught.value.ref is ref
    ref.stop()
