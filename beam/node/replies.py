"""Replies to calls from other nodes, the monitors that go with them, and who gets messages."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable
from typing import Any

import pykka

from actors import events
from actors.messages import Down
from actors.runtime import names
from actors.runtime.bonds import Monitor
from actors.runtime.links import watch
from actors.runtime.mailbox import Envelope
from actors.runtime.refs import GeventRef
from beam.events import ReplyFailed
from beam.node.far import RemoteRef
from beam.node.home import Home
from beam.node.peer import Peer, Watch
from beam.wire import packets
from beam.wire.encoder import atom_octets
from beam.wire.terms import TermError

NOPROC = b"\x83" + atom_octets("noproc")
TUPLE_OF_TWO = b"\x83h\x02"


class Reply(pykka.Future[Any]):
    """The reply to a call from another node, in the place where an actor expects a future.

    Args:
        home: the node here.
        peer: the node there.
        served: the octets of what was called: a process, or an atom.
        caller: the octets of the process that calls.
        tag: those of what the call is known by there.
        reference: those of the reference in the tag; None if there is none.
        by_alias: whether that is an alias, by which the reply is sent.
    """

    encode: Callable[[Any], bytes]
    held_back: tuple[Watch, bytes] | None = None
    _is_done = False

    def __init__(
        self,
        home: Home,
        peer: Peer,
        served: bytes,
        caller: bytes,
        tag: bytes,
        reference: bytes | None,
        by_alias: bool,
    ) -> None:
        # Nothing of Pykka's own future is needed: nobody waits for this one here.
        self.home = home
        self.peer = peer
        self.caller = caller
        self.tag = tag
        self.served = served
        self.reference = reference
        self.by_alias = by_alias
        self.encode = home.encode
        if reference is not None:
            peer.serving[reference] = self
            watching = peer.watches.get(reference)
            if watching is not None:
                watching.is_of_call = True

    def get(self, *, timeout: float | None = None) -> Any:
        """Nobody can wait for it here. Raises: TypeError, always."""
        raise TypeError("the reply to a process of another node can't be waited for here")

    def set(self, value: Any = None) -> None:
        """Send the reply; if it is no term the caller gets an error. Raises: queue.Full, the second time."""
        try:
            octets = self.encode(value)
        except TermError as error:
            self.set_exception((type(error), error, None))
            events.emit(ReplyFailed(self.peer.name, str(error)))
            return
        self._settle()
        self.home.run(self._send, octets)

    def _send(self, octets: bytes) -> None:
        body = b"".join((TUPLE_OF_TWO, self.tag, octets[1:]))
        if self.by_alias and self.reference is not None:
            self.peer.send(packets.send_to_alias(self.home.own, self.reference, body))
        else:
            self.peer.send(packets.send(self.home.own, self.caller, body))
        self._forget()

    def set_exception(self, exc_info: Any = None) -> None:
        """Have the caller exit, as for a crash, though the actor lives: its monitor fires (trap D1)."""
        error = (sys.exc_info() if exc_info is None else exc_info)[1]
        self._settle()
        self.home.run(self._fail, self.home.reason_octets(error))

    def _fail(self, octets: bytes) -> None:
        if self.reference is not None:
            stop_watching(self.peer, self.reference)
            self.peer.send(packets.down(self.served, self.caller, self.reference, octets))
        self._forget()

    def _settle(self) -> None:
        if self._is_done:
            raise queue.Full
        self._is_done = True

    def _forget(self) -> None:
        if self.reference is not None and self.peer.serving.get(self.reference) is self:
            del self.peer.serving[self.reference]

    def release(self) -> None:
        """The actor has ended, and all that it answers is answered: tell the caller if this was not."""
        if self.held_back is not None and not self._is_done:
            self._is_done = True
            watching, reason = self.held_back
            self.peer.send(packets.down(watching.watched, watching.watcher, watching.reference, reason))
            self._forget()


# -- who gets messages ------------------------------------------------------------------------------


def receiver(home: Home, to: bytes | str | None) -> Callable[[Any, Any], object] | None:
    """What takes messages, with a future for the reply to calls; None if there is nobody."""
    if isinstance(to, bytes):
        local = home.local(to)
        if local is None:
            return home.hidden.get("") if to == home.own else None
        return lambda message, reply: put(local, message, reply)
    if to is None:
        return None
    ref = names.whereis(to)
    if ref is not None:
        return lambda message, reply: put(ref, message, reply)
    return home.hidden.get(to)


def put(ref: pykka.ActorRef[Any], message: Any, reply: Any) -> None:
    """Put a message into an actor's mailbox; to a dead one it is lost, and a caller hears of that."""
    try:
        ref.actor_inbox.put(Envelope(message, reply))  # type: ignore[arg-type]
    except pykka.ActorDeadError:
        return


