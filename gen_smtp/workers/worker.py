"""A worker: a process, forked by a parent, that serves with sockets which it inherits."""

from __future__ import annotations

import _socket
import atexit
import contextlib
import errno
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import gevent
import pykka

from actors import GeventRef, launch
from actors.net.sockets import InheritedSocket
from actors.otp.messaging import invoke
from gen_smtp.process.child_process import be_worker
from gen_smtp.process.poll import PollLoop
from gen_smtp.process.serve_job import ServeJob
from gen_smtp.process.signals import SignalPipe
from gen_smtp.process.single import SingleServer, tell_of_serving
from gen_smtp.server.server import SmtpServer
from gen_smtp.workers.channel import TAKE_OVER, WorkerEnd

RETIRE = signal.SIGUSR2
"""Accept no more, and end with the last session."""

# SIGINT from a terminal reaches the whole group of processes: the parent hears it, and stops the workers.
WORKER_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, RETIRE)

SHORTAGE = os.EX_TEMPFAIL
"""The exit code of a worker for which the system had no descriptor, thread or memory left when it started."""

_OUT_OF = (errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)

COUNT_ANSWER_TIME = 1.0
"""Seconds that the server gets to tell how many sessions it has."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which of the workers one is.

    Attributes:
        number: from 0.
        of: how many there are.
        succeeds: whether the parent's predecessor lives as long as this worker starts.
    """

    number: int
    of: int
    succeeds: bool


@dataclass(frozen=True, slots=True)
class WorkerLines:
    """The lines to the parent.

    Attributes:
        channel: for the number of sessions.
        control: for requests of the control socket; None without one.
    """

    channel: WorkerEnd
    control: _socket.socket | None = None


def run_worker(
    job: ServeJob,
    place: Place,
    sockets: Sequence[_socket.socket],
    lines: WorkerLines,
    mask: Iterable[int],
    leave_behind: Callable[[], object],
) -> NoReturn:
    """Be a worker, to the end of this process, which was just forked with all of `WORKER_SIGNALS` blocked.

    Args:
        job: what to run.
        place: which of the workers it is.
        sockets: the listening sockets, one for each listener.
        lines: the lines to the parent.
        mask: the signals to block while it runs.
        leave_behind: gives up what is the parent's.
    """
    code = 1
    try:
        be_worker(place.number)
        leave_behind()
        atexit._clear()  # what is to run at the parent's exit
        gevent.reinit()
        with SignalPipe(WORKER_SIGNALS) as signal_pipe:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            code = _serve(job, place, sockets, lines, signal_pipe)
    except BaseException as error:
        sys.excepthook(*sys.exc_info())
        code = SHORTAGE if _is_shortage(error) else 1
    finally:
        _exit(code)


def _serve(
    job: ServeJob,
    place: Place,
    sockets: Sequence[_socket.socket],
    lines: WorkerLines,
    signal_pipe: SignalPipe,
) -> int:
    inherited = [InheritedSocket(each, shared=True) for each in sockets]
    actor = SmtpServer(job.module, job.configurations, inherited, job.server_options, job.suspended)
    server = launch(actor)
    backend = SingleServer(server, actor.addresses(), job, signal_pipe)
    backend.join_cluster(place.succeeds, place.number, place.of)
    try:
        with contextlib.ExitStack() as stack:
            poll_loop = PollLoop()
            if lines.control is not None:
                _answer_requests(lines.control, server, signal_pipe, poll_loop, stack)
            backend.begin_observing()
            tell_of_serving(job, server, stack)
            _WorkerLoop(server, backend, signal_pipe, lines.channel, poll_loop).run_to_end()
    finally:
        backend.end_observing()
        backend.leave_cluster()
    return 0 if server.exit_reason in ("normal", "shutdown") else 1


def _answer_requests(
    control: _socket.socket,
    server: GeventRef[SmtpServer],
    signal_pipe: SignalPipe,
    poll_loop: PollLoop,
    stack: contextlib.ExitStack,
) -> None:
    """Answer what the parent asks for the control socket."""
    # Without a control socket nothing of it is loaded.
    from gen_smtp.control.lines import answer_parent
    from gen_smtp.control.site import Site

    site = Site(server, os.getpid(), signal_pipe.call_soon)
    stack.callback(site.close)
    stack.callback(answer_parent(control, site, poll_loop).close)


def _is_shortage(error: BaseException | None) -> bool:
    """Whether the system had not enough of something for a worker to start."""
    while error is not None:
        of_system = isinstance(error, OSError) and error.errno in _OUT_OF
        # What `threading` raises where the system has no thread left has no errno.
        if of_system or isinstance(error, MemoryError) or str(error) == "can't start new thread":
            return True
        error = error.__cause__ or error.__context__
    return False


def _exit(code: int) -> NoReturn:
    """End the process, and no more: the callers on its stack belong to the parent's program."""
    try:
        atexit._run_exitfuncs()
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or none at all
                stream.flush()
    finally:
        os._exit(code)


class _WorkerLoop:
    """Does what a worker is told, until its server has ended."""

    def __init__(
        self,
        server: GeventRef[SmtpServer],
        backend: SingleServer,
        signal_pipe: SignalPipe,
        channel: WorkerEnd,
        poll_loop: PollLoop,
    ) -> None:
        self._backend = backend
        self._server = server
        self._signal_pipe = signal_pipe
        self._channel = channel
        self._on_signal: dict[int, Callable[[], object]] = {
            signal.SIGTERM: self._backend.stop,
            signal.SIGHUP: lambda: self._backend.reload(_nothing),
            RETIRE: self._backend.retire,
        }
        self._poll_loop = poll_loop
        self._poll_loop.on_readable(signal_pipe.fileno(), self._hear_signals)
        self._poll_loop.on_readable(channel.fileno(), self._answer)

    def run_to_end(self) -> None:
        """Answer, reload and stop."""
        while not self._backend.ended:
            self._poll_loop.run_once()

    def _hear_signals(self) -> None:
        for number in self._signal_pipe.read():
            if number in self._on_signal:
                self._on_signal[number]()

    def _answer(self) -> None:
        question = self._channel.question()
        if question is None:  # the parent was killed: nobody would ever stop this process
            self._poll_loop.forget(self._channel.fileno())
            self._backend.stop()
            return
        number, what = question
        if what == TAKE_OVER:
            self._backend.take_over(_nothing)
        # An answer that fails is none: the parent gives up waiting, or is gone.
        with contextlib.suppress(OSError, pykka.Timeout, pykka.ActorDeadError):
            self._channel.reply(number, len(invoke(self._server, COUNT_ANSWER_TIME, SmtpServer.sessions)))


def _nothing() -> None:
    """Nobody waits for the end of what a worker was told to do."""
