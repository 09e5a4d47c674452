"""Erlang's selective receive, and waiting for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import actors
from tests.actors.helpers import SECONDS, Gate, Probe, hear, hold, start_probe

Doing = Callable[[Callable[[Any], Any]], Callable[[Any], Any]]


@pytest.fixture(params=["hub", "thread"])
def doing(request: pytest.FixtureRequest) -> Doing:
    """Makes a message that has a probe do something, on the hub or in a worker thread."""
    if request.param == "hub":
        return lambda function: function
    return lambda function: lambda probe: actors.run_blocking(function, probe)


def even(message: Any) -> bool:
    return isinstance(message, int) and message % 2 == 0


def test_what_matches_is_taken_and_the_rest_stays_in_order(doing: Doing) -> None:
    ref, heard = start_probe()
    gate = hold(ref)
    taken = ref.ask(doing(lambda _: [actors.receive(even, SECONDS) for _ in range(3)]), block=False)
    for number in (1, 4, 3, 2, 5, 8, 7):
        ref.tell(number)
    gate.open()
    assert taken.get(timeout=SECONDS) == [4, 2, 8]
    assert [hear(heard) for _ in range(4)] == [1, 3, 5, 7]
    ref.stop()


def test_what_is_not_there_yet_is_waited_for(doing: Doing) -> None:
    ref, heard = start_probe()
    shown: list[Any] = []

    def match(message: Any) -> bool:
        shown.append(message)
        return even(message)

    def work(_: Any) -> Any:
        heard.put("waits")
        return actors.receive(match)

    answer = ref.ask(doing(work), block=False)
    assert hear(heard) == "waits"
    for number in (1, 3, 2):
        ref.tell(number)
    assert answer.get(timeout=SECONDS) == 2
    assert shown == [1, 3, 2]  # each once
    assert [hear(heard), hear(heard)] == [1, 3]
    ref.stop()


def test_messages_that_come_from_many_threads_are_all_received(doing: Doing) -> None:
    ref, _ = start_probe()
    answer = ref.ask(doing(lambda _: [actors.receive(even, SECONDS) for _ in range(400)]), block=False)

    def send() -> None:
        for _ in range(100):
            ref.tell(1)
            ref.tell(2)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert answer.get(timeout=SECONDS) == [2] * 400
    for thread in threads:
        thread.join(SECONDS)
    ref.stop()


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_when_the_time_is_over_it_says_so_and_nothing_is_lost(doing: Doing, timeout: float) -> None:
    ref, heard = start_probe()
    gate = hold(ref)

    def work(_: Any) -> Any:
        with pytest.raises(actors.TimedOut, match=f"in {timeout} seconds"):
            actors.receive(even, timeout)
        return "timed out"

    answer = ref.ask(doing(work), block=False)
    ref.tell(1)
    gate.open()
    assert answer.get(timeout=SECONDS) == "timed out"
    assert hear(heard) == 1
    ref.tell(2)
    assert hear(heard) == 2
    ref.stop()


def test_signals_timers_and_downs_are_messages_but_requests_are_not() -> None:
    ref, heard = start_probe(trap_exits=True)
    other, _ = start_probe()

    def work(_: Any) -> list[Any]:
        actors.link(other)
        watching = actors.monitor(other)
        timer = actors.start_timer(0, ref, "ring")
        other.stop()
        wanted = [actors.Exit(other, "normal"), actors.Down(watching, other, "normal")]
        wanted.append(actors.TimerExpired(timer, "ring"))
        return [actors.receive(lambda message, each=each: message == each, SECONDS) for each in wanted]

    assert len(ref.ask(work)) == 3

    def take_anything(_: Any) -> Any:
        heard.put("waits")
        return actors.receive(lambda _: True, SECONDS)

    answer = ref.ask(take_anything, block=False)
    assert hear(heard) == "waits"
    state = actors.spawn(actors.sys.get_state, ref)
    asked = ref.ask(lambda _: "answered", block=False)
    ref.tell("anything")
    assert answer.get(timeout=SECONDS) == "anything"
    assert asked.get(timeout=SECONDS) == "answered"
    assert "heard" in state.get(timeout=SECONDS)
    stopped = ref.ask(take_anything, block=False)
    assert hear(heard) == "waits"
    stop = ref.stop(block=False)
    ref.tell("last")
    assert stopped.get(timeout=SECONDS) == "last"
    assert stop.get(timeout=SECONDS) is True


def test_an_exit_signal_cuts_it(doing: Doing) -> None:
    ref, heard = start_probe()

    def work(_: Any) -> Any:
        heard.put("waits")
        return actors.receive(even)

    answer = ref.ask(doing(work), block=False)
    assert hear(heard) == "waits"
    actors.send_exit(ref, "boom")
    with pytest.raises(actors.ActorDeadError) as caught:
        answer.get(timeout=SECONDS)
    assert caught.value.reason == "boom"
    assert hear(heard) == ("on_stop", "boom")


def test_a_kill_ends_it(doing: Doing) -> None:
    ref, heard = start_probe()
    ended = threading.Event()

    def work(_: Any) -> Any:
        heard.put("waits")
        try:
            actors.receive(even)
        finally:
            ended.set()

    ref.tell(doing(work))
    assert hear(heard) == "waits"
    ref.kill()
    assert ended.wait(SECONDS)
    actors.wait_down(ref, SECONDS)
    assert ref.exit_reason == "killed"


def test_in_the_end_that_a_signal_brings_nothing_is_waited_for() -> None:
    outcome: list[Any] = []

    class Ending(Probe):
        def on_stop(self) -> None:
            try:
                actors.receive(even)
            except actors.TimedOut as error:
                outcome.append(str(error))

    ref = Ending.start()
    actors.send_exit(ref, "boom")
    actors.wait_down(ref, SECONDS)
    assert outcome == ["no message can come any more: the actor is ending for an exit signal"]
    assert ref.exit_reason == "boom"


def test_in_the_end_that_the_actor_brings_about_itself_it_works() -> None:
    class Ending(Probe):
        def on_stop(self) -> None:
            self.heard.put("ends")
            self.heard.put(actors.receive(even, SECONDS))

    probe = Ending()
    ref = actors.launch(probe)
    stopped = ref.stop(block=False)
    assert hear(probe.heard) == "ends"
    ref.tell(2)
    assert hear(probe.heard) == 2
    assert stopped.get(timeout=SECONDS) is True


def test_what_a_match_raises_takes_nothing(doing: Doing) -> None:
    ref, heard = start_probe()
    gate = hold(ref)

    def work(_: Any) -> None:
        actors.receive(lambda message: message[0], SECONDS)

    answer = ref.ask(doing(work), block=False)
    ref.tell(1)
    gate.open()
    with pytest.raises(TypeError):
        answer.get(timeout=SECONDS)
    assert hear(heard) == 1
    ref.stop()


def test_outside_any_actor_there_is_nothing_to_receive() -> None:
    with pytest.raises(RuntimeError, match="outside any"):
        actors.receive(even, 0)


def test_a_suspended_actor_receives_what_was_kept_back() -> None:
    ref, heard = start_probe()
    actors.sys.suspend(ref)
    for number in (1, 2, 3):
        ref.tell(number)
    taken: list[Any] = []
    actors.sys.replace_state(ref, lambda state: [taken.append(actors.receive(even, 0)), state][1])
    assert taken == [2]
    actors.sys.resume(ref)
    assert [hear(heard), hear(heard)] == [1, 3]
    ref.stop()


def test_sleep_waits_in_its_turn_and_others_go_on() -> None:
    ref, heard = start_probe()
    other, _ = start_probe()
    begun = time.monotonic()

    def nap(_: Any) -> float:
        heard.put("sleeps")
        actors.sleep(0.05)
        return time.monotonic() - begun

    slept = ref.ask(nap, block=False)
    assert hear(heard) == "sleeps"
    assert other.ask(lambda _: slept.done()) is False
    assert slept.get(timeout=SECONDS) >= 0.05
    actors.sleep(0)
    for wrong in (-1, "1", float("nan")):
        with pytest.raises(ValueError, match="second"):
            actors.sleep(wrong)  # type: ignore[arg-type]
    ref.tell(lambda _: (heard.put("sleeps"), actors.sleep(float("inf"))))
    assert hear(heard) == "sleeps"
    actors.send_exit(ref, "boom")
    assert hear(heard) == ("on_stop", "boom")
    other.stop()


def test_a_gate_is_not_opened_by_messages() -> None:
    """What waits besides, in the same turn, notices nothing."""
    ref, heard = start_probe()
    gate = Gate()

    def work(_: Any) -> Any:
        first = actors.receive(even, SECONDS)
        return first, gate.wait(), actors.receive(even, SECONDS)

    answer = ref.ask(work, block=False)
    ref.tell(2)
    gate.reached.get(timeout=SECONDS)
    ref.tell(4)
    gate.open("opened")
    assert answer.get(timeout=SECONDS) == (2, "opened", 4)
    assert heard.empty()
    ref.stop()
