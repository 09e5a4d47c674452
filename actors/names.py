"""Local names of actors: an actor has one at the most, and it goes with the actor."""

from __future__ import annotations

from typing import Any

import pykka

from actors.errors import ActorDeadError, AlreadyStarted
from actors.future import new_native_lock

_lock = new_native_lock()
_refs: dict[str, pykka.ActorRef[Any]] = {}


def register(name: str, ref: pykka.ActorRef[Any]) -> None:
    """Give an actor a name.

    Args:
        name: the name, any non-empty text.
        ref: the actor.

    Raises:
        AlreadyStarted: another actor has the name.
        ValueError: the actor is dead or has a name already, or `name` is not a non-empty text.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"an actor's name is a non-empty text, not {name!r}")
    with _lock:
        holder = _refs.get(name)
        if holder is not None:
            raise AlreadyStarted(name, holder)
        if ref in _refs.values():
            raise ValueError(f"{ref} has a name already")
        if not ref.is_alive():
            raise ValueError(f"{ref} is dead")
        _refs[name] = ref


def unregister(name: str) -> None:
    """Take a name away from its actor.

    Raises:
        ValueError: no actor has it.
    """
    with _lock:
        if _refs.pop(name, None) is None:
            raise ValueError(f"no actor has the name {name!r}")


def whereis(name: str) -> pykka.ActorRef[Any] | None:
    """The actor that has the name, or None."""
    return _refs.get(name)


def registered() -> list[str]:
    """All names in use."""
    with _lock:
        return list(_refs)


def resolve(actor: pykka.ActorRef[Any] | str) -> pykka.ActorRef[Any]:
    """The reference meant by a reference or a name.

    Raises:
        ActorDeadError: no actor has the name (reason `noproc`).
        TypeError: `actor` is neither.
    """
    if isinstance(actor, pykka.ActorRef):
        return actor
    if not isinstance(actor, str):
        raise TypeError(f"an actor is meant by its reference or its registered name, not by {actor!r}")
    ref = whereis(actor)
    if ref is None:
        raise ActorDeadError(f"no actor has the name {actor!r}")
    return ref


def free(name: str, ref: pykka.ActorRef[Any]) -> None:
    """Take the name from `ref` at its end, if it still has it."""
    with _lock:
        if _refs.get(name) is ref:
            del _refs[name]


def forget_after_fork() -> None:
    """Drop all names in a forked child: their actors stayed in the parent process."""
    global _lock
    _lock = new_native_lock()
    _refs.clear()
