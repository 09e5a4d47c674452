"""Suspending any actor, its state, and changing its code."""

from __future__ import annotations

from typing import Any

import gevent
import pykka
import pytest

import actors
from actors import ActorExit, sys
from tests.actors.helpers import (
    SECONDS,
    Gate,
    Probe,
    address_of,
    connect,
    exit_with,
    hear,
    hold,
    raise_,
    read_exactly,
    serving,
    session_of,
    start_probe,
)


class Counter(actors.GeventActor):
    """The first version: counts."""

    vsn = 1

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def on_receive(self, message: Any) -> Any:
        self.count += 1
        return self.count


class Named(Counter):
    """The second version: counts by name."""

    vsn = 2

    @classmethod
    def code_change(cls, old_vsn: Any, state: dict[str, Any], extra: Any) -> dict[str, Any]:
        return {"counts": {extra: state["count"]}, "old": old_vsn}

    def on_receive(self, message: Any) -> Any:
        return vars(self)["counts"], vars(self)["old"]


def failing(make: Any) -> type[actors.GeventActor]:
    """A version whose `code_change` fails."""

    class Failing(Counter):
        @classmethod
        def code_change(cls, old_vsn: Any, state: dict[str, Any], extra: Any) -> dict[str, Any]:
            state.clear()
            result: dict[str, Any] = make()
            return result

    return Failing


def test_messages_wait_in_order_while_an_actor_is_suspended() -> None:
    ref, heard = start_probe()
    sys.suspend(ref)
    for message in range(5):
        ref.tell(message)
    sys.get_state(ref)  # has looked at all of them
    assert heard.empty()
    sys.resume(ref)
    ref.tell(5)
    assert [hear(heard) for _ in range(6)] == list(range(6))
    ref.stop()


def test_an_actor_goes_on_with_new_code_and_new_state_and_the_call_that_waited_is_answered_so() -> None:
    ref = Counter.start()
    ref.ask("one")
    sys.suspend(ref)
    waiting = ref.ask("two", block=False)
    sys.change_code(ref, Named, "mine")
    sys.resume(ref)
    assert waiting.get(timeout=SECONDS) == ({"mine": 1}, 1)
    assert ref.actor_class is Named
    assert sys.get_state(ref) == {"counts": {"mine": 1}, "old": 1}
    ref.stop()


def test_without_a_code_change_of_its_own_a_class_takes_the_state_as_it_is() -> None:
    class Same(Counter):
        def on_receive(self, message: Any) -> Any:
            return "new", self.count

    ref = Counter.start()
    ref.ask("one")
    sys.suspend(ref)
    sys.change_code(ref, Same)
    sys.resume(ref)
    assert ref.ask("two") == ("new", 1)
    ref.stop()


def test_bonds_and_name_stay_at_a_change_of_code() -> None:
    ref = actors.launch(Counter(), name="counter")
    watcher, heard = start_probe()
    actors.monitor(ref, watcher)
    sys.suspend("counter")
    sys.change_code("counter", Named, "mine")
    assert actors.whereis("counter") is ref
    ref.stop()
    assert hear(heard).reason == "normal"
    watcher.stop()


def test_code_is_changed_only_while_the_actor_is_suspended() -> None:
    ref = Counter.start()
    with pytest.raises(sys.NotSuspended):
        sys.change_code(ref, Named, "mine")
    assert ref.ask("one") == 1
    ref.stop()


@pytest.mark.parametrize(
    "make",
    [
        lambda: raise_(ActorExit("boom")),
        lambda: raise_(ValueError("bad")),
        lambda: raise_(gevent.GreenletExit()),
        lambda: 42,
    ],
)
def test_a_change_that_fails_leaves_the_actor_suspended_with_its_old_code_and_state(make: Any) -> None:
    ref = Counter.start()
    ref.ask("one")
    sys.suspend(ref)
    with pytest.raises(sys.CallbackFailed) as caught:
        sys.change_code(ref, failing(make))
    assert caught.value.__cause__ is caught.value.reason
    waiting = ref.ask("two", block=False)
    assert sys.get_state(ref) == {"count": 1}
    assert not waiting.done()
    sys.resume(ref)
    assert waiting.get(timeout=SECONDS) == 2
    ref.stop()


def test_a_class_of_another_shape_changes_nothing() -> None:
    class Slotted(Counter):
        __slots__ = ("more",)

    ref = Counter.start()
    sys.suspend(ref)
    with pytest.raises(TypeError):
        sys.change_code(ref, Slotted)
    sys.resume(ref)
    assert ref.ask("one") == 1
    ref.stop()


def test_suspending_twice_is_suspending_once_and_resuming_one_that_runs_is_nothing() -> None:
    ref = Counter.start()
    sys.suspend(ref)
    sys.suspend(ref)
    sys.resume(ref)
    assert ref.ask("one") == 1
    sys.resume(ref)
    assert ref.ask("two") == 2
    ref.stop()


@pytest.mark.parametrize("trapping", [True, False])
def test_a_stop_reaches_one_that_is_suspended_and_its_on_stop_runs(trapping: bool) -> None:
    ref, heard = start_probe(trap_exits=trapping)
    sys.suspend(ref)
    ref.tell("unread")
    assert ref.stop(reason="enough", timeout=SECONDS) is True
    assert hear(heard) == ("on_stop", "enough")


