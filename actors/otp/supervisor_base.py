"""What all supervisors have in common: they hear of their children's ends and count the restarts."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypedDict, TypeVar

from actors import events
from actors.errors import ActorExit, ChildStartError
from actors.log_text import text_of
from actors.messages import Down, Exit
from actors.otp.child import Child
from actors.otp.child_spec import RESTARTS, is_abnormal
from actors.otp.messaging import call, method_call
from actors.otp.restart_intensity import RestartIntensity
from actors.runtime import names
from actors.runtime.actor import GeventActor
from actors.runtime.bonds import Monitor
from actors.runtime.refs import GeventRef

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_INTENSITY, DEFAULT_PERIOD = 1, 5.0
"""OTP's defaults: a second restart within five seconds is one too many."""


class ChildInfo(TypedDict):
    """What `which_children` says of one child.

    `ref` is its reference, None while it is not running, `"restarting"` while it is to be started again.
    """

    id: Any
    ref: GeventRef[Any] | str | None
    type: str
    restart: str


class ChildCount(TypedDict):
    """What `count_children` says: all children, those that run, and how many are of each type."""

    specs: int
    active: int
    supervisors: int
    workers: int


@dataclass(frozen=True, slots=True)
class TryAgain:
    """A supervisor to itself: start a child whose restart failed. Other messages come in between."""

    child: Child


class SupervisorBase(GeventActor):
    """A supervisor of any kind.

    Args:
        intensity: how many restarts, of all children together, are allowed within the period.
        period: seconds.
    """

    def __init__(self, intensity: int = DEFAULT_INTENSITY, period: float = DEFAULT_PERIOD) -> None:
        super().__init__()
        self.trap_exits = True
        self._intensity = RestartIntensity(intensity, period)
        self._running: dict[Monitor, Child] = {}

    # -- what each kind does its own way --------------------------------------------------------------

    @abc.abstractmethod
    def _restart_group(self, child: Child) -> Child | None:
        """Restart a child and the children that go with it; returns a child whose start failed."""

    @abc.abstractmethod
    def _knows(self, child: Child) -> bool:
        """Whether it is a child still."""

    @abc.abstractmethod
    def _forget(self, child: Child) -> None:
        """Drop a child that is not to be started again."""

    @abc.abstractmethod
    def _end_all(self) -> None:
        """End all children."""

    # -- life -----------------------------------------------------------------------------------------

    def on_receive(self, message: Any) -> None:
        match message:
            case Down(monitor=monitor, reason=reason):
                child = self._running.pop(monitor, None)
                if child is not None:
                    self._hear_end(child, reason)
            case TryAgain(child) if child.restarting and self._knows(child):
                self._restart(child, "its start failed")
            case TryAgain() | Exit():
                pass  # ended meanwhile; of a linked actor, whose monitor tells what counts
            case _ if self.is_asked:
                raise ValueError(f"a supervisor understands no such message: {message!r}")

    def on_exit(self, reason: Any, error: BaseException | None) -> None:
        """Take the children along, whatever ended the supervisor."""
        self._end_all()
        super().on_exit(reason, error)

    # -- children -------------------------------------------------------------------------------------

    def start_supervised(self, child: Child) -> GeventRef[Any] | None:
        """Start a child, and report if that fails.

        Raises:
            ChildStartError: it could not be started.
        """
        try:
            ref = child.start()
        except ChildStartError as error:
            events.emit(events.ChildNotStarted(text_of(self), child.spec.id, error.reason))
            raise
        if child.monitor is not None:
            self._running[child.monitor] = child
        return ref

    def stop_watching_child(self, child: Child) -> None:
        """Listen no more for the end of a child that is about to be ended."""
        if child.monitor is not None:
            self._running.pop(child.monitor, None)

    def _hear_end(self, child: Child, reason: Any) -> None:
        if reason == "noproc" and child.ref is not None:
            reason = child.ref.exit_reason  # it was gone before it could be monitored
        child.note_end()
        if child.spec.restart == "permanent" or is_abnormal(reason):
            events.emit(events.ChildEnded(text_of(self), child.spec.id, reason))
        if RESTARTS[child.spec.restart](reason):
            self._restart(child, reason)
        else:
            if child.spec.restart == "temporary":
                self._forget(child)
            if child.spec.significant:
                self._lose_significant()

    def _lose_significant(self) -> None:
        """A significant child has ended by itself, and is not restarted."""

    def _restart(self, child: Child, reason: Any) -> None:
        if not self._intensity.allows_another():
            events.emit(events.SupervisorGaveUp(text_of(self), child.spec.id, reason))
            raise ActorExit("shutdown")
        failed = self._restart_group(child)
        if failed is not None:
            failed.restarting = True
            self.actor_ref.tell(TryAgain(failed))


def describe(child: Child) -> ChildInfo:
    """What `which_children` says of a child."""
    ref = "restarting" if child.restarting else child.ref
    return ChildInfo(id=child.spec.id, ref=ref, type=child.spec.type, restart=child.spec.restart)


def count(children: list[Child]) -> ChildCount:
    """What `count_children` says of children."""
    supervisors = sum(child.spec.type == "supervisor" for child in children)
    return ChildCount(
        specs=len(children),
        active=sum(child.ref is not None for child in children),
        supervisors=supervisors,
        workers=len(children) - supervisors,
    )


def request(
    supervisor: names.Meant,
    method: Callable[Concatenate[Any, P], T],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Have a supervisor run a method and wait for it, for ever as OTP does."""
    ref = names.resolve(supervisor)
    if not issubclass(ref.actor_class, SupervisorBase):
        raise TypeError(f"{ref} is not a supervisor")
    value: T = call(ref, method_call(method, *args, **kwargs), timeout=None)
    return value
