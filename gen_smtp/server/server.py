"""The server actor: turns listener options into listeners, and connections into SMTP sessions."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from actors import (
    Census,
    Connection,
    Endpoint,
    GeventRef,
    ListenerActor,
    ServerActor,
    SessionActor,
    run_blocking,
)
from actors.net.inherited_listener import InheritedListener, InheritedSocket
from actors.net.listener_group import Listening
from gen_smtp.callbacks.behaviour import Module, Peername
from gen_smtp.options.listener import Listener, ListenerOptions
from gen_smtp.options.server import ServerOptions
from gen_smtp.protocol.protocol import ProtocolConfig
from gen_smtp.protocol.text.replies import encode_verbatim
from gen_smtp.server.client_limits import FULL, Admission, Refusal, turned_away
from gen_smtp.server.endpoints import endpoint_of
from gen_smtp.server.message_memory import Buffers
from gen_smtp.server.peer_address import peer_address
from gen_smtp.session.callback_session import Setup
from gen_smtp.session.proxied_session import ProxiedSession
from gen_smtp.session.session import SmtpSession

DEFAULTS = ServerOptions()


@dataclass(frozen=True, slots=True)
class State:
    """gen_smtp's `#state{}`: what a server goes by.

    Attributes:
        listeners: as they run.
        module: makes the callback objects.
        sessions: the live sessions, oldest first.
    """

    listeners: list[Listener]
    module: Module
    sessions: list[GeventRef[Any]]


class SmtpServer(ServerActor):
    """A server that listens for SMTP connections.

    Args:
        module: makes the callback object of each session.
        configurations: the options of each listener, checked.
        inherited: for each of these listeners the socket that another process has opened for it, if one has;
            closed with the server, in this process alone.
        server_options: what the server as a whole goes by.
    """

    def __init__(
        self,
        module: Module,
        configurations: Sequence[ListenerOptions],
        inherited: Sequence[InheritedSocket | None] = (),
        server_options: ServerOptions = DEFAULTS,
    ) -> None:
        most = server_options.max_sessions
        refuses = server_options.refuse_when_full
        super().__init__(max_sessions=math.inf if refuses else most)
        self._refused_from = most if refuses else math.inf
        self._inherited = {number: each for number, each in enumerate(inherited) if each is not None}
        self._module = module
        self._configurations = configurations
        self._census = Census()
        self._admission = Admission(server_options)
        self._buffers = Buffers(server_options.max_buffered)

    def on_start(self) -> None:
        self.init(self._configurations)

    def init(self, args: Sequence[ListenerOptions]) -> State:
        """gen_smtp's `init/1`: the server is given a list of listener configurations and opens them all.

        The server itself calls it, in its first turn.

        Args:
            args: the options of each listener, checked.

        Returns:
            the state that the server starts with.

        Raises:
            ListenError: a socket could not be opened; those opened before it are closed again.
        """
        self.open_listeners([self._endpoint(each) for each in args])
        return State(listeners=self.listeners(), module=self._module, sessions=self.sessions())

    def open_listener(self, endpoint: Endpoint, index: int) -> ListenerActor:
        """The actor for a listener; one that inherits its socket does so once."""
        inherited = self._inherited.pop(index, None)
        if inherited is None:
            return super().open_listener(endpoint, index)
        return InheritedListener(endpoint, index, self.actor_ref, inherited)

    def bequest(self) -> list[tuple[ListenerOptions, int]]:
        """What another process needs to go on listening.

        Returns:
            the options of each listener, and a duplicate of its socket's descriptor; the caller closes it.
        """
        return [
            (listening.endpoint.configuration.options, os.dup(listening.socket.fileno()))
            for listening in self._listeners
            if listening.ref is not None
        ]

    def own_files(self, owns: bool) -> None:
        """Say whether the files of unix sockets are this process's, to be removed at the server's end."""
        self._listeners.own_files(owns)

    def admit(self, connection: Connection) -> bool | bytes:
        """Whether the limits of the server let a client in; what to tell it if not.

        Where TLS comes first it is not told: a handshake would be more work than serving it.
        """
        address = _counted_address(connection)
        if self.session_count() >= self._refused_from:
            refusal: Refusal | None = turned_away(FULL, address)
        else:
            refusal = self._admission.enter(address)
        if refusal is None:
            return True
        setup: Setup = connection.endpoint.configuration
        return setup.options.protocol != "ssl" and encode_verbatim([refusal.reply(setup.hostname)])

    def make_session(self, connection: Connection) -> SessionActor:
        """The session of a connection, with what its listener's sessions share."""
        setup: Setup = connection.endpoint.configuration
        session_class = ProxiedSession if setup.options.proxied else SmtpSession
        address = _counted_address(connection)
        try:
            session = session_class(connection, self.actor_ref, setup)
        except BaseException:
            self._admission.leave(address)
            raise
        session.entered = address
        return session

    def listeners(self) -> list[Listener]:
        """The listeners as they run, in the order of the options."""
        return [_record(listening) for listening in self._listeners]

    def add_smtp_listener(self, options: ListenerOptions) -> Any:
        """Listen at one more endpoint; returns the address bound."""
        return self.add_listener(self._endpoint(options))

    def replace_options(self, replaced: Sequence[tuple[ListenerOptions, ListenerOptions]]) -> None:
        """Go by new options, each instead of an old one, for new handshakes; for what concerns no socket."""
        for listening in self._listeners:
            setup: Setup = listening.endpoint.configuration
            for old, new in replaced:
                if setup.options is old:
                    setup.options = new

    def change_module(self, module: Module) -> list[GeventRef[Any]]:
        """Serve new clients with another callback class; returns the sessions that have the old one."""
        self._module = module
        for listening in self._listeners:
            listening.endpoint.configuration.module = module
        return self.all_sessions()

    def _endpoint(self, options: ListenerOptions) -> Endpoint:
        return endpoint_of(options, self._setup(options))

    def _setup(self, options: ListenerOptions) -> Setup:
        # Guessing it asks the name service, which must not keep the other actors waiting.
        hostname = options.domain or options.sessionoptions.hostname or run_blocking(options.hostname)
        config = _protocol_config(options, hostname, self._buffers)
        return Setup(self._module, options, hostname, config, self._census, self._admission, self._buffers)


def _counted_address(connection: Connection) -> Peername:
    """The address that a client is counted by from its connection on; behind a balancer that comes later."""
    setup: Setup = connection.endpoint.configuration
    return None if setup.options.proxy_protocol is not None else peer_address(connection.peer)


def _record(listening: Listening) -> Listener:
    setup: Setup = listening.endpoint.configuration
    return Listener(
        hostname=setup.hostname,
        port=None if setup.options.family == "unix" else listening.address[1],
        socket=listening.socket,
        sessionoptions=setup.options.sessionoptions,
        listenoptions=setup.options,
    )


def _protocol_config(options: ListenerOptions, hostname: str, buffers: Buffers) -> ProtocolConfig:
    session = options.sessionoptions
    return ProtocolConfig(
        hostname=hostname,
        lmtp=session.protocol == "lmtp",
        allow_bare_newlines=session.allow_bare_newlines,
        starttls_available=session.tls_context() is not None,
        allow_insecure_auth=session.allow_insecure_auth,
        require_tls=session.require_tls,
        require_auth=session.require_auth,
        refuse_early_talkers=session.refuse_early_talkers,
        has_room=buffers.has_room,
        xclient=None if options.xclient is None else False,
        **session.limits.for_protocol(),
    )
