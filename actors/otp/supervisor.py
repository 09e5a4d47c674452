"""OTP's `supervisor`: starts children in order, restarts those that fail, stops them in reverse order.

    sup = Supervisor.start(
        [ChildSpec("db", Db.start_link), ChildSpec("web", (Web.start_link, [8080]))],
        strategy="rest_for_one", intensity=3, period=10,
    )
    which_children(sup)
    terminate_child(sup, "web")

The functions may be called from any thread, greenlet or actor, with a reference or a registered name.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Literal, TypeAlias, get_args

from actors.errors import (
    ActorExit,
    AlreadyPresent,
    ChildRunning,
    ChildStartError,
    ChildStateError,
    StartSpecError,
)
from actors.otp.child import Child, end_in_turn
from actors.otp.child_spec import ChildSpec
from actors.otp.erlang_spec import AnySpec, as_child_spec
from actors.otp.supervisor_base import (
    DEFAULT_INTENSITY,
    DEFAULT_PERIOD,
    ChildCount,
    ChildInfo,
    SupervisorBase,
    count,
    describe,
    request,
)
from actors.runtime import names
from actors.runtime.refs import GeventRef

AutoShutdown: TypeAlias = Literal["never", "any_significant", "all_significant"]
Strategy: TypeAlias = Literal["one_for_one", "one_for_all", "rest_for_one"]
Supervising: TypeAlias = names.Meant
"""A supervisor's reference or registered name."""

STRATEGIES: dict[str, Callable[[list[Child], Child], list[Child]]] = {
    "one_for_one": lambda children, failed: [failed],
    "one_for_all": lambda children, failed: children,
    "rest_for_one": lambda children, failed: children[children.index(failed) :],
}
"""For each strategy, which of the children, in the order of their start, are restarted when one fails."""


class Supervisor(SupervisorBase):
    """A supervisor whose children have ids. `start` and `start_link` take what the constructor takes.

    It starts its children in order, in its own turn, and is started when they all are. It stops them in
    reverse order, whatever ends it. When they had to be restarted too often it ends with reason `shutdown`.

    Args:
        children: their specifications; each is a `ChildSpec`, a mapping of its arguments, or OTP's tuple.
        strategy: which children are restarted when one has failed: that one (`"one_for_one"`), all
            (`"one_for_all"`), or that one and those started after it (`"rest_for_one"`).
        intensity: how many restarts are allowed within `period`.
        period: seconds.
        auto_shutdown: whether the supervisor ends, with reason `shutdown`, when a significant child has ended
            by itself and is not restarted (`"any_significant"`), when the last of them has
            (`"all_significant"`), or never.

    Raises:
        StartSpecError: two children have one id, or a significant one is not asked for.
        ValueError: another argument is wrong.
    """

    def __init__(
        self,
        children: Sequence[AnySpec] = (),
        strategy: Strategy = "one_for_one",
        intensity: int = DEFAULT_INTENSITY,
        period: float = DEFAULT_PERIOD,
        auto_shutdown: AutoShutdown = "never",
    ) -> None:
        super().__init__(intensity, period)
        if auto_shutdown not in get_args(AutoShutdown):
            allowed = ", ".join(get_args(AutoShutdown))
            raise ValueError(f"auto_shutdown must be {allowed}, not {auto_shutdown!r}")
        self._auto_shutdown = auto_shutdown
        if strategy not in STRATEGIES:
            raise ValueError(f"the strategy must be {', '.join(STRATEGIES)}, not {strategy!r}")
        self._group_of = STRATEGIES[strategy]
        self._children: dict[Hashable, Child] = {}
        for spec in map(self._checked, children):
            if spec.id in self._children:
                what = ("duplicate_child_name", spec.id)
                raise StartSpecError(f"two children have the id {spec.id!r}", what)
            self._children[spec.id] = Child(self, spec)

    def on_start(self) -> None:
        failed = self._start_in_order(list(self._children.values()))
        if failed is not None:
            self._end_all()
            reason = ("failed_to_start_child", failed.child.id, failed.reason)
            raise ActorExit(("shutdown", reason)) from failed

    # -- requests -------------------------------------------------------------------------------------

    def which_children(self) -> list[ChildInfo]:
        """See `which_children`."""
        return [describe(child) for child in reversed(self._children.values())]

    def count_children(self) -> ChildCount:
        """See `count_children`."""
        return count(list(self._children.values()))

    def get_childspec(self, child_id: Hashable) -> ChildSpec:
        """See `get_childspec`."""
        return self._children[child_id].spec

    def start_child(self, spec: AnySpec) -> GeventRef[Any] | None:
        """See `start_child`."""
        checked = self._checked(spec)
        present = self._children.get(checked.id)
        if present is not None:
            raise AlreadyPresent(checked.id) if present.ref is None else ChildRunning(checked.id, present.ref)
        child = Child(self, checked)
        ref = self.start_supervised(child)
        if ref is not None or checked.restart != "temporary":
            self._children[checked.id] = child
        return ref

    def terminate_child(self, child_id: Hashable) -> bool:
        """See `terminate_child`."""
        child = self._children[child_id]
        was_there = child.ref is not None or child.restarting
        self._end_children([child])
        return was_there

    def restart_child(self, child_id: Hashable) -> GeventRef[Any] | None:
        """See `restart_child`."""
        return self.start_supervised(self._idle_child(child_id))

    def delete_child(self, child_id: Hashable) -> None:
        """See `delete_child`."""
        self._forget(self._idle_child(child_id))

    # -- children -------------------------------------------------------------------------------------

    def _checked(self, given: AnySpec) -> ChildSpec:
        spec = as_child_spec(given)
        if spec.significant and self._auto_shutdown == "never":
            raise StartSpecError(
                f"significant of child {spec.id!r} needs a supervisor whose auto_shutdown is any_significant "
                "or all_significant",
                ("bad_combination", (("auto_shutdown", "never"), ("significant", True))),
            )
        return spec

    def _lose_significant(self) -> None:
        left = (each for each in self._children.values() if each.spec.significant)
        if self._auto_shutdown == "any_significant" or not any(each.ref or each.restarting for each in left):
            raise ActorExit("shutdown")

    def _idle_child(self, child_id: Hashable) -> Child:
        child = self._children[child_id]
        if child.restarting or child.ref is not None:
            raise ChildStateError(child_id, "restarting" if child.restarting else "running")
        return child

    def _start_in_order(self, children: list[Child]) -> ChildStartError | None:
        """Start children up to the first that fails."""
        for child in children:
            try:
                ref = self.start_supervised(child)
            except ChildStartError as error:
                return error
            if ref is None and child.spec.restart == "temporary":
                self._forget(child)
        return None

    def _restart_group(self, child: Child) -> Child | None:
        group = self._group_of(list(self._children.values()), child)
        self._end_children(group)
        failed = self._start_in_order([each for each in group if self._knows(each)])
        return None if failed is None else self._children[failed.child.id]

    def _end_children(self, children: list[Child]) -> None:
        """End children in reverse order; temporary ones are forgotten."""
        for child in children:
            self.stop_watching_child(child)
        end_in_turn(reversed(children))
        for child in children:
            if child.spec.restart == "temporary":
                self._forget(child)

    def _end_all(self) -> None:
        self._end_children(list(self._children.values()))

    def _knows(self, child: Child) -> bool:
        return self._children.get(child.spec.id) is child

    def _forget(self, child: Child) -> None:
        del self._children[child.spec.id]