def served_octets(to: bytes | str) -> bytes:
    """The octets of what a message was for."""
    return to if isinstance(to, bytes) else atom_octets(to)


# -- monitors ----------------------------------------------------------------------------------------------


class Onlookers(Monitor):
    """All monitors that other nodes have on one actor; here they are one.

    Attributes:
        peers: the nodes, by the octets of their monitors' references.
    """

    __slots__ = ("_home", "peers")

    def __init__(self, home: Home, ref: GeventRef[Any]) -> None:
        super().__init__(ref, None)
        self._home = home
        self.peers: dict[bytes, Peer] = {}

    def forget(self, reference: bytes) -> None:
        """A monitor is no more."""
        self.peers.pop(reference, None)

    def tell(self, down: Down) -> None:
        """Tell all of the end: what is sent is only queued (trap D3)."""
        home = self._home
        if self.ref is not None:
            home.onlookers.pop(self.ref, None)
        octets = home.reason_octets(down.reason)
        peers, self.peers = self.peers, {}
        for reference, peer in peers.items():
            watching = peer.watches.pop(reference)
            reply = peer.serving.get(reference)
            if reply is None:
                peer.send(packets.down(watching.watched, watching.watcher, reference, octets))
            else:
                # The monitor of a call that is not answered yet. The answer may still come, as the answer to
                # `stop` does once all is over, and it must not come behind the end (trap D2).
                reply.held_back = (watching, octets)
                home.hub.run_soon(reply.release)


def start_watching(
    home: Home, peer: Peer, watcher: bytes, to: bytes | str, octets: bytes, reference: bytes
) -> None:
    """A process of another node monitors an actor, or a name, here; `octets` are those of `to`."""
    ref = home.local(to) if isinstance(to, bytes) else names.whereis(to)
    if isinstance(ref, GeventRef) and not isinstance(ref, RemoteRef):
        onlookers = home.onlookers.get(ref)
        if onlookers is None:
            onlookers = Onlookers(home, ref)
            home.onlookers[ref] = onlookers
            peer.watches[reference] = Watch(watcher, octets, reference, onlookers)
            onlookers.peers[reference] = peer
            watch(onlookers)
            return
        peer.watches[reference] = Watch(watcher, octets, reference, onlookers)
        onlookers.peers[reference] = peer
    elif ref is not None or receiver(home, to) is not None:
        peer.watches[reference] = Watch(watcher, octets, reference, None)
    else:
        peer.send(packets.down(octets, watcher, reference, NOPROC))


def stop_watching(peer: Peer, reference: bytes) -> Watch | None:
    """A monitor of another node's is no more. Returns: what it was."""
    watching = peer.watches.pop(reference, None)
    if watching is not None and watching.onlookers is not None:
        watching.onlookers.forget(reference)
    return watching


def end_watching(home: Home, peer: Peer, watcher: bytes, watched: Any, reference: bytes) -> None:
    """A process of another node monitors no more, and waits for no reply."""
    watching = stop_watching(peer, reference)
    peer.serving.pop(reference, None)  # nobody waits for the reply any more
    if home.demonitor_hooks and watching is not None and not watching.is_of_call:
        local = home.local(watched) if isinstance(watched, bytes) else None
        for tell in list(home.demonitor_hooks):
            tell(local, home.ref_of(watcher), peer.name)
