"""Supervisors: their starts and ends, the strategies, the restarts."""

from __future__ import annotations

import threading
from typing import Any

import gevent
import pytest

import actors
from actors import ActorExit, ChildSpec, Supervisor, events
from tests.actors.helpers import SECONDS, Gate, hear, live_actors, raise_, start_probe
from tests.actors.workers import Plan, Worker, child, end, settle, supervised, worker

ABNORMAL = ["boom", "killed", ValueError("bad")]
NORMAL = ["normal", "shutdown", ("shutdown", "for a reason")]


def reasons(error: BaseException | None) -> list[Any]:
    """The reasons in a chain of start errors, down to the first cause."""
    found = []
    while error is not None:
        found.append(getattr(error, "reason", error))
        error = error.__cause__
    return found


# -- start and stop ---------------------------------------------------------------------------------


def test_children_start_in_order_and_stop_in_reverse_order_with_reason_shutdown() -> None:
    journal: list[Any] = []
    with supervised(*(worker(name, journal) for name in "abc")) as supervisor:
        refs = [child(supervisor, name) for name in "abc"]
    assert journal == ["start a", "start b", "start c", "stop c", "stop b", "stop a"]
    assert [ref.exit_reason for ref in refs] == ["shutdown"] * 3
    assert supervisor.exit_reason == "normal"


def test_each_child_is_gone_before_the_next_is_stopped() -> None:
    journal: list[Any] = []
    gate = Gate()
    slow = ChildSpec("slow", lambda: Worker.start_link("slow", journal), shutdown="infinity")
    supervisor = Supervisor.start([worker("a", journal), slow])
    child(supervisor, "slow").tell(lambda _: gate.wait())
    gate.reached.get(timeout=SECONDS)
    stopping = supervisor.stop(block=False)
    assert "stop a" not in journal
    gate.open()
    assert stopping.get(timeout=SECONDS) is True
    assert journal[-2:] == ["stop slow", "stop a"]


@pytest.mark.parametrize("reason", ["boom", "normal", "shutdown"])
def test_a_supervisor_ends_with_its_parent_and_takes_its_children_along(reason: str) -> None:
    journal: list[Any] = []
    parent, _ = start_probe(trap_exits=True)
    supervisor = parent.ask(lambda _: Supervisor.start_link([worker("a", journal)]))
    parent.tell(lambda _: raise_(ActorExit(reason)))
    assert actors.wait_down(supervisor, SECONDS) in (reason, "noproc")
    assert supervisor.exit_reason == reason
    assert journal == ["start a", "stop a"]


def test_an_exit_signal_of_anyone_but_the_parent_is_ignored() -> None:
    with supervised() as supervisor:
        actors.send_exit(supervisor, "shutdown")
        assert actors.count_children(supervisor)["specs"] == 0


@pytest.mark.parametrize("traps", [True, False])
@pytest.mark.parametrize("start", [Worker.start_link, Worker.start])
def test_the_children_of_a_killed_supervisor_die_of_that(start: Any, traps: bool) -> None:
    supervisor = Supervisor.start([ChildSpec(1, lambda: start("a", [], traps=traps))])
    ref = child(supervisor, 1)
    supervisor.kill()
    actors.wait_down(ref, SECONDS)
    assert ref.exit_reason == "killed"


def test_a_child_may_be_started_without_a_link_and_is_part_of_the_tree_all_the_same() -> None:
    with supervised(ChildSpec("a", lambda: Worker.start("a", [], traps=True))) as supervisor:
        ref = child(supervisor, "a")
    assert ref.exit_reason == "shutdown"


def test_a_child_that_stops_its_supervisor_does_not_wait_for_its_own_end() -> None:
    supervisor = Supervisor.start([worker("a", [])])
    assert child(supervisor, "a").ask(lambda _: supervisor.stop(), timeout=SECONDS) is True
    actors.wait_down(supervisor, SECONDS)


