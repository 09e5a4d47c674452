"""What is known of a session: as its own callbacks see it, and as others do."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from types import SimpleNamespace
from typing import Any, TypeAlias

from actors import GeventRef, TlsInfo
from gen_smtp.protocol.parameters.values import RecipientParameters, SenderParameters
from gen_smtp.protocol.protocol import Protocol
from gen_smtp.protocol.proxy.header import ProxyHeader
from gen_smtp.protocol.questions import ClientFacts, ForwardedFacts
from gen_smtp.protocol.transaction import Parameters
from gen_smtp.protocol.transaction import Transaction as OpenTransaction

Peername: TypeAlias = IPv4Address | IPv6Address | None
"""A client's address; None on a unix socket, or where it is not known."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """Who brought a client, by the PROXY protocol.

    Attributes:
        address, port: the proxy's own; None on a unix socket.
        header: what it says of the client; `header.tls` is of the client's TLS, which ends at the proxy.
    """

    address: Peername
    port: int | None
    header: ProxyHeader


class Transaction:
    """A mail transaction as callbacks see it. Its lists and dictionaries are copies, to be changed at will.

    Args:
        transaction: the protocol's own, by which the client gets its replies.
    """

    __slots__ = ("_transaction",)

    def __init__(self, transaction: OpenTransaction) -> None:
        self._transaction = transaction

    @property
    def sender(self) -> str:
        """The reverse-path, empty for the null path."""
        return self._transaction.sender

    @property
    def recipients(self) -> list[str]:
        """The forward-paths that were accepted so far, in order."""
        return self._transaction.recipients.copy()

    @property
    def mail_params(self) -> Parameters:
        """The parameters of MAIL, by their keywords in upper case; True for a keyword alone."""
        return self._transaction.mail_params.copy()

    @property
    def rcpt_params(self) -> list[Parameters]:
        """The parameters of RCPT, one dictionary for each of the recipients."""
        return [each.copy() for each in self._transaction.rcpt_params]

    @property
    def sender_parameters(self) -> SenderParameters:
        """What the parameters of MAIL say that are known: DSN, priority and so on, as values with types."""
        return SenderParameters(self.mail_params)

    @property
    def recipient_parameters(self) -> list[RecipientParameters]:
        """The same of RCPT, for each of the recipients."""
        mail = self.mail_params
        return [RecipientParameters(each, mail) for each in self.rcpt_params]

    @property
    def asked_params(self) -> Parameters:
        """In `handle_RCPT`: the parameters that came with the recipient in question. Elsewhere empty."""
        return dict(self._transaction.asked_params or {})

    @property
    def data(self) -> SimpleNamespace:
        """A namespace of the callback's own, new with each MAIL."""
        return self._transaction.data

    def __repr__(self) -> str:
        return repr(self._transaction)


class SessionSource(typing.Protocol):
    """Where the facts come from: the session itself, of which no more is to be known here."""

    @property
    def actor_ref(self) -> GeventRef[Any]:
        """Its reference."""

    def must_end(self, error: BaseException) -> bool:
        """Tell whether a turn is over with what it raised: it was cut off, or the actor was killed."""

    @property
    def server(self) -> GeventRef[Any]:
        """Its server's reference."""

    @property
    def peername(self) -> Peername:
        """The client's address."""

    @property
    def peer_port(self) -> int | None:
        """The client's port."""

    @property
    def tls(self) -> TlsInfo | None:
        """The TLS of the connection."""

    @property
    def proxy(self) -> Proxy | None:
        """Who brought the client."""

    @property
    def xclient(self) -> ClientFacts | None:
        """What XCLIENT said."""

    @property
    def xforward(self) -> ForwardedFacts | None:
        """What XFORWARD said."""

    @property
    def protocol(self) -> Protocol:
        """The SMTP side."""

    @property
    def can_start_tls(self) -> bool:
        """Whether STARTTLS may be offered."""

    def call_at_end(self, function: Callable[..., object], args: tuple[Any, ...]) -> None:
        """Have a function called once when the session ends."""


