"""Scenarios with a little less in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tests.otp.language import Scenario


def smaller_ones(scenario: Scenario) -> Iterator[Scenario]:
    """Scenarios with a little less in them, those with much less first."""
    for size in (len(scenario) // 2, len(scenario) // 4, 1):
        if size > 0:
            for start in range(len(scenario) - size, -1, -1):
                yield scenario[:start] + scenario[start + size :]
    yield from _with_less(scenario, lambda less: less)


def _with_less(part: Any, put: Callable[[Any], Any]) -> Iterator[Any]:
    """A scenario with one change in a part of it.

    Args:
        part: the part.
        put: makes the scenario with another part in this one's place.
    """
    if isinstance(part, list):
        for at in range(len(part)):
            if isinstance(part[at], tuple) or len(part) > 1:  # of plans a server has at least one
                yield put(part[:at] + part[at + 1 :])
    for simpler in _simpler(part):
        yield put(simpler)
    if isinstance(part, list | tuple):
        for at, each in enumerate(part):
            yield from _with_less(each, partial(_put_at, put, part, at))


def _put_at(put: Callable[[Any], Any], part: Any, at: int, less: Any) -> Any:
    return put(_replaced(part, at, less))


def _simpler(part: Any) -> Iterator[Any]:
    """What may stand instead of a part."""
    match part:
        case (bool() as trap, list(), list()) if trap:
            yield (False, *part[1:])
        case ("start", _, _, "link", *_):
            yield _replaced(part, 3, "alone")
        case ("start", _, _, _, str(), *_):
            yield _replaced(part, 4, None)
        case ("call!", to, deeds):
            yield ("call", to, deeds, "infinity")
        case ("call", to, deeds, _):
            yield ("cast", to, deeds)
        case ("send", to, deeds):
            yield ("cast", to, deeds)
        case ("shutdown", "told"):
            yield "boom"
        case ("event", _, _, _) as deed if deed[2] != "cast":
            yield _replaced(deed, 2, "cast")


def _replaced(part: Any, at: int, new: Any) -> Any:
    made = list(part)
    made[at] = new
    return type(part)(made)
