"""The workers of a server, seen from their parent."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from actors.seconds import number_of_seconds
from gen_smtp.workers.channel import COUNT, ParentEnd


@dataclass(frozen=True, slots=True)
class ForkedWorker:
    """A worker that was forked and not yet waited for.

    Attributes:
        pid: its process.
        place: its number among the workers; its replacement has the same number.
        channel: the line to it.
    """

    pid: int
    place: int
    channel: ParentEnd


class Roster:
    """The workers that there are. Its parent's main thread changes it; any thread may look."""

    def __init__(self) -> None:
        self._workers: dict[int, ForkedWorker] = {}
        self._ended: list[ForkedWorker] = []
        self._questions = 0
        # Held while channels are in use, so that none is closed under somebody's hands.
        self._asking = threading.Lock()

    def present(self) -> list[ForkedWorker]:
        """Those there now, the oldest first."""
        return list(self._workers.values())

    def add(self, worker: ForkedWorker) -> None:
        """One was forked."""
        self._workers[worker.pid] = worker

    def remove(self, worker: ForkedWorker) -> None:
        """A worker has ended. This never waits: while another thread asks, that thread closes the channel."""
        del self._workers[worker.pid]
        self._ended.append(worker)
        if self._asking.acquire(blocking=False):
            self._close_ended()
            self._asking.release()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all: none of them was waited for, so the processes are still theirs."""
        for worker in self.present():
            with contextlib.suppress(ProcessLookupError):  # unless something else has waited for it
                os.kill(worker.pid, number)

    def leave_behind(self) -> None:
        """Hang up in a forked child: these lines are between the parent and its other workers."""
        for worker in self.present():
            worker.channel.close()
        self._workers = {}

    def session_counts(self, timeout: float) -> dict[int, int]:
        """See `Workers.session_counts`."""
        with self._asking:
            return self._ask_all(timeout)

    def all_answer(self, size: int, timeout: float, what: int = COUNT) -> bool:
        """Whether there are so many workers, and all of them answer what they are asked for in time.

        It waits for nobody else: it is False while another thread asks.
        """
        if not self._asking.acquire(blocking=False):
            return False
        try:
            return len(self._ask_all(timeout, what)) == size
        finally:
            self._asking.release()

    def _ask_all(self, timeout: float, what: int = COUNT) -> dict[int, int]:
        self._questions += 1
        number, deadline = self._questions, time.monotonic() + timeout
        asked = [worker for worker in self.present() if worker.channel.ask(number, what)]
        answers = {worker.pid: worker.channel.answer(number, deadline) for worker in asked}
        self._close_ended()
        return {pid: count for pid, count in answers.items() if count is not None}

    def _close_ended(self) -> None:
        while self._ended:
            self._ended.pop().channel.close()


class Workers:
    """What `on_started` of `gen_smtp_server.serve_forever` gets when there are several workers.

    For any thread of the parent process, for as long as `serve_forever` runs.
    """

    def __init__(self, addresses: Sequence[Any], roster: Roster) -> None:
        self._addresses = list(addresses)
        self._roster = roster

    def addresses(self) -> list[Any]:
        """The addresses really bound, as `gen_smtp_server.addresses` gives them."""
        return list(self._addresses)

    def pids(self) -> list[int]:
        """The processes of the workers. None is forked yet when `on_started` is called."""
        return [worker.pid for worker in self._roster.present()]

    def session_counts(self, timeout: float = 1.0) -> dict[int, int]:
        """How many live sessions each worker has, by its process: `sum(counts.values())` are all of them.

        Args:
            timeout: seconds to wait for the answers. A worker that gives none is left out: it just starts
                or ends, or its hub is blocked.

        Raises:
            ValueError: the timeout is no number, or NaN.
        """
        number_of_seconds(timeout)
        return self._roster.session_counts(timeout)

    def __repr__(self) -> str:
        return f"<Workers {self.pids()} at {self._addresses}>"
