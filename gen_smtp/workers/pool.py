"""The parent of workers: forks them, restarts those that die, and stops all of them.

It never starts a hub: a process with threads can't be forked safely, and this one forks as long as it lives.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from gevent.monkey import is_anything_patched

from actors import ActorDeadError, events
from actors.net.sockets import duplicates
from actors.otp.restart_intensity import RestartIntensity
from actors.runtime.hub import Hub
from gen_smtp.options.checks import OptionsError, shown
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.process import service
from gen_smtp.process.activation import Heritage
from gen_smtp.process.events import WorkerEnded, WorkerStarted
from gen_smtp.process.heartbeat import WorkersPulse
from gen_smtp.process.poll import Attention
from gen_smtp.process.reload import CERTIFICATES, CODE, attempt, load_again, read_certificates_again
from gen_smtp.process.serve_job import Program
from gen_smtp.process.service import Service
from gen_smtp.process.signals import SignalPipe
from gen_smtp.workers import worker
from gen_smtp.workers.channel import ParentEnd, open_channel
from gen_smtp.workers.child_process import end_of
from gen_smtp.workers.roster import Roster, Worker, Workers
from gen_smtp.workers.shared_sockets import SharedSockets
from gen_smtp.workers.worker import RETIRE

RESTART_INTENSITY, RESTART_PERIOD = 5, 10.0
"""A worker that has to be replaced more often than so many times in so many seconds ends the server."""

CAUGHT = (*service.CAUGHT, signal.SIGCHLD)

ANSWER_TIME = 0.5
"""Seconds that workers get to answer whether they serve."""

GLANCE = 0.05
"""Seconds until they are asked again."""


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
    with SignalPipe(CAUGHT) as arrivals, contextlib.closing(Heritage()) as heritage:
        sockets = SharedSockets(program.configurations, heritage.sockets_for(program.configurations))
        try:
            attention, roster = Attention(), Roster()
            pool = WorkerPool(program, workers, sockets, roster, attention)

            def begin() -> None:
                if on_started is not None:
                    on_started(Workers(sockets.addresses, roster))
                pool.start(arrivals.close, heritage.close)

            Service(pool, attention, arrivals, heritage).run(begin)
        finally:
            sockets.close()


class WorkerPool:
    """Forks and supervises workers: what a `Service` needs of them.

    Args:
        program: what they run.
        size: how many there are to be.
        sockets: the sockets that they accept from.
        roster: where they are entered.
        attention: what the thread waits for.

    Attributes:
        on_signal: what to do when a child process has ended.
        grace: the seconds that `stop` gives.
    """

    def __init__(
        self, program: Program, size: int, sockets: SharedSockets, roster: Roster, attention: Attention
    ) -> None:
        self.on_signal: Mapping[int, Callable[[], object]] = {signal.SIGCHLD: self._hear_of_ends}
        self.grace = program.grace
        self._program = program
        self._sockets = sockets
        self._roster = roster
        self._attention = attention
        self._intensities = [RestartIntensity(RESTART_INTENSITY, RESTART_PERIOD) for _ in range(size)]
        self._leave_behind: Sequence[Callable[[], object]] = ()
        self._ending = False

    def start(self, *leave_behind: Callable[[], object]) -> None:
        """Fork the workers, and go on to replace those that end.

        Args:
            leave_behind: gives up, in a worker, what is its parent's.
        """
        self._leave_behind = leave_behind
        for place in range(len(self._intensities)):
            self._fork(place)

    @property
    def ended(self) -> bool:
        """Whether the last worker has ended, and no other will come."""
        return self._ending and not self._roster.present()

    def addresses(self) -> Sequence[Any]:
        """The addresses really bound."""
        return self._sockets.addresses

    def when_serving(self, call: Callable[[], object]) -> None:
        """Call a function when every worker has answered."""
        if self._roster.all_answer(len(self._intensities), ANSWER_TIME):
            call()
        elif not self._ending:
            self._attention.later(GLANCE, partial(self.when_serving, call))

    def pulse(self, sign: Callable[[], object], seconds: float) -> Callable[[], object]:
        """Give signs of life while all workers answer; returns what ends that."""
        return WorkersPulse(sign, seconds, self._roster, len(self._intensities), self._attention).stop

    def reload(self) -> None:
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

    def bequest(self) -> Sequence[tuple[ListenerOptions, int]]:
        """The options of each listener, and a descriptor of its socket, for the caller to close."""
        descriptors = duplicates(self._sockets.sockets)
        return list(zip(self._program.configurations, descriptors, strict=True))

    def own_files(self, owns: bool) -> None:
        """Say whether the files of unix sockets are this process's."""
        self._sockets.own_files(owns)

    def stop(self) -> None:
        """Have the workers stop."""
        self._end_with(signal.SIGTERM)

    def retire(self) -> None:
        """Have the workers stop accepting, and end with their last sessions."""
        self._end_with(RETIRE)

    def cut(self) -> None:
        """Have the workers end at once."""
        self._roster.send(signal.SIGKILL)

    def _end_with(self, number: signal.Signals) -> None:
        self._ending = True
        self._sockets.close()
        self._roster.send(number)

    def _hear_of_ends(self) -> None:
        """Replace the dead.

        Raises:
            WorkersGaveUp: one had to be replaced too often.
        """
        for dead, how in self._take_the_dead():
            if not self._ending:
                events.emit(WorkerEnded(dead.pid, how))
                self._replace(dead, how)

    def _replace(self, dead: Worker, how: str) -> None:
        if not self._intensities[dead.place].allows_another():
            raise WorkersGaveUp(
                f"a worker ended more than {RESTART_INTENSITY} times in {RESTART_PERIOD:g} s; "
                f"the last one, process {dead.pid}, {how}",
                how,
            )
        self._fork(dead.place)

    def _take_the_dead(self) -> list[tuple[Worker, str]]:
        """Those that ended since, and how; they leave the roster."""
        dead = [(each, how) for each in self._roster.present() if (how := end_of(each.pid)) is not None]
        for each, _ in dead:
            self._roster.remove(each)
        return dead

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
                leave = partial(self._leave_all_behind, parent_end)
                worker.run(self._program, self._sockets.sockets, worker_end, mask, leave)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            worker_end.close()
        self._roster.add(Worker(pid, place, parent_end))
        if events.wanted(WorkerStarted):
            events.emit(WorkerStarted(pid))

    def _leave_all_behind(self, parent_end: ParentEnd) -> None:
        """Give up, in a forked worker, what is the parent's; the listening sockets it keeps."""
        for leave in self._leave_behind:
            leave()
        self._roster.leave_behind()
        parent_end.close()  # or this worker would not notice when the parent is gone