class Session:
    """The facts of a session, for its callback object: `self.session`. Read-only, always current."""

    __slots__ = ("_actor",)

    def __init__(self, actor: SessionSource) -> None:
        self._actor = actor

    @property
    def ref(self) -> GeventRef[Any]:
        """The session's own reference (Erlang's `self()`); `tell` it something for handle_info."""
        return self._actor.actor_ref

    @property
    def server(self) -> GeventRef[Any]:
        """The server."""
        return self._actor.server

    @property
    def peername(self) -> Peername:
        """The client's address; None on a unix socket, or where XCLIENT says that it is not known.

        Behind a proxy (listener option `proxy_protocol`) and after XCLIENT it is the real client's. A proxy
        that knows of none speaks for itself: then it is the proxy's.
        """
        return self._actor.peername

    @property
    def peer_port(self) -> int | None:
        """The client's port; None on a unix socket, or where a proxy doesn't know it."""
        return self._actor.peer_port

    @property
    def tls(self) -> TlsInfo | None:
        """Version, cipher and the client's certificate; None in clear, whatever a proxy says of its TLS."""
        return self._actor.tls

    @property
    def proxy(self) -> Proxy | None:
        """The proxy that brought the client, and its header; None without the PROXY protocol."""
        return self._actor.proxy

    @property
    def xclient(self) -> ClientFacts | None:
        """What the peer has said with XCLIENT; None if nothing."""
        return self._actor.xclient

    @property
    def xforward(self) -> ForwardedFacts | None:
        """From whom the peer has the message to come or under way, as XFORWARD says; None if nothing."""
        return self._actor.xforward

    @property
    def helo(self) -> str | None:
        """The name the client gave in its last accepted HELO, EHLO or LHLO."""
        return self._actor.protocol.helo

    @property
    def user(self) -> str | None:
        """Who has authenticated."""
        return self._actor.protocol.user

    @property
    def authzid(self) -> str | None:
        """Whom the client acts as, if it said so when it authenticated; in `handle_AUTH`, whom it wants to.

        This is SASL's authorization identity (RFC 4422 2). It may differ from `user` only if the class has
        `takes_authzid`.
        """
        return self._actor.protocol.authzid

    @property
    def transaction(self) -> Transaction | None:
        """The mail transaction: sender, recipients, mail_params, rcpt_params (copies, the last three), and
        `data`, a namespace of the callback's own that is new with each MAIL. None when none is open."""
        under_way = self._actor.protocol.transaction
        return None if under_way is None else Transaction(under_way)

    @property
    def transmission_type(self) -> str:
        """How mail comes here, for a Received field (RFC 3848): `"SMTP"`, `"ESMTPS"`, `"LMTP"` and so on."""
        return self._actor.protocol.transmission_type()

    @property
    def can_start_tls(self) -> bool:
        """Whether STARTTLS may be offered: there is a certificate, and no TLS yet."""
        return self._actor.can_start_tls

    def at_end(self, function: Callable[..., object], *args: Any) -> None:
        """Have a function called once when the session ends, whatever ends it, even a refused init.

        Args:
            function: called with `args`, last one first; what it raises is logged.
        """
        self._actor.call_at_end(function, args)

    def __repr__(self) -> str:
        return f"<Session {self.ref} of {self.peername}>"


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """The facts of a session at one moment, for anyone who holds its reference.

    Attributes:
        ref, server: the session's and the server's references.
        hostname: the listener's domain.
        peername, peer_port: the client's address; None on a unix socket, or where it is not known.
        tls: version, cipher and the client's certificate; None in clear.
        proxy: the proxy that brought the client, and its header; None without the PROXY protocol.
        xclient: what was said with XCLIENT; None if nothing.
        xforward: what was said with XFORWARD of the transaction to come or under way; None if nothing.
        helo, user: the name given in the hello; who has authenticated.
        authzid: whom that user acts as; None if the client does not say.
        sender, recipients: of the open transaction; None and empty without one.
        started: when, in seconds since the epoch.
        idle: seconds since the client last got something done.
        commands: questions put to the callback so far.
        messages: messages accepted.
        refused: 4xx and 5xx replies.
        octets: received in messages.
    """

    ref: GeventRef[Any]
    server: GeventRef[Any]
    hostname: str
    peername: Peername
    peer_port: int | None
    tls: TlsInfo | None
    proxy: Proxy | None
    xclient: ClientFacts | None
    xforward: ForwardedFacts | None
    helo: str | None
    user: str | None
    authzid: str | None
    sender: str | None
    recipients: tuple[str, ...]
    started: float
    idle: float
    commands: int
    messages: int
    refused: int
    octets: int
