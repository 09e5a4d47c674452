"""The command: `python -m benchmarks.soak`; `--help` says what it takes."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import description
from benchmarks.processes import WORKSHOP
from benchmarks.servers import OURS
from benchmarks.soak import report
from benchmarks.soak.kills import run_kills
from benchmarks.soak.run import Record, Settings, run
from benchmarks.soak.verdict import problems

RESULTS = Path(__file__).parents[1] / "results"
SHORTEST_TO_KEEP = 600.0
"""Seconds: a shorter run is to look at, and goes to the workshop."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, say how it goes and what came of it; 1 if anything is wrong."""
    options = _read_options(arguments)
    folder = _fresh_folder(WORKSHOP / "soak")
    if options.kills is not None:
        return _kill(folder, options.kills, options.seed)
    settings = Settings(seconds=options.minutes * 60, visitors=options.clients, seed=options.seed)
    return _soak(folder, settings, options.output)


def _soak(folder: Path, settings: Settings, output: Path | None) -> int:
    record = run(settings, folder, _say_how_it_goes)
    print(file=sys.stderr)
    if output is None:
        output = RESULTS if settings.seconds >= SHORTEST_TO_KEEP else WORKSHOP / "results"
    machine = description([OURS], {})
    report.write(record, machine, output)
    print(report.markdown(record, machine))
    _draw(record, output)
    print(f"written: {output}/soak.md, .json and .png", file=sys.stderr)
    if problems(record):
        return 1
    shutil.rmtree(folder)
    return 0


def _draw(record: Record, output: Path) -> None:
    try:
        from benchmarks.soak.plot import draw
    except ImportError:
        print("no picture: matplotlib is not installed; `make soak` has it", file=sys.stderr)
    else:
        draw(record, output / "soak.png")


def _say_how_it_goes(record: Record) -> None:
    sample, settings = record.samples[-1], record.settings
    used = ", ".join(f"{usage.rss / 1024:.0f} MiB {usage.descriptors} fd" for usage in sample.usages.values())
    print(
        f"\r{sample.time:.0f} of {settings.seconds:.0f} s: {record.taken} taken, {sample.taken} of them now; "
        f"{used}; "
        f"{len(record.events)} faults injected, {sum(record.surprises.values())} surprises\033[K",
        end="",
        file=sys.stderr,
        flush=True,
    )


def _kill(folder: Path, kills: int, seed: int) -> int:
    started = time.monotonic()

    def say(number: int) -> None:
        if number % 10 == 0 or number == kills:
            seconds = time.monotonic() - started
            print(f"\r{number} of {kills} kills, {seconds:.0f} s", end="", file=sys.stderr, flush=True)

    found = run_kills(folder, kills, seed, say)
    print(f"\n{found} (seed {seed})")
    for fault in found.faults:
        print(fault)
    print(found.complaints, end="")
    return 1 if found.faults or found.complaints else 0


def _fresh_folder(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def _read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description="Load a server that delivers to Maildirs with good and bad clients, kill it, restart it, "
        "and check every message by its hash.",
    )
    parser.add_argument("--minutes", type=float, default=2.0, help="for how long (2)")
    parser.add_argument("--clients", type=int, default=80, help="clients at a time (80)")
    parser.add_argument("--seed", type=int, default=1, help="another run with the same number is alike (1)")
    parser.add_argument(
        "--kills",
        type=int,
        metavar="N",
        help="instead: kill a server N times at random moments, as soon as it has some load",
    )
    parser.add_argument("--output", type=Path, help="the folder of the results")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    if sys.platform != "linux":
        raise SystemExit("the soak reads /proc and has its servers end with it: it needs Linux")
    raise SystemExit(main())
