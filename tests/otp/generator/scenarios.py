"""Scenarios from seeds: the same one for the same seed, of one of several kinds."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.otp.generator import deeds as d
from tests.otp.generator.machines import machines
from tests.otp.generator.words import LIMIT, Writer
from tests.otp.language import Scenario, Step


def scenario(seed: int) -> Scenario:
    """The scenario of a seed; as many seeds in a row as there are kinds give one of each."""
    kinds = list(KINDS.values())
    dice = random.Random(seed)
    return kinds[seed % len(kinds)](Writer(dice))


def kind_of(seed: int) -> str:
    """Of which kind the scenario of a seed is."""
    return list(KINDS)[seed % len(KINDS)]


def _steps(writer: Writer, *steps: Step | Callable[[], Step], least: int = 4, most: int = 12) -> Scenario:
    """The first steps, and then some more of the last kind."""
    *first, more = steps
    made = [step for step in first if isinstance(step, tuple)]
    assert callable(more)
    return [*made, *(more() for _ in range(writer.dice.randint(least, most)))]


def bonds(writer: Writer) -> Scenario:
    """Links, monitors, exit signals, who traps and who does not."""
    drawn = d.BONDS + d.BONDS + d.MESSAGES
    first = writer.first_step(writer.dice.randint(2, 5), d.LAST)
    return _steps(writer, first, lambda: writer.step(drawn))


def servers(writer: Writer) -> Scenario:
    """Starts that fail or not, calls within calls, stops, ends with and without a reply."""
    drawn = [*d.MESSAGES, *d.MESSAGES, *d.STARTS, (2, d.link), (2, d.monitor), (2, d.exit_to), (1, d.trap)]
    first = writer.first_step(writer.dice.randint(2, 3), d.LAST)
    return _steps(writer, first, lambda: writer.step(drawn))


def generics(writer: Writer) -> Scenario:
    """Servers that return timeouts, go on with `continue`, and answer later."""
    writer.only_generic = True
    drawn = [*d.GENERIC, (1, d.exit_to), (1, d.link), (1, d.monitor), (1, d.suspend), (2, d.resume)]
    first = writer.first_step(writer.dice.randint(2, 3))
    return _steps(writer, first, lambda: writer.step(drawn, 3))


def names(writer: Writer) -> Scenario:
    """Who has a name, and what is sent there."""
    drawn = (
        d.NAMED + d.NAMED + d.MESSAGES + [(3, d.monitor), (1, d.demonitor), (3, d.start), (1, d.stop_server)]
    )
    first = writer.first_step(writer.dice.randint(2, 4), names=True)
    return _steps(writer, first, lambda: writer.step(drawn))


def groups(writer: Writer) -> Scenario:
    """Who is in which group of `pg`, and who has ended."""
    drawn = [*d.GROUPED, (2, d.exit_), (1, d.exit_to), (1, d.stop_server), (1, d.start), (1, d.link)]
    first = writer.first_step(writer.dice.randint(2, 4))
    return _steps(writer, first, lambda: writer.step(drawn))


def timers(writer: Writer) -> Scenario:
    """Timers to servers and names that may be gone."""
    drawn = [*d.RINGING, (1, d.exit_), (1, d.exit_to), (1, d.register), (1, d.unregister), (1, d.say)]
    first = writer.first_step(writer.dice.randint(2, 3), names=True)
    return _steps(writer, first, lambda: writer.step(drawn, 5), most=8)


def system(writer: Writer) -> Scenario:
    """Suspended servers, their state and their code."""
    drawn = [
        *d.SYSTEM,
        (6, d.cast),
        (3, d.send),
        (1, d.call),
        (1, d.exit_to),
        (1, d.stop_server),
        (1, d.link),
    ]
    first = writer.first_step(writer.dice.randint(2, 3))
    return _steps(writer, first, lambda: writer.step(drawn))


def trees(writer: Writer) -> Scenario:
    """Supervisors of three strategies whose children end and fail to start; now and then one in another."""
    strategy = writer.dice.choice(["one_for_one", "one_for_all", "rest_for_one"])
    children = [
        writer.child("s", label, _restarting_spec(writer)) for label in "xyzw"[: writer.dice.randint(1, 4)]
    ]
    if writer.chance(4):
        inner = [writer.child("t", label, _restarting_spec(writer)) for label in "uv"]
        writer.trees.append("t")
        spec = (writer.dice.choice(["one_for_one", "one_for_all"]), writer.intensity(), inner)
        restart = writer.dice.choice(["permanent", "transient"])
        children.append(("t", ("supervisor", "t", None, spec), restart, "infinity", "supervisor"))
    first = ("outside", [writer.start("a", writer.spec(traps=0.7)), writer.start("b", writer.spec())])
    how = writer.dice.choice(["alone", "link"])
    return _steps(
        writer,
        first,
        ("do", "a", [writer.tree("s", strategy, children, how=how)]),
        lambda: _tree_step(writer),
    )


def _tree_step(writer: Writer) -> Step:
    match writer.dice.randrange(8):
        case 0 | 1 | 2:
            return ("do", writer.server(), [writer.pick(d.ENDS)])
        case 3:
            return ("outside", [("exit_to", writer.server(), "kill")])
        case 4:
            return ("do", "a", writer.deeds([*d.TREES, *d.ROOTS, (2, d.link), (2, d.exit_to), (1, d.trap)]))
        case 6:
            return ("do", writer.dice.choice("ab"), writer.deeds([*d.ROOTS, *d.ENDS]))
        case 5 if writer.chance(3):
            return ("outside", [("stop_server", writer.dice.choice(writer.trees), writer.reason())])
        case _:
            return ("outside", writer.deeds(d.TREES))


def _restarting_spec(writer: Writer) -> tuple[bool, list[list[tuple[object, ...]]], list[tuple[object, ...]]]:
    """A child that starts at first, most of the time, and perhaps not again."""
    trap, plans, last = d.starting_spec(writer)
    if not writer.chance(10):
        plans = [[], *plans] if writer.chance(2) else [[]]
    return (trap, plans, last if writer.chance(3) else [])


def pools(writer: Writer) -> Scenario:
    """Supervisors of the kind simple_one_for_one."""
    trap, plans, last = _restarting_spec(writer)
    # A child that says `ignore` when it is started again stays in OTP's list, dead (docs/otp.md, 7.11).
    plans = [plans[0], *([deed for deed in plan if deed != ("ignore",)] for plan in plans[1:])]
    child = writer.child("s", "pooled", (trap, plans, last))
    writer.servers.remove("pooled")
    writer.children["s"] = ["x"]
    starts = [writer.start("a", writer.spec(traps=0.7)), writer.tree("s", "simple_one_for_one", [child])]
    filled = ("outside", [d.start_pooled(writer) for _ in range(writer.dice.randint(1, 3))])

    def step() -> Step:
        match writer.dice.randrange(3):
            case 0:
                return ("do", writer.server(), [writer.pick(d.ENDS)])
            case 1:
                return ("do", "a", writer.deeds([*d.POOLS, (1, d.exit_to), (1, d.link)]))
            case _:
                return ("outside", writer.deeds(d.POOLS))

    return _steps(writer, ("outside", starts), filled, step)


def waits(writer: Writer) -> Scenario:
    """Servers that wait in a turn while signals come; children that ask the supervisor that ends them."""
    in_tree = writer.chance(2)
    spec: Any = (writer.chance(2), [[]], [d.wait(writer)] if writer.chance(6) else [])
    starts = [writer.start("a", writer.spec()), writer.start("b", writer.spec()), writer.start("c", spec)]
    drawn = [(6, d.wait), (4, d.call), (2, d.call_uncaught), *d.BONDS, (1, d.stop_server), (1, d.say)]
    if in_tree:
        strategy = writer.dice.choice(["one_for_one", "one_for_all", "rest_for_one"])
        children = [writer.child("s", label, (writer.chance(3), [[]], [])) for label in "xyz"]
        children = [(*child[:3], LIMIT if writer.chance(4) else child[3], child[4]) for child in children]
        starts.append(writer.tree("s", strategy, children))
        drawn += [*d.TREES, (2, d.exit_)]

    def step() -> Step:
        if writer.chance(4):
            return ("open", writer.server())
        return writer.step(drawn, 3)

    return _steps(writer, ("outside", starts), step)


KINDS: dict[str, Callable[[Writer], Scenario]] = {
    made.__name__: made
    for made in (bonds, servers, generics, machines, names, groups, timers, system, trees, pools, waits)
}
