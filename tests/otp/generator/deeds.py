"""The deeds that scenarios draw from, by what they are about; each list has how likely which is."""

from __future__ import annotations

from typing import Any

from tests.otp.generator.words import LIMIT, LONG, SHORT, Weighted, Writer
from tests.otp.language import Deed

# -- oneself and messages -----------------------------------------------------------------------------------


def say(writer: Writer) -> Deed:
    return ("say", writer.number())


def add(writer: Writer) -> Deed:
    return ("add", writer.dice.randint(1, 9))


def exit_(writer: Writer) -> Deed:
    return ("exit", "kill" if writer.chance(12) else writer.reason())


def error(writer: Writer) -> Deed:
    return ("error", writer.dice.choice(["boom", "bang"]))


def stop(writer: Writer) -> Deed:
    return ("stop", writer.reason())


def stop_reply(writer: Writer) -> Deed:
    return ("stop_reply", writer.reason())


def trap(writer: Writer) -> Deed:
    return ("trap", writer.chance(2))


def wait(writer: Writer) -> Deed:
    return ("wait",)


def cast(writer: Writer) -> Deed:
    return ("cast", writer.server_or_name(), writer.nested(MESSAGES + BONDS))


def send(writer: Writer) -> Deed:
    return ("send", writer.server_or_name(), writer.nested(MESSAGES + BONDS))


def call(writer: Writer) -> Deed:
    limit: Any = LIMIT if writer.chance(12) else "infinity"
    return ("call", writer.server_or_name(), writer.nested(MESSAGES), limit)


def call_uncaught(writer: Writer) -> Deed:
    return ("call!", writer.server_or_name(), writer.nested(MESSAGES))


MESSAGES: Weighted = [
    (4, say),
    (2, add),
    (3, exit_),
    (2, error),
    (2, stop),
    (1, stop_reply),
    (3, cast),
    (2, send),
    (4, call),
    (1, call_uncaught),
]

# -- links, monitors, exit signals --------------------------------------------------------------------------


def link(writer: Writer) -> Deed:
    return ("link", writer.server())


def unlink(writer: Writer) -> Deed:
    return ("unlink", writer.server(), writer.dice.choice(["flush", "keep"]))


def monitor(writer: Writer) -> Deed:
    return ("monitor", writer.server_or_name())


def demonitor(writer: Writer) -> Deed:
    return ("demonitor", writer.server_or_name(), writer.dice.choice(["flush", "keep"]))


def exit_to(writer: Writer) -> Deed:
    return ("exit_to", writer.server(), "kill" if writer.chance(4) else writer.reason())


def alive(writer: Writer) -> Deed:
    return ("alive", writer.server())


BONDS: Weighted = [(6, link), (2, unlink), (4, monitor), (2, demonitor), (4, exit_to), (1, alive), (1, trap)]

# -- starts, stops, names -----------------------------------------------------------------------------------

NEW = "fgh"


def start(writer: Writer) -> Deed:
    label = writer.dice.choice(NEW + "".join(writer.servers[:2]))
    name = writer.name() if writer.chance(3) else None
    how = "link" if writer.chance(2) else "alone"
    return writer.start(label, starting_spec(writer), how=how, name=name)


def start_in_time(writer: Writer) -> Deed:
    """A start with a time limit, which it reaches or not."""
    plan = [wait(writer)] if writer.chance(2) else []
    spec: Any = (writer.chance(2), [plan], [])
    deed = writer.start(writer.dice.choice(NEW), spec, how="link" if writer.chance(2) else "alone")
    return (*deed[:5], LIMIT, deed[6])


def starting_spec(writer: Writer) -> Any:
    """A server whose start may fail."""
    trap_, _, last = writer.spec(LAST)
    return (trap_, [starting_plan(writer) for _ in range(writer.dice.randint(1, 2))], last)