def test_a_supervisor_told_to_stop_while_a_child_starts_finishes_the_start_and_then_stops_all() -> None:
    journal: list[Any] = []
    gate = Gate()
    with supervised() as supervisor:
        starting = threading.Thread(
            target=actors.start_child, args=(supervisor, worker("slow", journal, plan=gate.wait))
        )
        starting.start()
        gate.reached.get(timeout=SECONDS)
        stopping = supervisor.stop(block=False)
        gate.open()
        assert stopping.get(timeout=SECONDS) is True
        starting.join(SECONDS)
    assert journal == ["start slow", "stop slow"]


def test_a_sibling_that_dies_while_the_supervisor_stops_is_not_started_again() -> None:
    journal: list[Any] = []
    gate = Gate()
    slow = worker("slow", journal, shutdown="infinity")
    supervisor = Supervisor.start([worker("a", journal), slow])
    first = child(supervisor, "a")
    child(supervisor, "slow").tell(lambda _: gate.wait())
    gate.reached.get(timeout=SECONDS)
    stopping = supervisor.stop(block=False)
    first.kill()
    actors.wait_down(first, SECONDS)
    gate.open()
    assert stopping.get(timeout=SECONDS) is True
    assert journal == ["start a", "start slow", "stop slow"]


def test_a_child_whose_end_fails_does_not_keep_the_supervisor_from_its_own() -> None:
    class Stubborn(Worker):
        def on_stop(self) -> None:
            raise LookupError("no")

    journal: list[Any] = []
    supervisor = Supervisor.start([worker("a", journal), ChildSpec("b", (Stubborn.start_link, ["b", []]))])
    assert supervisor.stop(reason="shutdown") is True
    assert supervisor.exit_reason == "shutdown"
    assert journal == ["start a", "stop a"]


# -- shutdown times ---------------------------------------------------------------------------------


def test_brutal_kill_ends_a_child_at_once_and_none_of_its_hooks_runs() -> None:
    journal: list[Any] = []
    with supervised(worker("a", journal, shutdown="brutal_kill")) as supervisor:
        ref = child(supervisor, "a")
        gate = Gate()
        ref.tell(lambda _: gate.wait())
        gate.reached.get(timeout=SECONDS)
    assert ref.exit_reason == "killed"
    assert journal == ["start a"]


def test_a_child_that_does_not_end_in_time_is_cut_off_and_that_is_reported() -> None:
    cut: list[Any] = []
    unsubscribe = events.subscribe(events.ChildCutOff, cut.append)
    gate = Gate()
    with supervised(worker("a", [], shutdown=0.01)) as supervisor:
        ref = child(supervisor, "a")
        ref.tell(lambda _: actors.run_blocking(gate.wait))
        gate.reached.get(timeout=SECONDS)
    unsubscribe()
    gate.open()
    assert ref.exit_reason == "killed"
    assert [(event.child, event.seconds) for event in cut] == [("a", 0.01)]


def test_a_child_that_has_unlinked_itself_is_stopped_all_the_same() -> None:
    with supervised(worker("a", [])) as supervisor:
        ref = child(supervisor, "a")
        ref.ask(lambda self: self.unlink(supervisor))
    assert ref.exit_reason == "shutdown"


# -- starts that fail -------------------------------------------------------------------------------


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
def test_a_child_that_fails_at_the_start_fails_that_of_the_supervisor(restart: Any) -> None:
    journal: list[Any] = []
    plan = Plan(ActorExit("bad"))
    with pytest.raises(actors.StartError) as caught:
        Supervisor.start(
            [
                worker("a", journal),
                worker("b", journal),
                worker("bad", journal, plan=plan, restart=restart),
                worker("c", journal),
            ]
        )
    assert caught.value.reason == ("shutdown", ("failed_to_start_child", "bad", "bad"))
    assert plan.starts == 1
    assert journal == ["start a", "start b", "stop b", "stop a"]


