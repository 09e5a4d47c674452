"""An actor's bonds are made when somebody asks for them, at whatever moment of its life that is."""

from __future__ import annotations

import threading
from typing import Any

import actors
from tests.actors.helpers import SECONDS


class Quiet(actors.GeventActor):
    in_registry = False

    def on_receive(self, message: Any) -> Any:
        return message


def test_who_has_none_needs_none_to_live_and_end() -> None:
    ref = Quiet.start()
    assert ref.ask("ping") == "ping"
    ref.stop()
    assert not ref.is_alive()
    assert ref.bonds_if_any is None


def test_those_of_the_dead_tell_that_it_is_dead() -> None:
    ref = Quiet.start()
    ref.stop()
    assert ref.actor_stopped.is_set()
    assert ref.actor_stopped.wait(SECONDS)
    assert actors.wait_down(ref, SECONDS) == "noproc"


def test_asked_for_in_its_last_hooks_they_hear_of_the_end() -> None:
    heard: list[str] = []

    class Leaving(Quiet):
        def release(self) -> None:
            self.actor_ref.actor_stopped.on_set(lambda: heard.append("release"))

        def on_gone(self, reason: Any) -> None:
            self.actor_ref.actor_stopped.on_set(lambda: heard.append("on_gone"))

    Leaving.start().stop()
    assert heard == ["release", "on_gone"]


def test_two_threads_that_ask_at_once_get_the_same() -> None:
    for _ in range(200):
        ref = Quiet.start()
        both = threading.Barrier(2)
        got: list[Any] = []

        def ask(ref: Any = ref, both: Any = both, got: Any = got) -> None:
            both.wait(SECONDS)
            got.append(ref.bonds)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        assert got[0] is got[1] is ref.bonds
        ref.stop()


def test_nobody_who_asks_while_it_ends_waits_for_ever() -> None:
    for _ in range(300):
        ref = Quiet.start()
        ref.stop(block=False)
        assert ref.actor_stopped.wait(SECONDS)
        assert not ref.is_alive()