def starting_plan(writer: Writer) -> list[Deed]:
    """What a server does in its init."""
    ends: Weighted = [(3, stop), (2, exit_), (2, error), (2, ignore), (2, continue_)]
    before: Weighted = [(3, say), (1, cast), (1, monitor), (1, link), (1, call), (1, register), (1, trap)]
    deeds = writer.deeds(before, 2) if writer.chance(3) else []
    return [*deeds, writer.pick(ends)] if writer.chance(2) else deeds


def ignore(writer: Writer) -> Deed:
    return ("ignore",)


def continue_(writer: Writer) -> Deed:
    return ("continue", writer.nested([(3, say), (1, exit_), (1, error), (1, cast)]))


def stop_server(writer: Writer) -> Deed:
    return ("stop_server", writer.server_or_name(), writer.reason())


def register(writer: Writer) -> Deed:
    return ("register", writer.name(), writer.server())


def unregister(writer: Writer) -> Deed:
    return ("unregister", writer.name())


def whereis(writer: Writer) -> Deed:
    return ("whereis", writer.name())


STARTS: Weighted = [(5, start), (1, start_in_time), (3, stop_server)]
NAMED: Weighted = [(4, register), (2, unregister), (2, whereis)]
LAST: Weighted = [(3, say), (2, exit_), (2, error), (2, cast), (1, monitor), (1, stop)]
"""What a server may do in its terminate."""

# -- what a GenServer returns -------------------------------------------------------------------------------


def timeout(writer: Writer) -> Deed:
    return ("timeout", LONG if writer.chance(3) else writer.dice.choice([2, 8]))


def defer(writer: Writer) -> Deed:
    return ("defer", writer.dice.choice(["k1", "k2"]))


def answer(writer: Writer) -> Deed:
    return ("answer", writer.dice.choice(["k1", "k2"]), writer.number())


def call_generic(writer: Writer) -> Deed:
    limit: Any = LIMIT if writer.chance(12) else "infinity"
    return ("call", writer.server_or_name(), writer.nested(GENERIC), limit)


def cast_generic(writer: Writer) -> Deed:
    return (writer.dice.choice(["cast", "send"]), writer.server_or_name(), writer.nested(GENERIC))


GENERIC: Weighted = [
    (3, timeout),
    (3, defer),
    (3, answer),
    (2, continue_),
    (4, call_generic),
    (3, cast_generic),
    (2, say),
    (1, add),
    (1, exit_),
    (1, stop),
    (1, stop_reply),
]

# -- timers -------------------------------------------------------------------------------------------------

TIMERS = ["t1", "t2", "t3", "t4"]


def send_after(writer: Writer) -> Deed:
    return ("send_after", *_timer(writer))


def start_timer(writer: Writer) -> Deed:
    return ("start_timer", *_timer(writer))


def cancel_timer(writer: Writer) -> Deed:
    return ("cancel_timer", writer.dice.choice(TIMERS))


def _timer(writer: Writer) -> tuple[str, int, Any, int]:
    """Which timer, its milliseconds, whom it tells, what it says."""
    time = LONG if writer.chance(3) else writer.dice.choice(SHORT)
    return writer.dice.choice(TIMERS), time, writer.server_or_name(), writer.number()


RINGING: Weighted = [(4, send_after), (3, start_timer), (4, cancel_timer)]

# -- groups -------------------------------------------------------------------------------------------------


def join(writer: Writer) -> Deed:
    return ("join", writer.dice.choice(GROUPS), writer.server())


def leave(writer: Writer) -> Deed:
    return ("leave", writer.dice.choice(GROUPS), writer.server())


def leave_both(writer: Writer) -> Deed:
    return ("leave_both", writer.dice.choice(GROUPS), writer.server(), writer.server())


def members(writer: Writer) -> Deed:
    return ("members", writer.dice.choice(GROUPS))


def which_groups(writer: Writer) -> Deed:
    return ("groups",)


GROUPS = ["g1", "g2"]
GROUPED: Weighted = [(8, join), (4, leave), (1, leave_both), (4, members), (1, which_groups)]

