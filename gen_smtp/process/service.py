"""The life of a process that serves: it hears signals, does what they ask for, and ends when all is done.

    SIGTERM, SIGINT   stop: listeners close, mail in hand is finished; the second time at once
    SIGHUP            read certificates and code again
    SIGUSR2           start a successor, and leave when that serves

Whether it serves itself or has workers do it is the business of what it is given, a `Backend`.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from actors import ActorDeadError, GeventRef, events
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.process.events import (
    CutShort,
    HandedOver,
    SuccessorFailed,
    SuccessorNotStarted,
    SuccessorStarted,
)
from gen_smtp.process.inherited import InheritedSockets
from gen_smtp.process.poll import PollLoop
from gen_smtp.process.signals import SignalPipe
from gen_smtp.process.successor import Successor, closed_if_failed
from gen_smtp.process.systemd import ServiceManager
from gen_smtp.server.shown_address import shown_address

ENDING = (signal.SIGTERM, signal.SIGINT)
SERVICE_SIGNALS = (*ENDING, signal.SIGHUP, signal.SIGUSR2)

CUT_TIME = 2.0
"""Seconds after the second signal in which sessions are cut off in good order."""


class Backend(Protocol):
    """What serves: a server in this process, or its workers."""

    @property
    def ended(self) -> bool:
        """Whether nothing of it is left."""

    @property
    def grace(self) -> float:
        """The seconds that `stop` gives."""

    @property
    def on_signal(self) -> Mapping[int, Callable[[], object]]:
        """What it does itself about signals that no other process would care for."""

    def addresses(self) -> Sequence[Any]:
        """The addresses really bound."""

    def when_serving(self, call: Callable[[], object]) -> None:
        """Call a function, once, when all of it serves."""

    def take_over(self, on_done: Callable[[], object]) -> None:
        """Take over from a predecessor what only one can have, and call a function when that is done."""

    def start_heartbeat(self, sign: Callable[[], object], seconds: float) -> Callable[[], object]:
        """Give signs of life from now on, while it really lives; returns what ends that."""

    def reload(self, on_done: Callable[[], object]) -> None:
        """Begin to read certificates and code again.

        Args:
            on_done: called, in the thread that hears the signals, when that is over.
        """

    def sockets_to_pass_on(self) -> Sequence[tuple[ListenerOptions, int]]:
        """The options of each listener, and a descriptor of its socket, for the caller to close."""

    def own_files(self, owns: bool) -> None:
        """Say whether the files of unix sockets are this process's, to be removed at the end."""

    def stop(self) -> None:
        """Begin to end; sessions get their grace. Asked for twice, it is asked for once."""

    def retire(self) -> None:
        """Begin to end, and let the sessions go on for a while before that."""

    def cut(self) -> None:
        """End without waiting for anybody."""


class Admin(Protocol):
    """What answers questions about the service from outside: its control socket."""

    def serve_here(self, server: GeventRef[Any], call_soon: Callable[[Callable[[], object]], object]) -> None:
        """Say which server is asked: one in this process.

        Args:
            server: the server.
            call_soon: has the thread of the poll loop make a call; from any thread.
        """

    def serve_fleet(self, fleet: Any) -> None:
        """Say which processes are asked: the workers."""

    def attach(self, steering: Any) -> None:
        """Say what is to be stopped and reloaded: the service."""

    def start(self) -> None:
        """Answer from now on."""

    def sockets_to_pass_on(self) -> Sequence[tuple[str, int]]:
        """What a successor needs to go on: a name, and a descriptor for the caller to close."""

    def own_file(self, owns: bool) -> None:
        """Say whether the socket's file is this process's, to be removed at the end."""

    def retire(self) -> None:
        """Another process answers."""

    def close(self) -> None:
        """Answer no more."""

    def leave_behind(self) -> None:
        """In a forked worker: give up what is the parent's."""


OpenAdmin = Callable[[InheritedSockets, PollLoop], Admin]
"""Opens the control socket, or takes it from among those that the process was given."""


def opened_admin(
    open_admin: OpenAdmin | None,
    inherited: InheritedSockets,
    poll_loop: PollLoop,
    stack: contextlib.ExitStack,
) -> Admin | None:
    """What answers questions from outside, if there is to be anything; closed at the stack's end."""
    if open_admin is None:
        return None
    admin = open_admin(inherited, poll_loop)
    stack.callback(admin.close)
    return admin


