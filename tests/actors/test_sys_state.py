"""The state that `actors.sys` shows and replaces: attributes in slots and in the instance's dictionary."""

from __future__ import annotations

from typing import Any

import pytest

import actors
from actors import sys
from tests.actors.helpers import SECONDS, Echo, greeted, raise_, read_exactly, serving, session_of
from tests.actors.helpers import address_of as address


class Plain(actors.GeventActor):
    """Without slots."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 1
        self.__secret = 2

    def on_receive(self, message: Any) -> Any:
        return self.count, self.__secret


class Slotted(actors.GeventActor):
    """With slots."""

    __slots__ = ("__secret", "count", "unset")

    def __init__(self) -> None:
        super().__init__()
        self.count = 1
        self.__secret = 2

    def on_receive(self, message: Any) -> Any:
        return self.count, self.__secret


class OneSlot(actors.GeventActor):
    """With its slots given as one name."""

    __slots__ = "count"

    def __init__(self) -> None:
        super().__init__()
        self.count = 1


class Inherited(Slotted):
    """With slots of its own and of its base, one of them with the same private name."""

    __slots__ = ("__secret", "more")

    def __init__(self) -> None:
        super().__init__()
        self.__secret = 3
        self.more = 4

    def own_secret(self) -> int:
        return self.__secret


class Mixed(Slotted):
    """With slots of its base, and a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.more = 4


class Reloaded(actors.GeventActor):
    """As Slotted, made again: the same slots, another class."""

    __slots__ = ("_Slotted__secret", "count", "unset")

    def on_receive(self, message: Any) -> Any:
        return "reloaded", self.count


class Failing(Reloaded):
    """As Reloaded; its `code_change` fails after it has changed its copy."""

    __slots__ = ()

    @classmethod
    def code_change(cls, old_vsn: Any, state: dict[str, Any], extra: Any) -> dict[str, Any]:
        state.clear()
        raise extra


STATES: list[tuple[type[actors.GeventActor], dict[str, Any]]] = [
    (Plain, {"count": 1, "_Plain__secret": 2}),
    (Slotted, {"count": 1, "_Slotted__secret": 2}),
    (OneSlot, {"count": 1}),
    (Inherited, {"count": 1, "_Slotted__secret": 2, "_Inherited__secret": 3, "more": 4}),
    (Mixed, {"count": 1, "_Slotted__secret": 2, "more": 4}),
]


@pytest.mark.parametrize(("actor_class", "state"), STATES, ids=[each.__name__ for each, _ in STATES])
def test_the_state_is_all_that_an_actor_has_of_its_own(
    actor_class: type[actors.GeventActor], state: dict[str, Any]
) -> None:
    ref = actor_class.start()
    assert sys.get_state(ref) == state
    ref.stop()


@pytest.mark.parametrize(("actor_class", "state"), STATES, ids=[each.__name__ for each, _ in STATES])
def test_each_attribute_is_replaced_taken_away_and_given_again(
    actor_class: type[actors.GeventActor], state: dict[str, Any]
) -> None:
    ref = actor_class.start()
    doubled = {name: value * 2 for name, value in state.items()}
    assert sys.replace_state(ref, lambda _: doubled) == doubled == sys.get_state(ref)
    assert sys.replace_state(ref, lambda _: {}) == {} == sys.get_state(ref)
    assert sys.replace_state(ref, lambda _: state) == state == sys.get_state(ref)
    ref.stop()


def test_the_actor_itself_sees_what_was_replaced() -> None:
    for actor_class in (Plain, Slotted):
        ref = actor_class.start()
        sys.replace_state(ref, lambda state: dict.fromkeys(state, 7))
        assert ref.ask(None, timeout=SECONDS) == (7, 7)
        ref.stop()


def test_a_slot_that_was_empty_can_be_filled_and_what_has_no_slot_goes_beside_them() -> None:
    ref = Slotted.start()
    filled = {"count": 1, "unset": 2, "other": 3}
    assert sys.replace_state(ref, lambda _: filled) == filled == sys.get_state(ref)
    ref.stop()


def test_what_the_runtime_keeps_is_neither_shown_nor_replaced() -> None:
    ref = Slotted.start()
    strange = {"mailbox": None, "exit_reason": "x", "parent": ref, "_departed": True, "_last_reply": 1}
    assert sys.replace_state(ref, lambda state: {**state, **strange}) == {"count": 1, "_Slotted__secret": 2}
    assert ref.ask(None, timeout=SECONDS) == (1, 2)
    ref.stop()


