"""`make fuzz`: run all fuzz targets side by side for as long as you like.

python -m tests.fuzz [--minutes 10] [--target core|session|proxy|parts_in_c] [libFuzzer's options]
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys

from tests.fuzz.fuzzing import WORK

TARGETS = ("core", "session", "proxy", "parts_in_c")
INTERRUPTED = 72
"""libFuzzer's status when it is told to end."""
_EXECUTIONS = re.compile(r"stat::number_of_executed_units: +(\d+)")


def main() -> int:
    """Run, and say what became of it; 0 if nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long each target runs (default 10)")
    parser.add_argument("--target", choices=TARGETS, help="only this one")
    arguments, for_libfuzzer = parser.parse_known_args()
    targets = [arguments.target] if arguments.target else TARGETS
    WORK.mkdir(exist_ok=True)
    running = {target: _start(target, arguments.minutes, for_libfuzzer) for target in targets}
    try:
        # A list, for all of them to be waited for.
        return max([_report(target, process) for target, process in running.items()])
    except KeyboardInterrupt:
        return 130


def _start(target: str, minutes: float, for_libfuzzer: list[str]) -> subprocess.Popen[bytes]:
    seconds = max(1, round(60 * minutes))
    command = [
        sys.executable,
        "-m",
        f"tests.fuzz.fuzz_{target}",
        f"-max_total_time={seconds}",
        *for_libfuzzer,
    ]
    print(f"{target}: {minutes:g} minutes, log in {_log(target)}", flush=True)
    with open(_log(target), "wb") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _log(target: str) -> str:
    return str(WORK / f"{target}.log")


def _report(target: str, process: subprocess.Popen[bytes]) -> int:
    status = process.wait()
    with open(_log(target), errors="replace") as file:
        log = file.read()
    executions = _EXECUTIONS.search(log)
    found = status > 0 and status != INTERRUPTED
    outcome = "A FIND" if found else "interrupted" if status else "nothing found"
    print(f"{target}: {executions[1] if executions else '?'} executions, {outcome}")
    if found:
        print(log[-3000:])
    return abs(status)


if __name__ == "__main__":
    sys.exit(main())