def which_children(supervisor: Supervising) -> list[ChildInfo]:
    """The children of a supervisor, those too that are not running, the newest first as in OTP."""
    return request(supervisor, Supervisor.which_children)


def count_children(supervisor: Supervising) -> ChildCount:
    """How many children a supervisor has: `specs`, `active`, `supervisors`, `workers`."""
    return request(supervisor, Supervisor.count_children)


def get_childspec(supervisor: Supervising, child_id: Hashable) -> ChildSpec:
    """The specification of a child.

    Args:
        supervisor: its reference or name.
        child_id: the child's id; for a simple_one_for_one supervisor that of its specification, or the
            reference of a child.

    Raises:
        KeyError: there is no such child.
    """
    return request(supervisor, Supervisor.get_childspec, child_id)


def start_child(supervisor: Supervising, child: Any) -> GeventRef[Any] | None:
    """Start one more child.

    Args:
        supervisor: its reference or name.
        child: a `ChildSpec` or a mapping of its arguments; for a simple_one_for_one supervisor the list of
            arguments that the start function gets behind its own.

    Returns:
        the child's reference; None if it said `ignore`, when the specification is kept all the same unless
        the child is temporary.

    Raises:
        ChildRunning: a child with this id is running; it has the child's `ref`.
        AlreadyPresent: there is a child with this id that is not running.
        ChildStartError: it could not be started, and is not kept.
        ValueError: the specification is wrong.
    """
    return request(supervisor, Supervisor.start_child, child)


def terminate_child(supervisor: Supervising, child: Any) -> bool:
    """End a child, as its `shutdown` says, and wait for that.

    It is not started again by itself, except with others that fail in one_for_all and rest_for_one; its
    specification is kept unless it is temporary.

    Args:
        supervisor: its reference or name.
        child: the child's id; for a simple_one_for_one supervisor its reference.

    Returns:
        whether it was running, or being restarted.

    Raises:
        KeyError: there is no such child.
    """
    return request(supervisor, Supervisor.terminate_child, child)


def restart_child(supervisor: Supervising, child_id: Hashable) -> GeventRef[Any] | None:
    """Start a child that is not running. This does not count as a restart.

    Raises:
        ChildStateError: it is running, or being restarted; or the supervisor is simple_one_for_one.
        ChildStartError: it could not be started.
        KeyError: there is no such child.
    """
    return request(supervisor, Supervisor.restart_child, child_id)


def delete_child(supervisor: Supervising, child_id: Hashable) -> None:
    """Forget a child that is not running.

    Raises:
        ChildStateError: it is running, or being restarted; or the supervisor is simple_one_for_one.
        KeyError: there is no such child.
    """
    request(supervisor, Supervisor.delete_child, child_id)
