"""What an actor does beside its turns."""

from __future__ import annotations

import contextvars
import threading
from typing import Any

import gevent
import greenlet
import pytest

import actors
from actors.runtime.threads import SideTask
from tests.actors.helpers import SECONDS, Gate, on_hub, raise_, start_probe

variable = contextvars.ContextVar("variable", default="default")


def begin(ref: Any, function: Any, *args: Any) -> SideTask:
    """Have an actor begin something beside its turns."""
    aside: SideTask = ref.ask(lambda _: SideTask(function, *args))
    return aside


def test_it_runs_beside_the_turns_and_its_result_can_be_waited_for_in_one() -> None:
    ref, _ = start_probe()
    gate = Gate()
    aside = begin(ref, lambda word: (gate.wait(), word), "word")
    gate.reached.get(timeout=SECONDS)
    assert not ref.ask(lambda _: aside.done())
    result = ref.ask(lambda _: aside.result(), block=False)
    gate.open("opened")
    assert result.get(timeout=SECONDS) == ("opened", "word")
    assert aside.done()
    ref.stop()


def test_what_it_raises_is_raised_for_who_waits() -> None:
    ref, _ = start_probe()
    aside = begin(ref, raise_, gevent.Timeout(7))
    with pytest.raises(gevent.Timeout):
        aside.result()
    assert ref.ask(lambda _: "the actor lives") == "the actor lives"
    ref.stop()


def test_it_is_the_same_actor_with_contextvars_of_its_own() -> None:
    ref, _ = start_probe()

    def work() -> tuple[Any, str]:
        seen = variable.get()
        variable.set("of the other")
        return actors.current(), seen

    def turn(_: Any) -> SideTask:
        variable.set("of the actor")
        return SideTask(work)

    assert ref.ask(turn).result() == (ref, "of the actor")
    assert ref.ask(lambda _: variable.get()) == "of the actor"
    ref.stop()


def test_it_is_cut_off_where_it_waits_even_if_it_resists() -> None:
    ref, _ = start_probe()
    cuts = 0
    waits = Gate()

    def resist() -> str:
        nonlocal cuts
        while cuts < 3:
            try:
                waits.wait()
            except greenlet.GreenletExit:
                cuts += 1
        return "tired"

    aside = begin(ref, resist)
    waits.reached.get(timeout=SECONDS)
    on_hub(aside.cut)
    assert aside.result() == "tired"
    ref.stop()


def test_one_that_is_cut_off_raises_for_who_waits() -> None:
    ref, _ = start_probe()
    gate = Gate()
    aside = begin(ref, gate.wait)
    gate.reached.get(timeout=SECONDS)
    on_hub(aside.cut)
    with pytest.raises(greenlet.GreenletExit):
        aside.result()
    on_hub(aside.cut)  # and once more does nothing
    ref.stop()


def test_one_that_is_cut_off_before_it_began_never_begins() -> None:
    begun = threading.Event()

    def begin_and_cut() -> SideTask:
        aside = SideTask(begun.set)
        aside._cut()
        return aside

    made: actors.GeventFuture[SideTask] = actors.GeventFuture()
    actors.runtime.hub.Hub.current().run_soon(lambda: made.set(begin_and_cut()))
    with pytest.raises(greenlet.GreenletExit):
        made.get(timeout=SECONDS).result()
    on_hub(lambda: None)
    assert not begun.is_set()


def test_a_kill_of_its_actor_alone_does_not_end_it() -> None:
    """The actor cuts it off in `release`."""
    ref, _ = start_probe()
    gate = Gate()
    aside = begin(ref, gate.wait)
    gate.reached.get(timeout=SECONDS)
    ref.kill()
    actors.wait_down(ref, SECONDS)
    assert not aside.done()
    gate.open("on")
    assert aside.result() == "on"
