"""Whether what was seen here is what OTP would have shown.

What OTP leaves open is not compared. Messages have an order between two processes only, so each process's
journal is compared by itself, and the order between processes where a supervisor makes it: the starts and
ends in its tree. What several schedules of the BEAM do differently is dropped, with all that comes after it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias

from tests.otp.language import Scenario

Part: TypeAlias = dict[Any, Any]
"""One step: what each process noted, in what order each tree started and ended, who has which name."""


@dataclass(frozen=True)
class Difference:
    """Something that was seen here and not on the BEAM.

    Attributes:
        step: in which step, from 1.
        where: a process, a tree or a name.
        beam, here: what was seen.
    """

    step: int
    where: Any
    beam: Any
    here: Any


@dataclass(frozen=True)
class Comparison:
    """The comparison of one scenario.

    Attributes:
        steps: how many steps were compared; behind them the schedules of the BEAM disagree.
        difference: the first; None if there is none.
    """

    steps: int
    difference: Difference | None


def compare(scenario: Scenario, beams: list[list[Any]], here: list[Any]) -> Comparison:
    """Compare what was seen here with what several schedules of the BEAM showed.

    Args:
        scenario: what was played.
        beams: for each schedule what was seen in each step.
        here: what was seen here in each step.
    """
    pools = set(_pools(scenario))
    for number, (*theirs, ours) in enumerate(zip(*beams, here, strict=True), 1):
        parts = [_parts(seen, pools) for seen in theirs]
        if any(part != parts[0] for part in parts):
            return Comparison(number - 1, None)
        difference = _first_difference(number, parts[0], _parts(ours, pools))
        if difference is not None:
            return Comparison(number, difference)
    return Comparison(len(scenario), None)


def _first_difference(number: int, beam: Part, here: Part) -> Difference | None:
    for where in [*beam, *here]:
        if beam.get(where) != here.get(where):
            return Difference(number, where, beam.get(where), here.get(where))
    return None


def _parts(seen: Any, pools: set[str]) -> Part:
    """What is compared of a step."""
    entries, names = seen
    journals: Part = defaultdict(list)
    trees: Part = defaultdict(list)
    for who, tree, entry in entries:
        journals[who].append(_fair(who, entry))
        if tree is not None and (entry == "init" or entry[0] == "terminate"):
            trees["tree", tree].append((who, entry if entry == "init" else "terminate"))
    for tree, order in trees.items():
        if tree[1] in pools:  # they end all at the same time
            order.sort()
    in_order = {who: list(_with_signals_in_order(journal)) for who, journal in journals.items()}
    return {**in_order, **trees, "names": names}


def _fair(who: Any, entry: Any) -> Any:
    """An entry without what OTP leaves open, or has no name for here."""
    match entry:
        case ("heard", ("exit", sender, reason)) if sender == who or sender[0] == "outside":
            return ("heard", ("exit", "nobody", reason))  # a thread is no actor, which could be the sender
        case ("did", "members", list() as members):
            return ("did", "members", sorted(members, key=repr))  # OTP has no order of them
        case ("did", "which_children", [(None, _, _), *_] as children):
            return ("did", "which_children", sorted(children, key=repr))  # of a pool: OTP keeps them in a map
    return entry


def _with_signals_in_order(journal: list[Any]) -> Iterator[Any]:
    """OTP says nothing of the order in which one end is told to one process by links and monitors."""
    for is_signal, entries in groupby(journal, _is_signal):
        several = list(entries)
        yield from sorted(several, key=repr) if is_signal else several


def _is_signal(entry: Any) -> bool:
    return isinstance(entry, tuple) and entry[0] == "heard" and entry[1][0] in ("exit", "down")


def _pools(part: Any) -> Iterator[str]:
    """The labels of supervisors of the kind simple_one_for_one."""
    if isinstance(part, tuple | list):
        match part:
            case ("start", label, "supervisor", _, _, _, ("simple_one_for_one", _, _)):
                yield label
        for each in part:
            yield from _pools(each)
