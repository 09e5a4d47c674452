"""A server that a process serves with by itself, without workers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from actors import ActorDeadError, GeventRef, StopTimes, launch
from actors.otp.messaging import invoke, invoke_later, send
from actors.runtime.future import Signal
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.process.activation import Heritage
from gen_smtp.process.heartbeat import HubPulse
from gen_smtp.process.poll import Attention
from gen_smtp.process.reload import Reload
from gen_smtp.process.serve_job import Program
from gen_smtp.process.service import CAUGHT, Service
from gen_smtp.process.signals import SignalPipe
from gen_smtp.server.server import SmtpServer

ANSWER_TIME = 5.0
"""Seconds that the server gets to answer."""


def serve(program: Program, on_started: Callable[[GeventRef[SmtpServer]], object] | None) -> None:
    """Serve in this process until SIGTERM or SIGINT; see `gen_smtp_server.serve_forever`."""
    # Signals first: one that comes while the server starts ends it in good order too.
    with SignalPipe(CAUGHT) as arrivals, contextlib.closing(Heritage()) as heritage:
        inherited = heritage.sockets_for(program.configurations)
        server = launch(SmtpServer(program.module, program.configurations, inherited, program.server_options))
        served = LoneServer(server, program, arrivals.wake)
        service = Service(served, Attention(), arrivals, heritage)
        service.run(lambda: on_started(server) if on_started is not None else None)
    if server.exit_reason not in ("normal", "shutdown"):
        raise ActorDeadError(f"the server ended: {server.exit_reason!r}", server.exit_reason)


class LoneServer:
    """What a `Service` needs of a server in its own process.

    Args:
        server: the server, started.
        program: what it was started with.
        on_end: called, in another thread, when it has ended.

    Attributes:
        grace: the seconds that `stop` gives.
    """

    on_signal: Mapping[int, Callable[[], object]] = {}

    def __init__(self, server: GeventRef[SmtpServer], program: Program, on_end: Callable[[], object]) -> None:
        self._server = server
        self._times = program.times
        self.grace = program.grace
        self.reload = Reload(server, program.module)
        self._stopped = cast("Signal", server.actor_stopped)
        self._stopped.on_set(on_end)

    @property
    def ended(self) -> bool:
        """Whether the server has ended."""
        return self._stopped.is_set()

    def addresses(self) -> Sequence[Any]:
        """The addresses really bound."""
        return invoke(self._server, ANSWER_TIME, SmtpServer.addresses)

    def when_serving(self, call: Callable[[], object]) -> None:
        """A server that was started serves: call the function at once."""
        call()

    def pulse(self, sign: Callable[[], object], seconds: float) -> Callable[[], object]:
        """Give signs of life while the hub turns; returns what ends that."""
        return HubPulse(sign, seconds).stop

    def bequest(self) -> Sequence[tuple[ListenerOptions, int]]:
        """The options of each listener, and a descriptor of its socket, for the caller to close."""
        return invoke(self._server, ANSWER_TIME, SmtpServer.bequest)

    def own_files(self, owns: bool) -> None:
        """Say whether the files of unix sockets are this process's."""
        invoke_later(self._server, SmtpServer.own_files, owns)

    def stop(self) -> None:
        """Begin to end."""
        self._stop_within(StopTimes(self.grace))

    def retire(self) -> None:
        """Begin to end, and let the sessions go on for a while before that."""
        self._stop_within(self._times)

    def cut(self) -> None:
        """End without waiting for anybody."""
        self._stop_within(StopTimes(0.0))

    def _stop_within(self, times: StopTimes) -> None:
        send(self._server, times)
        self._server.stop(block=False)