class Service:
    """Runs a process that serves.

    Args:
        backend: what serves.
        poll_loop: what the thread waits for, the same as that of `backend`.
        signal_pipe: the signals that come: `SERVICE_SIGNALS` and those of `backend`.
        inherited: what the process was given when it started.
        admin: answers questions from outside; None if there are none.
    """

    def __init__(
        self,
        backend: Backend,
        poll_loop: PollLoop,
        signal_pipe: SignalPipe,
        inherited: InheritedSockets,
        admin: Admin | None = None,
    ) -> None:
        self._admin = admin
        if admin is not None:
            admin.attach(self)
        self._backend = backend
        self._poll_loop = poll_loop
        self._signal_pipe = signal_pipe
        self._inherited = inherited
        self._manager = ServiceManager()
        self._successor: Successor | None = None
        self._stopping = self._handed_over = False
        self._end_heartbeat: Callable[[], object] | None = None
        self._status = ""
        self._on_signal: dict[int, Callable[[], object]] = {
            signal.SIGTERM: lambda: self._stop(signal.SIGTERM),
            signal.SIGINT: lambda: self._stop(signal.SIGINT),
            signal.SIGHUP: self._reload,
            signal.SIGUSR2: self._start_successor,
            **backend.on_signal,
        }
        poll_loop.on_readable(signal_pipe.fileno(), self._hear_signals)

    def run(self, begin: Callable[[], object]) -> None:
        """Serve until all has ended.

        Args:
            begin: called first; what it raises is raised again when all has ended.
        """
        try:
            begin()
            if self._admin is not None and not self._inherited.is_awaited:
                self._admin.start()
            if self._inherited.is_awaited:
                # Last of all: a successor that fails before leaves everything to its predecessor.
                self._backend.when_serving(partial(self._backend.take_over, self._announce))
            elif self._manager.listens:
                self._backend.when_serving(self._announce)
            self._wait_for_end()
        finally:
            self._inherited.close()
            if self._successor is not None and not self._stopping:
                self._successor.leave_behind()  # what ends this process may spare the successor
                self._successor = None
            self._backend.stop()
            self._wait_for_end()

    def _wait_for_end(self) -> None:
        while not self._backend.ended or (self._stopping and self._successor is not None):
            self._poll_loop.run_once()

    def _hear_signals(self) -> None:
        for number in self._signal_pipe.read():
            if number in self._on_signal:
                self._on_signal[number]()

    # -- beginning ----------------------------------------------------------------------------------

    def _announce(self) -> None:
        """All serves: tell the service manager and the predecessor, if they wait for it."""
        if self._stopping:
            return
        try:
            addresses = self._backend.addresses()
        except ActorDeadError:  # it has ended as soon as it had begun
            return
        self._status = f"listening on {', '.join(map(shown_address, addresses))}"
        if not self._inherited.is_awaited:
            self._manager.ready(self._status)
        # A predecessor tells the manager itself, which until then would not listen to this process.
        self._inherited.report_ready()
        if self._inherited.owns_files:
            self._backend.own_files(True)
        if self._admin is not None:
            # A predecessor has answered until now; who asks in between waits in the socket that both have.
            self._admin.start()
            if self._inherited.owns_files:
                self._admin.own_file(True)
        if self._manager.heartbeat is not None:
            self._end_heartbeat = self._backend.start_heartbeat(self._manager.alive, self._manager.heartbeat)

    # -- what the admin may ask for -----------------------------------------------------------------

    def request_stop(self) -> None:
        """As SIGTERM: begin to end, and the second time at once."""
        self._stop(signal.SIGTERM)

    def request_reload(self) -> None:
        """As SIGHUP: read certificates and code again."""
        self._reload()

    # -- reloading ----------------------------------------------------------------------------------

    def _reload(self) -> None:
        if self._stopping or self._handed_over:
            return
        self._manager.reloading()
        self._backend.reload(self._reloaded)

    def _reloaded(self) -> None:
        if not (self._stopping or self._handed_over):
            self._manager.ready(self._status)

    # -- stopping -----------------------------------------------------------------------------------

    def _stop(self, number: signal.Signals) -> None:
        if self._stopping:
            self._backend.cut()
            if self._successor is not None:
                self._successor.kill()
            self._poll_loop.later(CUT_TIME, partial(_die_by, number))
            return
        self._stopping = True
        if self._successor is not None:
            self._successor.dismiss()
        if not self._handed_over:
            self._manager.stopping(self._backend.grace)
        self._backend.stop()

    # -- handing over -------------------------------------------------------------------------------

    def _start_successor(self) -> None:
        for is_so, why in (
            (self._inherited.is_awaited, "this one has not taken over yet"),
            (self._stopping, "this one is stopping"),
            (self._handed_over, "another one has taken over already"),
            (self._successor is not None, "another one is starting already"),
        ):
            if is_so:
                events.emit(SuccessorNotStarted(why))
                return
        try:
            others = () if self._admin is None else self._admin.sockets_to_pass_on()
            with closed_if_failed(others):
                sockets = self._backend.sockets_to_pass_on()
            self._successor = Successor(
                sockets,
                self._inherited.of_manager,
                self._poll_loop,
                self._hand_over,
                self._go_on,
                others,
            )
        except Exception as error:  # the hub is blocked, or there is no memory: what serves goes on
            events.emit(SuccessorNotStarted(str(error)))
        else:
            events.emit(SuccessorStarted(self._successor.pid))

    def _hand_over(self, pid: int) -> None:
        self._successor = None
        self._handed_over = True
        if self._end_heartbeat is not None:
            self._end_heartbeat()
        self._manager.hand_over(pid)
        self._backend.own_files(False)
        if self._admin is not None:
            self._admin.own_file(False)
            self._admin.retire()
        self._backend.retire()
        events.emit(HandedOver(pid))

    def _go_on(self, why: str) -> None:
        self._successor = None
        if not self._stopping:
            events.emit(SuccessorFailed(why))


def _die_by(number: signal.Signals) -> None:
    """Something, a callback that blocks say, keeps the process from ending: do without its consent."""
    events.emit(CutShort(CUT_TIME))
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