def test_the_error_leads_to_the_first_cause_through_nested_supervisors() -> None:
    error = ValueError("no database")
    inner = ChildSpec("in", lambda: Supervisor.start_link([worker("b", [], plan=Plan(error))]))
    with pytest.raises(actors.StartError) as caught:
        Supervisor.start([inner])
    inside = ("shutdown", ("failed_to_start_child", "b", error))
    outside = ("shutdown", ("failed_to_start_child", "in", inside))
    assert reasons(caught.value) == [outside, inside, inside, error, error, error]
    assert isinstance(caught.value.__cause__, actors.ChildStartError)
    assert caught.value.__cause__.child is inner


def test_a_failed_start_reaches_a_linked_parent_that_traps_exits() -> None:
    parent, heard = start_probe(trap_exits=True)

    def start(_: Any) -> Any:
        with pytest.raises(actors.StartError):
            Supervisor.start_link([worker("b", [], plan=Plan(ActorExit("bad")))])

    parent.ask(start)
    assert hear(heard).reason == ("shutdown", ("failed_to_start_child", "b", "bad"))
    parent.stop()


@pytest.mark.parametrize("wrong", [42, "a"])
def test_a_start_function_that_returns_no_actor_fails(wrong: Any) -> None:
    with pytest.raises(actors.StartError):
        Supervisor.start([ChildSpec("a", lambda: wrong)])


def test_a_start_function_that_raises_fails_with_that() -> None:
    error = OSError("no")
    with pytest.raises(actors.StartError) as caught:
        Supervisor.start([ChildSpec("a", lambda: raise_(error))])
    assert caught.value.reason == ("shutdown", ("failed_to_start_child", "a", error))


@pytest.mark.parametrize("error", [gevent.Timeout(1), gevent.GreenletExit(), SystemExit()])
def test_whatever_a_start_function_raises_the_supervisor_lives(error: BaseException) -> None:
    with supervised() as supervisor:
        with pytest.raises(actors.ChildStartError) as caught:
            actors.start_child(supervisor, ChildSpec("a", lambda: raise_(error)))
        assert caught.value.reason is error
        assert actors.which_children(supervisor) == []


def test_a_supervisor_killed_while_a_child_starts_reports_no_failure_of_the_child() -> None:
    failed: list[Any] = []
    unsubscribe = events.subscribe(events.ChildNotStarted, failed.append)
    gate = Gate()
    supervisor = Supervisor.start()
    starting = supervisor.proxy().start_child(worker("a", [], plan=gate.wait))
    gate.reached.get(timeout=SECONDS)
    supervisor.kill()
    with pytest.raises(actors.ActorDeadError):
        starting.get(timeout=SECONDS)
    gate.open()
    for actor in live_actors():
        actors.wait_down(actor.actor_ref, SECONDS)
    unsubscribe()
    assert failed == []


def test_a_child_that_says_ignore_is_kept_without_running_unless_it_is_temporary() -> None:
    plan = Plan(actors.IGNORE, actors.IGNORE)
    children = [worker("a", [], plan=plan), worker("b", [], plan=plan, restart="temporary")]
    with supervised(*children) as supervisor:
        assert [(each["id"], each["ref"]) for each in actors.which_children(supervisor)] == [("a", None)]
        assert actors.count_children(supervisor)["active"] == 0


def test_a_child_that_was_gone_before_the_supervisor_could_look_ended_with_its_own_reason() -> None:
    def start_and_end() -> Any:
        ref = Worker.start("a", [])
        ref.stop()
        return ref

    with supervised(ChildSpec("a", start_and_end, restart="transient")) as supervisor:
        assert child(supervisor, "a") is None


