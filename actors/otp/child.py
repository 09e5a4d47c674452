"""A supervisor's child: started, told to end, waited for."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import pykka

from actors import events
from actors.errors import ActorExit, ChildStartError, StartError
from actors.log_text import text_of
from actors.otp.child_spec import ChildSpec
from actors.otp.erlang_spec import FailedStartError, started
from actors.runtime import launch, links
from actors.runtime.actor import GeventActor
from actors.runtime.bonds import Monitor, awaiting_end
from actors.runtime.refs import GeventRef


class Child:
    """One child, running or not.

    Args:
        supervisor: whose child it is.
        spec: its specification.
        arguments: what its start function gets behind the arguments in the specification.

    Attributes:
        ref: the child's reference; None while it does not run.
        monitor: the supervisor's monitor of it.
        restarting: whether its last restart failed and is to be tried again.
    """

    __slots__ = ("_arguments", "_supervisor", "monitor", "ref", "restarting", "spec")

    def __init__(self, supervisor: GeventActor, spec: ChildSpec, arguments: Iterable[Any] = ()) -> None:
        self._supervisor = supervisor
        self._arguments = tuple(arguments)
        self.spec = spec
        self.ref: GeventRef[Any] | None = None
        self.monitor: Monitor | None = None
        self.restarting = False

    def start(self) -> GeventRef[Any] | None:
        """Start it, link and monitor it. None if it said `ignore`.

        Raises:
            ChildStartError: it could not be started.
        """
        self.restarting = False
        try:
            ref = started(self.spec.call_start(*self._arguments))
            if ref is not None:
                launch.adopt(ref, self._supervisor.actor_ref)
        except BaseException as error:
            if not self._supervisor.actor_ref.is_alive():
                raise  # it is the supervisor that was killed
            raise ChildStartError(self.spec, _start_reason(error)) from error
        if ref is not None:
            self.monitor = self._supervisor.monitor(ref)
        self.ref = ref
        return self.ref

    def note_end(self) -> None:
        """It has ended, or will in a moment."""
        self.ref = self.monitor = None

    def tell_to_end(self) -> None:
        """Send it the exit signal that its specification asks for; once, before `wait_for_end`."""
        self.restarting = False
        if self.ref is None:
            return
        reason = "kill" if self.spec.shutdown == "brutal_kill" else "shutdown"
        links.send_exit(self.ref, reason, sender=self._supervisor.actor_ref)

    def wait_for_end(self, since: float) -> None:
        """Wait for its end, and kill it if the time that it had since then is over."""
        ref = self.ref
        if ref is None:
            return
        self.note_end()
        with awaiting_end(ref, self._supervisor.actor_ref):
            self._wait_for(ref, since)

    def _wait_for(self, ref: GeventRef[Any], since: float) -> None:
        limit = self.spec.shutdown
        if not isinstance(limit, int | float):
            links.wait_down(ref)
            return
        try:
            links.wait_down(ref, max(0.0, since + limit - time.monotonic()))
        except pykka.Timeout:
            events.emit(events.ChildCutOff(text_of(self._supervisor), self.spec.id, limit))
            ref.kill()
            links.wait_down(ref)


def end_in_turn(children: Iterable[Child]) -> None:
    """End children one after the other, each when the one before is gone."""
    for child in children:
        child.tell_to_end()
        child.wait_for_end(time.monotonic())


def end_together(children: Iterable[Child]) -> None:
    """End children all at the same time."""
    told = list(children)
    for child in told:
        child.tell_to_end()
    since = time.monotonic()
    for child in told:
        child.wait_for_end(since)


def _start_reason(error: BaseException) -> Any:
    """The exit reason that a failed start stands for."""
    return error.reason if isinstance(error, StartError | ActorExit | FailedStartError) else error