@pytest.mark.parametrize("wrong", [None, [], {1: 2}], ids=repr)
def test_a_state_that_is_none_changes_nothing(wrong: Any) -> None:
    ref = Slotted.start()
    with pytest.raises(sys.CallbackFailed):
        sys.replace_state(ref, lambda _: wrong)
    assert sys.get_state(ref) == {"count": 1, "_Slotted__secret": 2}
    ref.stop()


def test_a_replacement_that_fails_changes_nothing() -> None:
    ref = Slotted.start()

    def fail(state: dict[str, Any]) -> dict[str, Any]:
        state.clear()
        return {"x": raise_(LookupError())}

    with pytest.raises(sys.CallbackFailed):
        sys.replace_state(ref, fail)
    assert sys.get_state(ref) == {"count": 1, "_Slotted__secret": 2}
    ref.stop()


def test_slots_go_with_a_change_of_code_to_a_class_with_the_same() -> None:
    ref = Slotted.start()
    sys.suspend(ref)
    sys.change_code(ref, Reloaded)
    assert sys.get_state(ref) == {"count": 1, "_Slotted__secret": 2}
    sys.resume(ref)
    assert ref.ask(None, timeout=SECONDS) == ("reloaded", 1)
    ref.stop()


@pytest.mark.parametrize(
    ("new_class", "error"), [(Failing, sys.CallbackFailed), (Plain, TypeError), (Inherited, TypeError)]
)
def test_a_change_of_code_that_fails_changes_nothing(
    new_class: type[actors.GeventActor], error: type[Exception]
) -> None:
    ref = Slotted.start()
    sys.suspend(ref)
    with pytest.raises(error):
        sys.change_code(ref, new_class, LookupError())
    assert ref.actor_class is Slotted
    assert sys.get_state(ref) == {"count": 1, "_Slotted__secret": 2}
    sys.resume(ref)
    assert ref.ask(None, timeout=SECONDS) == (1, 2)
    ref.stop()


class Counting(Echo):
    """A session that says how much came."""

    __slots__ = ("octets",)

    def on_connect(self) -> None:
        self.octets = 0
        super().on_connect()

    def on_data(self, data: bytes) -> None:
        self.octets += len(data)
        self.send(b"%d\n" % self.octets)


def test_a_sessions_state_shows_and_is_replaced_while_it_is_served() -> None:
    with serving(session=Counting) as server, greeted(address(server)) as client:
        client.sendall(b"abc")
        assert read_exactly(client, 2) == b"3\n"
        session = session_of(server)
        state = sys.get_state(session)
        assert (state["octets"], state["peer"]) == (3, client.getsockname())
        assert sys.replace_state(session, lambda state: {**state, "octets": 5})["octets"] == 5
        client.sendall(b"d")
        assert read_exactly(client, 2) == b"6\n"
        assert sys.get_state(session).keys() == state.keys()


def test_a_servers_and_a_supervisors_state_show_and_are_replaced() -> None:
    with serving() as server:
        assert sys.get_state(server)["grace"] == 5.0
        assert sys.replace_state(server, lambda state: {**state, "grace": 1.0})["grace"] == 1.0
        assert sys.get_state(server)["grace"] == 1.0
    supervisor = actors.Supervisor.start([actors.ChildSpec("plain", Plain.start_link)])
    assert sys.replace_state(supervisor, dict).keys() == sys.get_state(supervisor).keys()
    assert [child["id"] for child in actors.which_children(supervisor)] == ["plain"]
    supervisor.stop()


def test_a_listeners_state_shows() -> None:
    listener = actors.ListenerActor.start(actors.Endpoint("127.0.0.1", 0), 0, Plain.start())
    state = sys.get_state(listener)
    assert (state["paused"], state["address"][0]) == (False, "127.0.0.1")
    assert sys.replace_state(listener, dict).keys() == state.keys()
    actors.sys.get_state(listener)["_server"].stop()
    listener.stop()


def test_the_status_says_how_an_actor_is() -> None:
    ref, other = Plain.start(), Plain.start()
    actors.link(ref, other)
    actors.monitor(ref, other)
    sys.suspend(ref)
    waiting = ref.ask("later", block=False)
    status = sys.get_status(ref)
    assert (status.ref, status.actor_class, status.suspended, status.parent) == (ref, Plain, True, None)
    assert (status.trap_exits, status.links, status.monitored_by, status.messages) == (False, (other,), 1, 1)
    assert status.state["count"] == 1
    sys.resume(ref)
    assert waiting.get(timeout=SECONDS) == (1, 2)
    assert (sys.get_status(ref).suspended, sys.get_status(other).monitored_by) == (False, 0)
    ref.stop(), other.stop()
