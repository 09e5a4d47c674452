"""The command: `python -m benchmarks.queue kills` and `python -m benchmarks.queue speed`."""

from __future__ import annotations

import argparse
import shutil
import sys

from benchmarks.processes import WORKSHOP
from benchmarks.queue.broker import Broker
from benchmarks.queue.kills import run_kills
from benchmarks.queue.speed import is_enough, run_speed

SHARES = ("server", "deliverer", "deliverer", "server", "broker")
"""One in five is the broker, which takes its time to start."""


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
        ledger = run_kills(broker, folder, [SHARES[n % len(SHARES)] for n in range(options.count)])
    finally:
        broker.close()
    print(f"{len(ledger.promised)} promised, {len(ledger.lost())} lost, {ledger.doubles()} doubles", end=", ")
    print(f"{len(ledger.unlike())} of them with different ids")
    return 1 if ledger.lost() or ledger.unlike() else 0


if __name__ == "__main__":
    sys.exit(main())
