"""When what is done to the server: faults first, then a long time in which some of its processes live on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Literal, NamedTuple

Action = Literal["kill", "kill_worker", "restart", "reload"]
"""A method of `Service`."""

FAULTS: tuple[Action, ...] = ("kill", "kill_worker", "restart", "reload")
STEADY: tuple[Action, ...] = ("kill_worker", "reload")
"""What the oldest worker and its parent outlive, so that it can be seen whether they grow."""

SHARE_OF_FAULTS = 0.25
_SHORTEST, _LONGEST = 1.0, 20.0
_ACTIONS_IN_ALL = 40


class Event(NamedTuple):
    """Something that is done to the server, and when: seconds since the start."""

    time: float
    action: Action


def schedule(seconds: float) -> list[Event]:
    """What is done in a run of so many seconds, in its order."""
    return sorted(_events(seconds))


def steady_from(seconds: float) -> float:
    """When the second part of the run begins."""
    return seconds * SHARE_OF_FAULTS


def _events(seconds: float) -> Iterator[Event]:
    gap = min(_LONGEST, max(_SHORTEST, seconds / _ACTIONS_IN_ALL))
    turn = steady_from(seconds)
    yield from _every(gap, gap, turn, FAULTS)
    yield from _every(turn + 3 * gap, 3 * gap, seconds, STEADY)


def _every(start: float, gap: float, end: float, actions: tuple[Action, ...]) -> Iterator[Event]:
    time = start
    for action in cycle(actions):
        if time >= end:
            return
        yield Event(time, action)
        time += gap
