"""Where messages to processes of other nodes go in: they are sent, and replies are waited for."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import gevent
import pykka

from actors.errors import ActorDeadError
from actors.runtime.future import GeventFuture, try_set, try_set_exception
from actors.runtime.hub import Hub
from actors.runtime.mailbox import OPEN, Envelope, Mailbox, refuse
from actors.runtime.refs import GeventRef, Stop, acting
from beam.node.peer import Peer
from beam.reasons import reason_term
from beam.wire import packets
from beam.wire.encoder import atom_octets
from beam.wire.terms import Atom

CAST_HEAD = b"\x83h\x02" + atom_octets("$gen_cast")
CALL_HEAD = b"\x83h\x03" + atom_octets("$gen_call") + b"h\x02"
SYSTEM_HEAD = b"\x83h\x03" + atom_octets("system") + b"h\x02"
TAG_HEAD = b"l\0\0\0\1" + atom_octets("alias")
"""In front of a reference: the tag `[alias | Reference]`, which all calls since OTP 24 carry."""


class Home(Protocol):
    """The node here, as far as references to others know it."""

    hub: Hub
    own: bytes

    def encode(self, term: Any) -> bytes:
        """A term's octets, with the version."""

    def encode_behind(self, head: bytes, term: Any) -> bytes:
        """A term's octets without a version, behind others."""

    def octets_of(self, ref: GeventRef[Any]) -> bytes:
        """The octets of an actor's process identifier."""

    def reason_octets(self, reason: Any) -> bytes:
        """An exit reason's octets."""

    def new_reference(self) -> bytes:
        """The octets of a reference that nothing else has."""

    def run(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function on the hub's thread: at once if that is where the caller is."""


class Awaited(weakref.ref[GeventFuture[Any]]):
    """A call that is under way: it is given up when nobody holds its future any more.

    Attributes:
        mailbox: by which it was made.
        reference: the octets of its reference.
    """

    # Set by who makes one: a `__new__` of its own would cost as much as the rest of it.
    __slots__ = ("mailbox", "reference")

    mailbox: FarMailbox
    reference: bytes

    def settle(self, message: Any) -> None:
        """The reply has come."""
        self.mailbox.finish(self.reference)
        try_set(self(), message)

    def end(self, reason: Any) -> None:
        """No reply comes."""
        self.mailbox.finish(self.reference)
        what = f"the process at {self.mailbox.peer.name} did not answer (exit reason: {reason!r})"
        try_set_exception(self(), ActorDeadError(what, reason))


def _measured(octets: bytes) -> bytes:
    """A packet with its length in front."""
    return len(octets).to_bytes(4) + octets


def _dropped(awaited: Any) -> None:
    mailbox: FarMailbox = awaited.mailbox
    mailbox.home.hub.run_soon(mailbox.finish, awaited.reference)


class _Calls:
    """The one monitor for all calls to a process that are under way at a time."""

    __slots__ = ("mailbox", "reference")

    def __init__(self, mailbox: FarMailbox, reference: bytes) -> None:
        self.mailbox = mailbox
        self.reference = reference

    def settle(self, message: Any) -> None:
        """No message comes to it."""

    def end(self, reason: Any) -> None:
        """The process has ended, and so have the calls."""
        self.mailbox.monitor_ended(reason)


class _Ending:
    """A `stop` that waits for the end of the process."""

    __slots__ = ("future", "mailbox")

    def __init__(self, mailbox: FarMailbox, future: pykka.Future[Any]) -> None:
        self.mailbox = mailbox
        self.future = future

    def settle(self, message: Any) -> None:
        """That the process has got the message is not enough."""

    def end(self, reason: Any) -> None:
        """It has ended, or the connection has."""
        if reason in ("noproc", "noconnection"):
            what = f"the process at {self.mailbox.peer.name} could not be stopped: {reason}"
            try_set_exception(self.future, ActorDeadError(what, str(reason)))
        else:
            try_set(self.future, True)


class _Heads(NamedTuple):
    """What the messages of one sender to one process begin with, each behind its length.

    Attributes:
        sender: the sender's octets.
        cast, call: up to the message, and up to the reference of the call.
    """

    sender: bytes
    cast: bytes
    call: bytes


class FarMailbox(Mailbox):
    """Where messages to a process of another node go in: they are sent.

    Args:
        home: the node here.
        peer: the node there.
        to: the octets of the process, or of an atom, its name.
    """

    __slots__ = ("_calls", "_heads", "_monitor", "home", "peer", "to")

    def __init__(self, home: Home, peer: Peer, to: bytes) -> None:
        self.closed = OPEN
        self.home = home
        self.peer = peer
        self.to = to
        self._calls: dict[bytes, Awaited] = {}
        self._monitor: bytes | None = None
        self._heads: _Heads | None = None

    @property
    def ended(self) -> bool:
        """Whether the process is known to have ended."""
        return self.closed is not OPEN

    @property
    def is_named(self) -> bool:
        """Whether the process is meant by its name."""
        return self.to[0] != 88

    def put(self, envelope: Envelope) -> None:
        """Send a message, a call, or what stops the process. Raises: TermError if it is no term."""
        message, future = envelope.message, envelope.reply_to
        if self.closed is not OPEN:
            refuse(envelope, self.closed)
        elif isinstance(message, Stop):
            self._stop(message.reason, future)
        elif future is None:
            self.post(message)
        else:
            self.call(message, future)

    def wake(self) -> None:
        """There is nobody here to be woken."""

    def discard(self, unwanted: Callable[[Any], bool]) -> None:
        """What was sent can't be taken back."""

    def sender(self) -> bytes:
        """The process that sends: the calling actor, or else the node's own."""
        caller = acting()
        return self.home.own if caller is None else self.home.octets_of(caller)

    def post(self, message: Any) -> None:
        """Send a message. Raises: TermError if it is none."""
        self._give(self._packet(self.sender(), self.home.encode(message)))

    def cast(self, message: Any) -> None:
        """Send a message as `gen_server:cast` does. Raises: TermError if it is none."""
        self._give(_measured(self.home.encode_behind(self._heads_of_sender().cast, message)))

    def call(self, message: Any, future: pykka.Future[Any]) -> bytes:
        """Make a call as `gen_server:call` does, with a future for the reply. Returns: its reference."""
        reference = self.home.new_reference()
        octets = self.home.encode_behind(self._heads_of_sender().call + reference, message)
        self._give(_measured(octets), self._begin, reference, future)
        return reference

    def ask_system(self, message: Any, future: pykka.Future[Any]) -> None:
        """Send a message of OTP's `sys`; the future gets the reply."""
        sender, reference = self.sender(), self.home.new_reference()
        body = self.home.encode_behind(SYSTEM_HEAD + sender + TAG_HEAD + reference, message)
        self._give(self._packet(sender, body), self._begin, reference, future)

    def _heads_of_sender(self) -> _Heads:
        """What the caller's messages begin with: made once for many of them (docs/performance.md)."""
        sender, heads = self.sender(), self._heads
        if heads is None or heads.sender != sender:
            before = self._packet(sender, b"")[4:]
            heads = _Heads(sender, before + CAST_HEAD, before + CALL_HEAD + sender + TAG_HEAD)
            self._heads = heads
        return heads

    def _packet(self, sender: bytes, body: bytes) -> bytes:
        if self.to[0] == 88:
            return packets.send(sender, self.to, body)
        return packets.send_to_name(sender, self.to, body)

    def _give(self, packet: bytes, before: Callable[..., object] | None = None, *args: Any) -> None:
        """Send a packet, and wait before if there is too much under way; something else may be done first."""
        hub, peer = self.home.hub, self.peer
        if peer.is_busy and not (hub.is_here() and gevent.getcurrent() is hub.gevent_hub):
            peer.wait_for_room()
        if before is None:
            before = peer.send
        if hub.is_here():
            before(packet, *args)
        else:
            hub.run_soon(before, packet, *args)

    def _begin(self, packet: bytes, reference: bytes, future: GeventFuture[Any]) -> None:
        awaited = Awaited(future, _dropped)
        awaited.mailbox, awaited.reference = self, reference
        peer = self.peer
        peer.waiting[reference] = awaited
        if not self._calls:
            monitor = self._monitor = self.home.new_reference()
            peer.waiting[monitor] = _Calls(self, monitor)
            peer.send(packets.monitor(self.home.own, self.to, monitor))
        self._calls[reference] = awaited
        peer.send(packet)

    def finish(self, reference: bytes) -> None:
        """A call is over, with a reply or without; behind the last one the process is not watched any
        more."""
        peer = self.peer
        peer.waiting.pop(reference, None)
        if self._calls.pop(reference, None) is None or self._calls:
            return
        monitor, self._monitor = self._monitor, None
        if monitor is not None and peer.waiting.pop(monitor, None) is not None:
            peer.send(packets.demonitor(self.home.own, self.to, monitor))

    def monitor_ended(self, reason: Any) -> None:
        """The process has ended: so have all calls to it."""
        monitor, self._monitor = self._monitor, None
        if monitor is not None:
            self.peer.waiting.pop(monitor, None)
        for awaited in list(self._calls.values()):
            awaited.end(reason)

    def _stop(self, reason: Any, future: pykka.Future[Any] | None) -> None:
        """As `sys:terminate` does; with a future, as `gen_server:stop`, which waits for the end."""
        sender, reference = self.sender(), self.home.new_reference()
        request = self.home.encode((Atom("terminate"), reason_term(reason)))[1:]
        body = b"".join((SYSTEM_HEAD, sender, TAG_HEAD + reference, request))
        packet = self._packet(sender, body)
        if future is None:
            self._give(packet)
        else:
            self._give(packet, self._await_end, self.home.new_reference(), future)

    def _await_end(self, packet: bytes, reference: bytes, future: pykka.Future[Any]) -> None:
        self.peer.waiting[reference] = _Ending(self, future)
        self.peer.send(packets.monitor(self.home.own, self.to, reference))
        self.peer.send(packet)
