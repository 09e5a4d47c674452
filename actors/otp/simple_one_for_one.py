"""OTP's simple_one_for_one: a supervisor of any number of children that are all of one kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from actors.errors import ChildStartError, ChildStateError
from actors.otp.child import Child, end_together
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
)
from actors.runtime.refs import GeventRef


class SimpleOneForOne(SupervisorBase):
    """A supervisor that starts its children on demand, from one specification.

    `start_child(sup, [more, arguments])` starts one, with these behind the specification's own, at its
    restarts too. The children have no ids: `terminate_child(sup, ref)` takes the reference. They are stopped
    all at the same time.

    Args:
        child: the specification; its id is for reports and `get_childspec`.
        intensity: how many restarts, of all children together, are allowed within `period`.
        period: seconds.

    Raises:
        ValueError: an argument is wrong.
    """

    def __init__(
        self, child: AnySpec, intensity: int = DEFAULT_INTENSITY, period: float = DEFAULT_PERIOD
    ) -> None:
        super().__init__(intensity, period)
        self._spec = as_child_spec(child)
        self._children: dict[Child, None] = {}

    def which_children(self) -> list[ChildInfo]:
        """The children, the newest first; `id` is None."""
        return [{**describe(child), "id": None} for child in reversed(self._children)]

    def count_children(self) -> ChildCount:
        """How many children there are; `specs` is 1."""
        return {**count(list(self._children)), "specs": 1}

    def start_child(self, arguments: Iterable[Any] = ()) -> GeventRef[Any] | None:
        """See `actors.start_child`; a child that says `ignore` is not kept."""
        child = Child(self, self._spec, arguments)
        ref = self.start_supervised(child)
        if ref is not None:
            self._children[child] = None
        return ref

    def terminate_child(self, ref: GeventRef[Any]) -> bool:
        """See `actors.terminate_child`; False for a child that is gone, or anybody else who is."""
        if not isinstance(ref, GeventRef):
            raise ChildStateError(ref, "simple_one_for_one")
        child = self._child_of(ref)
        if child is None:
            return False
        self._end_children([child])
        return True

    def _child_of(self, ref: GeventRef[Any]) -> Child | None:
        """The child with a reference; None if that is dead, who might have been one.

        Raises:
            KeyError: it is alive, and no child.
        """
        child = next((child for child in self._children if child.ref is ref), None)
        if child is None and ref.is_alive():
            raise KeyError(ref)
        return child

    def restart_child(self, child_id: Any) -> None:
        """Not to be had here."""
        raise ChildStateError(child_id, "simple_one_for_one")

    def delete_child(self, child_id: Any) -> None:
        """Not to be had here."""
        raise ChildStateError(child_id, "simple_one_for_one")

    def get_childspec(self, child: Any) -> ChildSpec:
        """See `actors.get_childspec`."""
        if isinstance(child, GeventRef):
            self._child_of(child)
        elif child != self._spec.id:
            raise KeyError(child)
        return self._spec

    def _hear_end(self, child: Child, reason: Any) -> None:
        super()._hear_end(child, reason)
        if child.ref is None and not child.restarting:
            self._children.pop(child, None)

    def _restart_group(self, child: Child) -> Child | None:
        try:
            self.start_supervised(child)
        except ChildStartError:
            return child
        return None

    def _end_children(self, children: list[Child]) -> None:
        for child in children:
            self.stop_watching_child(child)
        end_together(children)
        for child in children:
            self._forget(child)

    def _end_all(self) -> None:
        self._end_children(list(self._children))

    def _knows(self, child: Child) -> bool:
        return child in self._children

    def _forget(self, child: Child) -> None:
        self._children.pop(child, None)
