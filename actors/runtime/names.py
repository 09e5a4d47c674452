"""Local names of actors: an actor has one at the most, and it goes with the actor."""

from __future__ import annotations

import os
from typing import Any

import pykka

from actors.errors import ActorDeadError, AlreadyStarted
from actors.runtime.future import new_native_lock

_lock = new_native_lock()
_refs: dict[str, pykka.ActorRef[Any]] = {}
_names: dict[pykka.ActorRef[Any], str] = {}


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
        # A threaded actor of Pykka's does not tell of its end: its name is free once it is dead.
        if holder is not None and holder.is_alive():
            raise AlreadyStarted(name, holder)
        if ref in _names:
            raise ValueError(f"{ref} has a name already")
        if not ref.is_alive():
            raise ValueError(f"{ref} is dead")
        if holder is not None:
            del _names[holder]
        _refs[name] = ref
        _names[ref] = name


def unregister(name: str) -> None:
    """Take a name away from its actor.

    Raises:
        ValueError: no actor has it.
    """
    with _lock:
        ref = _refs.pop(name, None)
        if ref is None:
            raise ValueError(f"no actor has the name {name!r}")
        del _names[ref]


def whereis(name: str) -> pykka.ActorRef[Any] | None:
    """The actor that has the name, or None."""
    ref = _refs.get(name)
    return ref if ref is not None and ref.is_alive() else None


def registered() -> list[str]:
    """All names in use."""
    with _lock:
        return [name for name, ref in _refs.items() if ref.is_alive()]


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


def free(ref: pykka.ActorRef[Any]) -> None:
    """Take its name, if it has one, from an actor at its end."""
    with _lock:
        name = _names.pop(ref, None)
        if name is not None:
            del _refs[name]


def _forget_after_fork() -> None:
    """Drop all names in a forked child: their actors stayed in the parent process."""
    global _lock
    _lock = new_native_lock()
    _refs.clear()
    _names.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
