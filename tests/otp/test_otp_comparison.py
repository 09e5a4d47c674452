"""The comparison itself: it finds what is planted, makes it small, and is fair."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import actors
from actors.otp import child_spec, supervisor
from tests.otp.beam import Beam
from tests.otp.compare import compare
from tests.otp.generator.scenarios import KINDS, scenario
from tests.otp.judge import Judge
from tests.otp.language import Scenario, erlang, is_well_formed, limit_of, shown
from tests.otp.python.play import play
from tests.otp.shrinking import smaller_ones

SERVER: Any = (False, [[]], [])


def started(*labels: str) -> Any:
    """A step that starts servers."""
    return ("outside", [("start", label, "server", "alone", None, "infinity", SERVER) for label in labels])


# -- what is planted is found -------------------------------------------------------------------------------


def restart_the_transient(patch: pytest.MonkeyPatch) -> None:
    """A transient child is started again after a normal end."""
    patch.setitem(child_spec.RESTARTS, "transient", lambda reason: True)


def restart_the_rest_only(patch: pytest.MonkeyPatch) -> None:
    """one_for_all does what rest_for_one does."""
    patch.setitem(supervisor.STRATEGIES, "one_for_all", supervisor.STRATEGIES["rest_for_one"])


def go_on_watching(patch: pytest.MonkeyPatch) -> None:
    """`demonitor` does nothing."""
    patch.setattr(actors, "demonitor", lambda *_, **__: True)


def end_in_the_order_of_the_start(patch: pytest.MonkeyPatch) -> None:
    """A supervisor ends its oldest child first."""
    end_in_turn = supervisor.end_in_turn
    patch.setattr(supervisor, "end_in_turn", lambda children: end_in_turn(list(children)[::-1]))


PLANTED: dict[Callable[[pytest.MonkeyPatch], None], tuple[str, int]] = {
    restart_the_transient: ("trees", 4),
    restart_the_rest_only: ("trees", 4),
    go_on_watching: ("bonds", 4),
    end_in_the_order_of_the_start: ("trees", 4),
}
"""What is planted; the kind of scenario that finds it, and how many steps show it."""


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_difference_is_found_and_made_small(
    plant: Callable[[pytest.MonkeyPatch], None], judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, steps = PLANTED[plant]

    def shows_nothing_else(played: Scenario) -> bool:
        monkeypatch.undo()
        found = judge.judge(played)
        plant(monkeypatch)
        return found.difference is None

    plant(monkeypatch)
    found = next(
        each for each in scenarios(kind) if judge.judge(each).difference and shows_nothing_else(each)
    )
    small = judge.shrink(found, shows_nothing_else)
    assert judge.judge(small).difference is not None
    assert len(small) <= steps, shown(small)
    assert "OTP:" in judge.report(small)


def scenarios(kind: str) -> Iterator[Scenario]:
    """The first scenarios of a kind."""
    first = list(KINDS).index(kind)
    yield from map(scenario, range(first, first + 400 * len(KINDS), len(KINDS)))


def test_a_report_says_what_to_do_and_what_was_seen(beam: Beam) -> None:
    judge = Judge(beam, lambda steps, limit: [([(("a", 1), None, "init")], []), *play(steps, limit)[1:]])
    report = judge.report([("outside", []), started("a"), ("do", "a", [("say", 1), ("add", 2)])])
    assert report == (
        "   1. outside: nothing\n   2. outside: start server a\n   3. a: say 1; add 2\n"
        "in step 1, outside 1:\n  OTP:  (ended normal)\n  here: nothing"
    )


# -- it is fair ---------------------------------------------------------------------------------------------

A, B, OUTSIDE = ("a", 1), ("b", 1), ("outside", 1)


def step(*entries: Any) -> Any:
    """What was seen in a step."""
    return (list(entries), [])


def test_the_order_of_two_processes_is_not_compared() -> None:
    one, other = (A, None, ("did", "say", 1)), (B, None, ("did", "say", 2))
    assert compare([()], [[step(one, other)]], [step(other, one)]).difference is None


def test_the_order_in_a_process_is_compared() -> None:
    one, other = (A, None, ("did", "say", 1)), (A, None, ("did", "say", 2))
    found = compare([()], [[step(one, other)]], [step(other, one)]).difference
    assert found is not None
    assert (found.step, found.where) == (1, A)


def test_the_order_of_starts_and_ends_in_a_tree_is_compared() -> None:
    one, other = (A, "s", "init"), (B, "s", "init")
    found = compare([()], [[step(one, other)]], [step(other, one)]).difference
    assert found is not None
    assert found.where == ("tree", "s")


def test_a_pool_ends_its_children_in_any_order() -> None:
    pool: Any = ("start", "s", "supervisor", "alone", None, "infinity", ("simple_one_for_one", 1, []))
    one, other = (A, "s", ("terminate", "shutdown")), (B, "s", ("terminate", "shutdown"))
    assert compare([("outside", [pool])], [[step(one, other)]], [step(other, one)]).difference is None


def test_nothing_is_compared_once_two_schedules_differ() -> None:
    one, other, third = ((A, None, ("did", "say", number)) for number in (1, 2, 3))
    found = compare([(), ()], [[step(one), step(one)], [step(one), step(other)]], [step(one), step(third)])
    assert (found.steps, found.difference) == (1, None)


def test_links_and_monitors_may_tell_of_an_end_in_any_order() -> None:
    exit_, down = ("heard", ("exit", B, "boom")), ("heard", ("down", B, "boom"))
    one, other = [(A, None, exit_), (A, None, down)], [(A, None, down), (A, None, exit_)]
    assert compare([()], [[step(*one)]], [step(*other)]).difference is None


# -- both sides know the language ---------------------------------------------------------------------------


def test_a_scenario_is_a_term_of_erlang() -> None:
    assert erlang(("do", "a", [("trap", True), ("say", 1), ("whereis", None)])) == (
        "{'do','a',[{'trap',true},{'say',1},{'whereis',undefined}]}"
    )


def test_a_time_limit_is_found_wherever_it_stands() -> None:
    child = ("x", ("server", "x", None, SERVER), "permanent", 25, "worker")
    assert limit_of([("do", "a", [("cast", "b", [("call", "c", [], 30)])])]) == 30
    assert limit_of([("outside", [("start_child", "s", child)])]) == 25
    assert limit_of([started("a")]) == 0


def test_smaller_scenarios_can_be_played() -> None:
    for seed in range(16):
        smaller = [each for each in smaller_ones(scenario(seed)) if is_well_formed(each)]
        assert smaller
        assert all(erlang(each) and limit_of(each) >= 0 and shown(each) is not None for each in smaller)


def test_both_sides_see_the_same_of_a_server_that_waits_at_a_gate(judge: Judge) -> None:
    steps = [
        started("a", "b"),
        ("do", "a", [("call", "b", [("wait",), ("add", 2)], "infinity")]),
        ("open", "b"),
    ]
    assert judge.judge(steps) == judge.judge([*steps])
    seen = play(steps, 0)
    assert [entry for entries, _ in seen[1:] for entry in entries] == [
        (B, None, ("did", "wait", "opened")),
        (B, None, ("did", "add", "ok")),
        (A, None, ("did", "call", ("reply", 2))),
    ]
    assert judge.judge(steps).steps == 3
