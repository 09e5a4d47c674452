"""What may be asked of a supervisor while it runs, and supervisors of one kind of children."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import actors
from actors import ActorExit, ChildSpec, SimpleOneForOne
from tests.actors.helpers import SECONDS, Gate, raise_, start_probe
from tests.actors.workers import Plan, Worker, child, end, supervised, worker


def test_which_children_tells_of_all_the_newest_first() -> None:
    with supervised(worker("a", []), ChildSpec("b", actors.Supervisor.start_link, "temporary")) as supervisor:
        a, b = child(supervisor, "a"), child(supervisor, "b")
        assert actors.which_children(supervisor) == [
            {"id": "b", "ref": b, "type": "worker", "restart": "temporary"},
            {"id": "a", "ref": a, "type": "worker", "restart": "permanent"},
        ]


def test_count_children_counts_what_runs_and_what_does_not() -> None:
    inner = ChildSpec("in", actors.Supervisor.start_link, type="supervisor")
    with supervised(worker("a", []), worker("b", []), inner) as supervisor:
        actors.terminate_child(supervisor, "a")
        counted = {"specs": 3, "active": 2, "supervisors": 1, "workers": 2}
        assert actors.count_children(supervisor) == counted


def test_a_supervisor_may_be_meant_by_its_name() -> None:
    supervisor = actors.launch(actors.Supervisor([worker("a", [])]), name="the supervisor")
    assert actors.get_childspec("the supervisor", "a").id == "a"
    assert actors.count_children("the supervisor")["active"] == 1
    supervisor.stop()


def test_only_a_supervisor_has_children() -> None:
    ref, _ = start_probe()
    with pytest.raises(TypeError):
        actors.which_children(ref)
    ref.stop()


def test_the_dead_have_no_children() -> None:
    with supervised() as supervisor:
        pass
    with pytest.raises(actors.ActorDeadError):
        actors.which_children(supervisor)


def test_a_child_may_be_started_later_and_is_the_last() -> None:
    journal: list[Any] = []
    with supervised(worker("a", journal)) as supervisor:
        ref = actors.start_child(supervisor, worker("b", journal))
        assert child(supervisor, "b") is ref
        actors.start_child(supervisor, {"id": "c", "start": (Worker.start_link, ["c", journal])})
    assert journal == ["start a", "start b", "start c", "stop c", "stop b", "stop a"]


def test_an_id_in_use_is_refused_running_or_not() -> None:
    with supervised(worker("a", [])) as supervisor:
        with pytest.raises(actors.AlreadyStarted) as running:
            actors.start_child(supervisor, worker("a", []))
        assert running.value.ref is child(supervisor, "a")
        actors.terminate_child(supervisor, "a")
        with pytest.raises(actors.AlreadyPresent):
            actors.start_child(supervisor, worker("a", []))


def test_a_child_whose_start_fails_is_not_kept() -> None:
    error = ValueError("bad")
    spec = worker("a", [], plan=Plan(error))
    with supervised() as supervisor:
        with pytest.raises(actors.ChildStartError) as caught:
            actors.start_child(supervisor, spec)
        assert (caught.value.child, caught.value.reason) == (spec, error)
        assert actors.which_children(supervisor) == []


def test_a_wrong_specification_is_refused_and_the_supervisor_lives() -> None:
    with supervised() as supervisor:
        with pytest.raises(ValueError):
            actors.start_child(supervisor, {"id": "a"})
        assert actors.which_children(supervisor) == []


@pytest.mark.parametrize(("restart", "kept"), [("permanent", 1), ("temporary", 0)])
def test_a_child_that_says_ignore_is_kept_unless_it_is_temporary(restart: Any, kept: int) -> None:
    spec = worker("a", [], plan=Plan(actors.IGNORE), restart=restart)
    with supervised() as supervisor:
        assert actors.start_child(supervisor, spec) is None
        assert actors.count_children(supervisor)["specs"] == kept


def test_a_terminated_child_stays_known_and_is_not_started_again() -> None:
    journal: list[Any] = []
    with supervised(worker("a", journal)) as supervisor:
        assert actors.terminate_child(supervisor, "a") is True
        assert actors.terminate_child(supervisor, "a") is False
        assert child(supervisor, "a") is None
    assert journal == ["start a", "stop a"]


def test_a_terminated_temporary_child_is_forgotten() -> None:
    with supervised(worker("a", [], restart="temporary")) as supervisor:
        actors.terminate_child(supervisor, "a")
        assert actors.which_children(supervisor) == []


@pytest.mark.parametrize(
    "request_", [actors.terminate_child, actors.restart_child, actors.delete_child, actors.get_childspec]
)
def test_an_unknown_child_is_a_key_error(request_: Any) -> None:
    with supervised() as supervisor, pytest.raises(KeyError):
        request_(supervisor, "nobody")


def test_a_stopped_child_may_be_started_again_or_deleted_a_running_one_may_not() -> None:
    with supervised(worker("a", [])) as supervisor:
        for request_ in (actors.restart_child, actors.delete_child):
            with pytest.raises(actors.ChildStateError) as caught:
                request_(supervisor, "a")
            assert caught.value.reason == "running"
        actors.terminate_child(supervisor, "a")
        assert actors.restart_child(supervisor, "a") is child(supervisor, "a")
        actors.terminate_child(supervisor, "a")
        actors.delete_child(supervisor, "a")
        assert actors.which_children(supervisor) == []


def test_a_child_whose_start_by_hand_fails_stays_as_it_was() -> None:
    with supervised(worker("a", [], plan=Plan(None, ActorExit("bad")))) as supervisor:
        actors.terminate_child(supervisor, "a")
        with pytest.raises(actors.ChildStartError) as caught:
            actors.restart_child(supervisor, "a")
        assert caught.value.reason == "bad"
        assert child(supervisor, "a") is None


def test_a_child_that_is_being_restarted_can_only_be_terminated() -> None:
    gate = Gate()
    plan = Plan(None, ActorExit("not yet"))

    def start() -> Any:
        if plan.starts:
            gate.wait()  # the requests below come before the supervisor's next try
        return Worker.start_link("a", [], plan=plan)

    with supervised(ChildSpec("a", start), intensity=9) as supervisor:
        end(supervisor, "a")
        gate.reached.get(timeout=SECONDS)
        known = supervisor.proxy()
        waiting = [
            known.which_children(),
            known.restart_child("a"),
            known.delete_child("a"),
            known.start_child(worker("a", [])),
            known.terminate_child("a"),
        ]
        gate.open()
        children, *refused, terminated = waiting
        assert [each["ref"] for each in children.get(timeout=SECONDS)] == ["restarting"]
        for answer in refused[:2]:
            with pytest.raises(actors.ChildStateError) as caught:
                answer.get(timeout=SECONDS)
            assert caught.value.reason == "restarting"
        with pytest.raises(actors.AlreadyPresent):
            refused[2].get(timeout=SECONDS)
        assert terminated.get(timeout=SECONDS) is True
        assert child(supervisor, "a") is None
        assert plan.starts == 2


def test_a_call_that_a_supervisor_does_not_know_is_answered_by_an_error_and_it_lives() -> None:
    with supervised(worker("a", [])) as supervisor:
        with pytest.raises(ValueError):
            supervisor.ask("junk")
        supervisor.tell("junk")
        assert child(supervisor, "a").is_alive()


def test_a_child_may_ask_its_supervisor() -> None:
    with supervised(worker("a", [])) as supervisor:
        counted = child(supervisor, "a").ask(lambda _: actors.count_children(supervisor))
        assert counted["active"] == 1


def test_the_supervisors_own_turn_may_not_ask_it() -> None:
    with supervised() as supervisor:
        spec = ChildSpec("a", (actors.restart_child, [supervisor, "a"]))
        with pytest.raises(actors.ChildStartError) as caught:
            actors.start_child(supervisor, spec)
        assert isinstance(caught.value.reason, actors.CallingSelf)


def test_a_child_whose_name_is_taken_fails_with_its_holder() -> None:
    holder, _ = start_probe()
    actors.register("mx", holder)
    spec = ChildSpec("a", lambda: actors.launch(Worker("a", []), name="mx", linked=True))
    already_started = ("already_started", holder)
    with pytest.raises(actors.StartError) as at_boot:
        actors.Supervisor.start([spec])
    assert at_boot.value.reason == ("shutdown", ("failed_to_start_child", "a", already_started))
    with supervised() as supervisor, pytest.raises(actors.ChildStartError) as by_hand:
        actors.start_child(supervisor, spec)
    assert by_hand.value.reason == already_started
    holder.stop()


# -- simple_one_for_one -----------------------------------------------------------------------------


def pool(journal: list[Any], **fields: Any) -> actors.GeventRef[SimpleOneForOne]:
    """A supervisor of workers that get their names when they are started."""
    spec = ChildSpec("worker", lambda name: Worker.start_link(name, journal), **fields)
    return SimpleOneForOne.start(spec, intensity=9)


def test_children_of_one_kind_get_arguments_of_their_own_also_when_they_are_restarted() -> None:
    journal: list[Any] = []
    supervisor = pool(journal)
    a, _ = (actors.start_child(supervisor, [name]) for name in "ab")
    assert a is not None
    a.tell(lambda _: raise_(ActorExit("boom")))
    actors.wait_down(a, SECONDS)
    assert actors.count_children(supervisor) == {"specs": 1, "active": 2, "supervisors": 0, "workers": 2}
    assert journal == ["start a", "start b", "stop a", "start a"]
    assert [each["id"] for each in actors.which_children(supervisor)] == [None, None]
    supervisor.stop()


def test_children_of_one_kind_are_terminated_by_reference_dead_ones_too() -> None:
    supervisor = pool([])
    ref = actors.start_child(supervisor, ["a"])
    assert actors.terminate_child(supervisor, ref) is True
    assert actors.terminate_child(supervisor, ref) is False
    assert actors.which_children(supervisor) == []
    supervisor.stop()


@pytest.mark.parametrize("request_", [actors.terminate_child, actors.get_childspec])
def test_a_stranger_is_no_child_of_one_kind_while_it_lives(request_: Any) -> None:
    supervisor = pool([])
    stranger, _ = start_probe()
    with pytest.raises(KeyError):
        request_(supervisor, stranger)
    stranger.stop()
    request_(supervisor, stranger)  # it might have been one
    supervisor.stop()


def test_children_of_one_kind_have_one_specification_by_its_id_or_their_references() -> None:
    supervisor = pool([], restart="transient")
    ref = actors.start_child(supervisor, ["a"])
    assert actors.get_childspec(supervisor, "worker") is actors.get_childspec(supervisor, ref)
    assert actors.get_childspec(supervisor, ref).restart == "transient"
    with pytest.raises(KeyError):
        actors.get_childspec(supervisor, "another")
    supervisor.stop()


@pytest.mark.parametrize("request_", [actors.terminate_child, actors.restart_child, actors.delete_child])
def test_children_of_one_kind_have_no_ids(request_: Any) -> None:
    supervisor = pool([])
    with pytest.raises(actors.ChildStateError) as caught:
        request_(supervisor, "worker")
    assert caught.value.reason == "simple_one_for_one"
    supervisor.stop()


@pytest.mark.parametrize("restart", ["transient", "temporary"])
def test_a_child_of_one_kind_that_is_not_started_again_is_forgotten(restart: Any) -> None:
    supervisor = pool([], restart=restart)
    ref = actors.start_child(supervisor, ["a"])
    assert ref is not None
    ref.stop()
    assert actors.which_children(supervisor) == []
    supervisor.stop()


def test_children_of_one_kind_are_stopped_all_at_the_same_time() -> None:
    supervisor = pool([], shutdown="infinity")
    gates = []
    for name in "abc":
        ref = actors.start_child(supervisor, [name])
        assert ref is not None
        gates.append(gate := Gate())
        ref.ask(lambda self, gate=gate: setattr(self, "on_stop", gate.wait))
    stopping = supervisor.stop(block=False)
    for gate in gates:
        gate.reached.get(timeout=SECONDS)  # all have come to their on_stop before any has left it
    for gate in gates:
        gate.open()
    assert stopping.get(timeout=SECONDS) is True


def test_a_child_of_one_kind_whose_start_fails_is_not_kept_but_its_restart_is_tried_again() -> None:
    plan = Plan(ActorExit("bad"), None, ActorExit("not yet"))
    spec = ChildSpec("worker", lambda: Worker.start_link("a", [], plan=plan))
    supervisor = SimpleOneForOne.start(spec, intensity=9)
    with pytest.raises(actors.ChildStartError):
        actors.start_child(supervisor, [])
    assert actors.which_children(supervisor) == []
    ref = actors.start_child(supervisor, [])
    assert ref is not None
    ref.stop()
    while actors.count_children(supervisor)["active"] == 0:
        pass
    assert plan.starts == 4
    supervisor.stop()


def test_a_supervisor_of_one_kind_gives_up_too() -> None:
    spec = ChildSpec("worker", lambda: Worker.start_link("a", []))
    supervisor = SimpleOneForOne.start(spec, intensity=0)
    first, second = (actors.start_child(supervisor, []) for _ in range(2))
    assert first is not None
    assert second is not None
    first.stop()
    actors.wait_down(supervisor, SECONDS)
    assert supervisor.exit_reason == "shutdown"
    assert second.exit_reason == "shutdown"


def test_children_started_from_many_threads_are_all_there() -> None:
    supervisor = pool([])
    threads = [threading.Thread(target=actors.start_child, args=(supervisor, [str(n)])) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert actors.count_children(supervisor)["active"] == 20
    supervisor.stop()
