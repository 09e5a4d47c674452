"""Names of actors. A local name is a text: an actor has one at the most, and it goes with the actor.

The other names are tuples, as OTP writes them. Registries from elsewhere know them, such as `global`:

    ("local", name)           the local name
    ("via", registry, name)   what an object with the methods of `NameRegistry` knows: `{via, Module, Name}`
    ("global", term)          the same name in a whole cluster, if this process is a node of one
    (name, node)              the local name of another node, OTP's `{Name, Node}`
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import pykka

from actors.errors import ActorDeadError, AlreadyStarted, StartError

Name: TypeAlias = str | tuple[Any, ...]
"""A local name, or a tuple as above."""

Meant: TypeAlias = pykka.ActorRef[Any] | Name
"""An actor, by its reference or a name."""

_refs: dict[str, pykka.ActorRef[Any]] = {}
_names: dict[pykka.ActorRef[Any], str] = {}
# Local names, without a lock, as in `mailbox`: each step is one of a dict.


# -- registries from elsewhere ----------------------------------------------------------------------


class NameRegistry(Protocol):
    """Who knows names: what OTP asks of the module of `{via, Module, Name}`.

    A registry looks itself after actors that end, for which it monitors them. It may be called in any thread,
    greenlet or actor, and may wait.
    """

    def register_name(self, name: Any, ref: pykka.ActorRef[Any]) -> Any:
        """Give an actor a name. Returns: True or `"yes"`; else somebody has it."""

    def unregister_name(self, name: Any) -> Any:
        """Take a name away from its actor, if one has it."""

    def whereis_name(self, name: Any) -> Any:
        """The reference of the actor that has a name; None or `"undefined"` if nobody has."""

    def send(self, name: Any, message: Any) -> Any:
        """Send a message to the actor that has a name. Raises: if nobody has."""


class _NoNode:
    """Stands for the registries of a cluster as long as this process is no node of one."""

    def register_name(self, name: Any, ref: pykka.ActorRef[Any]) -> bool:
        raise StartError(
            f"the name {name!r} is for a cluster, and this process is no node of one: call beam.start first"
        )

    def unregister_name(self, name: Any) -> None:
        """Nobody can have it."""

    def whereis_name(self, name: Any) -> None:
        return None

    def send(self, name: Any, message: Any) -> None:
        raise ActorDeadError(
            f"no actor has the name {name!r}: this process is no node of a cluster, call beam.start first"
        )


class _Nodes:
    """The local names of other nodes: `(name, node)`."""

    def register_name(self, name: tuple[str, str], ref: pykka.ActorRef[Any]) -> None:
        raise ValueError(f"{name!r}: an actor gets a name on its own node only; register it as {name[0]!r}")

    def unregister_name(self, name: tuple[str, str]) -> None:
        raise ValueError(f"{name!r}: a name is taken away on its own node only")

    def whereis_name(self, name: tuple[str, str]) -> pykka.ActorRef[Any] | None:
        return None if elsewhere is None else elsewhere(*name)

    def send(self, name: tuple[str, str], message: Any) -> None:
        if elsewhere is None:
            _NO_NODE.send(name, message)
        elif (ref := elsewhere(*name)) is not None:
            ref.tell(message)


cluster: dict[str, NameRegistry] = {}
"""`global`, if this process is a node of a cluster: the node puts it here."""

elsewhere: Callable[[str, str], pykka.ActorRef[Any] | None] | None = None
"""Makes a reference that stands for a name and a node, if this process is a node: the node puts it here."""

_NO_NODE = _NoNode()
_NODES = _Nodes()


_TAGS = ("local", "global", "via")


def place_of(name: Name) -> tuple[NameRegistry | None, Any]:
    """Where a name is known.

    Returns:
        the registry, and the name as that knows it; None and a text for a local name.

    Raises:
        ValueError: it is no name.
    """
    match name:
        case str(local) | ("local", str(local)) if local:
            return None, local
        case ("via", registry, term):
            return registry, term
        case ("global", term):
            return cluster.get("global", _NO_NODE), term
        case (str(local), str(node)) if local and node and local not in _TAGS:
            return _NODES, name
    raise ValueError(f"an actor's name is a non-empty text or a tuple such as ('global', term), not {name!r}")


def _register_elsewhere(registry: NameRegistry, term: Any, name: Name, ref: pykka.ActorRef[Any]) -> None:
    if not ref.is_alive():
        raise ValueError(f"{ref} is dead")
    if registry.register_name(term, ref) not in (True, "yes"):
        holder = _whereis_elsewhere(registry, term)
        if holder is None:
            raise StartError(f"{name!r} could not be registered; it may have been taken for a moment")
        raise AlreadyStarted(name, holder)


def _whereis_elsewhere(registry: NameRegistry, term: Any) -> pykka.ActorRef[Any] | None:
    ref = registry.whereis_name(term)
    return ref if isinstance(ref, pykka.ActorRef) and ref.is_alive() else None


def send(name: Name, message: Any) -> None:
    """Send a message to the actor that has a name.

    Raises:
        ActorDeadError: nobody has it, if its registry is this process.
        Exception: what the registry raised.
    """
    registry, term = place_of(name)
    if registry is None:
        resolve(term).tell(message)
    else:
        registry.send(term, message)


def give_up(name: Name, ref: pykka.ActorRef[Any]) -> None:
    """Take a name, if it is not a local one, from an actor whose start failed."""
    registry, term = place_of(name)
    if registry is not None:
        with contextlib.suppress(Exception):  # the start's own error is the one to be raised
            registry.unregister_name(term)


# -- all names --------------------------------------------------------------------------------------


def register(name: Name, ref: pykka.ActorRef[Any]) -> None:
    """Give an actor a name.

    Args:
        name: a non-empty text for a local name, or a tuple: `("global", term)`, `("via", registry, term)`.
        ref: the actor. It has one local name at the most, and any number of others.

    Raises:
        AlreadyStarted: another actor has the name; its `ref` may be a reference to another node.
        StartError: the name is for a cluster, and no node of Erlang's answers.
        ValueError: the actor is dead or has a local name already, or `name` is none.
    """
    registry, term = place_of(name)
    if registry is not None:
        _register_elsewhere(registry, term, name, ref)
        return
    holder = _refs.get(term)
    if holder is not None and holder.is_alive():
        raise AlreadyStarted(term, holder)
    if _names.setdefault(ref, term) is not term:
        raise ValueError(f"{ref} has a name already")
    holder = _holder_of(term, ref)
    if holder is not ref:
        _names.pop(ref, None)
        raise AlreadyStarted(term, holder)
    # An actor that ends notes that first and then gives its name back.
    if not ref.is_alive():
        free(ref)
        raise ValueError(f"{ref} is dead")


def _holder_of(name: str, ref: pykka.ActorRef[Any]) -> pykka.ActorRef[Any]:
    """Give a name to an actor unless a living one has it; the one that has it then."""
    while True:
        holder = _refs.setdefault(name, ref)
        # A threaded actor of Pykka's does not tell of its end: its name is free once it is dead.
        if holder is ref or holder.is_alive():
            return holder
        _names.pop(holder, None)
        with contextlib.suppress(KeyError):  # it was given back meanwhile
            _refs[name] = ref if _refs[name] is holder else _refs[name]  # indivisible


def _take_away(name: str, ref: pykka.ActorRef[Any]) -> None:
    """Let a name be free, if the actor has it still."""
    with contextlib.suppress(KeyError):
        if _refs[name] is ref: del _refs[name]  # fmt: skip # noqa: E701 - indivisible


def unregister(name: Name) -> None:
    """Take a name away from its actor.

    Raises:
        ValueError: no actor has it.
    """
    registry, term = place_of(name)
    if registry is not None:
        if registry.whereis_name(term) in (None, "undefined"):
            raise ValueError(f"no actor has the name {name!r}")
        registry.unregister_name(term)
        return
    ref = _refs.get(term)
    if ref is None or _names.pop(ref, None) is None:
        raise ValueError(f"no actor has the name {term!r}")
    _take_away(term, ref)


def whereis(name: Name) -> pykka.ActorRef[Any] | None:
    """The actor that has the name, or None. A name that another node knows is asked for there."""
    if not isinstance(name, str):
        registry, term = place_of(name)
        if registry is not None:
            return _whereis_elsewhere(registry, term)
        name = str(term)
    ref = _refs.get(name)
    return ref if ref is not None and ref.is_alive() else None


def registered() -> list[str]:
    """All local names in use."""
    return [name for name, ref in _refs.copy().items() if ref.is_alive()]


def resolve(actor: Meant) -> pykka.ActorRef[Any]:
    """The reference meant by a reference or a name.

    Raises:
        ActorDeadError: no actor has the name (reason `noproc`).
        TypeError: `actor` is neither.
    """
    if isinstance(actor, pykka.ActorRef):
        return actor
    try:
        ref = whereis(actor)
    except ValueError as error:
        raise TypeError(
            f"an actor is meant by its reference or its registered name, not by {actor!r}"
        ) from error
    if ref is None:
        raise ActorDeadError(f"no actor has the name {actor!r}")
    return ref


def free(ref: pykka.ActorRef[Any]) -> None:
    """Take its local name, if it has one, from an actor at its end."""
    name = _names.pop(ref, None)
    if name is not None:
        _take_away(name, ref)


def _forget_after_fork() -> None:
    """Drop all names in a forked child: their actors stayed in the parent process."""
    global elsewhere
    elsewhere = None
    for each in (_refs, _names, cluster):
        each.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
