"""A worker: a process, forked by a parent, that serves with sockets which it inherits."""

from __future__ import annotations

import _socket
import atexit
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

import gevent
import pykka

from actors import GeventRef, launch
from actors.net.inherited_listener import InheritedSocket
from actors.otp.messaging import invoke
from gen_smtp.process.poll import Attention
from gen_smtp.process.serve_job import Program
from gen_smtp.process.signals import SignalPipe
from gen_smtp.process.single import LoneServer
from gen_smtp.server.server import SmtpServer
from gen_smtp.workers.channel import WorkerEnd

RETIRE = signal.SIGUSR2
"""Accept no more, and end with the last session."""

# SIGINT from a terminal reaches the whole group of processes: the parent hears it, and stops the workers.
CAUGHT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, RETIRE)

COUNTING_TIME = 1.0
"""Seconds that the server gets to tell how many sessions it has."""


def run(
    program: Program,
    sockets: Sequence[_socket.socket],
    channel: WorkerEnd,
    mask: Iterable[int],
    leave_behind: Callable[[], object],
) -> NoReturn:
    """Be a worker, to the end of this process, which was just forked with all of `CAUGHT` blocked.

    Args:
        program: what to run.
        sockets: the listening sockets, one for each listener.
        channel: the line to the parent.
        mask: the signals to block while it runs.
        leave_behind: gives up what is the parent's.
    """
    code = 1
    try:
        leave_behind()
        atexit._clear()  # what is to run at the parent's exit
        gevent.reinit()
        with SignalPipe(CAUGHT) as arrivals:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            code = _serve(program, sockets, channel, arrivals)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        _exit(code)


def _serve(
    program: Program, sockets: Sequence[_socket.socket], channel: WorkerEnd, arrivals: SignalPipe
) -> int:
    inherited = [InheritedSocket(each, shared=True) for each in sockets]
    server = launch(SmtpServer(program.module, program.configurations, inherited, program.server_options))
    _Attendant(server, program, arrivals, channel).attend()
    return 0 if server.exit_reason in ("normal", "shutdown") else 1


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


class _Attendant:
    """Does what a worker is told, until its server has ended."""

    def __init__(
        self, server: GeventRef[SmtpServer], program: Program, arrivals: SignalPipe, channel: WorkerEnd
    ) -> None:
        self._served = LoneServer(server, program, arrivals.wake)
        self._server = server
        self._arrivals = arrivals
        self._channel = channel
        self._on_signal: dict[int, Callable[[], object]] = {
            signal.SIGTERM: self._served.stop,
            signal.SIGHUP: self._served.reload,
            RETIRE: self._served.retire,
        }
        self._attention = Attention()
        self._attention.on_readable(arrivals.fileno(), self._hear_signals)
        self._attention.on_readable(channel.fileno(), self._answer)

    def attend(self) -> None:
        """Answer, reload and stop."""
        while not self._served.ended:
            self._attention.attend()

    def _hear_signals(self) -> None:
        for number in self._arrivals.read():
            if number in self._on_signal:
                self._on_signal[number]()

    def _answer(self) -> None:
        number = self._channel.question()
        if number is None:  # the parent was killed: nobody would ever stop this process
            self._attention.forget(self._channel.fileno())
            self._served.stop()
            return
        # An answer that fails is none: the parent gives up waiting, or is gone.
        with contextlib.suppress(OSError, pykka.Timeout, pykka.ActorDeadError):
            self._channel.reply(number, len(invoke(self._server, COUNTING_TIME, SmtpServer.sessions)))
