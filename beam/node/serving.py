"""Actors here, seen from other nodes: messages, calls, casts, OTP's system messages, monitors, and
replies."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable
from typing import Any

import pykka

from actors import events
from actors import sys as actor_sys
from actors.errors import ActorDeadError
from actors.messages import Down
from actors.runtime import names
from actors.runtime.actor import GeventActor, SystemCall
from actors.runtime.bonds import Monitor
from actors.runtime.future import GeventFuture
from actors.runtime.links import watch
from actors.runtime.mailbox import Envelope
from actors.runtime.refs import GeventRef, Stop
from beam.events import ReplyFailed
from beam.node.far import RemoteRef
from beam.node.home import Home
from beam.node.peer import Peer, Watch
from beam.wire import packets
from beam.wire.encoder import atom_octets
from beam.wire.terms import Atom, ImproperList, Reference, TermError

OK = Atom("ok")
PROBE_TIME = 5.0
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


def _reference_of(tag: Any) -> tuple[bytes | None, bool]:
    """The reference in a call's tag, and whether it is an alias: `Ref`, `[alias|Ref]` or
    `[[alias|Ref]|Label]`."""
    if type(tag) is Reference:
        return tag.raw, False
    if type(tag) is ImproperList and len(tag.items) == 1:
        if tag.items[0] == "alias" and type(tag.tail) is Reference:
            return tag.tail.raw, True
        return _reference_of(tag.items[0])
    if type(tag) is list and len(tag) == 1:
        return _reference_of(tag[0])
    return None, False


# -- messages -----------------------------------------------------------------------------------------


def deliver(home: Home, peer: Peer, to: bytes | str, message: Any) -> None:
    """Give a message to the actor, or to the hidden receiver, that it is for. Nobody: it is lost.

    Args:
        home: the node here.
        peer: where it comes from.
        to: the octets of a process, or a name.
        message: the message.
    """
    head = message[0] if type(message) is tuple and len(message) in (2, 3) else None
    if type(head) is Atom and head in _ENVELOPES:
        if _ENVELOPES[head](home, peer, to, message):
            return
    elif head is not None and _settled(peer, head, message):
        return
    receive = receiver(home, to)
    if receive is not None:
        receive(message, None)


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


def _settled(peer: Peer, tag: Any, message: tuple[Any, ...]) -> bool:
    """Whether this is the reply to a call, sent to the process and not to its alias."""
    reference = _reference_of(tag)[0] if len(message) == 2 else None
    waiting = None if reference is None else peer.waiting.get(reference)
    if waiting is None:
        return False
    waiting.settle(message[1])
    return True


def _caller(home: Home, origin: Any) -> tuple[bytes, bytes, bytes | None, bool] | None:
    """The process, the tag, and the reference of a call's From; None if it is none."""
    if type(origin) is tuple and len(origin) == 2 and isinstance(origin[0], GeventRef):
        return home.octets_of(origin[0]), home.encode(origin[1])[1:], *_reference_of(origin[1])
    return None


def _take_call(home: Home, peer: Peer, to: bytes | str, message: tuple[Any, ...]) -> bool:
    caller = _caller(home, message[1]) if len(message) == 3 else None
    if caller is None:
        return False
    receive = receiver(home, to)
    if receive is not None:
        receive(message[2], Reply(home, peer, served_octets(to), *caller))
    return True


def _take_cast(home: Home, peer: Peer, to: bytes | str, message: tuple[Any, ...]) -> bool:
    if len(message) != 2:
        return False
    receive = receiver(home, to)
    if receive is not None:
        receive(message[1], None)
    return True


def _take_system(home: Home, peer: Peer, to: bytes | str, message: tuple[Any, ...]) -> bool:
    caller = _caller(home, message[1]) if len(message) == 3 else None
    ref = home.local(to) if isinstance(to, bytes) else names.whereis(to)
    if caller is None or not isinstance(ref, GeventRef):
        return False
    reply = Reply(home, peer, served_octets(to), *caller)
    request, more = message[2], None
    if type(request) is tuple and len(request) == 2:
        request, more = request
    function = _SYSTEM.get(request) if type(request) is Atom else None
    if function is None:
        reply.set((Atom("error"), (Atom("unknown_system_msg"), message[2])))
    else:
        function(home, ref, reply, more)
    return True


def served_octets(to: bytes | str) -> bytes:
    """The octets of what a message was for."""
    return to if isinstance(to, bytes) else atom_octets(to)


_ENVELOPES: dict[str, Callable[[Home, Peer, Any, tuple[Any, ...]], bool]] = {
    "$gen_call": _take_call,
    "$gen_cast": _take_cast,
    "system": _take_system,
}
"""What OTP's behaviours put around messages."""


# -- system messages -------------------------------------------------------------------------------------


def _terminate(home: Home, ref: GeventRef[Any], reply: Reply, reason: Any) -> None:
    # As OTP's sys: the caller hears `ok` before the end, and then waits for the end itself.
    try:
        ref.mailbox.put(Envelope(Stop(reason)))
    except ActorDeadError as error:
        reply.set_exception((ActorDeadError, error, None))
    else:
        reply.set(OK)


def _suspend(home: Home, ref: GeventRef[Any], reply: Reply, more: Any) -> None:
    def suspend(actor: GeventActor) -> Any:
        actor.mailbox.suspend(actor.is_urgent)
        return OK

    put(ref, SystemCall(suspend), reply)


def _resume(home: Home, ref: GeventRef[Any], reply: Reply, more: Any) -> None:
    def resume(actor: GeventActor) -> Any:
        actor.mailbox.resume()
        return OK

    put(ref, SystemCall(resume), reply)


def _get_state(home: Home, ref: GeventRef[Any], reply: Reply, more: Any) -> None:
    reply.encode = home.encode_any

    def get_state() -> None:
        try:
            state = actor_sys.get_state(ref, timeout=None)
        except Exception as error:
            reply.set_exception((type(error), error, None))
        else:
            term = {Atom(name[:255]): value for name, value in state.items()}
            reply.set((OK, term) if _wants_ok(home, reply.peer) else term)

    home.hub.spawn(get_state)


def _wants_ok(home: Home, peer: Peer) -> bool:
    """Whether the node's `sys:get_state` wants the state as `{ok, State}`.

    It does in OTP 28, and does not in OTP 25; each fails with the other's. What its own processes answer says
    which it is. A node without that process is none of OTP's.
    """
    if peer.wants_ok is None:
        future: GeventFuture[Any] = GeventFuture()
        try:
            home.named("kernel_sup", peer.name).mailbox.ask_system(Atom("get_state"), future)
            answer = future.get(timeout=PROBE_TIME)
        except (ActorDeadError, pykka.Timeout):
            return False
        peer.wants_ok = isinstance(answer, tuple) and answer[:1] == (OK,)
    return peer.wants_ok


_SYSTEM: dict[str, Callable[[Home, GeventRef[Any], Reply, Any], None]] = {
    "terminate": _terminate,
    "suspend": _suspend,
    "resume": _resume,
    "get_state": _get_state,
}


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
