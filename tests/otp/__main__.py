"""`make otp`: compare `actors` with the BEAM in as many random scenarios as one likes.

python -m tests.otp [--count 1000] [--seed 0] [--kind trees] [--show]
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable
from itertools import count, islice

from tests.otp.beam import Beam
from tests.otp.generator.scenarios import KINDS, kind_of, scenario
from tests.otp.judge import Judge
from tests.otp.known import known_difference
from tests.otp.language import Scenario, shown


def main() -> int:
    """Compare, and say what came of it; 0 if nothing differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.otp", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="how many scenarios (default 1000)")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed (default 0)")
    parser.add_argument("--kind", choices=KINDS, help="only scenarios of this kind")
    parser.add_argument("--known", action="store_true", help="also those that may show a known difference")
    parser.add_argument("--show", action="store_true", help="print each scenario")
    arguments = parser.parse_args()
    if shutil.which("erl") is None:
        parser.error("the command erl is not installed (Debian: apt-get install erlang-base)")
    logging.getLogger("actors").disabled = True  # the crashes are meant
    counts: Counter[str] = Counter()
    begun = time.monotonic()
    with Beam() as beam:
        judge = Judge(beam)
        for seed in _seeds(arguments):
            _compare(judge, seed, scenario(seed), counts, arguments)
    print(
        f"{counts['scenarios']} scenarios, {counts['steps']} steps compared, {counts['open']} left open "
        f"by OTP, {counts['known']} scenarios left out, {counts['differ']} differ; "
        f"{time.monotonic() - begun:.0f} seconds"
    )
    return 1 if counts["differ"] else 0


def _seeds(arguments: argparse.Namespace) -> Iterable[int]:
    of_the_kind = (seed for seed in count(arguments.seed) if arguments.kind in (None, kind_of(seed)))
    return islice(of_the_kind, arguments.count)


def _compare(
    judge: Judge, seed: int, played: Scenario, counts: Counter[str], arguments: argparse.Namespace
) -> None:
    if arguments.show:
        print(f"{seed}, {kind_of(seed)}:\n{shown(played)}", flush=True)
    if known_difference(played) and not arguments.known:
        counts["known"] += 1
        return
    found = judge.judge(played)
    counts["scenarios"] += 1
    counts["steps"] += found.steps
    if found.difference is None:
        counts["open"] += len(played) - found.steps
    else:
        counts["differ"] += 1
        print(f"\nseed {seed}, {kind_of(seed)}:\n{judge.report(judge.shrink(played))}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
