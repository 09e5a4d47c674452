"""What was measured, looked at over the rounds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.run import Result
from benchmarks.scenarios import Group, Scenario
from benchmarks.servers import BASE

RATES = "actor rates"


@dataclass(frozen=True, slots=True)
class Ratio:
    """A server's figure over the base server's in the same round: the median, the least and the most."""

    median: float
    least: float
    most: float


@dataclass(slots=True)
class Results:
    """All results of a run.

    Attributes:
        scenarios: what was measured.
        servers: the names of those that are compared, in the order of the tables.
        machine: what it was measured on, and which versions.
        left_out: the peers that could not be had, and why.
        measured: one entry for each server, scenario and round.
        actor_rates: operations per CPU second, by library and operation.
        cluster: the figures of a node beside BEAMs, by name.
    """

    scenarios: Sequence[Scenario]
    servers: Sequence[str]
    machine: Mapping[str, str]
    left_out: Mapping[str, str]
    measured: list[Result] = field(default_factory=list)
    actor_rates: dict[str, dict[str, float]] = field(default_factory=dict)
    cluster: dict[str, float] = field(default_factory=dict)

    def group(self, group: Group) -> list[Scenario]:
        """The scenarios of a group."""
        return [each for each in self.scenarios if each.group == group]

    def median(self, scenario: Scenario, server: str, figure: str | None = None) -> float | None:
        """The median over the rounds of a figure, the scenario's own unless said; None without any."""
        found = self._by_round(scenario, server, figure or scenario.figure).values()
        return median(found) if found else None

    def ratio(self, scenario: Scenario, server: str, to: str = BASE) -> Ratio | None:
        """A server's figure compared with that of another, the base server unless said, within each round."""
        own, base = (self._by_round(scenario, name, scenario.figure) for name in (server, to))
        ratios = [value / base[number] for number, value in own.items() if base.get(number)]
        return Ratio(median(ratios), min(ratios), max(ratios)) if ratios else None

    def failures(self) -> list[Result]:
        """What failed."""
        return [each for each in self.measured if each.failure is not None]

    def write_json(self, path: Path) -> None:
        """Write everything that was measured, raw."""
        raw: dict[str, Any] = {
            "machine": self.machine,
            "left_out": self.left_out,
            "scenarios": [
                {"name": each.name, "title": each.title, "figure": each.figure, "unit": each.unit}
                | {"x": each.x, "reach": each.reach, "workload": asdict(each.workload)}  # type: ignore[call-overload]
                for each in self.scenarios
            ],
            "measured": [asdict(each) for each in self.measured],
            RATES: self.actor_rates,
            "cluster": self.cluster,
        }
        path.write_text(json.dumps(raw, indent=1) + "\n")

    def _by_round(self, scenario: Scenario, server: str, figure: str) -> dict[int, float]:
        return {
            each.round: each.figures[figure]
            for each in self.measured
            if each.scenario == scenario.name and each.server == server and figure in each.figures
        }