# -- sys ----------------------------------------------------------------------------------------------------


def suspend(writer: Writer) -> Deed:
    return ("suspend", writer.server())


def resume(writer: Writer) -> Deed:
    return ("resume", writer.server())


def get_state(writer: Writer) -> Deed:
    return ("get_state", writer.server())


def replace_state(writer: Writer) -> Deed:
    return ("replace_state", writer.server(), "bad" if writer.chance(4) else writer.dice.randint(1, 9))


def change_code(writer: Writer) -> Deed:
    return ("change_code", writer.server(), "bad" if writer.chance(3) else "good")


SYSTEM: Weighted = [(5, suspend), (4, resume), (3, get_state), (2, replace_state), (3, change_code)]

# -- supervisors --------------------------------------------------------------------------------------------


def _tree_and_child(writer: Writer) -> tuple[Any, str]:
    tree = writer.tree_or_name()
    known = writer.children.get(tree) or ["x"]
    return tree, writer.dice.choice(known) if not writer.chance(8) else "unknown"


def which_children(writer: Writer) -> Deed:
    return ("which_children", writer.tree_or_name())


def count_children(writer: Writer) -> Deed:
    return ("count_children", writer.tree_or_name())


def start_child(writer: Writer) -> Deed:
    tree = writer.dice.choice(writer.trees)
    label = writer.dice.choice("xyzuv")
    name = writer.name() if writer.chance(6) else None
    return ("start_child", tree, writer.child(tree, label, starting_spec(writer), name=name))


def terminate_child(writer: Writer) -> Deed:
    return ("terminate_child", *_tree_and_child(writer))


def restart_child(writer: Writer) -> Deed:
    return ("restart_child", *_tree_and_child(writer))


def delete_child(writer: Writer) -> Deed:
    return ("delete_child", *_tree_and_child(writer))


def get_childspec(writer: Writer) -> Deed:
    return ("get_childspec", *_tree_and_child(writer))


TREES: Weighted = [
    (3, which_children),
    (3, count_children),
    (3, start_child),
    (4, terminate_child),
    (4, restart_child),
    (2, delete_child),
    (1, get_childspec),
]


def link_tree(writer: Writer) -> Deed:
    return ("link", writer.dice.choice(writer.trees))


def monitor_tree(writer: Writer) -> Deed:
    return ("monitor", writer.tree_or_name())


def exit_to_tree(writer: Writer) -> Deed:
    return ("exit_to", writer.dice.choice(writer.trees), "kill" if writer.chance(3) else writer.reason())


def suspend_tree(writer: Writer) -> Deed:
    return ("suspend", writer.dice.choice(writer.trees))


def resume_tree(writer: Writer) -> Deed:
    return ("resume", writer.dice.choice(writer.trees))


ROOTS: Weighted = [(2, link_tree), (2, monitor_tree), (1, exit_to_tree), (1, suspend_tree), (2, resume_tree)]
"""What others than its children do to a supervisor."""


def start_pooled(writer: Writer) -> Deed:
    tree = writer.dice.choice(writer.trees)
    label = writer.dice.choice("uvwxyz")
    if label not in writer.servers:
        writer.servers.append(label)
    return ("start_child", tree, ("label", label))


def terminate_pooled(writer: Writer) -> Deed:
    return ("terminate_child", writer.dice.choice(writer.trees), ("label", writer.server()))


def get_pooled(writer: Writer) -> Deed:
    child = ("label", writer.server()) if writer.chance(2) else writer.dice.choice(["pooled", "unknown"])
    return ("get_childspec", writer.dice.choice(writer.trees), child)


POOLS: Weighted = [
    (1, get_pooled),
    (6, start_pooled),
    (4, terminate_pooled),
    (2, which_children),
    (2, count_children),
    (1, restart_child),
    (1, delete_child),
    (1, terminate_child),
]

ENDS: Weighted = [(4, exit_), (3, error), (2, stop), (1, say)]
"""What ends a child."""
