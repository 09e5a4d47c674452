"""A process of many clients: `python -m benchmarks.soak.client SETTINGS`, SETTINGS as JSON.

It writes records in lines of JSON until SIGTERM, see `benchmarks.soak.visits.Report`. The settings are
`name`, `seed`, `visitors` and `ports`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Sequence
from typing import Any

import gevent
from gevent import monkey
from gevent.event import Event

SECONDS_TO_FINISH = 1.0
"""What visits under way get at the end."""

SECONDS_BETWEEN_WRITES = 0.2


class Crowd:
    """The clients of one process.

    Args:
        settings: what the module says.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        from benchmarks.soak.mails import make_lines
        from benchmarks.soak.visits import Visitor

        chance = random.Random(settings["seed"])
        lines = make_lines(chance)
        self._over = Event()
        self._records: list[Sequence[Any]] = []
        self._visitors = [
            Visitor(
                f"{settings['name']}.{number}",
                settings["ports"],
                random.Random(chance.random()),
                lines,
                self._records.append,
            )
            for number in range(settings["visitors"])
        ]

    def run(self) -> None:
        """Visit until SIGTERM."""
        gevent.signal_handler(signal.SIGTERM, self._over.set)
        greenlets = [gevent.spawn(self._visit, visitor) for visitor in self._visitors]
        while not self._over.wait(SECONDS_BETWEEN_WRITES):
            self._write()
        gevent.joinall(greenlets, timeout=SECONDS_TO_FINISH)
        gevent.killall(greenlets)
        self._write()

    def _visit(self, visitor: Any) -> None:
        while not self._over.is_set():
            visitor.go()

    def _write(self) -> None:
        records = self._records[:]
        del self._records[: len(records)]
        sys.stdout.write("".join(f"{json.dumps(record)}\n" for record in records))
        sys.stdout.flush()


if __name__ == "__main__":
    monkey.patch_all()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # from a terminal it is for the soak, which ends this
    Crowd(json.loads(sys.argv[1])).run()
    os._exit(0)  # a greenlet that won't be killed does not matter any more
