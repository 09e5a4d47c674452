"""Nodes that share their names: workers, or a process and its successor.

A successor takes a name over in three steps. It stands by. It tells the actor that has the name to stand by
as well. It has the name registered for its own actor. The node that had the name watches the heir from the
second step on, so it gets the name back whenever the heir ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pykka

from actors import GeventRef
from beam.names.asking import LOOK_TIME, REGISTER_TIME, Asking
from beam.names.holdings import Holding, Holdings
from beam.names.resolving import node_of
from beam.node.node import Node
from beam.node.spawning import RpcError
from beam.wire.terms import Atom

Ref = GeventRef[Any]

MODULE = "beam_names"
"""The functions below have this module's name on other nodes."""

MAKE_WAY = (MODULE, "make_way", 2)
TAKE_BACK = (MODULE, "take_back", 1)

TAKE_BACK_TIME = LOOK_TIME + REGISTER_TIME


class Family:
    """What a node shares its names with.

    Args:
        node: this process's.
        asking: asks the nodes that keep names.
        holdings: the names that actors have here.
        stand_by: has an actor stand by for its name while another one has it.
    """

    def __init__(
        self, node: Node, asking: Asking, holdings: Holdings, stand_by: Callable[[Holding, Ref], object]
    ) -> None:
        self._node = node
        self._asking = asking
        self._holdings = holdings
        self._stand_by = stand_by
        self._is_member: Callable[[str], bool] | None = None
        self._comes_before: Callable[[str], bool] | None = None
        node.served[MAKE_WAY] = self._make_way
        node.served[TAKE_BACK] = self._take_back

    def close(self) -> None:
        """Answer the family no more."""
        for key in (MAKE_WAY, TAKE_BACK):
            self._node.served.pop(key, None)

    def share(self, is_member: Callable[[str], bool], comes_before: Callable[[str], bool] | None) -> None:
        """See `GlobalNames.share_with`."""
        self._is_member = is_member
        self._comes_before = comes_before

    def has(self, ref: Ref) -> bool:
        """Tell whether an actor is of the family."""
        return self._is_member is not None and self._is_member(node_of(ref))

    def shares(self, holding: Holding) -> bool:
        """Have an actor stand by for a name that the family has; whether that is so."""
        holder = self._asking.whereis_at_any(holding.term)
        if holder is None or not self.has(holder):
            return False
        self._stand_by(holding, holder)
        return True

    # -- the successor ------------------------------------------------------------------------------

    def take_over(self) -> None:
        """See `GlobalNames.take_over`. Raises: StartError."""
        for holding in self._holdings.standing_by():
            holder = self._asking.whereis_at_any(holding.term)
            if holder is None:
                self._take(holding, "register_name_external")
            elif self.has(holder) and self._comes_before is not None and self._comes_before(node_of(holder)):
                with contextlib.suppress(RpcError, pykka.Timeout):  # it is about to end, or hangs
                    self._ask(holder, MAKE_WAY, [holding.term, holding.ref], LOOK_TIME)
                holding.taken_from = holder
                self._take(holding, "re_register_name")

    def _take(self, holding: Holding, function: str) -> None:
        if self._asking.register_at_any(holding.term, holding.ref, function):
            holding.has_it()

    def give_back(self) -> None:
        """See `GlobalNames.give_back`."""
        for holding in self._holdings.present():
            before, holding.taken_from = holding.taken_from, None
            if before is not None and node_of(before) in self._node.nodes():
                with contextlib.suppress(RpcError, pykka.Timeout):
                    self._ask(before, TAKE_BACK, [holding.term], TAKE_BACK_TIME)

    def _ask(self, ref: Ref, key: tuple[str, str, int], arguments: list[Any], timeout: float) -> None:
        self._node.rpc(node_of(ref), key[0], key[1], arguments, timeout)

    # -- the predecessor, asked by the successor --------------------------------------------------------

    def _make_way(self, term: Any, heir: Any) -> bool:
        """An actor of the family is about to take a name over: the actor that has it here stands by."""
        holding = self._holdings.find(term)
        if holding is None or not isinstance(heir, GeventRef) or not self.has(heir):
            return False
        self._stand_by(holding, heir)
        return True

    def _take_back(self, term: Any) -> Any:
        """The heir of a name is about to end. A process that has handed over has no such name any more."""
        holding = self._holdings.find(term)
        if holding is None or not holding.stands_by:
            return False
        self._take(holding, "re_register_name")
        return Atom("ok")
