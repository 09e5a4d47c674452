"""The processes of the clients, and what they report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Self

from benchmarks.processes import ROOT
from benchmarks.soak.ledger import Ledger, Outcome


class Fleet:
    """Processes of clients, at work for the length of a `with` block.

    Args:
        ledger: the books; used by one thread for each process, under `lock`.
        ports: the server's.
        processes, visitors: how many of each; the visitors are dealt out to the processes.
        seed: decides what they do.

    Attributes:
        lock: held while the books are used.
        surprises: the replies that should not have come, and how often.
    """

    def __init__(
        self, ledger: Ledger, ports: Mapping[str, int], processes: int, visitors: int, seed: int
    ) -> None:
        self.lock = threading.Lock()
        self.surprises: Counter[str] = Counter()
        self._ledger = ledger
        self._settings = [
            {
                "name": f"p{number}",
                "seed": f"{seed}.{number}",
                "visitors": -(-visitors // processes),
                "ports": dict(ports),
            }
            for number in range(processes)
        ]
        self._waits: list[float] = []
        self._processes: list[subprocess.Popen[str]] = []
        self._readers: list[threading.Thread] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for settings in self._settings:
                process = stack.enter_context(_started(json.dumps(settings)))
                stack.callback(process.kill)
                reader = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
                reader.start()
                self._processes.append(process)
                self._readers.append(reader)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def pids(self) -> list[int]:
        """The processes."""
        return [process.pid for process in self._processes]

    def finish(self) -> list[int]:
        """Have all clients end, and take in what they have to say; the processes' exit codes."""
        for process in self._processes:
            process.terminate()
        for reader in self._readers:
            reader.join()
        return [process.wait() for process in self._processes]

    def take_waits(self) -> list[float]:
        """How long clients waited for the replies to their messages, since the last call; seconds, sorted."""
        with self.lock:
            waits, self._waits = self._waits, []
        return sorted(waits)

    def _read(self, reports: IO[str]) -> None:
        for line in reports:
            kind, *facts = json.loads(line)
            with self.lock:
                if kind == "surprise":
                    self.surprises[" ".join(facts)] += 1
                else:
                    copy, digest, outcome, seconds = facts
                    self._ledger.note_attempt(copy, digest, Outcome(outcome))
                    if seconds is not None:
                        self._waits.append(seconds)


def _started(settings: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.soak.client", settings],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
