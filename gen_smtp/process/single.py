"""A server that a process serves with by itself, without workers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pykka

from actors import ActorDeadError, GeventRef, StopTimes, events, launch
from actors.otp.messaging import invoke, invoke_later, send
from actors.runtime.future import GeventFuture, Signal
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.process.events import AtEndFailed
from gen_smtp.process.heartbeat import HubHeartbeat
from gen_smtp.process.inherited import InheritedSockets
from gen_smtp.process.poll import PollLoop
from gen_smtp.process.reload import Reloader
from gen_smtp.process.serve_job import ServeJob
from gen_smtp.process.service import SERVICE_SIGNALS, OpenAdmin, Service, opened_admin
from gen_smtp.process.signals import SignalPipe
from gen_smtp.server.server import SmtpServer

if TYPE_CHECKING:
    from gen_smtp.cluster.joining import Membership

SERVER_ANSWER_TIME = 5.0
"""Seconds that the server gets to answer."""


def serve_in_this_process(
    job: ServeJob,
    on_bound: Callable[[], object] | None,
    on_started: Callable[[GeventRef[SmtpServer]], object] | None,
    open_admin: OpenAdmin | None = None,
) -> None:
    """Serve in this process until SIGTERM or SIGINT; see `gen_smtp_server.serve_forever`."""
    # Signals first: a signal that comes while the server starts ends it in good order too.
    with contextlib.ExitStack() as stack:
        signal_pipe = stack.enter_context(SignalPipe(SERVICE_SIGNALS))
        inherited = stack.enter_context(contextlib.closing(InheritedSockets()))
        poll_loop = PollLoop()
        admin = opened_admin(open_admin, inherited, poll_loop, stack)
        sockets = inherited.sockets_for(job.configurations)
        held = on_bound is not None
        actor = SmtpServer(job.module, job.configurations, sockets, job.server_options, held)
        server = launch(actor)
        # Known without the server, whose hub a callback may hold up already.
        backend = SingleServer(server, actor.addresses(), job, signal_pipe)
        if admin is not None:
            admin.serve_here(server, signal_pipe.call_soon)

        def begin() -> None:
            if on_bound is not None:
                on_bound()
                with contextlib.suppress(ActorDeadError):  # then it has ended
                    invoke_later(server, SmtpServer.begin)
            backend.join_cluster(inherited.is_awaited)
            backend.begin_observing()
            if on_started is not None:
                on_started(server)
            tell_of_serving(job, server, stack)

        try:
            Service(backend, poll_loop, signal_pipe, inherited, admin).run(begin)
        finally:
            backend.end_observing()
            backend.leave_cluster()
    if server.exit_reason not in ("normal", "shutdown"):
        raise ActorDeadError(f"the server ended: {server.exit_reason!r}", server.exit_reason)


def tell_of_serving(job: ServeJob, server: GeventRef[SmtpServer], stack: contextlib.ExitStack) -> None:
    """Have the job's `on_serving` hear of the server, and what it returned called at the end.

    Args:
        job: what the process runs.
        server: its server.
        stack: ends when the server has ended.

    Raises:
        Exception: what `on_serving` raises.
    """
    if job.on_serving is not None:
        at_end = job.on_serving(server)
        if callable(at_end):
            stack.callback(_call_at_end, at_end)


def _call_at_end(function: Callable[[], object]) -> None:
    """The process ends anyway: what fails now is told, and no more."""
    try:
        function()
    except Exception as error:
        events.emit(AtEndFailed(error))


class SingleServer:
    """What a `Service` needs of a server in its own process.

    Args:
        server: the server, started.
        addresses: the addresses really bound.
        job: what it was started with.
        signal_pipe: woken when it has ended.

    Attributes:
        grace: the seconds that `stop` gives.
    """

    on_signal: Mapping[int, Callable[[], object]] = {}

    def __init__(
        self,
        server: GeventRef[SmtpServer],
        addresses: Sequence[Any],
        job: ServeJob,
        signal_pipe: SignalPipe,
    ) -> None:
        self._server = server
        self._addresses = addresses
        self._node = job.node
        self._membership: Membership | None = None
        self._observers = job.observers
        self._ends: list[Callable[[], object]] = []
        self._times = job.times
        self.grace = job.grace
        self.reload = Reloader(server, job.module, signal_pipe.call_soon)
        self._stopped = cast("Signal", server.actor_stopped)
        self._stopped.on_set(signal_pipe.wake)

    @property
    def ended(self) -> bool:
        """Whether the server has ended."""
        return self._stopped.is_set()

    def join_cluster(self, succeeds: bool = False, place: int | None = None, places: int = 1) -> None:
        """Be a node of an Erlang cluster, if that is wanted.

        Args:
            succeeds: whether a predecessor lives, whose node this one is to follow. It keeps the name until
                `take_over`.
            place: the number of this worker, from 0; None without workers.
            places: how many workers there are.

        Raises:
            StartError: it can't be one, or can't register the server's name.
        """
        if self._node is not None:
            # Without a cluster nothing of it is loaded.
            from gen_smtp.cluster.joining import Membership

            self._membership = Membership(
                self._node, self._server, succeeds=succeeds, place=place, places=places
            )

    def take_over(self, on_done: Callable[[], object]) -> None:
        """Take over from a predecessor what only one of the two can have, and call a function.

        Raises:
            StartError: the name could not be taken over; the predecessor has it.
        """
        if self._membership is not None:
            self._membership.take_over()
        on_done()

    def begin_observing(self) -> None:
        """Have those look at the server who want to."""
        for observe in self._observers:
            self._ends.append(observe(self._server))

    def end_observing(self) -> None:
        """They look no more."""
        while self._ends:
            self._ends.pop()()

    def leave_cluster(self) -> None:
        """Be a node no more."""
        if self._membership is not None:
            self._membership.leave()

    def addresses(self) -> Sequence[Any]:
        """The addresses really bound.

        Raises:
            ActorDeadError: the server has ended.
        """
        try:
            return invoke(self._server, SERVER_ANSWER_TIME, SmtpServer.addresses)
        except pykka.Timeout:
            return self._addresses  # a callback holds the hub up, and the server lives

    def when_serving(self, call: Callable[[], object]) -> None:
        """A server that was started serves: call the function at once."""
        call()

    def start_heartbeat(self, sign: Callable[[], object], seconds: float) -> Callable[[], object]:
        """Give signs of life while the hub turns; returns what ends that."""
        return HubHeartbeat(sign, seconds).stop

    def sockets_to_pass_on(self) -> Sequence[tuple[ListenerOptions, int]]:
        """The options of each listener, and a descriptor of its socket, for the caller to close.

        Raises:
            pykka.Timeout: the server is held up; the descriptors that it makes later are closed.
            OSError: the system has no more descriptors.
        """
        answer = invoke_later(self._server, SmtpServer.sockets_to_pass_on)
        try:
            sockets: Sequence[tuple[ListenerOptions, int]] = answer.get(timeout=SERVER_ANSWER_TIME)
        except pykka.Timeout:
            answer.on_done(partial(_close_all, answer))
            raise
        return sockets

    def own_files(self, owns: bool) -> None:
        """Say whether the files of unix sockets are this process's."""
        invoke_later(self._server, SmtpServer.own_files, owns)

    def stop(self) -> None:
        """Begin to end."""
        self._stop_within(StopTimes(self.grace))

    def retire(self) -> None:
        """Begin to end, and let the sessions go on for a while before that."""
        if self._membership is not None:
            self._membership.retire()
        self._stop_within(self._times)

    def cut(self) -> None:
        """End without waiting for anybody."""
        self._stop_within(StopTimes(0.0))

    def _stop_within(self, times: StopTimes) -> None:
        if self._membership is not None and not self.ended:
            self._membership.give_back()
        send(self._server, times)
        self._server.stop(block=False)


def _close_all(answer: GeventFuture[list[tuple[ListenerOptions, int]]]) -> None:
    """Close the descriptors of an answer that came when nobody waited for it any more."""
    with contextlib.suppress(Exception):
        for _, descriptor in answer.get():
            os.close(descriptor)
