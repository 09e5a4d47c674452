"""What the BEAMs of the cluster are asked: each question within a time, as one of them may hang.

A registration can hang for ever (erlang/otp #6524), because `global` waits for a lock of its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import pykka

from actors import GeventRef, StartError, spawn
from beam.node.node import Node
from beam.node.spawning import RpcError
from beam.wire.terms import Atom, Export

REGISTER_TIME = 5.0
"""Seconds for a node to register a name, for which it needs a lock in the whole cluster."""

LOOK_TIME = 3.0
"""Seconds for a node to say who has a name, which it looks up in a table of its own."""

NOTIFY = Export("global", "random_notify_name", 3)
"""The method of conflicts that BEAMs are told. `register_name_external/2` would have them kill the loser."""

NO_BEAM = (
    "no node of Erlang's answers that could register the name {name!r}; "
    "connected are: {nodes}{failures}. "
    "Start one (erl -name names@host), and name it in beam.start(..., seeds=[...])"
)


class Asking:
    """Questions to the nodes that keep `global`'s names: the visible ones, which are Erlang's own.

    Args:
        node: this process's.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._servers: dict[str, GeventRef[Any]] = {}

    def beams(self) -> list[str]:
        """The nodes to ask, those that are connected now."""
        return [name for name in self._node.nodes() if self._node.is_visible(name)]

    def is_name_server(self, ref: GeventRef[Any], beam: str) -> bool:
        """Tell whether a process is the one by which a node keeps names, as far as that was asked before."""
        return self._servers.get(beam) is ref

    def knows_name_server(self, beam: str) -> bool:
        """Tell whether that was asked."""
        return beam in self._servers

    def learn_name_servers(self) -> None:
        """Ask all nodes by which process they keep names."""
        for asked in [spawn(self._learn_name_server, beam) for beam in self.beams()]:
            with contextlib.suppress(RpcError, pykka.Timeout):
                asked.get()

    def forget(self, beam: str) -> None:
        """The connection to a node is lost: if it comes back, it may be another one."""
        self._servers.pop(beam, None)

    def whereis(self, beam: str, term: Any) -> GeventRef[Any] | None:
        """The actor that has a name, as one node knows it.

        Raises:
            RpcError, pykka.Timeout: it did not say.
        """
        ref: GeventRef[Any] | None = self._node.rpc(beam, "global", "whereis_name", [term], LOOK_TIME)
        return ref

    def whereis_at_any(self, term: Any) -> GeventRef[Any] | None:
        """The actor that has a name, as the first node knows it that answers; None as well if none does."""
        for beam in self.beams():
            try:
                return self.whereis(beam, term)
            except (RpcError, pykka.Timeout):
                continue
        return None

    def views(self, term: Any) -> dict[str, GeventRef[Any] | None]:
        """Who has a name, as each node knows it; those that do not answer are left out."""
        asked = {beam: spawn(self.whereis, beam, term) for beam in self.beams()}
        views = {}
        for beam, answer in asked.items():
            try:
                views[beam] = answer.get()
            except (RpcError, pykka.Timeout):
                continue
        return views

    def register(self, beam: str, term: Any, ref: GeventRef[Any], function: str) -> bool:
        """Have a node register a name; whether the actor has it after that.

        Raises:
            RpcError, pykka.Timeout: the node did not say, and does not know the name.
        """
        self._learn_name_server(beam)
        try:
            if self._node.rpc(beam, "global", function, [term, ref, NOTIFY], REGISTER_TIME) == "yes":
                return True
        except (RpcError, pykka.Timeout):
            holder = self.whereis(beam, term)  # it may have been done all the same
            if holder is None:
                raise
            return holder is ref
        return self.whereis(beam, term) is ref

    def _learn_name_server(self, beam: str) -> None:
        """The process that is going to link itself to an actor whose name is registered at a node."""
        if beam not in self._servers:
            found = self._node.rpc(beam, "erlang", "whereis", [Atom("global_name_server")], LOOK_TIME)
            if isinstance(found, GeventRef):
                self._servers[beam] = found

    def register_at_any(self, term: Any, ref: GeventRef[Any], function: str) -> bool:
        """Have the first node that answers register a name; whether the actor has it after that.

        Raises:
            StartError: none answers.
        """
        failed: BaseException | None = None
        for beam in self.beams() or self._connect_to_seeds():
            try:
                return self.register(beam, term, ref, function)
            except (RpcError, pykka.Timeout) as error:
                failed = error
        nodes, failures = self._node.nodes(), self._failures()
        raise StartError(NO_BEAM.format(name=term, nodes=_shown(nodes), failures=failures)) from failed

    def _failures(self) -> str:
        """Why seeds are not connected, for the error that none could be asked."""
        why = {seed: self._node.failure(seed) for seed in self._node.seeds}
        return "".join(f"; {seed} is not: {reason}" for seed, reason in why.items() if reason)

    def _connect_to_seeds(self) -> list[str]:
        """The nodes to ask, once it is known which of the seeds can be connected."""
        for seed in self._node.seeds:
            with contextlib.suppress(pykka.Timeout):
                self._node.connect(seed)
        return self.beams()

    def unregister(self, term: Any) -> None:
        """Have the name taken away, if a node answers."""
        for beam in self.beams():
            try:
                self._node.rpc(beam, "global", "unregister_name_external", [term], REGISTER_TIME)
                return
            except (RpcError, pykka.Timeout):
                continue


def _shown(nodes: Sequence[str]) -> str:
    return ", ".join(nodes) or "none"
