"""The registry of global names: what `("global", term)` leads to while this process is a node.

It has the methods of any registry of `("via", registry, name)`, and those of OTP's `global` besides.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pykka

from actors import ActorDeadError, GeventRef, events, launch
from actors.runtime import names
from beam.events import NameLost
from beam.names import resolving
from beam.names.asking import Asking
from beam.names.families import Family
from beam.names.holdings import Holding, Holdings, Resolver, term_of
from beam.names.keeper import Keeper
from beam.names.resolving import CONFLICT, random_notify_name
from beam.names.seeker import Seeker
from beam.node.node import Node, running_node

Ref = GeventRef[Any]


class GlobalNames:
    """The names of a cluster, as one node deals with them.

    A name is any term. A text stands for an atom: `("global", "mx")` is Erlang's `{global, mx}`, and
    `("global", b"mx")` is `{global, <<"mx">>}`.

    Args:
        node: this process's.
    """

    def __init__(self, node: Node) -> None:
        self._asking = Asking(node)
        # Its name server is linked to an actor by a node that registers the actor's name. At that node's end
        # the link would end the actor; besides, it only tells what the node's monitor tells as well.
        self._undo = [
            node.on_link(lambda ref, process, beam: self._asking.is_name_server(process, beam)),
            node.on_down(lambda beam, reason: self._asking.forget(beam)),
        ]
        self._holdings = Holdings()
        self._has_handed_over = False
        self._keeper = Keeper(node, self._asking, self._holdings, self._lose)
        self._family = Family(node, self._asking, self._holdings, self._keeper.stand_by)
        self._seeker = Seeker(node, self._holdings)
        for each in (self._keeper, self._seeker):
            launch(each)
        self._end_serving = resolving.serve(node, self._holdings, self._lose)

    def close(self) -> None:
        """The node stops: no name is looked after any more."""
        for undo in (*self._undo, self._end_serving, self._family.close):
            undo()
        self._holdings.clear()
        for each in (self._keeper, self._seeker):
            each.actor_ref.kill()

    # -- as OTP's global ----------------------------------------------------------------------------

    def register_name(
        self, name: Any, ref: pykka.ActorRef[Any], resolve: Resolver = random_notify_name
    ) -> bool:
        """Give an actor of this process a name in the whole cluster.

        Args:
            name: any term; a text stands for an atom.
            ref: the actor.
            resolve: decides conflicts when two halves of the cluster meet again; see `Resolver`.

        Returns:
            whether it has the name now; if not, another has it.

        Raises:
            StartError: no node of Erlang's answers.
            TypeError: the actor is none of this library, or not of this process.
        """
        return self._register(name, ref, resolve, "register_name_external")

    def re_register_name(
        self, name: Any, ref: pykka.ActorRef[Any], resolve: Resolver = random_notify_name
    ) -> bool:
        """As `register_name`, and take the name away from the actor that has it; at no time has nobody it."""
        present = self._holdings.find(term_of(name))
        if present is not None and present.ref is not ref:
            self._holdings.discard(present)
        return self._register(name, ref, resolve, "re_register_name")

    def unregister_name(self, name: Any) -> None:
        """Take a name away from the actor that has it, here or elsewhere."""
        term = term_of(name)
        holding = self._holdings.find(term)
        if holding is not None:
            self._holdings.discard(holding)
        self._asking.unregister(term)

    def whereis_name(self, name: Any) -> Ref | None:
        """The actor that has a name, here or elsewhere; None if nobody has it, or no node answers."""
        term = term_of(name)
        holding = self._holdings.find(term)
        if holding is not None and holding.is_registered:
            return holding.ref
        return self._asking.whereis_at_any(term)

    def send(self, name: Any, message: Any) -> Ref:
        """Send a message to the actor that has a name; returns its reference.

        Raises:
            ActorDeadError: nobody has it.
        """
        ref = self.whereis_name(name)
        if ref is None:
            raise ActorDeadError(f"no actor has the global name {name!r}")
        with contextlib.suppress(ActorDeadError):
            ref.tell(message)
        return ref

    def registered_names(self) -> list[Any]:
        """The names that actors of this process have."""
        return [holding.name for holding in self._holdings.present()]

    def resolving_with(self, resolve: Resolver) -> names.NameRegistry:
        """The same registry with a function that decides conflicts, for `("via", registry, name)`.

        gen_smtp_server.start(("via", beam.global_names().resolving_with(mine), "mx"), MyServer, [...])
        """
        return _Resolving(self, resolve)

    # -- families -----------------------------------------------------------------------------------

    def share_with(
        self, family: Callable[[str], bool], takes_over_from: Callable[[str], bool] | None = None
    ) -> None:
        """Have the nodes of a family share their names: workers, or a process and its successor.

        A name that an actor of the family has is not taken: what asks for it here stands by, and gets it if
        that ends. An actor that loses its name to the family goes on, and stands by.

        Args:
            family: tells whether a node, by its name, is of the family.
            takes_over_from: tells from which nodes `take_over` takes such names, as a successor does from its
                predecessor. None takes over from nobody.
        """
        self._family.share(family, takes_over_from)

    def take_over(self) -> None:
        """Take the names over that a predecessor has, now that this process can do its work.

        At no time has nobody the name. The predecessor stands by, and has it again if the actor here ends.

        Raises:
            StartError: no node of Erlang's answers. The predecessor keeps the name.
        """
        self._family.take_over()

    def give_back(self) -> None:
        """Have the predecessor take its names back, if it lives and still stands by: this process ends."""
        self._family.give_back()

    def stop_standing_by(self) -> None:
        """Get no name any more that another of the family has now."""
        self._has_handed_over = True
        for holding in self._holdings.standing_by():
            self._holdings.discard(holding)

    # -- within -------------------------------------------------------------------------------------

    def _register(self, name: Any, ref: Any, resolve: Resolver, function: str) -> bool:
        if not isinstance(ref, GeventRef) or ref.far is not None:
            raise TypeError(f"{ref!r} is not an actor of this process that could have a global name")
        holding = Holding(name, term_of(name), ref, resolve)
        if not self._holdings.add(holding):
            return False
        try:
            holding.is_registered = self._asking.register_at_any(holding.term, ref, function)
            has_it = holding.is_registered or self._family.shares(holding)
        except BaseException:
            self._holdings.discard(holding)
            raise
        if not has_it:
            self._holdings.discard(holding)
        return has_it

    def _lose(self, term: Any, ref: Ref, holder: Ref | None) -> None:
        """An actor of this process has a name no more: it stops, unless the family has the name."""
        holding = self._holdings.find(term)
        if holding is None or holding.ref is not ref:
            return
        if holder is not None and self._family.has(holder):
            if self._has_handed_over:
                self._holdings.discard(holding)
            else:
                self._keeper.stand_by(holding, holder)
        elif not holding.stands_by and self._holdings.discard(holding):
            events.emit(NameLost(holding.name, ref, holder))
            with contextlib.suppress(ActorDeadError):
                ref.stop(block=False, reason=("shutdown", (CONFLICT, holding.term)))


class _Resolving:
    """The registry, with a resolver for what is registered by it."""

    def __init__(self, global_names: GlobalNames, resolve: Resolver) -> None:
        self._resolve = resolve
        self._names = global_names
        self.unregister_name = global_names.unregister_name
        self.whereis_name = global_names.whereis_name
        self.send = global_names.send

    def register_name(self, name: Any, ref: pykka.ActorRef[Any]) -> bool:
        """Give an actor of this process a name in the whole cluster."""
        return self._names.register_name(name, ref, self._resolve)


# -- of the node that runs --------------------------------------------------------------------------


def attach(node: Node) -> GlobalNames:
    """Have `("global", term)` lead to the cluster that a node belongs to, until the node stops."""
    global_names = GlobalNames(node)
    names.cluster["global"] = global_names

    def detach() -> None:
        if names.cluster.get("global") is global_names:
            del names.cluster["global"]
        global_names.close()

    node.on_stop(detach)
    return global_names


def of_node() -> GlobalNames:
    """The names of the node that this process is: OTP's `global`, with resolvers of one's own.

    Raises:
        RuntimeError: it is none.
    """
    running_node()
    registry = names.cluster["global"]
    assert isinstance(registry, GlobalNames)
    return registry
