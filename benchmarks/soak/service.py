"""The server's processes, as the soak treats them: started, killed, restarted, reloaded, stopped."""

from __future__ import annotations

import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from benchmarks.certificates import certificate
from benchmarks.processes import ROOT
from benchmarks.soak.server import LISTENERS

PATIENCE = 60.0
"""Seconds after which a server that does not start or stop has failed."""


class ServiceFailed(Exception):  # noqa: N818 - as OTP has it
    """The server did not do what it was told."""


class Service:
    """A server with workers. As a context manager it is killed at the end, if it is still there.

    Args:
        folder: gets the log.
        maildirs: the folder of the Maildirs.
        workers: how many processes serve.

    Attributes:
        ports: where it listens, by the name of the listener; the same after each start.
    """

    def __init__(self, folder: Path, maildirs: Path, workers: int) -> None:
        self.ports = dict.fromkeys(LISTENERS, 0)
        self._log_path = folder / "server.log"
        self._maildirs = maildirs
        self._size = workers
        self._process: subprocess.Popen[str] | None = None
        self._parent = 0
        self._workers: dict[int, list[int]] = {}
        self._news: queue.SimpleQueue[int | None] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.kill()

    # -- what it is ---------------------------------------------------------------------------------

    @property
    def parent(self) -> int:
        """The process that was told last to serve."""
        return self._parent

    @property
    def workers(self) -> list[int]:
        """Its workers that live, the oldest first."""
        return [pid for pid in self._workers.get(self._parent, ()) if _is_alive(pid)]

    def log(self) -> str:
        """What it has logged that is worth a look."""
        return self._log_path.read_text() if self._log_path.exists() else ""

    # -- what is done to it -------------------------------------------------------------------------

    def start(self) -> None:
        """Start it; it serves when this returns.

        Raises:
            ServiceFailed: it does not.
        """
        files = certificate("ecdsa")
        settings = {
            "maildirs": str(self._maildirs),
            "workers": self._size,
            "certfile": str(files.certfile),
            "keyfile": str(files.keyfile),
            "ports": list(self.ports.values()),
        }
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.soak.server", json.dumps(settings)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                start_new_session=True,  # one signal then reaches it, its workers and its successors
            )
        self._news = queue.SimpleQueue()
        threading.Thread(target=self._listen, args=(self._process.stdout, self._news), daemon=True).start()
        self._await_news()

    def kill(self) -> None:
        """Kill all of its processes at once: none has time to do anything."""
        assert self._process is not None
        known = [self._process.pid, *self._workers, *(pid for each in self._workers.values() for pid in each)]
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        _wait_for_ends(known)
        self._process.wait()
        self._process = None
        self._workers.clear()

    def kill_worker(self) -> None:
        """Kill the youngest worker; so the oldest one lives long."""
        for pid in self.workers[-1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def restart(self) -> None:
        """Have it start a successor, which takes the sockets over.

        Raises:
            ServiceFailed: there is none.
        """
        os.kill(self._parent, signal.SIGUSR2)
        self._await_news()

    def reload(self) -> None:
        """Have it read certificates and code again."""
        os.kill(self._parent, signal.SIGHUP)

    def stop(self) -> None:
        """Have it end in good order.

        Raises:
            ServiceFailed: it does not.
        """
        assert self._process is not None
        os.kill(self._parent, signal.SIGTERM)
        _wait_for_ends([self._process.pid, *self._workers])
        if self._process.wait() != 0:
            raise ServiceFailed(f"the server ended with {self._process.returncode}")
        self._process = None

    # -- what it says -------------------------------------------------------------------------------

    def _listen(self, said: IO[str], news: queue.SimpleQueue[int | None]) -> None:
        with said:
            for line in said:
                self._take(json.loads(line), news)
        news.put(None)  # whoever waits, waits in vain

    def _take(self, facts: dict[str, Any], news: queue.SimpleQueue[int | None]) -> None:
        workers = self._workers.setdefault(facts["parent"], [])
        if "worker" in facts:
            workers.append(facts["worker"])
            if len(workers) == self._size:
                news.put(facts["parent"])
        else:
            self.ports = dict(zip(LISTENERS, facts["ports"], strict=True))

    def _await_news(self) -> None:
        """Wait until another process has all of its workers."""
        try:
            parent = self._news.get(timeout=PATIENCE)
        except queue.Empty:
            parent = None
        if parent is None:
            raise ServiceFailed(f"the server does not serve; its log says:\n{self.log()}")
        self._parent = parent


def _is_alive(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}/exe")  # a zombie has the link no more


def _wait_for_ends(pids: Iterable[int]) -> None:
    """Wait until processes have ended, whosever children they are."""
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            if not select.select([descriptor], [], [], PATIENCE)[0]:
                raise ServiceFailed(f"process {pid} does not end")
        finally:
            os.close(descriptor)
