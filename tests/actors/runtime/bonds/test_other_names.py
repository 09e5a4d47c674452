"""Names that are tuples: `("via", registry, name)`, `("global", term)`, `(name, node)`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import actors
from actors.runtime import names
from tests.actors.helpers import OwnRegistry, Probe, hear, start_probe


@pytest.fixture
def registry() -> OwnRegistry:
    return OwnRegistry()


@pytest.fixture
def via(registry: OwnRegistry) -> tuple[Any, ...]:
    """A name of that registry; any term is one."""
    return ("via", registry, ("mx", 1))


@pytest.fixture
def in_cluster(registry: OwnRegistry) -> Iterator[OwnRegistry]:
    """A registry that stands for Erlang's `global`."""
    names.cluster["global"] = registry
    yield registry
    names.cluster.clear()


def test_a_registry_of_ones_own_knows_the_name(registry: OwnRegistry, via: tuple[Any, ...]) -> None:
    ref, _ = start_probe()
    actors.register(via, ref)
    assert registry.refs == {("mx", 1): ref}
    assert actors.whereis(via) is ref
    assert actors.registered() == []
    actors.unregister(via)
    assert actors.whereis(via) is None
    with pytest.raises(ValueError, match="no actor has the name"):
        actors.unregister(via)
    ref.stop()


def test_an_actor_may_have_several_such_names_beside_its_local_one(via: tuple[Any, ...]) -> None:
    ref, _ = start_probe()
    other = ("via", via[1], "other")
    for name in ("mx", via, other):
        actors.register(name, ref)
    assert [actors.whereis(name) for name in ("mx", via, other)] == [ref] * 3
    ref.stop()


def test_a_taken_name_says_who_has_it(via: tuple[Any, ...]) -> None:
    first = actors.launch(Probe(), name=via)
    with pytest.raises(actors.AlreadyStarted) as caught:
        actors.launch(Probe(), name=via)
    assert (caught.value.name, caught.value.ref) == (via, first)
    first.stop()
    actors.launch(Probe(), name=via).stop()


def test_a_registry_that_says_no_and_knows_nobody_fails_the_start(
    registry: OwnRegistry, via: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "register_name", lambda name, ref: "no")
    with pytest.raises(actors.StartError, match="could not be registered"):
        actors.launch(Probe(), name=via)


def test_a_start_that_fails_gives_the_name_up(registry: OwnRegistry, via: tuple[Any, ...]) -> None:
    class Failing(actors.GeventActor):
        def on_start(self) -> None:
            assert actors.whereis(via) is self.actor_ref
            raise LookupError("no")

    with pytest.raises(actors.StartError):
        actors.launch(Failing(), name=via)
    assert registry.refs == {}


def test_a_dead_actor_gets_no_name(via: tuple[Any, ...]) -> None:
    ref, _ = start_probe()
    ref.stop()
    with pytest.raises(ValueError, match="dead"):
        actors.register(via, ref)


def test_messages_reach_an_actor_by_such_a_name(via: tuple[Any, ...]) -> None:
    ref, heard = start_probe()
    actors.register(via, ref)
    actors.cast(via, "cast")
    actors.send(via, "sent")
    actors.send_after(0, via, "later")
    assert [hear(heard) for _ in range(3)] == ["cast", "sent", "later"]
    assert actors.call(via, lambda _: "answer") == "answer"
    assert actors.sys.get_state(via)["heard"] is heard
    ref.stop()


def test_with_nobody_there_a_cast_is_lost_and_a_call_is_an_error(via: tuple[Any, ...]) -> None:
    actors.cast(via, "nobody is there")
    with pytest.raises(KeyError):  # what the registry raises, as global:send exits
        actors.send(via, "nobody is there")
    with pytest.raises(actors.ActorDeadError, match="no actor has the name") as caught:
        actors.call(via, "hello")
    assert caught.value.reason == "noproc"


def test_a_monitor_by_such_a_name_carries_it(via: tuple[Any, ...]) -> None:
    ref, _ = start_probe()
    watcher, heard = start_probe()
    actors.register(via, ref)
    watching = actors.monitor(via, watcher)
    ref.stop(reason="enough")
    assert hear(heard) == actors.Down(watching, via, "enough")
    missed = actors.monitor(via, watcher)
    assert hear(heard) == actors.Down(missed, via, "noproc")
    watcher.stop()


def test_a_tuple_with_local_is_a_local_name() -> None:
    ref, _ = start_probe()
    actors.register(("local", "mx"), ref)
    assert actors.whereis("mx") is actors.whereis(("local", "mx")) is ref
    assert actors.call(("local", "mx"), lambda _: "answer") == "answer"
    actors.unregister(("local", "mx"))
    assert actors.registered() == []
    ref.stop()


NO_NAMES = [(), ("local", 7), ("local", ""), ("via", "mx"), ("mx",), ("", "a@b"), ("mx", "")]


@pytest.mark.parametrize("name", NO_NAMES)
def test_other_tuples_are_no_names(name: Any) -> None:
    ref, _ = start_probe()
    with pytest.raises(ValueError, match="a non-empty text or a tuple"):
        actors.register(name, ref)
    with pytest.raises(ValueError, match="a non-empty text or a tuple"):
        actors.whereis(name)
    with pytest.raises(TypeError, match="its reference or its registered name"):
        actors.call(name, "hello")
    ref.stop()


class TestWithoutANode:
    def test_a_global_name_cannot_be_registered(self) -> None:
        ref, _ = start_probe()
        with pytest.raises(actors.StartError, match=r"call beam\.start first"):
            actors.register(("global", "mx"), ref)
        ref.stop()

    @pytest.mark.parametrize("name", [("global", "mx"), ("mx", "app@host")])
    def test_nobody_is_there(self, name: Any) -> None:
        assert actors.whereis(name) is None
        actors.cast(name, "lost")
        with pytest.raises(actors.ActorDeadError):
            actors.call(name, "hello")
        with pytest.raises(actors.ActorDeadError, match=r"call beam\.start first"):
            actors.send(name, "hello")


def test_a_global_name_is_looked_up_where_a_node_has_put_it(in_cluster: OwnRegistry) -> None:
    launched = actors.launch(Probe(), name=("global", ("mx", 1)))
    assert in_cluster.refs == {("mx", 1): launched}
    assert actors.whereis(("global", ("mx", 1))) is launched
    launched.stop()


def test_a_name_and_a_node_lead_to_what_the_node_makes_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ref, heard = start_probe()
    asked: list[Any] = []

    def elsewhere(name: str, node: str) -> Any:
        asked.append((name, node))
        return ref

    monkeypatch.setattr(names, "elsewhere", elsewhere)
    assert actors.whereis(("mx", "app@host")) is ref
    actors.send(("mx", "app@host"), "hello")
    assert hear(heard) == "hello"
    assert asked == [("mx", "app@host")] * 2
    with pytest.raises(ValueError, match="on its own node only"):
        actors.register(("mx", "app@host"), ref)
    with pytest.raises(ValueError, match="on its own node only"):
        actors.unregister(("mx", "app@host"))
    ref.stop()
