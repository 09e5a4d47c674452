"""What one SMTP session has: the record that all files of this room are functions over.

The order in which they may import each other: state, clock, calling, linger, logins, bodies, spooled and
streamed, messages, proxied, session.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from actors import Connection, GeventRef, SessionActor
from gen_smtp.callbacks.behaviour import Behaviour, Module
from gen_smtp.callbacks.facts import Peername, Proxy, SessionInfo
from gen_smtp.options.deadlines import MessageClock
from gen_smtp.protocol.protocol import Protocol
from gen_smtp.protocol.proxy.reader import ProxyHeaderReader
from gen_smtp.protocol.questions import ClientFacts, ForwardedFacts
from gen_smtp.server.context import ListenerContext
from gen_smtp.session.bodies import Body
from gen_smtp.transcript.recorder import Recorder

AtEnd = tuple[Callable[..., object], tuple[Any, ...]]
"""A function to be called at a session's end, and its arguments."""


class Speaker:
    """Who brought a client, or speaks for it or others: by the PROXY protocol, XCLIENT or XFORWARD.

    Attributes:
        peername: the address of the peer that may use XCLIENT.
        header: reads the PROXY header; None before and behind it.
        proxy: the proxy, and its header; None without one.
        facts: what was said with XCLIENT; None if nothing.
    """

    __slots__ = ("facts", "header", "peername", "proxy")

    def __init__(self, peername: Peername) -> None:
        self.peername = peername
        self.header: ProxyHeaderReader | None = None
        self.proxy: Proxy | None = None
        self.facts: ClientFacts | None = None


class RefusedMessage(NamedTuple):
    """What is told of a message that is refused, as soon as its reply is.

    Attributes:
        sender, recipients: its envelope.
        size: its octets, or those of them that had come.
        began: when it did, by `time.monotonic`.
    """

    sender: str
    recipients: tuple[str, ...]
    size: int
    began: float


class SessionState(SessionActor):
    """One SMTP connection, and all that is known of it.

    Args:
        connection: the connection.
        server: the server.
        context: what its listener's sessions share.

    Attributes:
        context: the same.
        peername: the client's address; None on a unix socket.
        entered: the address that the client limits count it by; None for none.
        protocol: the SMTP side, without input or output.
        speaker: who brought the client or speaks for it, on a listener with `proxy_protocol`, `xclient`
            or `xforward`.
        callback: the callback object; None before there is one, and at the end.
        module: what made it.
        blocking: the names of the callbacks that run in a worker thread; `watching.EVERY` if their calls are
            watched.
        streams: whether the callback object has a `handle_DATA_stream` of its own.
        counted: whether the session counter has it.
        served: whether `init` has said ok, and `terminate` was not called yet.
        said_quit: whether the client has said QUIT.
        has_own_mechanisms: whether the protocol was told which mechanisms AUTH may use.
        reason: the exit reason, if the session ends in good order.
        at_end: what to call at the end, last one first; None for nothing.
        recorder: writes the session down; None if nobody wants that.
        refused_message: the message whose refusal is queued; None for none.
        active_at: when the client last got something done, by `time.monotonic` as all the times here.
        final: the name of the deadline that nothing moves: `banner`, then `session`; `grace` at the end.
        message_clock: of the message under way; None while it is too short to need it.
        body: the message under way; None before there is a piece of it.
        rejection: why the message under way is refused; None if it is not.
        started_at: when it began, in seconds since the epoch.
        commands, messages, refused, octets: as in `SessionInfo`.
    """

    # What few sessions have is in their dictionary, so that the others need no room for it.
    speaker: Speaker | None = None
    at_end: list[AtEnd] | None = None
    recorder: Recorder | None = None
    refused_message: RefusedMessage | None = None
    has_own_mechanisms = False

    __slots__ = (
        "active_at",
        "blocking",
        "body",
        "callback",
        "commands",
        "context",
        "counted",
        "entered",
        "final",
        "message_clock",
        "messages",
        "module",
        "octets",
        "peername",
        "protocol",
        "reason",
        "refused",
        "rejection",
        "said_quit",
        "served",
        "started_at",
        "streams",
    )

    def __init__(self, connection: Connection, server: GeventRef[Any], context: ListenerContext) -> None:
        super().__init__(connection, server)
        self.context = context
        self.peername: Peername = connection.note
        self.entered = None if context.options.proxy_protocol is not None else self.peername
        self.protocol = Protocol(context.config, tls=context.options.protocol == "ssl")
        self.callback: Behaviour | None = None
        self.module: Module | None = None
        self.blocking: Collection[str] = ()
        self.streams = self.counted = self.served = self.said_quit = False
        self.reason: Any = "normal"
        self.active_at = time.monotonic()
        self.fixed_due = math.inf  # until the client is greeted
        self.final = "banner"
        self.message_clock: MessageClock | None = None
        self.body: Body | None = None
        self.rejection: str | None = None
        self.started_at = time.time()
        self.commands = self.messages = self.refused = self.octets = 0

    @property
    def peer_port(self) -> int | None:
        """The client's port; None on a unix socket, or where it is not known."""
        return self.peer[1] if isinstance(self.peer, tuple) else None

    @property
    def proxy(self) -> Proxy | None:
        """The proxy that brought the client, and its header."""
        return None if self.speaker is None else self.speaker.proxy

    @property
    def xclient(self) -> ClientFacts | None:
        """What was said of the client with XCLIENT."""
        return None if self.speaker is None else self.speaker.facts

    @property
    def xforward(self) -> ForwardedFacts | None:
        """What was said with XFORWARD of the transaction to come or under way."""
        return self.protocol.forwarded

    @property
    def can_start_tls(self) -> bool:
        """Whether STARTTLS may be offered: there is a certificate, and no TLS yet."""
        return self.context.config.starttls_available and not self.protocol.tls

    def call_at_end(self, function: Callable[..., object], args: tuple[Any, ...]) -> None:
        """Have a function called once when the session ends."""
        if self.at_end is None:
            self.at_end = []
        self.at_end.append((function, args))

    def info(self) -> SessionInfo:
        """The facts of the session at this moment."""
        protocol, transaction = self.protocol, self.protocol.transaction
        return SessionInfo(
            ref=self.actor_ref,
            server=self.server,
            hostname=self.context.hostname,
            peername=self.peername,
            peer_port=self.peer_port,
            tls=self.tls,
            proxy=self.proxy,
            xclient=self.xclient,
            xforward=self.xforward,
            helo=protocol.helo,
            user=protocol.user,
            authzid=protocol.authzid,
            sender=transaction.sender if transaction is not None else None,
            recipients=tuple(transaction.recipients) if transaction is not None else (),
            started=self.started_at,
            idle=max(0.0, time.monotonic() - self.active_at),
            commands=self.commands,
            messages=self.messages,
            refused=self.refused,
            octets=self.octets,
        )
