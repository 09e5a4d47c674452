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


KNOWN: dict[str, Callable[[Lists], bool]] = {}
"""What differs, and whether lists of deeds may show it."""
