"""Observers of actors: subscribers, the log, an actor's own `__str__`. None ends or holds up the observed."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Generator
from typing import Any

import gevent
import pytest

import actors
from actors import events
from tests.actors.helpers import SECONDS, Probe, hear, on_hub, raise_, start_probe

FAULTS: list[BaseException] = [
    LookupError("no metrics server"),
    gevent.Timeout(1),
    SystemExit(3),
    gevent.GreenletExit(),
    KeyboardInterrupt(),
]
of_each_fault = pytest.mark.parametrize("fault", FAULTS, ids=[type(fault).__name__ for fault in FAULTS])


@contextlib.contextmanager
def observed(subscriber: Callable[[Any], object]) -> Generator[None]:
    """Everything is told to a subscriber."""
    unsubscribe = events.subscribe(events.Event, subscriber)
    try:
        yield
    finally:
        unsubscribe()


@contextlib.contextmanager
def filtered(fault: BaseException) -> Generator[None]:
    """The log has a filter that raises."""

    def fail(record: logging.LogRecord) -> bool:
        raise fault

    logger = logging.getLogger("actors")
    logger.addFilter(fail)
    try:
        yield
    finally:
        logger.removeFilter(fail)


@of_each_fault
@pytest.mark.parametrize("by", ["subscriber", "filter"])
def test_a_crash_is_a_crash_whatever_its_observers_do(fault: BaseException, by: str) -> None:
    ref, heard = start_probe()
    with observed(lambda _: raise_(fault)) if by == "subscriber" else filtered(fault):
        ref.tell(lambda _: raise_(ValueError("why")))
        assert repr(hear(heard)) == "('on_failure', ValueError('why'))"
        assert isinstance(actors.wait_down(ref, SECONDS), ValueError | str)
    assert not ref.is_alive()
    assert isinstance(ref.exit_reason, ValueError)


@of_each_fault
def test_an_end_whose_hook_fails_is_an_end_whatever_its_observers_do(fault: BaseException) -> None:
    class Failing(Probe):
        def on_stop(self) -> None:
            raise LookupError("on_stop")

        def release(self) -> None:
            raise fault

        def on_gone(self, reason: Any) -> None:
            raise fault

        def on_unread(self, message: Any) -> None:
            raise fault

    ref = Failing.start()
    with observed(lambda _: raise_(fault)):
        stop = ref.stop(block=False)
        unread = ref.ask("unread", block=False)
        with pytest.raises(LookupError, match="on_stop"):
            stop.get(timeout=SECONDS)
        with pytest.raises(actors.ActorDeadError):
            unread.get(timeout=SECONDS)
    assert not ref.is_alive()


@of_each_fault
def test_an_actor_that_cannot_be_shown_can_end(fault: BaseException) -> None:
    class Shy(Probe):
        def __str__(self) -> str:
            raise fault

        def __repr__(self) -> str:
            raise fault

    ref = Shy.start()
    with pytest.raises(actors.ActorDeadError):
        asked = ref.ask(lambda _: raise_(actors.ActorExit("why")), block=False)
        asked.get(timeout=SECONDS)
    ref = Shy.start()
    crashed: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with observed(crashed.put):
        ref.tell(lambda _: raise_(LookupError("boom")))
        assert hear(crashed).actor == f"<Shy, whose repr raised {type(fault).__name__}>"
        actors.wait_down(ref, SECONDS)
    assert not ref.is_alive()


@of_each_fault
def test_the_watchdog_and_the_hub_outlive_their_observers(fault: BaseException) -> None:
    with observed(lambda _: raise_(fault)):
        on_hub(lambda: actors.runtime.hub.Hub.current().report(LookupError("a callback")))
    ref, heard = start_probe()
    ref.tell("alive")
    assert hear(heard) == "alive"
    ref.stop()


def test_a_kill_strikes_an_observer_that_waits() -> None:
    """The observer waits for ever, and with it the turn that it observes."""
    waits = threading.Event()
    ends: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def wait(event: Any) -> None:
        waits.set()
        try:
            gevent.sleep(3600)
        finally:
            ends.put("cut off")

    class Emitting(Probe):
        def on_receive(self, message: Any) -> Any:
            try:
                events.emit(events.ChildEnded("a", "b", "c"))
                self.heard.put("it went on")
            except BaseException as error:
                self.heard.put(type(error))
                raise

    emitting = Emitting()
    ref = actors.launch(emitting)
    with observed(wait):
        ref.tell("emit")
        assert waits.wait(SECONDS)
        ref.kill()
        assert hear(ends) == "cut off"
        assert hear(emitting.heard) is gevent.GreenletExit
    assert ref.exit_reason == "killed"


def test_a_greenlet_that_is_killed_while_its_observer_waits_ends() -> None:
    went_on: list[Any] = []

    def emit() -> None:
        events.emit(events.ChildEnded("a", "b", "c"))
        went_on.append("it went on")

    def run() -> Any:
        with observed(lambda _: gevent.sleep(3600)):
            greenlet = gevent.spawn(emit)
            gevent.sleep(0)
            greenlet.kill()
        return greenlet.value

    assert isinstance(on_hub(run), gevent.GreenletExit)
    assert went_on == []


def test_an_observer_that_throws_into_its_own_turn_harms_nobody() -> None:
    ref, heard = start_probe()
    with observed(lambda _: gevent.getcurrent().throw(gevent.GreenletExit)):
        ref.tell(lambda _: events.emit(events.ChildEnded("a", "b", "c")))
        ref.tell("alive")
        assert hear(heard) == "alive"
    ref.stop()
