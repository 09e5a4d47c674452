"""What all parts of a node share: who it is, what its identifiers mean, and the nodes it knows."""

from __future__ import annotations

import itertools
import secrets
import struct
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from actors.errors import shown
from actors.runtime.future import new_native_lock
from actors.runtime.hub import Hub
from actors.runtime.refs import GeventRef
from beam.node.far import NamedRef, RemoteRef
from beam.node.peer import Peer
from beam.reasons import LONGEST_TEXT, reason_term
from beam.wire.decoder import Decoder
from beam.wire.encoder import Add, Encoder, atom_octets
from beam.wire.terms import Pid, TermError

_three_words = struct.Struct(">III").pack


class Home:
    """This node, as its parts know it.

    Args:
        name: the node's full name.
        creation: which life of it.
        connect: begins to connect to another node.
        busy, full: octets that may wait for each node: see `beam.wire.channel`.

    Attributes:
        hub: the one of all actors.
        own: the octets of the node's own process identifier, for callers that are no actors.
        peers: the other nodes, by name.
        encode, encode_any: a term's octets; the second writes the repr of what is no term.
        encode_behind: a term's octets without a version, behind others.
        reference_size: how many octets a reference of this node has.
        decoder: reads terms; processes are references.
        controls: reads control messages; identifiers are their octets.
        hidden: functions that get what comes to a name which no actor has.
        onlookers: the monitors of other nodes, by the actor.
        link_hooks: asked whether a link from another node is refused: the actor, the process, the node.
        demonitor_hooks: told that another node does not monitor any more, but for the monitors of calls: the
            actor, the process, the node.
        served: what may be called from other nodes, by module, function and number of arguments; None: any.
    """

    def __init__(
        self, name: str, creation: int, connect: Callable[[Peer], object], busy: int, full: int
    ) -> None:
        self.name = name
        self.creation = creation
        self.hub = Hub.current()
        self._connect = connect
        self._limits = (busy, full)
        node = atom_octets(name)
        self._pid_head = b"X" + node
        self._creation = creation.to_bytes(4)
        self._reference_head = b"Z\0\3" + node + self._creation
        self.reference_size = len(self._reference_head) + 12
        self._last: tuple[GeventRef[Any] | None, bytes] = (None, b"")
        self.own = self._pid_head + bytes(8) + self._creation
        self.peers: dict[str, Peer] = {}
        self._numbers = itertools.count(1)
        self._secret = secrets.randbits(32)
        self._locals: WeakValueDictionary[bytes, GeventRef[Any]] = WeakValueDictionary()
        self._fars: WeakValueDictionary[bytes, RemoteRef] = WeakValueDictionary()
        self._making = new_native_lock()
        types = {GeventRef: self._write_local, RemoteRef: _write_far, NamedRef: self._write_named}
        encoder = Encoder(types)
        self.encode, self.encode_behind = encoder.encode, encoder.encode_behind
        self.encode_any = Encoder(types, fallback=shown).encode
        self.decoder = Decoder(pid=self.ref_of)
        self.controls = Decoder(pid=bytes, reference=bytes, port=bytes)
        self.hidden: dict[str, Callable[[Any, Any], object]] = {}
        self.onlookers: dict[GeventRef[Any], Any] = {}
        self.link_hooks: list[Callable[[GeventRef[Any], GeventRef[Any], str], bool]] = []
        self.demonitor_hooks: list[Callable[[GeventRef[Any] | None, GeventRef[Any], str], object]] = []
        self.served: dict[tuple[str, str, int | None], Callable[..., Any]] = {}

    def run(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function on the hub's thread: at once if that is where the caller is."""
        if self.hub.is_here():
            function(*args)
        else:
            self.hub.run_soon(function, *args)

    def reason_octets(self, reason: Any) -> bytes:
        """An exit reason's octets. What is no term is its repr: everybody has to hear of an end."""
        try:
            return self.encode_any(reason_term(reason))
        except TermError:
            return self.encode(shown(reason)[:LONGEST_TEXT].encode(errors="replace"))

    def peer(self, name: str) -> Peer:
        """Another node, by its name."""
        peer = self.peers.get(name)
        if peer is None:
            made = Peer(name, self._connect, self.hub.run_soon, *self._limits)
            peer = self.peers.setdefault(name, made)
        return peer

    # -- identifiers ----------------------------------------------------------------------------------

    def new_reference(self) -> bytes:
        """The octets of a reference that nothing else has."""
        number = next(self._numbers)
        # The first word has 18 bits before OTP 26.
        return self._reference_head + _three_words(number & 0x3FFFF, number >> 18 & 0xFFFFFFFF, self._secret)

    def octets_of(self, ref: GeventRef[Any]) -> bytes:
        """The octets of the process identifier of an actor, which stays the same, or of a process elsewhere.

        It is made of the number in the actor's name, so nothing has to be kept for an actor that is gone.
        """
        last, octets = self._last
        if last is ref:
            return octets  # an actor sends many messages in a row (docs/performance.md)
        if isinstance(ref, RemoteRef):
            if isinstance(ref, NamedRef):
                raise TermError(f"{ref} is a name, not a process")
            return ref.mailbox.to
        number = int(ref.actor_urn.rpartition(":")[2])
        words = (number & 0xFFFFFFF).to_bytes(4) + (number >> 28).to_bytes(4)
        octets = self._pid_head + words + self._creation
        if octets not in self._locals:
            self._locals[octets] = ref
        self._last = (ref, octets)
        return octets

    def local(self, octets: bytes) -> GeventRef[Any] | None:
        """The actor here that has a process identifier; None if it is gone."""
        return self._locals.get(octets)

    def ref_of(self, octets: bytes) -> GeventRef[Any]:
        """The reference of a process: of an actor here, or of one elsewhere, the same each time."""
        far = self._fars.get(octets)
        if far is not None:
            return far
        local = self._locals.get(octets)
        return local if local is not None else self._make(octets)

    def _make(self, octets: bytes) -> RemoteRef:
        with self._making:
            far = self._fars.get(octets)
            if far is None:
                node = Pid(octets).node
                far = RemoteRef(self, self.peer(node), octets)
                if node == self.name:
                    far.mailbox.closed = "noproc"  # an actor that is gone, or of another life of this node
                self._fars[octets] = far
            return far

    def named(self, name: str, node: str) -> NamedRef:
        """A name on another node."""
        return NamedRef(self, self.peer(node), name)

    def _write_local(self, value: GeventRef[Any], add: Add, depth: int) -> None:
        add(self.octets_of(value))

    def _write_named(self, value: NamedRef, add: Add, depth: int) -> None:
        add(b"h\x02" + atom_octets(value.named) + atom_octets(value.node))


def _write_far(value: RemoteRef, add: Add, depth: int) -> None:
    add(value.mailbox.to)
