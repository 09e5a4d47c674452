"""OTP's `pg`: named groups of actors, which leave them when they end.

    pg.join("deliverers", ref)
    for member in pg.get_members("deliverers"): ...

A group is any hashable value. It comes with its first member and goes with its last one. A scope is a set of
groups of its own: an actor, registered as `pg:` and the scope's name, which starts when it is first needed.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from actors.errors import AlreadyStarted
from actors.messages import Down
from actors.otp.messaging import call, method_call
from actors.runtime import names
from actors.runtime.actor import GeventActor
from actors.runtime.bonds import Monitor
from actors.runtime.launch import launch
from actors.runtime.refs import GeventRef

Group: TypeAlias = Hashable
Members: TypeAlias = GeventRef[Any] | Iterable[GeventRef[Any]]
DEFAULT_SCOPE = "pg"


@dataclass(frozen=True, slots=True)
class Joined:
    """To who monitors a scope or a group: these actors have joined."""

    group: Group
    refs: tuple[GeventRef[Any], ...]


@dataclass(frozen=True, slots=True)
class Left:
    """To who monitors a scope or a group: these actors have left, or have ended."""

    group: Group
    refs: tuple[GeventRef[Any], ...]


_EVERY = object()
"""Stands for all groups, for one who monitors the scope."""

_members: dict[str, dict[Group, tuple[GeventRef[Any], ...]]] = {}
"""Written in the turns of the scopes alone, each value a new one: reading it needs no lock."""


class _Scope(GeventActor):
    """The actor that keeps the groups of one scope."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._groups = _members[name] = {}
        self._name = name
        self._watched: dict[GeventRef[Any], Monitor] = {}
        self._watchers: dict[GeventRef[Any], tuple[Monitor, set[Any]]] = {}

    def on_receive(self, message: Any) -> None:
        if isinstance(message, Down):
            ref: Any = message.ref
            if self._watched.get(ref) is message.monitor:
                del self._watched[ref]
                for group in [each for each, refs in self._groups.items() if ref in refs]:
                    self._remove(group, [ref] * self._groups[group].count(ref))
            if ref in self._watchers and self._watchers[ref][0] is message.monitor:
                del self._watchers[ref]

    def release(self) -> None:
        if _members.get(self._name) is self._groups:
            del _members[self._name]

    def join(self, group: Group, refs: tuple[GeventRef[Any], ...]) -> None:
        for ref in refs:
            if ref not in self._watched:
                self._watched[ref] = self.monitor(ref)
        self._groups[group] = self._groups.get(group, ()) + refs
        self._tell(group, Joined(group, refs))

    def leave(self, group: Group, refs: tuple[GeventRef[Any], ...]) -> bool:
        return self._remove(group, list(refs))

    def watch(self, watcher: GeventRef[Any], group: Any) -> None:
        if watcher not in self._watchers:
            self._watchers[watcher] = (self.monitor(watcher), set())
        self._watchers[watcher][1].add(group)

    def unwatch(self, watcher: GeventRef[Any], group: Any) -> None:
        if watcher in self._watchers:
            self._watchers[watcher][1].discard(group)

    def _remove(self, group: Group, refs: list[GeventRef[Any]]) -> bool:
        left = list(self._groups.get(group, ()))
        gone = []
        for ref in refs:
            if ref in left:
                left.remove(ref)
                gone.append(ref)
        if left:
            self._groups[group] = tuple(left)
        else:
            self._groups.pop(group, None)
        if gone:
            self._tell(group, Left(group, tuple(gone)))
        return bool(gone)

    def _tell(self, group: Group, change: Joined | Left) -> None:
        for watcher, (_, groups) in list(self._watchers.items()):
            if (group in groups or _EVERY in groups) and watcher.is_alive():
                watcher.tell(change)


def start(scope: str = DEFAULT_SCOPE) -> GeventRef[Any]:
    """Start a scope; one that runs is returned as it is."""
    name = f"pg:{scope}"
    running = names.whereis(name)
    if running is None:
        try:
            running = launch(_Scope(scope), name=name)
        except AlreadyStarted as taken:
            running = taken.ref
    assert isinstance(running, GeventRef)
    return running


def join(group: Group, members: Members, *, scope: str = DEFAULT_SCOPE) -> None:
    """Add actors to a group; one that joins twice is a member twice."""
    _ask(scope, _Scope.join, group, _refs(members))


def leave(group: Group, members: Members, *, scope: str = DEFAULT_SCOPE) -> bool:
    """Take actors out of a group, each once; whether any of them was in it."""
    return bool(_ask(scope, _Scope.leave, group, _refs(members)))


def get_members(group: Group, *, scope: str = DEFAULT_SCOPE) -> list[GeventRef[Any]]:
    """The members of a group, in the order in which they joined; empty where there is no such group."""
    return list(_members.get(scope, {}).get(group, ()))


def which_groups(*, scope: str = DEFAULT_SCOPE) -> list[Group]:
    """The groups that have members."""
    return list(_members.get(scope, {}))


def monitor(group: Group, watcher: GeventRef[Any], *, scope: str = DEFAULT_SCOPE) -> list[GeventRef[Any]]:
    """Have `Joined` and `Left` sent to an actor from now on.

    Returns:
        the members by now.
    """
    _ask(scope, _Scope.watch, watcher, group)
    return get_members(group, scope=scope)


def monitor_scope(
    watcher: GeventRef[Any], *, scope: str = DEFAULT_SCOPE
) -> dict[Group, list[GeventRef[Any]]]:
    """As `monitor`, for all groups.

    Returns:
        the members of each group by now.
    """
    _ask(scope, _Scope.watch, watcher, _EVERY)
    return {group: list(refs) for group, refs in _members.get(scope, {}).items()}


def demonitor(watcher: GeventRef[Any], group: Any = _EVERY, *, scope: str = DEFAULT_SCOPE) -> None:
    """Undo `monitor` of a group or, without one, `monitor_scope`."""
    _ask(scope, _Scope.unwatch, watcher, group)


def _ask(scope: str, method: Any, *args: Any) -> Any:
    return call(start(scope), method_call(method, *args), timeout=None)


def _refs(members: Members) -> tuple[GeventRef[Any], ...]:
    return (members,) if isinstance(members, GeventRef) else tuple(members)
