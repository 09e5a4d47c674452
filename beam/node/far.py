"""References to processes of other nodes. They are references like any other; what they are told goes out."""

from __future__ import annotations

from typing import Any, NoReturn

from actors.runtime.bonds import WATCHERS, Bonds, Monitor
from actors.runtime.future import GeventFuture
from actors.runtime.links import break_link
from actors.runtime.mailbox import OPEN, Envelope
from actors.runtime.refs import GeventRef
from beam.node.mailbox import FarMailbox, Home
from beam.node.peer import Peer
from beam.reasons import reason_term
from beam.wire import packets
from beam.wire.encoder import atom_octets
from beam.wire.terms import Pid


class FarProcess:
    """Stands where a reference says of what class its actor is."""


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
            self.mailbox.cast(message)

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