def test_the_end_of_its_parent_reaches_one_that_is_suspended() -> None:
    parent, _ = start_probe()
    child = parent.ask(lambda self: type(self).start_link(trap_exits=True))
    sys.suspend(child)
    parent.tell(exit_with("boom"))
    actors.wait_down(child, SECONDS)
    assert child.exit_reason == "boom"


def test_an_exit_signal_and_a_kill_reach_one_that_is_suspended() -> None:
    for reason, expected in (("boom", "boom"), ("kill", "killed")):
        ref, _ = start_probe()
        sys.suspend(ref)
        actors.send_exit(ref, reason)
        actors.wait_down(ref, SECONDS)
        assert ref.exit_reason == expected


def test_the_exit_of_anyone_else_waits_as_other_messages_do() -> None:
    ref, heard = start_probe(trap_exits=True)
    sys.suspend(ref)
    actors.send_exit(ref, "boom")
    sys.get_state(ref)
    assert heard.empty()
    sys.resume(ref)
    assert hear(heard) == actors.Exit(ref, "boom")
    ref.stop()


def test_those_who_wait_for_a_suspended_actor_that_ends_hear_its_reason() -> None:
    ref = Counter.start()
    sys.suspend(ref)
    waiting = ref.ask("never", block=False)
    sys.get_state(ref)
    ref.kill()
    with pytest.raises(actors.ActorDeadError) as caught:
        waiting.get(timeout=SECONDS)
    assert caught.value.reason == "killed"


def test_a_state_may_be_replaced_while_the_actor_runs() -> None:
    ref = Counter.start()
    assert sys.replace_state(ref, lambda state: {"count": state["count"] + 10}) == {"count": 10}
    assert ref.ask("one") == 11
    ref.stop()


def test_its_parent_is_no_part_of_a_childs_state() -> None:
    parent, _ = start_probe()
    child = parent.ask(lambda _: Counter.start_link())
    assert sys.get_state(child) == {"count": 0}
    sys.replace_state(child, lambda state: {"count": 1})
    assert child.actor().parent is parent
    child.stop()
    parent.stop()


def test_a_replacement_that_fails_leaves_the_old_state() -> None:
    ref = Counter.start()
    error = ValueError("bad")
    with pytest.raises(sys.CallbackFailed) as caught:
        sys.replace_state(ref, lambda _: raise_(error))
    assert caught.value.reason is error
    assert ref.ask("one") == 1
    ref.stop()


@pytest.mark.parametrize("function", [sys.suspend, sys.resume, sys.get_state])
def test_the_dead_are_not_suspended(function: Any) -> None:
    ref = Counter.start()
    ref.stop()
    with pytest.raises(actors.ActorDeadError):
        function(ref)


def test_an_actor_can_neither_suspend_itself_nor_a_stranger_be_suspended() -> None:
    ref, _ = start_probe()

    def suspend_itself(_: Any) -> None:
        with pytest.raises(actors.CallingSelf):
            sys.suspend(ref)

    ref.ask(suspend_itself)
    ref.stop()
    threaded = pykka.ThreadingActor.start()
    with pytest.raises(TypeError):
        sys.suspend(threaded)
    threaded.stop()


def test_a_suspend_that_comes_too_late_is_withdrawn() -> None:
    ref, _ = start_probe()
    gate = hold(ref)
    with pytest.raises(pykka.Timeout):
        sys.suspend(ref, timeout=0.01)
    gate.open()
    assert ref.ask(lambda _: "runs") == "runs"
    ref.stop()


def test_one_that_is_killed_while_its_code_changes_is_dead() -> None:
    gate = Gate()
    ref = Counter.start()
    sys.suspend(ref)
    change = actors.spawn(sys.change_code, ref, failing(gate.wait))
    gate.reached.get(timeout=SECONDS)
    ref.kill()
    with pytest.raises(actors.ActorDeadError) as caught:
        change.get(timeout=SECONDS)
    assert caught.value.reason == "killed"


def test_a_suspended_session_reads_nothing_until_it_is_resumed() -> None:
    with serving() as server, connect(address_of(server)) as client:
        assert read_exactly(client, 6) == b"hello\n"
        session = session_of(server)
        sys.suspend(session)
        client.sendall(b"echo")
        sys.get_state(session)
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)
        client.settimeout(SECONDS)
        sys.resume(session)
        assert read_exactly(client, 4) == b"echo"


def test_a_suspended_server_can_be_stopped() -> None:
    with serving() as server:
        sys.suspend(server)
        assert server.stop(timeout=SECONDS) is True


def test_one_that_must_wind_up_first_gets_its_messages_again_when_it_is_stopped() -> None:
    class WindingUp(Probe):
        def on_stop_request(self, reason: Any) -> None:
            self.heard.put("asked to stop")

        def on_receive(self, message: Any) -> Any:
            raise ActorExit(message)

    ref = WindingUp.start()
    sys.suspend(ref)
    ref.tell("wound up")
    assert ref.stop(timeout=SECONDS) is True
    assert ref.exit_reason == "wound up"


def test_a_subclass_of_a_probe_keeps_what_the_probe_had() -> None:
    class Louder(Probe):
        def on_receive(self, message: Any) -> Any:
            self.heard.put(str(message).upper())

    ref, heard = start_probe()
    sys.suspend(ref)
    sys.change_code(ref, Louder)
    sys.resume(ref)
    ref.tell("quiet")
    assert hear(heard) == "QUIET"
    ref.stop()
