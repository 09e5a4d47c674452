"""The parent of workers: forks them, restarts those that die, and stops all of them.

It never starts a hub: a process with threads can't be forked safely, and this one forks as long as it lives.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from gevent.monkey import is_anything_patched

from actors import ActorDeadError, events
from actors.hub import Hub
from actors.restart_intensity import RestartIntensity
from gen_smtp import worker
from gen_smtp.option_checks import OptionsError, shown
from gen_smtp.process_events import WorkerEnded, WorkerStarted
from gen_smtp.reloading import CERTIFICATES, CODE, attempt, load_again, read_certificates_again
from gen_smtp.shared_sockets import SharedSockets
from gen_smtp.signal_pipe import SignalPipe
from gen_smtp.signals import ENDING
from gen_smtp.worker import Program
from gen_smtp.worker_channel import ParentEnd, open_channel
from gen_smtp.workers import Roster, Worker, Workers

RESTART_INTENSITY, RESTART_PERIOD = 5, 10.0
"""A worker that has to be replaced more often than so many times in so many seconds ends the server."""

CAUGHT = (*ENDING, signal.SIGHUP, signal.SIGCHLD)


class WorkersGaveUp(ActorDeadError):  # noqa: N818 - as OTP's supervisors do
    """Workers ended too often, so the server did; `reason` says how the last one ended."""


def check_workers(workers: Any) -> int:
    """The number of workers, if it is one and there can be so many here.

    Raises:
        OptionsError: it is no number of workers, or this process can't be the parent of several.
    """
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise OptionsError(
            f"not a number of workers: {shown(workers)}", option="workers", allowed="1 or more"
        )
    if workers > 1:
        for is_so, problem in _OBSTACLES:
            if is_so():
                raise OptionsError(problem, option="workers", allowed="1 here")
    return int(workers)


_OBSTACLES: tuple[tuple[Callable[[], object], str], ...] = (
    (is_anything_patched, "a program that gevent has monkey-patched can't be forked into workers"),
    (Hub.running, "actors run in this process already; workers must be forked before the first one starts"),
    (
        lambda: threading.current_thread() is not threading.main_thread(),
        "the parent of workers must run in the main thread, which gets the signals",
    ),
)


def serve(program: Program, workers: int, on_started: Callable[[Workers], object] | None) -> None:
    """Serve with several workers until SIGTERM or SIGINT; see `gen_smtp_server.serve_forever`."""
    with SignalPipe(CAUGHT) as arrivals:
        sockets = SharedSockets(program.configurations)
        try:
            roster = Roster()
            if on_started is not None:
                on_started(Workers(sockets.addresses, roster))
            WorkerPool(program, workers, sockets, roster, arrivals).run()
        finally:
            sockets.close()


class WorkerPool:
    """Forks and supervises workers.

    Args:
        program: what they run.
        size: how many there are to be.
        sockets: the sockets that they accept from.
        roster: where they are entered.
        arrivals: the signals that come, `CAUGHT`.
    """

    def __init__(
        self, program: Program, size: int, sockets: SharedSockets, roster: Roster, arrivals: SignalPipe
    ) -> None:
        self._program = program
        self._sockets = sockets
        self._roster = roster
        self._arrivals = arrivals
        self._signals: Iterator[int] = iter(arrivals)
        self._intensities = [RestartIntensity(RESTART_INTENSITY, RESTART_PERIOD) for _ in range(size)]

    def run(self) -> None:
        """Fork the workers and keep them up until a signal says to stop; returns when the last has ended.

        Raises:
            WorkersGaveUp: one had to be replaced too often; the others were stopped.
        """
        try:
            for place in range(len(self._intensities)):
                self._fork(place)
            self._supervise()
        finally:
            self._drain()

    def _supervise(self) -> None:
        for number in self._signals:
            if number in ENDING:
                return
            if number == signal.SIGCHLD:
                self._replace_the_dead()
            elif number == signal.SIGHUP:
                self._reload()

    def _replace_the_dead(self) -> None:
        for dead, how in self._take_the_dead():
            events.emit(WorkerEnded(dead.pid, how))
            if not self._intensities[dead.place].allows_another():
                raise WorkersGaveUp(
                    f"a worker ended more than {RESTART_INTENSITY} times in {RESTART_PERIOD:g} s; "
                    f"the last one, process {dead.pid}, {how}",
                    how,
                )
            self._fork(dead.place)

    def _take_the_dead(self) -> list[tuple[Worker, str]]:
        """Those that ended since, and how; they leave the roster."""
        dead = [(each, how) for each in self._roster.present() if (how := _end_of(each.pid)) is not None]
        for each, _ in dead:
            self._roster.remove(each)
        return dead

    def _reload(self) -> None:
        """Read everything again here, for workers to come, and have those reload that there are.

        What can't be used here is not tried again in each of them, unless they have to reload the other.
        """
        program = self._program
        configurations = attempt(CERTIFICATES, lambda: read_certificates_again(program.configurations))
        module = attempt(CODE, lambda: load_again(program.module))
        program.configurations = configurations or program.configurations
        program.module = module or program.module
        if configurations or module:
            self._roster.send(signal.SIGHUP)

    def _drain(self) -> None:
        """Stop all workers and wait for them; at one more SIGTERM or SIGINT, kill them."""
        self._sockets.close()
        self._roster.send(signal.SIGTERM)
        self._take_the_dead()
        while self._roster.present():
            number = next(self._signals)
            if number in ENDING:
                self._roster.send(signal.SIGKILL)
            elif number == signal.SIGCHLD:
                self._take_the_dead()

    def _fork(self, place: int) -> None:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()  # or the worker would write it once more
        parent_end, worker_end = open_channel()
        # Until the worker has handlers of its own, its signals would be written into the parent's pipe.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, CAUGHT)
        try:
            pid = os.fork()
            if pid == 0:
                leave = partial(self._leave_behind, parent_end)
                worker.run(self._program, self._sockets.sockets, worker_end, mask, leave)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            worker_end.close()
        self._roster.add(Worker(pid, place, parent_end))
        if events.wanted(WorkerStarted):
            events.emit(WorkerStarted(pid))

    def _leave_behind(self, parent_end: ParentEnd) -> None:
        """Give up, in a forked worker, what is the parent's; the listening sockets it keeps."""
        self._arrivals.close()
        self._roster.leave_behind()
        parent_end.close()  # or this worker would not notice when the parent is gone


def _end_of(pid: int) -> str | None:
    """How a child process ended; None while it runs."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return "ended; something else in this program has waited for it"
    if ended == 0:
        return None
    code = os.waitstatus_to_exitcode(status)
    return f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
