"""Child specifications as Erlang has them, and what is wrong with them."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

import actors
from actors.otp.erlang_spec import as_child_spec
from tests.actors.helpers import SECONDS, Probe


def start(*args: Any) -> Any:
    return Probe.start_link()


TUPLE = (
    "id",
    (SimpleNamespace(start_link=start), "start_link", [1]),
    "transient",
    5000,
    "worker",
    ["module"],
)


def test_a_tuple_has_milliseconds() -> None:
    spec = as_child_spec(TUPLE)
    assert (spec.id, spec.restart, spec.shutdown, spec.type) == ("id", "transient", 5.0, "worker")


@pytest.mark.parametrize("shutdown", ["infinity", "brutal_kill"])
def test_a_tuple_may_have_a_word_instead(shutdown: str) -> None:
    assert as_child_spec((*TUPLE[:3], shutdown, "supervisor", "dynamic")).shutdown == shutdown


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({"shutdown": 5000}, 5.0),
        ({"shutdown": 1000}, 1.0),
        ({"shutdown": 99}, 99),
        ({"shutdown": 0}, 0),
        ({"shutdown": 2.5}, 2.5),
        ({"shutdown": 300.0}, 300.0),
        ({"shutdown": 50, "modules": ["m"]}, 0.05),
        ({"shutdown": "infinity", "modules": "dynamic"}, "infinity"),
        ({}, 5.0),
        ({"modules": ["m"]}, 5.0),
    ],
)
def test_a_mapping_has_seconds_or_what_can_only_be_milliseconds(given: dict[str, Any], seconds: Any) -> None:
    assert as_child_spec({"id": "a", "start": start, **given}).shutdown == seconds


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            TUPLE[:5],
            "a child specification as a tuple is (id, start, restart, shutdown, type, modules), not of 5",
        ),
        (
            (*TUPLE[:2], "always", *TUPLE[3:]),
            "restart of child 'id' must be permanent or transient or temporary",
        ),
        ((*TUPLE[:3], -1, *TUPLE[4:]), "shutdown of child 'id' must be seconds from 0 up"),
        ((*TUPLE[:4], "boss", []), "type of child 'id' must be worker or supervisor"),
        ({"id": "a", "start": start, "shutdown": 500}, "write 0.5 for milliseconds, 500.0 for seconds"),
        ({"id": "a", "start": start, "restrat": "permanent"}, "a field 'restrat', which there is not"),
        ({"id": "a"}, "the child specification has no start"),
        ({"start": start}, "the child specification has no id"),
        (17, "not a child specification: 17"),
        (
            {"id": "a", "start": start, "significant": True},
            "significant of child 'a' goes with transient and temporary, not permanent",
        ),
        (
            {"id": "a", "start": start, "significant": 1, "restart": "transient"},
            "significant of child 'a' must be True or False",
        ),
    ],
)
def test_what_is_wrong_is_named(given: Any, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        as_child_spec(given)
    assert said in str(caught.value)


def test_a_supervisor_takes_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "a_module_of_a_port", SimpleNamespace(start_link=start))
    top = actors.Supervisor.start(
        [
            TUPLE,
            {"id": "map", "start": (SimpleNamespace(start_link=start), "start_link", []), "shutdown": 5000},
            ("by name", ("a_module_of_a_port", "start_link", []), "permanent", 5000, "worker", []),
        ]
    )
    assert [each["id"] for each in actors.which_children(top)] == ["by name", "map", "id"]
    assert actors.count_children(top)["active"] == 3
    ref = actors.start_child(top, ("late", (start, []), "temporary", 100, "worker", []))
    assert ref is not None
    assert ref.is_alive()
    top.stop(timeout=SECONDS)


@pytest.mark.parametrize(
    "result", [lambda ref: ("ok", ref), lambda ref: ("ok", ref, {"info": 1}), lambda ref: ref]
)
def test_a_start_function_may_answer_as_erlangs_do(result: Any) -> None:
    top = actors.Supervisor.start([actors.ChildSpec("a", lambda: result(Probe.start_link()))])
    assert actors.count_children(top)["active"] == 1
    top.stop(timeout=SECONDS)


def test_a_start_function_may_ignore() -> None:
    top = actors.Supervisor.start([actors.ChildSpec("a", lambda: "ignore")])
    assert actors.count_children(top) == {"specs": 1, "active": 0, "supervisors": 0, "workers": 1}
    top.stop(timeout=SECONDS)


def test_a_start_function_may_fail_with_a_reason() -> None:
    with pytest.raises(actors.StartError) as caught:
        actors.Supervisor.start([actors.ChildSpec("a", lambda: ("error", "no disk"))])
    assert caught.value.reason == ("shutdown", ("failed_to_start_child", "a", "no disk"))


# -- auto_shutdown ----------------------------------------------------------------------------------


def significant(name: str, restart: Any = "transient") -> actors.ChildSpec:
    return actors.ChildSpec(name, start, restart=restart, significant=True)


def children(top: Any) -> dict[Any, Any]:
    return {each["id"]: each["ref"] for each in actors.which_children(top)}


@pytest.mark.parametrize("restart", ["transient", "temporary"])
def test_any_significant_child_that_ends_takes_the_supervisor_along(restart: Any) -> None:
    top = actors.Supervisor.start(
        [significant("a", restart), significant("b"), actors.ChildSpec("c", start)],
        auto_shutdown="any_significant",
    )
    refs = children(top)
    refs["a"].stop()
    actors.wait_down(top, SECONDS)
    assert top.exit_reason == "shutdown"
    assert not refs["c"].is_alive()


def test_the_last_significant_child_that_ends_does_so_with_all_significant() -> None:
    top = actors.Supervisor.start([significant("a"), significant("b")], auto_shutdown="all_significant")
    refs = children(top)
    refs["a"].stop()
    assert actors.count_children(top)["active"] == 1
    refs["b"].stop()
    actors.wait_down(top, SECONDS)
    assert top.exit_reason == "shutdown"


def test_one_that_is_restarted_or_told_to_end_does_not() -> None:
    top = actors.Supervisor.start([significant("a")], auto_shutdown="any_significant")
    first = children(top)["a"]
    actors.send_exit(first, "boom")
    actors.wait_down(first, SECONDS)
    assert actors.count_children(top)["active"] == 1
    actors.terminate_child(top, "a")
    assert top.is_alive()
    top.stop(timeout=SECONDS)


def test_a_significant_child_needs_a_supervisor_that_heeds_it() -> None:
    with pytest.raises(ValueError, match="significant of child 'a' needs a supervisor whose auto_shutdown"):
        actors.Supervisor([significant("a")])
    with pytest.raises(ValueError, match="auto_shutdown must be never, any_significant, all_significant"):
        actors.Supervisor([], auto_shutdown="sometimes")  # type: ignore[arg-type]
