"""The command: `python -m benchmarks.queue kills` and `python -m benchmarks.queue speed`."""

from __future__ import annotations

import argparse
import itertools
import shutil
import sys

from benchmarks.processes import WORKSHOP
from benchmarks.queue.broker import Broker
from benchmarks.queue.kills import BOTH, run_kills
from benchmarks.queue.speed import is_enough, run_speed

STEPS = (BOTH, "server", BOTH, "deliverer", BOTH, "broker", BOTH)
"""One kill in eleven is the broker's, which takes its time to start."""


def main() -> int:
    """Run, and say what came of it; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    kills = commands.add_parser("kills", help="kill broker, server and deliverers under load")
    kills.add_argument("--count", type=int, default=100)
    speed = commands.add_parser("speed", help="mails a second beside the broker's own confirms")
    speed.add_argument("--mails", type=int, default=10_000)
    speed.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    folder = WORKSHOP / "queue"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if options.command == "speed":
        best = run_speed(folder, options.mails, options.seconds)
        print(f"broker alone {best['broker']:.0f} confirms/s, over SMTP {best['smtp']:.0f} mails/s", end=", ")
        print(f"ratio {best['smtp'] / best['broker']:.2f}")
        return 0 if is_enough(best) else 1
    broker = Broker(folder / "broker")
    broker.start()
    try:
        ledger = run_kills(broker, folder, victims(options.count))
    finally:
        broker.close()
    print(f"{options.count} kills: {len(ledger.promised)} promised, {len(ledger.lost())} lost", end=", ")
    print(f"{ledger.doubles()} doubles, {len(ledger.unlike())} messages whose copies have different ids")
    return 1 if ledger.lost() or ledger.unlike() else 0


def victims(count: int) -> list[str]:
    """Who is killed, so that it is so many kills at least."""
    found: list[str] = []
    for step in itertools.cycle(STEPS):
        if len(found) + found.count(BOTH) >= count:
            return found
        found.append(step)
    return found


if __name__ == "__main__":
    sys.exit(main())