# -- restarts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [*NORMAL, *ABNORMAL], ids=str)
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
def test_which_children_are_started_again_after_which_ends(restart: Any, reason: Any) -> None:
    with supervised(worker("a", [], restart=restart)) as supervisor:
        if reason == "killed":
            first = child(supervisor, "a")
            first.kill()
            actors.wait_down(first, SECONDS)
        else:
            first = end(supervisor, "a", reason)
        children: dict[Any, Any] = {each["id"]: each["ref"] for each in actors.which_children(supervisor)}
        if restart == "temporary":
            assert children == {}
        elif restart == "permanent" or reason in ABNORMAL:
            assert children["a"].is_alive()
            assert children["a"] is not first
        else:
            assert children == {"a": None}


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("one_for_one", ["stop b", "start b"]),
        (
            "one_for_all",
            ["stop b", "stop d", "stop c", "stop a", "start a", "start b", "start c", "start d"],
        ),
        ("rest_for_one", ["stop b", "stop d", "stop c", "start b", "start c", "start d"]),
    ],
)
def test_who_is_restarted_when_one_fails_and_in_what_order(strategy: Any, expected: list[str]) -> None:
    journal: list[Any] = []
    with supervised(*(worker(name, journal) for name in "abcd"), strategy=strategy) as supervisor:
        journal.clear()
        end(supervisor, "b")
        assert actors.count_children(supervisor)["active"] == 4
        assert journal == expected


def test_a_temporary_sibling_is_stopped_with_the_group_and_not_started_again() -> None:
    journal: list[Any] = []
    children = [worker("a", journal, restart="temporary"), worker("b", journal)]
    with supervised(*children, strategy="one_for_all") as supervisor:
        end(supervisor, "b")
        assert [each["id"] for each in actors.which_children(supervisor)] == ["b"]
        assert journal == ["start a", "start b", "stop b", "stop a", "start b"]


def test_the_normal_end_of_a_transient_child_leaves_its_siblings_alone() -> None:
    journal: list[Any] = []
    children = [worker("a", journal, restart="transient"), worker("b", journal)]
    with supervised(*children, strategy="one_for_all") as supervisor:
        end(supervisor, "a", "normal")
        assert actors.count_children(supervisor)["active"] == 1
        assert journal == ["start a", "start b", "stop a"]


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_a_child_that_was_terminated_is_started_again_with_its_group(strategy: Any) -> None:
    with supervised(worker("a", []), worker("b", []), strategy=strategy) as supervisor:
        actors.terminate_child(supervisor, "b")
        end(supervisor, "a")
        assert actors.count_children(supervisor)["active"] == 2


def test_restarts_within_the_intensity_are_done_and_one_more_ends_the_supervisor_with_shutdown() -> None:
    journal: list[Any] = []
    given_up: list[Any] = []
    unsubscribe = events.subscribe(events.SupervisorGaveUp, given_up.append)
    with supervised(worker("a", journal), worker("b", journal), intensity=2, period=60) as supervisor:
        for _ in range(2):
            end(supervisor, "b")
        assert child(supervisor, "b").is_alive()
        journal.clear()
        end(supervisor, "b")
        actors.wait_down(supervisor, SECONDS)
    unsubscribe()
    assert supervisor.exit_reason == "shutdown"
    assert journal == ["stop b", "stop a"]
    assert [(event.child, event.reason) for event in given_up] == [("b", "boom")]


def test_at_intensity_0_the_first_failure_ends_the_supervisor() -> None:
    with supervised(worker("a", []), intensity=0) as supervisor:
        end(supervisor, "a")
        actors.wait_down(supervisor, SECONDS)
    assert supervisor.exit_reason == "shutdown"


def test_the_restarts_of_all_children_count_together_and_that_of_a_group_counts_once() -> None:
    with supervised(worker("a", []), worker("b", []), intensity=2, strategy="one_for_all") as supervisor:
        end(supervisor, "a")
        end(supervisor, "b")
        assert actors.count_children(supervisor)["active"] == 2
        end(supervisor, "a")
        actors.wait_down(supervisor, SECONDS)
    assert supervisor.exit_reason == "shutdown"


def test_ends_that_need_no_restart_and_restarts_by_hand_do_not_count() -> None:
    children = [worker("a", [], restart="transient"), worker("b", [], restart="temporary")]
    with supervised(*children, intensity=0) as supervisor:
        end(supervisor, "b")
        for _ in range(3):
            end(supervisor, "a", "normal")
            actors.restart_child(supervisor, "a")
        assert actors.count_children(supervisor)["active"] == 1


