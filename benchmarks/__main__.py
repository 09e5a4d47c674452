"""The command: `python -m benchmarks`; `--help` says what else it takes."""

from __future__ import annotations

import argparse
import fnmatch
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import actor_rates, cluster, report
from benchmarks.install import available, has_command
from benchmarks.machine import description
from benchmarks.processes import WORKSHOP
from benchmarks.results import RATES, Results
from benchmarks.run import plan, run, say_on_stderr
from benchmarks.scenarios import FULL, QUICK, Scenario, all_scenarios
from benchmarks.servers import ASYNC, OURS, SERVERS, WORKERS, of_checkout
from benchmarks.workloads import SmtpSource

RESULTS = Path(__file__).parent / "results"
FULL_ROUNDS, QUICK_ROUNDS = 3, 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Install the peers, measure, and write the results."""
    options = _read_options(arguments)
    say_on_stderr("looking for the servers to compare with, installing what is missing")
    servers, left_out = available()
    for name, why in left_out.items():
        say_on_stderr(f"left out: {name}: {why}")
    wanted = [each for each in servers if _matches(each.name, options.servers)]
    checkouts = [(of_checkout(tree), tree) for tree in options.against]
    scenarios = _scenarios(options, left_out)
    names = [each.name for each in wanted]
    machine = description(names, {server.name: tree for server, tree in checkouts})
    wanted += [server for server, _ in checkouts]
    results = Results(scenarios, [each.name for each in wanted], machine, left_out)
    if OURS in names:
        wanted += (*WORKERS, ASYNC)
    for result in run(plan(scenarios, wanted, options.rounds or _rounds(options)), say_on_stderr):
        results.measured.append(result)
    if OURS in names and _matches(RATES, options.only):
        _measure_actors(results, 0.2 if options.quick else 1.0)
    if OURS in names and _matches(cluster.CLUSTER, options.only):
        _measure_cluster(results, 0.2 if options.quick else 1.0)
    _write(results, options.output, options.quick)


def _scenarios(options: argparse.Namespace, left_out: dict[str, str]) -> list[Scenario]:
    chosen = [
        each for each in all_scenarios(QUICK if options.quick else FULL) if _matches(each.name, options.only)
    ]
    if has_command("smtp-source"):
        return chosen
    left_out["smtp-source"] = "Postfix is not installed, so what it sends is not measured"
    return [each for each in chosen if not isinstance(each.workload, SmtpSource)]


def _rounds(options: argparse.Namespace) -> int:
    return QUICK_ROUNDS if options.quick else FULL_ROUNDS


def _measure_actors(results: Results, scale: float) -> None:
    for library in actor_rates.LIBRARIES:
        say_on_stderr(f"{RATES}: {library}")
        results.actor_rates[library] = actor_rates.measured(library, scale)


def _measure_cluster(results: Results, scale: float) -> None:
    if not (has_command("erl") and has_command("epmd")):
        say_on_stderr(f"{cluster.CLUSTER}: left out, Erlang is not installed")
        return
    say_on_stderr(cluster.CLUSTER)
    results.cluster.update(cluster.measured(scale))


def _write(results: Results, folder: Path, quick: bool) -> None:
    from benchmarks.plot import draw

    folder.mkdir(parents=True, exist_ok=True)
    name = "quick" if quick else "full"
    results.write_json(folder / f"{name}.json")
    (folder / f"{name}.md").write_text(report.markdown(results))
    draw(results, folder / f"{name}.png")
    say_on_stderr(f"written: {folder}/{name}.md, .png and .json")


def _matches(name: str, patterns: Sequence[str] | None) -> bool:
    return patterns is None or any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def _read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure the server beside others in one interleaved run."
    )
    parser.add_argument("--quick", action="store_true", help="less of everything, in under two minutes")
    parser.add_argument("--rounds", type=int, help=f"rounds ({FULL_ROUNDS}; with --quick {QUICK_ROUNDS})")
    parser.add_argument("--only", nargs="+", metavar="SCENARIO", help="their names; * stands for anything")
    parser.add_argument(
        "--servers", nargs="+", metavar="SERVER", help="of " + ", ".join(each.name for each in SERVERS)
    )
    parser.add_argument(
        "--against",
        nargs="+",
        type=Path,
        default=[],
        metavar="TREE",
        help="other checkouts of this project, such as `git worktree add TREE COMMIT` makes",
    )
    parser.add_argument("--output", type=Path, help="the folder of the results")
    options = parser.parse_args(arguments)
    if options.output is None:
        # A quick run is to look at, not to keep.
        options.output = WORKSHOP / "results" if options.quick else RESULTS
    return options


if __name__ == "__main__":
    if sys.platform != "linux":
        raise SystemExit("the benchmarks read /proc and pin processes to cores: they need Linux")
    main()
