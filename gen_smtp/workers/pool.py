"""The parent of workers: forks them, restarts those that die, and stops all of them.

It never starts a hub: a process with threads can't be forked safely, and this one forks as long as it lives.
"""

from __future__ import annotations

import _socket
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from gevent.monkey import is_anything_patched

from actors import ActorDeadError, StartError, events
from actors.net.sockets import duplicates
from actors.otp.restart_intensity import RestartIntensity
from actors.runtime.hub import Hub
from gen_smtp.options.checks import OptionsError, shown_option
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.process import service
from gen_smtp.process.child_process import exited_with, how_child_ended
from gen_smtp.process.events import WorkerEnded, WorkerNotStarted, WorkerStarted
from gen_smtp.process.heartbeat import PolledHeartbeat
from gen_smtp.process.inherited import InheritedSockets
from gen_smtp.process.poll import PollLoop
from gen_smtp.process.reload import CERTIFICATES, CODE, attempt, load_again, read_certificates_again
from gen_smtp.process.serve_job import ServeJob
from gen_smtp.process.service import Admin, OpenAdmin, Service, opened_admin
from gen_smtp.process.signals import SignalPipe
from gen_smtp.workers import worker
from gen_smtp.workers.channel import COUNT, TAKE_OVER, ParentEnd, open_channel
from gen_smtp.workers.roster import ForkedWorker, Roster, Workers
from gen_smtp.workers.shared_sockets import SharedSockets
from gen_smtp.workers.worker import RETIRE

if TYPE_CHECKING:
    from gen_smtp.workers.fleet import WorkerFleet

RESTART_INTENSITY, RESTART_PERIOD = 5, 10.0
"""A worker that has to be replaced more often than so many times in so many seconds ends the server."""

PARENT_SIGNALS = (*service.SERVICE_SIGNALS, signal.SIGCHLD)

SERVING_ANSWER_TIME = 0.5
"""Seconds that workers get to answer whether they serve."""

SERVING_POLL_INTERVAL = 0.05
"""Seconds until they are asked again."""


SHORTEST_BACK_OFF, LONGEST_BACK_OFF = 0.1, 10.0
"""Seconds until a worker is started again for which the system had not enough; twice as many each time."""


class WorkerStartError(StartError):
    """The system has no process or descriptor left for a worker."""


class WorkersGaveUp(ActorDeadError):  # noqa: N818 - as OTP's supervisors do
    """Workers ended too often, so the server did; `reason` says how the last one ended."""


