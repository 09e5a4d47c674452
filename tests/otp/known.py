"""Differences from OTP that are known and are to be mended; what is deliberate stands in docs/otp.md instead.

Scenarios that may show one are left out, until its row is taken away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.otp.language import Deed, Scenario

Lists = list[tuple[Any, list[Deed]]]
"""Who does deeds, as far as that is known, and the deeds."""


def known_difference(scenario: Scenario) -> str | None:
    """The known difference that a scenario may show; None if there is none."""
    lists = list(_lists(scenario))
    return next((name for name, may_show in KNOWN.items() if may_show(lists)), None)


def _lists(scenario: Scenario) -> Iterator[tuple[Any, list[Deed]]]:
    for step in scenario:
        who = step[1] if step[0] == "do" else "outside"
        for part in step[1:]:
            yield from _lists_in(who, part)


def _lists_in(who: Any, part: Any) -> Iterator[tuple[Any, list[Deed]]]:
    if isinstance(part, list) and all(
        isinstance(each, tuple) and each and isinstance(each[0], str) for each in part
    ):
        yield who, part
    if isinstance(part, tuple) and part and part[0] in ("call", "call!", "cast", "send"):
        who = part[1]
    if isinstance(part, tuple) and part and part[0] == "start":
        who = part[1]
    if isinstance(part, list | tuple):
        for each in part:
            yield from _lists_in(who, each)


def _names(part: Any, names: set[str]) -> bool:
    """Whether one of these deeds is in a part of a scenario."""
    if isinstance(part, tuple) and part and part[0] in names:
        return True
    return isinstance(part, tuple | list) and any(_names(each, names) for each in part)


def _something_behind_a_signal(lists: Lists) -> bool:
    for _, deeds in lists:
        sent = {deed[1] for deed in deeds[:-1] if deed[0] == "exit_to"}
        if sum(len(deed) > 1 and isinstance(deed[1], str) and deed[1] in sent for deed in deeds) > 1:
            return True
    return False


def _links_in_a_start(part: Any) -> bool:
    match part:
        case (bool(), list() as plans, list()):
            return _names(plans, {"link"})
        case tuple() | list():
            return any(map(_links_in_a_start, part))
    return False


def _signal_to_oneself(lists: Lists) -> bool:
    for who, deeds in lists:
        for deed in deeds:
            if deed[0] == "exit_to" and (who == deed[1] or isinstance(who, tuple)):
                return True
    return False


ASKING = {"call", "call!", "stop_server", "suspend", "resume", "get_state", "replace_state", "change_code"}
OF_TREES = {"which_children", "count_children", "start_child", "terminate_child", "restart_child"}


def _waits_where_signals_come(lists: Lists) -> bool:
    if _names(lists, {"wait"}) or (_names(lists, {"exit_to"}) and _names(lists, ASKING)):
        return True
    return any(who not in ("a", "b", "outside") and _names(deeds, OF_TREES) for who, deeds in lists)


KNOWN: dict[str, Callable[[Lists], bool]] = {
    "a turn that waits is not cut by an exit signal": _waits_where_signals_come,
    "a linked actor goes on behind a call that failed": lambda lists: (
        _names(lists, {"link"}) and _names(lists, ASKING | OF_TREES)
    ),
    "a linked actor goes on behind a start that failed": _links_in_a_start,
    "an exit signal is overtaken by what is sent behind it": _something_behind_a_signal,
    "an actor's own signal, if it traps exits, does not end it": _signal_to_oneself,
}


def loosened(entry: Any) -> Any:
    """An entry of a journal without the reason of a failed call: `noproc` in OTP, here the exit reason."""
    match entry:
        case ("did", deed, ("failed", reason)) if reason not in ("timeout", "calling_self"):
            return ("did", deed, "failed")
        case ("call", reason) if reason not in ("timeout", "calling_self"):
            return "call"
        case tuple() | list():
            return type(entry)(map(loosened, entry))
    return entry
