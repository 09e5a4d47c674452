"""Kills, also of turns that resist, and the containment of every BaseException."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import gevent
import greenlet
import pykka
import pytest

import actors
from actors import events
from tests.actors.helpers import (
    SECONDS,
    Gate,
    Probe,
    Scripted,
    hear,
    hold,
    live_actors,
    on_hub,
    raise_,
    start_probe,
)

UNCAUGHT = [
    gevent.Timeout(1),
    greenlet.GreenletExit(),
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    BaseException("bare"),
]
names_of = [type(error).__name__ for error in UNCAUGHT]


@pytest.fixture
def bystander() -> Any:
    """An actor that must not be hurt, nor the hub, nor Pykka's registry."""
    ref, heard = start_probe()
    yield ref
    ref.tell("unhurt")
    assert hear(heard) == "unhurt"
    assert ref.stop()


# -- what escapes from an actor -----------------------------------------------------------------------


@pytest.mark.parametrize("error", UNCAUGHT, ids=names_of)
def test_what_escapes_a_tell_ends_that_actor_alone(error: BaseException, bystander: Any) -> None:
    ref, heard = start_probe()
    watcher, downs = start_probe()
    actors.monitor(ref, watcher)
    ref.tell(lambda _: raise_(error))
    assert hear(heard) == ("on_failure", error)
    assert hear(downs).reason is error
    watcher.stop()


@pytest.mark.parametrize("error", UNCAUGHT, ids=names_of)
def test_what_escapes_an_ask_reaches_the_asker_and_ends_the_actor(
    error: BaseException, bystander: Any
) -> None:
    """An ordinary exception would leave the actor alive; these are no answers to a question."""
    ref, _ = start_probe()
    answer = ref.ask(lambda _: raise_(error), block=False)
    behind = ref.ask("behind it", block=False)
    with pytest.raises(actors.ActorDeadError) as caught:
        answer.get(timeout=SECONDS)
    assert caught.value.__cause__ is error
    with pytest.raises(actors.ActorDeadError) as refused:
        behind.get(timeout=SECONDS)
    assert refused.value.reason is error
    actors.wait_down(ref, SECONDS)


@pytest.mark.parametrize("error", UNCAUGHT, ids=names_of)
def test_what_escapes_on_start_fails_the_start_and_leaves_nothing_registered(
    error: BaseException, bystander: Any
) -> None:
    actor = Scripted(on_start=lambda: raise_(error))
    with pytest.raises(actors.StartError) as caught:
        actors.launch(actor)
    assert caught.value.reason is error
    assert not actor.actor_ref.is_alive()
    assert actor.actor_ref not in pykka.ActorRegistry.get_all()


@pytest.mark.parametrize("error", UNCAUGHT, ids=names_of)
def test_what_escapes_on_stop_is_reported_and_the_stop_returns(error: BaseException, bystander: Any) -> None:
    assert Scripted.start(on_stop=lambda: raise_(error)).stop(timeout=SECONDS) is True


@pytest.mark.parametrize("error", UNCAUGHT, ids=names_of)
def test_what_escapes_on_turn_ends_that_actor_alone(error: BaseException, bystander: Any) -> None:
    class Turning(Probe):
        def on_turn(self) -> bool:
            return bool(raise_(error))

    ref = Turning.start()
    actors.wait_down(ref, SECONDS)
    assert ref.exit_reason is error


def test_a_release_that_raises_keeps_no_one_from_hearing_of_the_end(bystander: Any) -> None:
    class Sticky(Probe):
        def release(self) -> None:
            raise OSError("stuck")

    failed: list[Any] = []
    unsubscribe = events.subscribe(events.HookFailed, failed.append)
    assert Sticky.start().stop(timeout=SECONDS) is True
    unsubscribe()
    assert [event.hook for event in failed] == ["release"]


def test_a_timeout_that_a_callback_forgot_ends_its_actor_alone(bystander: Any) -> None:
    ref, heard = start_probe()

    def forget(_: Probe) -> None:
        gevent.Timeout(0.001).start()
        actors.GeventFuture[None]().get()

    ref.tell(forget)
    assert isinstance(hear(heard)[1], gevent.Timeout)
    actors.wait_down(ref, SECONDS)


def test_a_greenlet_of_spawn_that_fails_tells_its_future_alone(bystander: Any) -> None:
    with pytest.raises(SystemExit):
        actors.spawn(raise_, SystemExit(3)).get(timeout=SECONDS)
    with pytest.raises(LookupError):
        actors.spawn(raise_, LookupError()).get(timeout=SECONDS)


def test_a_crash_is_logged_with_its_traceback_through_actors(caplog: pytest.LogCaptureFixture) -> None:
    """Pykka's own logger has a NullHandler and says nothing."""
    ref, _ = start_probe()
    ref.tell(lambda _: 1 / 0)
    actors.wait_down(ref, SECONDS)
    (record,) = [record for record in caplog.records if record.name == "actors"]
    assert record.levelname == "ERROR"
    assert ref.actor_urn in record.getMessage()
    assert "ZeroDivisionError" in record.getMessage()
    assert record.exc_info is not None


