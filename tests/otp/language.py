"""The scenarios' language: steps, deeds, and how they are written; README.md says what they mean.

A scenario is made of texts, numbers, tuples and lists alone. It can be written as Python writes it, be sent
to Erlang as a term, and be made smaller part by part.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

Deed: TypeAlias = tuple[Any, ...]
"""The name of a deed and its arguments: `("link", "b")`."""

Step: TypeAlias = tuple[Any, ...]
"""`("do", label, deeds)`, `("outside", deeds)` or `("open", label)`."""

Scenario: TypeAlias = list[Step]

RESTARTS = ("permanent", "transient", "temporary")

FINITE = {"call": 3, "start": 5, "timeout": 1, "state_after": 1, "event_after": 1, "named_after": 2}
"""Deeds with a time limit, and where it stands among their arguments."""


def erlang(value: Any) -> str:
    """A part of a scenario as an Erlang term."""
    match value:
        case None:
            return "undefined"
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case str():
            return f"'{value}'"
        case tuple():
            return "{" + ",".join(map(erlang, value)) + "}"
        case list():
            return "[" + ",".join(map(erlang, value)) + "]"
    raise TypeError(f"no part of a scenario: {value!r}")


def limit_of(part: Any) -> int:
    """The longest time limit that a step of a scenario waits for: milliseconds, 0 if there is none."""
    return max((value for value in _limits(part) if isinstance(value, int) and value < 1000), default=0)


def _limits(part: Any) -> Iterator[Any]:
    if not isinstance(part, tuple | list):
        return
    if isinstance(part, tuple) and part:
        if part[0] in FINITE and len(part) > FINITE[part[0]]:
            yield part[FINITE[part[0]]]
        if (
            len(part) == 5
            and part[2] in ("permanent", "transient", "temporary")
            and part[3] != DEFAULT_SHUTDOWN
        ):
            yield part[3]
    for each in part:
        yield from _limits(each)


DEFAULT_SHUTDOWN = 5000
"""Milliseconds; no step waits so long."""


def is_well_formed(part: Any) -> bool:
    """Whether pools in a part of a scenario have the one child specification that they need."""
    match part:
        case ("simple_one_for_one", int(), children):
            return len(children) == 1
        case tuple() | list():
            return all(map(is_well_formed, part))
    return True


def shown(scenario: Scenario) -> str:
    """A scenario for people to read."""
    return "\n".join(f"  {number:2}. {_shown_step(step)}" for number, step in enumerate(scenario, 1))


def _shown_step(step: Step) -> str:
    match step:
        case ("do", label, deeds):
            return f"{label}: {_shown_deeds(deeds)}"
        case ("outside", deeds):
            return f"outside: {_shown_deeds(deeds)}"
        case _:
            return " ".join(map(str, step))


def _shown_deeds(deeds: list[Deed]) -> str:
    return "; ".join(map(_shown_deed, deeds)) or "nothing"


def _shown_deed(deed: Deed) -> str:
    match deed:
        case ("start", label, kind, how, name, limit, spec):
            extras = f"{' linked' * (how == 'link')}{f' as {name}' * bool(name)}"
            extras += "" if limit == "infinity" else f" within {limit} ms"
            return f"start {kind} {label}{extras} {_shown_spec(kind, spec)}".strip()
        case ("event", number, rules) if isinstance(rules, list):
            return f"event {number}" + "".join(f", {where}: {_shown_value(then)}" for where, then in rules)
        case ("start_child", to, child) if len(child) == 5:
            return f"start_child in {to} {_shown_child(child)}"
    return " ".join(_shown_value(value) for value in deed)


def _shown_spec(kind: str, spec: Any) -> str:
    if kind == "supervisor":
        strategy, intensity, children = spec
        return (
            f"{strategy}, intensity {_shown_value(intensity)}, of [{', '.join(map(_shown_child, children))}]"
        )
    if kind == "machine":
        enter, state, actions = spec
        return f"({'entering, ' * enter}{state}, {_shown_deeds(actions)})"
    trap, plans, last = spec
    parts = ["trapping"] * trap
    if any(plans):
        parts.append("init " + " | ".join(f"({_shown_deeds(plan)})" for plan in plans))
    if last:
        parts.append(f"terminate ({_shown_deeds(last)})")
    return f"({', '.join(parts)})" if parts else ""


def _shown_child(child: Any) -> str:
    id_, (kind, label, name, spec), restart, shutdown, type_ = child
    called = f"{id_}" if id_ == label else f"{id_}={label}"
    extras = f"{f' as {name}' * bool(name)}{f' shutdown {shutdown}' * (shutdown != DEFAULT_SHUTDOWN)}"
    extras += " significant" * (type_ == "significant") + " generic" * (kind == "generic")
    return f"{called} {restart}{extras} {_shown_spec(kind, spec)}".strip()


def _shown_value(value: Any) -> str:
    if isinstance(value, list):
        return f"({_shown_deeds(value)})"
    if isinstance(value, tuple) and value and value[0] in ("event", "keep", "next", "repeat", "next_event"):
        return f"({_shown_deed(value)})"
    if isinstance(value, tuple):
        return "/".join(map(_shown_value, value))
    return str(value)
