"""A worker: a process, forked by a parent, that serves with sockets which it inherits."""

from __future__ import annotations

import _socket
import atexit
import contextlib
import logging
import os
import select
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import gevent
import pykka

from actors import GeventRef, launch
from actors.blocking import invoke
from gen_smtp.behaviour import Module
from gen_smtp.options import ListenerOptions
from gen_smtp.reloading import Reload
from gen_smtp.server import SmtpServer
from gen_smtp.server_options import ServerOptions
from gen_smtp.signal_pipe import SignalPipe
from gen_smtp.worker_channel import WorkerEnd

# SIGINT from a terminal reaches the whole group of processes: the parent hears it, and stops the workers.
CAUGHT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

COUNTING_TIME = 1.0
"""Seconds that the server gets to tell how many sessions it has."""


@dataclass(slots=True)
class Program:
    """What workers run.

    Attributes:
        module: makes the callback object of each session.
        configurations: the options of each listener, checked.
        server_options: what each worker's server goes by.
    """

    module: Module
    configurations: Sequence[ListenerOptions]
    server_options: ServerOptions


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
    server = launch(SmtpServer(program.module, program.configurations, sockets, program.server_options))
    _Attendant(server, Reload(server, program.module), arrivals, channel).attend()
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
        self, server: GeventRef[Any], reload: Reload, arrivals: SignalPipe, channel: WorkerEnd
    ) -> None:
        self._server = server
        self._arrivals = arrivals
        self._channel = channel
        self._on_signal: dict[int, Callable[[], object]] = {
            signal.SIGTERM: self._stop,
            signal.SIGHUP: reload,
        }
        self._on_readable: dict[int, Callable[[], object]] = {
            arrivals.fileno(): self._hear_signals,
            channel.fileno(): self._answer,
        }
        self._poll = select.poll()
        for descriptor in self._on_readable:
            self._poll.register(descriptor, select.POLLIN)

    def attend(self) -> None:
        """Answer, reload and stop."""
        ended: Any = self._server.actor_stopped
        ended.on_set(self._arrivals.wake)
        while not ended.is_set():
            for descriptor, _ in self._poll.poll():
                self._on_readable[descriptor]()

    def _hear_signals(self) -> None:
        for number in self._arrivals.read():
            if number in self._on_signal:
                self._on_signal[number]()

    def _answer(self) -> None:
        number = self._channel.question()
        if number is None:  # the parent was killed: nobody would ever stop this process
            self._poll.unregister(self._channel.fileno())
            self._stop()
            return
        # An answer that fails is none: the parent gives up waiting, or is gone.
        with contextlib.suppress(OSError, pykka.Timeout, pykka.ActorDeadError):
            self._channel.reply(number, len(invoke(self._server, "sessions", timeout=COUNTING_TIME)))

    def _stop(self) -> None:
        """Wind up; the wait goes on until the last session has ended."""
        self._server.stop(block=False)