def test_a_restart_that_fails_is_tried_again_and_each_try_counts() -> None:
    plan = Plan(None, *[ActorExit("not yet")] * 9)
    with supervised(worker("a", [], plan=plan), intensity=3) as supervisor:
        end(supervisor, "a")
        actors.wait_down(supervisor, SECONDS)
    assert plan.starts == 1 + 3
    assert supervisor.exit_reason == "shutdown"


def test_a_restart_that_succeeds_in_the_end_brings_the_child_back() -> None:
    plan = Plan(None, ActorExit("not yet"), ActorExit("not yet"))
    with supervised(worker("a", [], plan=plan), intensity=3) as supervisor:
        end(supervisor, "a")
        settle(supervisor)
        assert child(supervisor, "a").is_alive()
        assert plan.starts == 4


def test_a_child_that_says_ignore_at_its_restart_is_not_running_and_its_supervisor_lives() -> None:
    with supervised(worker("a", [], plan=Plan(None, actors.IGNORE))) as supervisor:
        end(supervisor, "a")
        assert child(supervisor, "a") is None


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("one_for_all", ["start a", "stop a", "start a", "start b", "start c"]),
        ("rest_for_one", ["start a", "start b", "start c"]),
    ],
)
def test_a_start_that_fails_in_a_group_is_tried_again_with_its_group(
    strategy: Any, expected: list[str]
) -> None:
    journal: list[Any] = []
    plan = Plan(None, ActorExit("not yet"))
    children = [worker("a", journal), worker("b", journal, plan=plan), worker("c", journal)]
    with supervised(*children, strategy=strategy, intensity=5) as supervisor:
        journal.clear()
        end(supervisor, "a")
        settle(supervisor)
        assert actors.count_children(supervisor)["active"] == 3
        assert [entry for entry in journal if entry not in ("stop b", "stop c")] == ["stop a", *expected]


# -- nested supervisors -----------------------------------------------------------------------------


def tree(journal: list[Any], restart: Any) -> list[ChildSpec]:
    """A worker and a supervisor that gives up at the first failure of its child x."""

    def start() -> Any:
        return Supervisor.start_link([worker("x", journal)], intensity=0)

    return [worker("a", journal), ChildSpec("in", start, restart=restart, type="supervisor")]


def test_a_supervisor_that_gave_up_is_started_again_with_all_it_had() -> None:
    journal: list[Any] = []
    with supervised(*tree(journal, "permanent")) as outer:
        inner = child(outer, "in")
        end(inner, "x")
        actors.wait_down(inner, SECONDS)
        assert child(outer, "in") is not inner
        assert child(child(outer, "in"), "x").is_alive()
    assert journal == ["start a", "start x", "stop x", "start x", "stop x", "stop a"]


def test_a_transient_supervisor_that_gave_up_is_not_started_again() -> None:
    with supervised(*tree([], "transient")) as outer:
        inner = child(outer, "in")
        end(inner, "x")
        actors.wait_down(inner, SECONDS)
        assert child(outer, "in") is None


def test_when_the_supervisor_above_gives_up_too_the_whole_tree_is_gone() -> None:
    with supervised(*tree([], "permanent"), intensity=1) as outer:
        for _ in range(2):
            inner = child(outer, "in")
            end(inner, "x")
            actors.wait_down(inner, SECONDS)
        actors.wait_down(outer, SECONDS)
    assert outer.exit_reason == "shutdown"


# -- reports ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("restart", "reason", "reported"),
    [
        ("permanent", "normal", True),
        ("permanent", "boom", True),
        ("transient", "boom", True),
        ("temporary", "boom", True),
        ("transient", "shutdown", False),
        ("temporary", "normal", False),
    ],
)
def test_which_ends_are_reported(restart: Any, reason: str, reported: bool) -> None:
    ended: list[Any] = []
    unsubscribe = events.subscribe(events.ChildEnded, ended.append)
    with supervised(worker("a", [], restart=restart)) as supervisor:
        end(supervisor, "a", reason)
        actors.count_children(supervisor)
    unsubscribe()
    assert [(event.child, event.reason) for event in ended] == [("a", reason)] * reported
