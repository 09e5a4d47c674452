"""Runs scenarios in interleaved rounds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.certificates import certificate
from benchmarks.clients import ClientError
from benchmarks.scenarios import Scenario
from benchmarks.servers import BASE, Server, ServerError, serving
from benchmarks.workloads import Figures


@dataclass(frozen=True, slots=True)
class Result:
    """What one server did in one round of a scenario.

    Attributes:
        scenario, server: their names.
        round: from 1.
        figures: what was measured; empty if it failed.
        failure: why it failed, or None.
    """

    scenario: str
    server: str
    round: int
    figures: Figures
    failure: str | None = None


Plan = list[tuple[Scenario, int, Server]]


def plan(scenarios: Sequence[Scenario], servers: Sequence[Server], rounds: int) -> Plan:
    """The order: the servers of a round right after each other, each round beginning with another."""
    return [
        (scenario, number, server)
        for scenario in scenarios
        for number in range(1, rounds + 1)
        for server in _rotated([each for each in servers if takes_part(each, scenario)], number - 1)
    ]


def takes_part(server: Server, scenario: Scenario) -> bool:
    """Whether a scenario is measured of a server."""
    if scenario.key is not None and not server.speaks_tls:
        return False
    if scenario.servers is None:
        return not server.only_named
    return server.name in scenario.servers


def run(planned: Plan, say: Callable[[str], None]) -> Iterator[Result]:
    """Measure, each server in a fresh process, and say how it goes."""
    start = time.monotonic()
    base: dict[tuple[str, int], float] = {}
    for done, (scenario, number, server) in enumerate(planned, 1):
        result = measure(scenario, number, server)
        if server.name == BASE and result.failure is None:
            base[scenario.name, number] = result.figures[scenario.figure]
        minutes, seconds = divmod(round(time.monotonic() - start), 60)
        say(
            f"{done:4}/{len(planned)} {minutes:2}:{seconds:02}  "
            + _line(scenario, result, base.get((scenario.name, number)))
        )
        yield result


def measure(scenario: Scenario, number: int, server: Server) -> Result:
    """Measure one server once."""
    try:
        with serving(server, None if scenario.key is None else certificate(scenario.key)) as target:
            figures = scenario.workload.run(target)
    except (ClientError, ServerError, OSError) as error:
        return Result(scenario.name, server.name, number, {}, str(error))
    return Result(scenario.name, server.name, number, figures)


def shown(value: float) -> str:
    """A figure with as many digits as mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def say_on_stderr(line: str) -> None:
    """Show progress."""
    print(line, file=sys.stderr, flush=True)


def _line(scenario: Scenario, result: Result, base: float | None) -> str:
    heading = f"{scenario.name} {result.round} {result.server}: "
    if result.failure is not None:
        return heading + f"failed: {result.failure}"
    value = result.figures[scenario.figure]
    ratio = ""
    if base and scenario.figure == "rate" and result.server != BASE:
        ratio = f" ({value / base:.2f} of {BASE})"
    return heading + f"{shown(value)} {scenario.unit}{ratio}"


def _rotated(servers: list[Server], by: int) -> list[Server]:
    by %= max(len(servers), 1)
    return servers[by:] + servers[:by]
