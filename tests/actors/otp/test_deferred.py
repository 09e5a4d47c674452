"""Replies that are given later: from anywhere, once, and never lost with the actor that owed them."""

from __future__ import annotations

import threading
from typing import Any

import pykka
import pytest

import actors
from tests.actors.helpers import SECONDS, start_probe


def defer(_: Any) -> Any:
    return actors.defer_reply()


class Waiting(actors.GeventActor):
    """Keeps those who ask until it is told to answer."""

    def __init__(self) -> None:
        super().__init__()
        self.callers: list[actors.From] = []

    def on_receive(self, message: Any) -> Any:
        if message == "answer":
            for number, caller in enumerate(self.callers):
                actors.reply(caller, number)
            return "answered"
        if message == "end":
            raise actors.ActorExit("done")
        if message == "raise":
            actors.defer_reply()
            raise ValueError("no")
        self.callers.append(actors.defer_reply())
        return "lost: the reply was taken over"


def test_an_asker_is_answered_in_a_later_turn() -> None:
    ref = Waiting.start()
    first, second = ref.ask("one", block=False), ref.ask("two", block=False)
    assert ref.ask("answer", timeout=SECONDS) == "answered"
    assert [first.get(timeout=SECONDS), second.get(timeout=SECONDS)] == [0, 1]
    ref.stop()


def test_it_is_answered_from_any_thread_and_once() -> None:
    ref, _ = start_probe()
    kept: list[Any] = []
    answer = ref.ask(lambda actor: kept.append(actors.defer_reply()), block=False)
    ref.ask(lambda actor: None, timeout=SECONDS)
    thread = threading.Thread(target=actors.reply, args=(kept[0], "from a thread"))
    thread.start()
    thread.join()
    actors.reply(kept[0], "too late")
    kept[0].fail(ValueError("too late"))
    assert answer.get(timeout=SECONDS) == "from a thread"
    ref.stop()


def test_a_failure_is_raised_to_the_asker() -> None:
    ref, _ = start_probe()
    kept: list[Any] = []
    answer = ref.ask(lambda actor: kept.append(actors.defer_reply()), block=False)
    ref.ask(lambda actor: kept[0].fail(ValueError("no")), timeout=SECONDS)
    with pytest.raises(ValueError, match="no"):
        answer.get(timeout=SECONDS)
    ref.stop()


@pytest.mark.parametrize("ending", ["exit", "kill", "stop"])
def test_an_asker_hears_it_if_the_actor_ends_first(ending: str) -> None:
    ref = Waiting.start()
    answer = ref.ask("one", block=False)
    while not ref.proxy().callers.get(timeout=SECONDS):
        pass
    {"exit": lambda: ref.tell("end"), "kill": ref.kill, "stop": ref.stop}[ending]()
    with pytest.raises(actors.ActorDeadError) as caught:
        answer.get(timeout=SECONDS)
    assert caught.value.reason == {"exit": "done", "kill": "killed", "stop": "normal"}[ending]


def test_one_that_was_answered_is_not_kept_by_the_actor() -> None:
    ref = Waiting.start()
    answer = ref.ask("one", block=False)
    ref.ask("answer", timeout=SECONDS)
    assert answer.get(timeout=SECONDS) == 0
    ref.stop()
    assert answer.get(timeout=SECONDS) == 0


def test_an_exception_behind_it_goes_to_the_asker() -> None:
    ref = Waiting.start()
    with pytest.raises(ValueError, match="no"):
        ref.ask("raise", timeout=SECONDS)
    assert ref.is_alive()
    ref.stop()


def test_a_message_that_nobody_waits_for_has_nobody_to_answer() -> None:
    ref = Waiting.start()
    ref.tell("one")
    assert ref.ask("answer", timeout=SECONDS) == "answered"
    ref.stop()


def test_outside_a_turn_there_is_nothing_to_defer() -> None:
    with pytest.raises(RuntimeError, match="only an actor in its turn"):
        actors.defer_reply()


def test_a_call_that_timed_out_still_gets_its_answer() -> None:
    ref = Waiting.start()
    answer = ref.ask("one", block=False)
    with pytest.raises(pykka.Timeout):
        answer.get(timeout=0.01)
    ref.ask("answer", timeout=SECONDS)
    assert answer.get(timeout=SECONDS) == 0
    ref.stop()
