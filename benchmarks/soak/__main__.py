"""The command: `python -m benchmarks.soak`; `--help` says what it takes."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import WORKSHOP
from benchmarks.soak.kills import run_kills


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, say how it goes and what came of it; 1 if anything is wrong."""
    options = _read_options(arguments)
    folder = _fresh_folder(WORKSHOP / "soak")
    return _kill(folder, options.kills, options.seed)


def _kill(folder: Path, kills: int, seed: int) -> int:
    started = time.monotonic()

    def say(number: int) -> None:
        if number % 10 == 0 or number == kills:
            seconds = time.monotonic() - started
            print(f"\r{number} of {kills} kills, {seconds:.0f} s", end="", file=sys.stderr, flush=True)

    report = run_kills(folder, kills, seed, say)
    print(f"\n{report} (seed {seed})")
    for fault in report.faults:
        print(fault)
    print(report.complaints, end="")
    return 1 if report.faults or report.complaints else 0


def _fresh_folder(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def _read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument(
        "--kills", type=int, default=1000, help="kill a server that delivers to Maildirs so many times (1000)"
    )
    parser.add_argument("--seed", type=int, default=1, help="another run with the same number is alike (1)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    if sys.platform != "linux":
        raise SystemExit("the soak has its servers end with it, as only Linux can: it needs Linux")
    raise SystemExit(main())
