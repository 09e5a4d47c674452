"""Whose a name is that two actors have: what `global` asks when two halves of a cluster meet again.

The node that finds the conflict calls `global:resolve_it(Method, Name, Pid1, Pid2)` on the node of one of the
two. On ours that is `serve` below. Without an answer `global` takes the other actor and tells nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors import GeventRef, events, send, send_exit
from beam.events import ResolverFailed
from beam.names.holdings import Holdings, Resolver
from beam.node.node import Node, running_node
from beam.wire.encoder import atom_octets
from beam.wire.terms import Atom, Export, Fun

Ref = GeventRef[Any]
Lose = Callable[[Any, Ref, Ref | None], object]

CONFLICT = Atom("global_name_conflict")


def node_of(ref: Ref) -> str:
    """The name of the node that an actor lives on."""
    name: str = getattr(ref, "node", None) or running_node().name
    return name


def random_notify_name(name: Any, one: Ref, other: Ref) -> Ref:
    """OTP's rule, which holds if nobody says another: the actor stays whose node comes first by its name."""
    return one if node_of(one) < node_of(other) else other


def serve(node: Node, holdings: Holdings, lose: Lose) -> Callable[[], object]:
    """Answer `global:resolve_it/4` from now on.

    Args:
        node: this process's.
        holdings: the names that actors have here.
        lose: called with name, actor and the new holder when an actor of this process loses a name.

    Returns:
        what ends that.
    """

    def resolve_it(method: Any, term: Any, one: Ref, other: Ref) -> Ref | None:
        holding = holdings.find(term)
        if holding is None or holding.ref not in (one, other):
            return _by_method(method, term, one, other)
        winner = _decided(holding.resolve, holding.name, one, other)
        for loser in (one, other):
            if loser is winner:
                continue
            if loser is holding.ref:
                lose(term, loser, winner)
            else:
                send(loser, (CONFLICT, term))
        return winner

    key = ("global", "resolve_it", 4)
    node.served[key] = resolve_it
    return lambda: node.served.pop(key, None)


def _decided(resolve: Resolver, name: Any, one: Ref, other: Ref) -> Ref | None:
    try:
        winner = resolve(name, one, other)
        if winner not in (one, other, None):
            raise ValueError(f"a resolver returns one of the two actors or None, not {winner!r}")
    except Exception as error:
        events.emit(ResolverFailed(name, error))
        return random_notify_name(name, one, other)
    return winner


# -- names that an Erlang program gave to an actor of this process -----------------------------------


def _by_method(method: Any, term: Any, one: Ref, other: Ref) -> Ref | None:
    """What one of `global`'s own methods does."""
    function = ""
    if isinstance(method, Export) and method.module == "global":
        function = method.function
    elif isinstance(method, Fun) and atom_octets("global") in method.raw[:_MODULE_END]:
        function = "random_exit_name"  # the only one that `global` itself passes as a local fun
    return _METHODS.get(function, _notify)(term, one, other)


def _notify(term: Any, one: Ref, other: Ref) -> Ref:
    winner = random_notify_name(term, one, other)
    send(other if winner is one else one, (CONFLICT, term))
    return winner


def _exit(term: Any, one: Ref, other: Ref) -> Ref:
    winner = random_notify_name(term, one, other)
    send_exit(other if winner is one else one, "kill")
    return winner


def _notify_all(term: Any, one: Ref, other: Ref) -> None:
    send(one, (CONFLICT, term, other))
    send(other, (CONFLICT, term, one))


_MODULE_END = 48
"""In the octets of a fun the name of its module stands before this place."""

_METHODS: dict[str, Callable[[Any, Ref, Ref], Ref | None]] = {
    "random_notify_name": _notify,
    "random_exit_name": _exit,
    "notify_all_name": _notify_all,
}