@pytest.mark.parametrize("reason", ["normal", "shutdown", ("shutdown", 1), "boom"])
def test_an_exit_with_a_reason_is_no_crash_and_not_logged(
    reason: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ref, _ = start_probe()
    ref.stop(reason=reason)
    assert caplog.records == []


# -- kills --------------------------------------------------------------------------------------------


def test_a_kill_ends_an_idle_actor_and_runs_none_of_its_hooks(bystander: Any) -> None:
    ref, heard = start_probe()
    ref.kill()
    actors.wait_down(ref, SECONDS)
    assert (ref.is_alive(), ref.exit_reason) == (False, "killed")
    assert heard.empty()
    ref.kill()


def test_a_kill_releases_what_the_actor_holds() -> None:
    released = actors.GeventFuture[None]()

    class Holding(Probe):
        def release(self) -> None:
            released.set(None)

    Holding.start().kill()
    released.get(timeout=SECONDS)


def test_a_kill_cuts_a_turn_that_waits_and_its_asker_hears_of_it(bystander: Any) -> None:
    ref, heard = start_probe()
    gate = Gate()
    cut = actors.GeventFuture[str]()

    def wait(_: Probe) -> None:
        try:
            gate.wait()
        finally:
            cut.set("cut")

    answer = ref.ask(wait, block=False)
    behind = ref.ask("behind it", block=False)
    gate.reached.get(timeout=SECONDS)
    ref.kill()
    for future in (answer, behind):
        with pytest.raises(actors.ActorDeadError) as caught:
            future.get(timeout=SECONDS)
        assert caught.value.reason == "killed"
    assert cut.get(timeout=SECONDS) == "cut"
    assert heard.empty()


def test_a_kill_gets_through_a_bare_except_that_swallows_it_three_times(bystander: Any) -> None:
    ref, heard = start_probe()
    gate = Gate()
    swallowed: list[BaseException] = []
    over = actors.GeventFuture[None]()

    def resist(_: Probe) -> str:
        for _ in range(3):
            try:
                gate.wait()
            except:  # noqa: E722 - what this test is about
                swallowed.append(greenlet.GreenletExit())
        over.set(None)
        return "survived"

    answer = ref.ask(resist, block=False)
    gate.reached.get(timeout=SECONDS)
    ref.tell("never handled")
    ref.kill()
    with pytest.raises(actors.ActorDeadError):
        answer.get(timeout=SECONDS)
    over.get(timeout=SECONDS)
    assert len(swallowed) == 3
    on_hub(lambda: None)
    assert not ref.is_alive()
    assert heard.empty()


def test_a_turn_that_resists_for_ever_is_dead_to_everybody_else(bystander: Any) -> None:
    ref, _ = start_probe()
    gate = Gate()
    give_up = threading.Event()

    def resist(_: Probe) -> None:
        while not give_up.is_set():
            with contextlib.suppress(BaseException):
                gate.wait()

    ref.tell(resist)
    gate.reached.get(timeout=SECONDS)
    ref.kill()
    actors.wait_down(ref, SECONDS)
    assert not ref.is_alive()
    with pytest.raises(actors.ActorDeadError):
        ref.tell("hello")
    assert ref.actor_urn not in [actor.actor_urn for actor in live_actors()]
    give_up.set()


def test_a_kill_cuts_an_on_stop_that_waits() -> None:
    gate = Gate()
    ref = Scripted.start(on_stop=gate.wait)
    stopping = ref.stop(block=False)
    gate.reached.get(timeout=SECONDS)
    ref.kill()
    assert stopping.get(timeout=SECONDS) is True
    assert ref.exit_reason == "killed"


def test_an_actor_may_kill_itself_at_the_end_of_its_turn() -> None:
    ref, heard = start_probe()
    with pytest.raises(actors.ActorDeadError) as caught:
        ref.ask(lambda _: (ref.kill(), Gate().wait()))
    assert caught.value.reason == "killed"
    assert heard.empty()


def test_a_kill_during_a_call_to_another_actor_leaves_that_one_alone(bystander: Any) -> None:
    ref, _ = start_probe()
    gate = Gate()
    answer = ref.ask(lambda _: bystander.ask(lambda _: gate.wait()), block=False)
    gate.reached.get(timeout=SECONDS)
    ref.kill()
    with pytest.raises(actors.ActorDeadError):
        answer.get(timeout=SECONDS)
    gate.open()


def test_many_killed_at_once_are_all_gone() -> None:
    refs = [start_probe()[0] for _ in range(50)]
    gates = [hold(ref) for ref in refs[::2]]
    for ref in refs:
        ref.kill()
    for ref in refs:
        actors.wait_down(ref, SECONDS)
    assert {ref.exit_reason for ref in refs} == {"killed"}
    assert len(gates) == 25


def test_the_greenlet_of_a_killed_turn_serves_others_again() -> None:
    """A kill must not leave the pool poisoned: the next turns run as ever."""
    for _ in range(5):
        ref, _ = start_probe()
        hold(ref)
        ref.kill()
        actors.wait_down(ref, SECONDS)
        again, heard = start_probe()
        again.tell("served")
        assert hear(heard) == "served"
        again.stop()
