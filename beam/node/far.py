"""References to processes of other nodes. They are references like any other; what they are told goes out."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

import gevent
import pykka

from actors.errors import ActorDeadError
from actors.runtime.bonds import WATCHERS, Bonds, Monitor
from actors.runtime.future import GeventFuture, try_set, try_set_exception
from actors.runtime.hub import Hub
from actors.runtime.links import break_link
from actors.runtime.mailbox import OPEN, Envelope, Mailbox, refuse
from actors.runtime.refs import GeventRef, Stop, acting
from beam.node.peer import Peer
from beam.node.reasons import reason_term
from beam.wire import packets
from beam.wire.encoder import atom_octets
from beam.wire.terms import Atom, Pid

GEN_CAST = Atom("$gen_cast")

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

    def octets_of(self, ref: GeventRef[Any]) -> bytes:
        """The octets of an actor's process identifier."""

    def reason_octets(self, reason: Any) -> bytes:
        """An exit reason's octets."""

    def new_reference(self) -> bytes:
        """The octets of a reference that nothing else has."""

    def run(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function on the hub's thread: at once if that is where the caller is."""


class FarProcess:
    """Stands where a reference says of what class its actor is."""


class Awaited(weakref.ref[GeventFuture[Any]]):
    """A call that is under way: it is given up when nobody holds its future any more."""

    __slots__ = ("mailbox", "reference")

    mailbox: FarMailbox
    reference: bytes

    def __new__(cls, future: GeventFuture[Any], mailbox: FarMailbox, reference: bytes) -> Awaited:
        made = super().__new__(cls, future, _dropped)
        made.mailbox, made.reference = mailbox, reference
        return made

    def __init__(self, future: GeventFuture[Any], mailbox: FarMailbox, reference: bytes) -> None:
        """Nothing: `weakref.ref` is made by `__new__`."""

    def settle(self, message: Any) -> None:
        """The reply has come."""
        self.mailbox.finish(self.reference)
        try_set(self(), message)

    def end(self, reason: Any) -> None:
        """No reply comes."""
        self.mailbox.finish(self.reference)
        what = f"the process at {self.mailbox.peer.name} did not answer (exit reason: {reason!r})"
        try_set_exception(self(), ActorDeadError(what, reason))


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


class FarMailbox(Mailbox):
    """Where messages to a process of another node go in: they are sent.

    Args:
        home: the node here.
        peer: the node there.
        to: the octets of the process, or of an atom, its name.
    """

    __slots__ = ("_calls", "_monitor", "home", "peer", "to")

    def __init__(self, home: Home, peer: Peer, to: bytes) -> None:
        self.closed = OPEN
        self.home = home
        self.peer = peer
        self.to = to
        self._calls: dict[bytes, Awaited] = {}
        self._monitor: bytes | None = None

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

    def call(self, message: Any, future: pykka.Future[Any], head: bytes = CALL_HEAD) -> bytes:
        """Make a call as `gen_server:call` does; the future gets the reply.

        Args:
            message: the request.
            future: for the reply.
            head: what the request is put into; `SYSTEM_HEAD` for the functions of OTP's `sys`.

        Returns:
            the octets of its reference.
        """
        sender, reference = self.sender(), self.home.new_reference()
        tag = TAG_HEAD + reference
        body = b"".join((head, sender, tag, self.home.encode(message)[1:]))
        self._give(self._packet(sender, body), self._begin, reference, future)
        return reference

    def _packet(self, sender: bytes, body: bytes) -> bytes:
        if self.to[0] == 88:
            return packets.send(sender, self.to, body)
        return packets.send_to_name(sender, self.to, body)

    def _give(self, packet: bytes, before: Callable[..., object] | None = None, *args: Any) -> None:
        """Send a packet, and wait before if there is too much under way; something else may be done first."""
        hub, peer = self.home.hub, self.peer
        is_here = hub.is_here()
        if peer.is_busy and not (is_here and gevent.getcurrent() is hub.gevent_hub):
            peer.wait_for_room()
        if before is None:
            self.home.run(peer.send, packet)
        else:
            self.home.run(before, packet, *args)

    def _begin(self, packet: bytes, reference: bytes, future: GeventFuture[Any]) -> None:
        awaited = Awaited(future, self, reference)
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


class RemoteRef(GeventRef[Any]):
    """A reference to a process of another node. Equal process identifiers give the same reference.

    Args:
        home: the node here.
        peer: the node there.
        to: the octets of the process, or of an atom, its name.
    """

    __slots__ = ()

    mailbox: FarMailbox

    def __init__(self, home: Home, peer: Peer, to: bytes) -> None:
        self._actor = None
        self._name = None
        self.actor_class = FarProcess
        self.bonds_if_any: Bonds | None = None
        self.mailbox = FarMailbox(home, peer, to)

    @property
    def far(self) -> RemoteRef:  # type: ignore[override]
        """What `actors.link` and its siblings tell of bonds: itself."""
        return self

    @property
    def node(self) -> str:
        """The name of the node that the process is on."""
        return self.mailbox.peer.name

    @property
    def pid(self) -> Pid:
        """The process identifier."""
        return Pid(self.mailbox.to)

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """A name of the process that is unique among all nodes."""
        pid = self.pid
        return f"urn:erlang:{pid.node}:{'.'.join(map(str, pid.numbers))}:{pid.creation}"

    def __str__(self) -> str:
        pid = self.pid
        return f"process <{'.'.join(map(str, pid.numbers))}> of {pid.node}"

    def tell(self, message: Any) -> None:
        """Send a message, as `!` does.

        Raises:
            ActorDeadError: the process is known to have ended.
            TermError: the message is no term.
        """
        self.mailbox.put(Envelope(message))

    def cast(self, message: Any) -> None:
        """Send a message as `gen_server:cast` does. Raises: TermError if it is no term."""
        if self.mailbox.closed is OPEN:
            self.mailbox.post((GEN_CAST, message))

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """Make a call as `gen_server:call` does.

        Args:
            message: a term.
            block: False returns a future at once.
            timeout: seconds; None waits for ever.

        Raises:
            pykka.Timeout: no reply came in time. A later one is dropped.
            ActorDeadError: the process has ended, or there is no connection (reason `noconnection`).
            TermError: the message is no term.
            ValueError: the timeout is no number, or NaN.
        """
        future: GeventFuture[Any] = GeventFuture()
        if self.mailbox.closed is not OPEN:
            self.mailbox.put(Envelope(message, future))
            return future.get() if block else future
        reference = self.mailbox.call(message, future)
        if not block:
            return future
        try:
            return future.get(timeout=timeout)
        finally:
            if not future.done():
                self.mailbox.home.run(self.mailbox.finish, reference)

    def kill(self) -> None:
        """End the process at once, as `exit(Pid, kill)` does."""
        self.send_exit("kill", None)

    def proxy(self) -> NoReturn:
        """There is none: a process of Erlang has no attributes.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{self} has no attributes that a proxy could reach; ask it by actors.call")

    # -- bonds: called by `actors.runtime.links` ---------------------------------------------------------

    def linked(self, one: GeventRef[Any]) -> None:
        """An actor here was linked to it."""
        if one.far is not None:
            raise ValueError(f"{self} and {one} are both of other nodes: neither can be linked from here")
        self.mailbox.home.run(self._send_link, one)

    def _send_link(self, one: GeventRef[Any]) -> None:
        peer = self.mailbox.peer
        peer.linked[self] = None
        peer.send(packets.link(self.mailbox.home.octets_of(one), self.mailbox.to))

    def unlinked(self, one: GeventRef[Any]) -> None:
        """An actor here was unlinked from it."""
        self.mailbox.home.run(self._send_unlink, one)

    def _send_unlink(self, one: GeventRef[Any]) -> None:
        if self.forget_link():
            # Whoever is told by this link does not matter any more, so the answer to the number is not
            # awaited.
            octets = self.mailbox.home.octets_of(one)
            self.mailbox.peer.send(packets.unlink(1, octets, self.mailbox.to))

    def forget_link(self) -> bool:
        """Note that a link is gone; whether the node there was known to have any with it."""
        peer = self.mailbox.peer
        was_linked = self in peer.linked
        if was_linked and not self.bonds.links:
            del peer.linked[self]
        return was_linked

    def link_broken(self, one: GeventRef[Any], reason: Any) -> None:
        """An actor here that was linked to it has ended."""
        self.mailbox.home.run(self._send_link_broken, one, reason)

    def _send_link_broken(self, one: GeventRef[Any], reason: Any) -> None:
        if self.forget_link():
            home = self.mailbox.home
            octets = home.reason_octets(reason)
            self.mailbox.peer.send(packets.link_broken(home.octets_of(one), self.mailbox.to, octets))

    def watched(self, watching: Monitor) -> None:
        """An actor or a thread here monitors it."""
        self.mailbox.home.run(self._send_monitor, watching)

    def _send_monitor(self, watching: Monitor) -> None:
        home, peer = self.mailbox.home, self.mailbox.peer
        if self.bonds.has(WATCHERS, watching):
            reference = home.new_reference()
            peer.monitors[reference] = watching
            peer.references[watching] = reference
            peer.send(packets.monitor(self._octets_of(watching), self.mailbox.to, reference))

    def _octets_of(self, watching: Monitor) -> bytes:
        home = self.mailbox.home
        return home.own if watching.watcher is None else home.octets_of(watching.watcher)

    def unwatched(self, watching: Monitor) -> None:
        """A monitor of it has ended."""
        self.mailbox.home.run(self._send_demonitor, watching)

    def _send_demonitor(self, watching: Monitor) -> None:
        peer = self.mailbox.peer
        reference = peer.references.pop(watching, None)
        if reference is not None:
            del peer.monitors[reference]
            peer.send(packets.demonitor(self._octets_of(watching), self.mailbox.to, reference))

    def send_exit(self, reason: Any, sender: GeventRef[Any] | None) -> None:
        """Send it an exit signal. Raises: TermError if the reason is no term."""
        mailbox = self.mailbox
        octets = mailbox.home.encode(reason_term(reason))
        one = mailbox.sender() if sender is None else mailbox.home.octets_of(sender)
        mailbox.home.run(mailbox.peer.send, packets.exit_signal(one, mailbox.to, octets))

    def break_links(self, reason: Any) -> None:
        """It has ended, or the connection has: tell all actors here that are linked to it."""
        for one in self.bonds.links:
            break_link(one, self, reason)


class NamedRef(RemoteRef):
    """A name on another node, `{Name, Node}`: the process that has the name when a message comes gets it."""

    __slots__ = ("named",)

    def __init__(self, home: Home, peer: Peer, name: str) -> None:
        super().__init__(home, peer, atom_octets(name))
        self.named = name

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        return f"urn:erlang:{self.node}:{self.named}"

    def __str__(self) -> str:
        return f"{self.named} of {self.node}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedRef) and (self.named, self.node) == (other.named, other.node)

    def __hash__(self) -> int:
        return hash((self.named, self.node))

    def linked(self, one: GeventRef[Any]) -> None:
        """A name can't be linked. Raises: ValueError, always."""
        raise ValueError(f"{self} is a name, and only a process can be linked: look it up by actors.whereis")

    def send_exit(self, reason: Any, sender: GeventRef[Any] | None) -> None:
        """A name can't be sent an exit signal. Raises: ValueError, always."""
        raise ValueError(f"{self} is a name, and only a process gets signals: look it up by actors.whereis")
