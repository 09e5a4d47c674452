"""What is raised in a turn and is no Exception ends the actor, and never the program that asked it."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

import actors
from actors.otp.messaging import invoke
from tests.actors.helpers import SECONDS, Probe, raise_, start_probe


class Ended(BaseException):
    """Neither an Exception nor one of Python's own."""


KINDS = [
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    gevent.GreenletExit(),
    gevent.Timeout(1),
    Ended(),
]


@pytest.fixture(params=KINDS, ids=lambda error: type(error).__name__)
def error(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> BaseException:
    # Ctrl-C in a turn is for the main thread, too; not for pytest's.
    monkeypatch.setattr("actors.runtime.hub.Hub.interrupt", lambda *_: None)
    given: BaseException = request.param
    return given


def asked(ref: Any, error: BaseException) -> Any:
    return ref.ask(lambda _: raise_(error), timeout=SECONDS)


def called(ref: Any, error: BaseException) -> Any:
    return actors.call(ref, lambda _: raise_(error), timeout=SECONDS)


class Raising(Probe):
    def go(self, error: BaseException) -> None:
        raise error


def invoked(ref: Any, error: BaseException) -> Any:
    return invoke(ref, SECONDS, Raising.go, error)


def by_proxy(ref: Any, error: BaseException) -> Any:
    return ref.proxy().go(error).get(timeout=SECONDS)


@pytest.mark.parametrize("ask", [asked, called, invoked, by_proxy])
def test_the_asker_hears_that_the_actor_died_of_it(ask: Any, error: BaseException) -> None:
    ref = actors.launch(Raising())
    with pytest.raises(actors.ActorDeadError) as caught:
        ask(ref, error)
    assert caught.value.__cause__ is caught.value.reason is error
    assert f"ended before it answered (exit reason: {error!r})" in str(caught.value)
    actors.wait_down(ref, SECONDS)
    assert ref.exit_reason is error


def test_an_actor_that_asks_lives_on(error: BaseException) -> None:
    (ref, _), (asker, _) = start_probe(), start_probe()

    def ask_it(_: Any) -> str:
        try:
            ref.ask(lambda _: raise_(error), timeout=SECONDS)
        except Exception as heard:
            return type(heard).__name__
        return "nothing"

    assert asker.ask(ask_it, timeout=SECONDS) == "ActorDeadError"
    assert asker.is_alive()
    asker.stop()


def test_a_start_fails_with_it_as_the_reason(error: BaseException) -> None:
    class Starting(actors.GeventActor):
        def on_start(self) -> None:
            raise error

    with pytest.raises(actors.StartError) as caught:
        Starting.start()
    assert caught.value.reason is error


def test_a_stop_returns_all_the_same(error: BaseException) -> None:
    class Stopping(actors.GeventActor):
        def on_stop(self) -> None:
            raise error

    ref = Stopping.start()
    assert ref.stop(timeout=SECONDS) is True