def check_workers(workers: Any) -> int:
    """The number of workers, if it is one and there can be so many here.

    Raises:
        OptionsError: it is no number of workers, or this process can't be the parent of several.
    """
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise OptionsError(
            f"not a number of workers: {shown_option(workers)}", option="workers", allowed="1 or more"
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


def serve_with_workers(
    job: ServeJob,
    workers: int,
    on_bound: Callable[[], object] | None,
    on_started: Callable[[Workers], object] | None,
    open_admin: OpenAdmin | None = None,
) -> None:
    """Serve with several workers until SIGTERM or SIGINT; see `gen_smtp_server.serve_forever`."""
    with contextlib.ExitStack() as stack:
        signal_pipe = stack.enter_context(SignalPipe(PARENT_SIGNALS))
        inherited = stack.enter_context(contextlib.closing(InheritedSockets()))
        poll_loop, roster = PollLoop(), Roster()
        admin = opened_admin(open_admin, inherited, poll_loop, stack)
        sockets = SharedSockets(job.configurations, inherited.sockets_for(job.configurations))
        stack.callback(sockets.close)
        fleet = _fleet(admin, job, sockets, poll_loop, stack)
        pool = WorkerPool(job, workers, sockets, roster, poll_loop, inherited, fleet)
        leave_behind = [signal_pipe.close, inherited.close]
        if admin is not None:
            leave_behind.append(admin.leave_behind)

        def begin() -> None:
            if on_bound is not None:
                on_bound()
            if on_started is not None:
                on_started(Workers(sockets.addresses, roster))
            pool.start(*leave_behind)

        Service(pool, poll_loop, signal_pipe, inherited, admin).run(begin)


def _fleet(
    admin: Admin | None,
    job: ServeJob,
    sockets: SharedSockets,
    poll_loop: PollLoop,
    stack: contextlib.ExitStack,
) -> WorkerFleet | None:
    """The workers as a control socket sees them; None without one."""
    if admin is None:
        return None
    # Without a control socket nothing of it is loaded.
    from gen_smtp.workers.fleet import WorkerFleet

    fleet = WorkerFleet(job, sockets, poll_loop)
    stack.callback(fleet.close)
    admin.serve_fleet(fleet)
    return fleet


class WorkerPool:
    """Forks and supervises workers: what a `Service` needs of them.

    Args:
        job: what they run.
        size: how many there are to be.
        sockets: the sockets that they accept from.
        roster: where they are entered.
        poll_loop: what the thread waits for.
        inherited: what this process was given when it started.
        fleet: what the control socket asks them by; None without one.

    Attributes:
        on_signal: what to do when a child process has ended.
        grace: the seconds that `stop` gives.
    """

    def __init__(
        self,
        job: ServeJob,
        size: int,
        sockets: SharedSockets,
        roster: Roster,
        poll_loop: PollLoop,
        inherited: InheritedSockets,
        fleet: WorkerFleet | None = None,
    ) -> None:
        self._fleet = fleet
        self.on_signal: Mapping[int, Callable[[], object]] = {signal.SIGCHLD: self._hear_of_ends}
        self.grace = job.grace
        self._job = job
        self._sockets = sockets
        self._roster = roster
        self._poll_loop = poll_loop
        self._inherited = inherited
        self._intensities = [RestartIntensity(RESTART_INTENSITY, RESTART_PERIOD) for _ in range(size)]
        self._leave_behind: Sequence[Callable[[], object]] = ()
        self._back_offs = [SHORTEST_BACK_OFF] * size
        # The places of workers that could not be started yet: there the system had not enough of something.
        self._vacant: set[int] = set()
        self._ending = False

    def start(self, *leave_behind: Callable[[], object]) -> None:
        """Fork the workers, and go on to replace those that end.

        Args:
            leave_behind: functions to be called in a worker; each gives up something of its parent's.

        Raises:
            WorkerStartError: one of them could not be started.
        """
        self._leave_behind = leave_behind
        for place in range(len(self._intensities)):
            try:
                self._fork(place)
            except OSError as error:
                raise WorkerStartError(f"a worker could not be started: {error.strerror}") from error

    @property
    def ended(self) -> bool:
        """Whether the last worker has ended, and no other will come."""
        return self._ending and not self._roster.present()

    def addresses(self) -> Sequence[Any]:
        """The addresses really bound."""
        return self._sockets.addresses

    def when_serving(self, call: Callable[[], object]) -> None:
        """Call a function when every worker has answered."""
        self._when_all_answer(COUNT, call)

    def take_over(self, on_done: Callable[[], object]) -> None:
        """Have the workers take over from a predecessor's; call a function when all have."""
        self._when_all_answer(TAKE_OVER, on_done)

    def _when_all_answer(self, what: int, call: Callable[[], object]) -> None:
        if self._roster.all_answer(len(self._intensities), SERVING_ANSWER_TIME, what):
            call()
        elif not self._ending:
            self._poll_loop.later(SERVING_POLL_INTERVAL, partial(self._when_all_answer, what, call))

    def start_heartbeat(self, sign: Callable[[], object], seconds: float) -> Callable[[], object]:
        """Give signs of life while all workers answer; returns what ends that."""
        return PolledHeartbeat(sign, seconds, self._all_alive, self._poll_loop).stop

    def reload(self, on_done: Callable[[], object]) -> None:
        """Read everything again here, for workers to come, and have those reload that there are.

        What can't be used here is not tried again in each of them, unless they have to reload the other.
        """
        job = self._job
        configurations = attempt(CERTIFICATES, lambda: read_certificates_again(job.configurations))
        module = attempt(CODE, lambda: load_again(job.module))
        job.configurations = configurations or job.configurations
        job.module = module or job.module
        if configurations or module:
            self._roster.send(signal.SIGHUP)
        on_done()

    def sockets_to_pass_on(self) -> Sequence[tuple[ListenerOptions, int]]:
        """The options of each listener, and a descriptor of its socket, for the caller to close."""
        descriptors = duplicates(self._sockets.sockets)
        return list(zip(self._job.configurations, descriptors, strict=True))

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

    def _all_alive(self, timeout: float) -> bool:
        """Whether all answer that could be started: the others are no reason to end those."""
        return self._roster.all_answer(len(self._intensities) - len(self._vacant), timeout)

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
                if how == exited_with(worker.SHORTAGE):
                    self._fill_later(dead.place)
                else:
                    self._replace(dead, how)

    def _replace(self, dead: ForkedWorker, how: str) -> None:
        if not self._intensities[dead.place].allows_another():
            raise WorkersGaveUp(
                f"a worker ended more than {RESTART_INTENSITY} times in {RESTART_PERIOD:g} s; "
                f"the last one, process {dead.pid}, {how}",
                how,
            )
        self._back_offs[dead.place] = SHORTEST_BACK_OFF
        self._fill(dead.place)

    def _fill(self, place: int) -> None:
        """Start a worker; if the system has not enough for it, try again later, and let the others serve."""
        self._vacant.discard(place)
        if self._ending:
            return
        try:
            self._fork(place)
        except OSError as error:
            events.emit(WorkerNotStarted(error, self._back_offs[place]))
            self._fill_later(place)

    def _fill_later(self, place: int) -> None:
        self._vacant.add(place)
        seconds = self._back_offs[place]
        self._back_offs[place] = min(2 * seconds, LONGEST_BACK_OFF)
        self._poll_loop.later(seconds, partial(self._fill, place))

    def _take_the_dead(self) -> list[tuple[ForkedWorker, str]]:
        """Those that ended since, and how; they leave the roster."""
        ended = ((each, how_child_ended(each.pid)) for each in self._roster.present())
        dead = [(each, how) for each, how in ended if how is not None]
        for each, _ in dead:
            self._roster.remove(each)
        return dead

    def _fork(self, place: int) -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or none at all
                stream.flush()  # or the worker would write it once more
        parent_end, worker_end = open_channel()
        control: _socket.socket | None = None
        controlled: _socket.socket | None = None
        try:
            if self._fleet is not None:
                control, controlled = _socket.socketpair()
        except OSError:
            parent_end.close()
            worker_end.close()
            raise
        # Until the worker has handlers of its own, its signals would be written into the parent's pipe.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, PARENT_SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                leave = partial(self._leave_all_behind, parent_end, control)
                which = worker.Place(place, len(self._intensities), self._inherited.is_awaited)
                lines = worker.WorkerLines(worker_end, controlled)
                worker.run_worker(self._job, which, self._sockets.sockets, lines, mask, leave)
        except BaseException:
            parent_end.close()
            if control is not None:
                control.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            worker_end.close()
            if controlled is not None:
                controlled.close()
        self._roster.add(ForkedWorker(pid, place, parent_end))
        if self._fleet is not None and control is not None:
            self._fleet.add(control, pid)
        if events.wanted(WorkerStarted):
            events.emit(WorkerStarted(pid))

    def _leave_all_behind(self, parent_end: ParentEnd, control: _socket.socket | None) -> None:
        """Give up, in a forked worker, all that is the parent's but the listening sockets."""
        for leave in self._leave_behind:
            leave()
        self._roster.leave_behind()
        parent_end.close()  # or this worker would not notice when the parent is gone
        if self._fleet is not None and control is not None:
            self._fleet.leave_behind()
            control.close()
