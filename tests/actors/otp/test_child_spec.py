"""Child specifications and the counting of restarts."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from actors import ChildSpec, StartSpecError, Supervisor
from actors.otp.child_spec import RESTARTS, is_abnormal
from actors.otp.erlang_spec import as_child_spec
from actors.otp.restart_intensity import RestartIntensity


def start(*arguments: Any) -> Any:
    """A start function that tells what it was called with."""
    return arguments


@pytest.mark.parametrize(
    "given",
    [
        lambda: (1, 2),
        partial(start, 1, 2),
        (start, (1, 2)),
        (start, [1, 2]),
        (SimpleNamespace(begin=start), "begin", [1, 2]),
    ],
    ids=["lambda", "partial", "tuple", "list", "mfa"],
)
def test_start_may_be_a_callable_or_a_callable_with_arguments_or_an_mfa(given: Any) -> None:
    assert ChildSpec("a", given).call_start() == (1, 2)


def test_more_arguments_come_behind_those_of_the_specification() -> None:
    assert ChildSpec("a", (start, [1])).call_start(2, 3) == (1, 2, 3)


def test_the_function_of_an_mfa_is_looked_up_at_each_start() -> None:
    module = SimpleNamespace(begin=lambda: "old")
    spec = ChildSpec("a", (module, "begin", []))
    assert spec.call_start() == "old"
    module.begin = lambda: "new"
    assert spec.call_start() == "new"


def test_the_defaults_are_otps() -> None:
    worker, supervisor = ChildSpec("a", start), ChildSpec("b", start, type="supervisor")
    assert (worker.restart, worker.shutdown, worker.type) == ("permanent", 5.0, "worker")
    assert supervisor.shutdown == "infinity"


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("restart", "sometimes"),
        ("type", "boss"),
        ("shutdown", -1),
        ("shutdown", True),
        ("shutdown", "gently"),
        ("start", 42),
        ("start", (42, [])),
        ("start", (start, 1)),
        ("id", []),
    ],
)
def test_a_wrong_field_is_refused_by_its_name(field: str, wrong: Any) -> None:
    fields: dict[str, Any] = {"id": "a", "start": start, field: wrong}
    with pytest.raises(ValueError, match=f"^{field} of child"):
        ChildSpec(**fields)


def test_a_mapping_of_the_fields_is_a_specification_too() -> None:
    assert as_child_spec({"id": "a", "start": start, "shutdown": 1}) == ChildSpec("a", start, shutdown=1)


@pytest.mark.parametrize("wrong", [{"id": "a"}, {"id": "a", "start": start, "colour": "red"}, 42])
def test_what_is_no_specification_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"^(not a|the) child specification"):
        as_child_spec(wrong)


@pytest.mark.parametrize(
    ("reason", "abnormal"),
    [
        ("normal", False),
        ("shutdown", False),
        (("shutdown", "for a reason"), False),
        ("boom", True),
        ("killed", True),
        ("noproc", True),
        (("shutdown",), True),
        (ValueError(), True),
    ],
)
def test_which_ends_are_failures(reason: Any, abnormal: bool) -> None:
    assert is_abnormal(reason) is abnormal
    assert RESTARTS["transient"](reason) is abnormal
    assert RESTARTS["permanent"](reason)
    assert not RESTARTS["temporary"](reason)


@pytest.mark.parametrize(
    "wrong",
    [{"strategy": "one_for_some"}, {"intensity": -1}, {"period": 0}, {"period": -1}],
    ids=str,
)
def test_a_supervisor_refuses_wrong_options(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Supervisor.start([], **wrong)


def test_two_children_with_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match="two children have the id 'a'") as caught:
        Supervisor.start([ChildSpec("a", start), ChildSpec("a", start)])
    assert isinstance(caught.value, StartSpecError)
    assert caught.value.reason == ("start_spec", ("duplicate_child_name", "a"))


def test_a_significant_child_that_is_not_asked_for_is_refused() -> None:
    with pytest.raises(StartSpecError, match="auto_shutdown") as caught:
        Supervisor.start([ChildSpec("a", start, restart="transient", significant=True)])
    assert caught.value.reason[1][0] == "bad_combination"


class Clock:
    """A clock that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_so_many_restarts_are_allowed_within_the_period_and_no_more() -> None:
    intensity = RestartIntensity(2, 5.0, Clock())
    assert [intensity.allows_another() for _ in range(3)] == [True, True, False]


def test_no_restart_is_allowed_at_intensity_0() -> None:
    assert not RestartIntensity(0, 5.0, Clock()).allows_another()


def test_a_restart_counts_for_the_period_inclusive_and_then_no_more() -> None:
    clock = Clock()
    intensity = RestartIntensity(1, 5.0, clock)
    assert intensity.allows_another()
    clock.now = 105.0
    assert not intensity.allows_another()
    clock.now = 110.5
    assert intensity.allows_another()
