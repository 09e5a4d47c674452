"""Plays scenarios on both sides, compares them, and makes the ones that differ small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.otp.beam import Beam
from tests.otp.compare import Comparison, compare
from tests.otp.language import Scenario, is_well_formed, limit_of, shown
from tests.otp.python.play import play
from tests.otp.shrinking import smaller_ones

SCHEDULES = ("one", "rough", "many")
MORE_SCHEDULES = ("rough", "many") * 5
TIMES = 3
"""So many times more is a scenario played before a difference is believed: it may be one of timing."""

Play = Callable[[Scenario, int], list[Any]]


class Judge:
    """Compares this library with a BEAM.

    Args:
        beam: the BEAM.
        play: plays a scenario here.
    """

    def __init__(self, beam: Beam, play: Play = play) -> None:
        self._beam = beam
        self._play = play

    def judge(self, scenario: Scenario) -> Comparison:
        """Play a scenario and compare. A difference that is only one of timing is none."""
        found = self._compare(scenario, SCHEDULES)
        for _ in range(TIMES):
            if found.difference is None:
                break
            found = self._compare(scenario, SCHEDULES + MORE_SCHEDULES)
        return found

    def _compare(self, scenario: Scenario, schedules: tuple[str, ...]) -> Comparison:
        for schedule in schedules:
            self._beam.begin(scenario, schedule)
        here = self._play(scenario, limit_of(scenario))
        return compare(scenario, [self._beam.result() for _ in schedules], here)

    def shrink(self, scenario: Scenario, is_meant: Callable[[Scenario], bool] = bool) -> Scenario:
        """The smallest scenario like this one that still differs: nothing can be taken out of it.

        Args:
            scenario: one that differs.
            is_meant: whether another one, which differs, may take its place.
        """
        is_smaller = True
        while is_smaller:
            is_smaller = False
            for smaller in filter(is_well_formed, smaller_ones(scenario)):
                if self.judge(smaller).difference is not None and is_meant(smaller):
                    scenario, is_smaller = smaller, True
                    break
        return scenario

    def report(self, scenario: Scenario) -> str:
        """A scenario that differs, and how, for people to read."""
        found = self.judge(scenario).difference
        if found is None:
            return f"no difference any more:\n{shown(scenario)}"
        where = " ".join(map(str, found.where)) if isinstance(found.where, tuple) else found.where
        return (
            f"{shown(scenario)}\nin step {found.step}, {where}:"
            f"\n  OTP:  {_seen(found.beam)}\n  here: {_seen(found.here)}"
        )


def _seen(seen: Any) -> str:
    return "nothing" if not seen else "; ".join(map(_said, seen))


def _said(entry: Any) -> str:
    if isinstance(entry, tuple | list):
        return "(" + " ".join(map(_said, entry)) + ")"
    return str(entry)
