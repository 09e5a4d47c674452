"""The session of a client that somebody else speaks for: a balancer, by the PROXY protocol, or XCLIENT."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import lru_cache
from typing import Any, NoReturn

from actors import ActorExit, Connection, GeventRef
from actors import events as actor_events
from gen_smtp import events
from gen_smtp.callbacks.facts import Proxy
from gen_smtp.protocol import questions as core
from gen_smtp.protocol.protocol import Protocol, ProtocolConfig
from gen_smtp.protocol.proxy.header import ProxyHeader, ProxyHeaderError
from gen_smtp.protocol.proxy.reader import ProxyHeaderReader
from gen_smtp.protocol.questions import ClientFacts
from gen_smtp.server.peer_address import peer_address
from gen_smtp.session.callback_session import Setup
from gen_smtp.session.session import SmtpSession


class ProxiedSession(SmtpSession):
    """A session on a listener with the option `proxy_protocol` or `xclient`.

    Args:
        connection: the connection.
        server: the server.
        setup: what its listener's sessions share.

    Attributes:
        proxy: the proxy that brought the client, and its header.
        xclient: what was said with XCLIENT.
    """

    __slots__ = ("_header", "_sender", "proxy", "xclient")

    def __init__(self, connection: Connection, server: GeventRef[Any], setup: Setup) -> None:
        super().__init__(connection, server, setup)
        self._header: ProxyHeaderReader | None = None
        self._sender = self.peername
        self.proxy: Proxy | None = None
        self.xclient: ClientFacts | None = None

    # -- the PROXY protocol -------------------------------------------------------------------------

    def on_start(self) -> None:
        """Nothing is said, and no TLS begun, before the header has come; nobody else is heard."""
        proxies = self.setup.options.proxy_protocol
        if proxies is None:
            self._authorise()
        elif self.peername in proxies:
            self._header = ProxyHeaderReader()
            self.await_preface(self.deadlines.proxy_header)
        else:
            self._refuse_header("the option proxy_protocol does not name this peer")
        super().on_start()

    def on_preface(self, data: bytes) -> tuple[int, bool]:
        """Read on in the PROXY header."""
        reader = self._header
        assert reader is not None
        if not data and not reader.started:
            raise ActorExit("normal")  # a balancer that looks whether somebody answers
        try:
            taken = reader.feed(data)
        except ProxyHeaderError as error:
            self._refuse_header(str(error))
        if reader.header is not None:
            self._header = None
            self._take_header(reader.header)
            return taken, True
        if not data:
            self._refuse_header("closed in the middle of it")
        return taken, False

    def on_timeout(self) -> None:
        if self._header is not None:
            self._refuse_header("timeout")
        super().on_timeout()

    def on_final_timeout(self) -> None:
        if self._header is not None:  # the greeting's time is shorter than the header's
            self._refuse_header("timeout")
        super().on_final_timeout()

    def _refuse_header(self, reason: str) -> NoReturn:
        if actor_events.wanted(events.ProxyHeaderRefused):
            actor_events.emit(events.ProxyHeaderRefused(self.actor_urn, self.peername, reason))
        raise ActorExit("normal")

    def _take_header(self, header: ProxyHeader) -> None:
        self.proxy = Proxy(self.peername, self.peer_port, header)
        if header.family is not None:
            source = str(header.source)
            self._serve(source if header.family == "unix" else (source, header.source_port))
            self._sender = self.peername
            if actor_events.wanted(events.ClientProxied):
                actor_events.emit(events.ClientProxied(self.actor_urn, self.peername, self.proxy.address))
            refusal = self._enter()
            if refusal is not None:
                # Before TLS it is not told: a handshake would be more work than serving it.
                self._refuse_client("normal", None if self.setup.options.protocol == "ssl" else refusal)
        self._authorise()

    def _serve(self, peer: tuple[str, int | None] | str | None) -> None:
        """From now on the client is somebody else: with address and port, at a unix socket, or unknown."""
        self.replace_peer(peer)
        self.peername = peer_address(peer)

    def _enter(self) -> str | None:
        """Count the client by its address instead of another; why not, as a reply, if there are too many."""
        admission = self.setup.admission
        admission.leave(self.entered)
        self.entered = None
        refusal = admission.enter(self.peername)
        if refusal is not None:
            return refusal.reply(self.setup.hostname)
        self.entered = self.peername
        return None

    # -- XCLIENT ------------------------------------------------------------------------------------

    def _authorise(self) -> None:
        """Make the protocol for this peer: XCLIENT does not override the right to use it."""
        options, config = self.setup.options, self.setup.config
        header = None if self.proxy is None else self.proxy.header
        is_known = header is None or header.family is not None  # or it only seems to be the proxy
        if is_known and options.xclient is not None and self.peername in options.xclient:
            config = _with_xclient(config)
        trusted_tls = options.trust_proxied_tls and header is not None and header.tls is not None
        if trusted_tls or config is not self.setup.config:
            self.protocol = Protocol(config, tls=trusted_tls or self.protocol.tls)

    def on_xclient(self, event: core.XClient) -> None:
        """Begin again, from the greeting on, with the client that the peer speaks for.

        It is as if that client had connected: a new callback object, whose `init` is asked.
        """
        self._terminate("xclient")
        self._served = False
        self.set_deadline(None)
        self.set_final("banner", time.monotonic() + self.deadlines.banner)
        self._take_fields(event.fields)
        refusal = self._enter() if "address" in event.fields else None
        if refusal is not None:
            self._refuse_client("normal", refusal)
        self._make_callback()
        self._receive_client(self.setup.census.present)

    def _take_fields(self, fields: dict[str, Any]) -> None:
        if "address" in fields:
            # The port of the one before is not the new client's.
            fields = {"port": None, **fields}
            address = fields["address"]
            self._serve(None if address is None else (str(address), fields["port"]))
        elif "port" in fields and self.peername is not None:
            self._serve((str(self.peername), fields["port"]))
        facts = self.xclient = replace(self.xclient or ClientFacts(), **{"login": None, **fields})
        if actor_events.wanted(events.ClientReplaced):
            actor_events.emit(events.ClientReplaced(self.actor_urn, self.peername, self._sender, facts.login))


@lru_cache(maxsize=64)
def _with_xclient(config: ProtocolConfig) -> ProtocolConfig:
    """What the sessions of a listener have in common that may use XCLIENT."""
    return replace(config, xclient=True)
