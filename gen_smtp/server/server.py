"""The server actor: turns listener options into listeners, and connections into SMTP sessions."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from actors import (
    Connection,
    Endpoint,
    GeventRef,
    ListenerActor,
    ServerActor,
    SessionActor,
    SessionCounter,
    run_blocking,
)
from actors.net.listener import InheritedListener
from actors.net.listener_group import Listening
from actors.net.sockets import InheritedSocket, duplicates
from gen_smtp.callbacks.behaviour import Module, class_made_by
from gen_smtp.options.listener import Listener, ListenerOptions
from gen_smtp.options.server import ServerOptions
from gen_smtp.protocol.protocol import ProtocolConfig
from gen_smtp.protocol.text.replies import encode_verbatim
from gen_smtp.server.callback_options import check_callback_options
from gen_smtp.server.client_certificates import check_client_certificates
from gen_smtp.server.client_limits import ClientLimits
from gen_smtp.server.context import ListenerContext
from gen_smtp.server.endpoints import endpoint_of, tell_of_old_tls
from gen_smtp.server.message_memory import MessageMemory
from gen_smtp.server.peer_address import address_of
from gen_smtp.server.shown_address import shown_address
from gen_smtp.server.transcripts import transcript_of
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
        held: whether it leaves its first clients in the backlogs until `begin`.
    """

    def __init__(
        self,
        module: Module,
        configurations: Sequence[ListenerOptions],
        inherited: Sequence[InheritedSocket | None] = (),
        server_options: ServerOptions = DEFAULTS,
        held: bool = False,
    ) -> None:
        self._most_sessions = server_options.max_sessions
        self._refuses_when_full = server_options.refuse_when_full
        super().__init__(max_sessions=math.inf if self._refuses_when_full else self._most_sessions)
        self._inherited = {number: each for number, each in enumerate(inherited) if each is not None}
        self._module = module
        self._configurations = configurations
        self._counter = SessionCounter()
        self._client_limits = ClientLimits(server_options)
        self._memory = MessageMemory(server_options.max_buffered)
        self._loop = server_options.loop

        self._held = held
        if held:
            super().suspend()

    def on_start(self) -> None:
        self.init(self._configurations)

    def begin(self) -> None:
        """Accept the first clients, unless somebody has said meanwhile whether to."""
        if self._held:
            self.resume()

    def suspend(self) -> None:
        self._held = False
        super().suspend()

    def resume(self) -> None:
        self._held = False
        super().resume()

    @property
    def suspended(self) -> bool:
        """Whether it accepts nobody, because it was told so."""
        return self.listener_group.paused

    @property
    def most_sessions(self) -> float:
        """How many sessions there may be at one time; `math.inf` for no limit."""
        return self._most_sessions

    @property
    def message_memory(self) -> MessageMemory:
        """What the messages under way take."""
        return self._memory

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
        self.open_listeners([self.make_endpoint(each) for each in args])
        self._note_addresses()
        return State(listeners=self.listeners(), module=self._module, sessions=self.sessions())

    def open_listener(self, endpoint: Endpoint, index: int) -> ListenerActor:
        """The actor for a listener. If it inherits a socket, it does so once; after that it opens its own."""
        inherited = self._inherited.pop(index, None)
        if inherited is None:
            return super().open_listener(endpoint, index)
        return InheritedListener(endpoint, index, self.actor_ref, inherited)

    def release(self) -> None:
        super().release()
        for each in self._inherited.values():  # those that no listener has taken yet
            with contextlib.suppress(OSError):
                each.socket.close()

    def sockets_to_pass_on(self) -> list[tuple[ListenerOptions, int]]:
        """What another process needs to go on listening.

        Returns:
            the options of each listener, and a duplicate of its socket's descriptor; the caller closes it.

        Raises:
            OSError: the system has no more descriptors; none was made.
        """
        live = [listening for listening in self.listener_group if listening.ref is not None]
        descriptors = duplicates(listening.socket for listening in live)
        options = [listening.endpoint.configuration.options for listening in live]
        return list(zip(options, descriptors, strict=True))

    def own_files(self, owns: bool) -> None:
        """Say whether the files of unix sockets are this process's, to be removed at the server's end."""
        self.listener_group.own_files(owns)

    def on_other(self, message: Any) -> Any:
        """A message from anywhere; a question that `gen_server:call` of an Erlang node asks is answered."""
        if isinstance(message, str | tuple):
            # The terms of Erlang are loaded if somebody asks, and not before.
            from gen_smtp.cluster import answers

            answer = answers.find(message) if self.is_asked else None
            if answer is not None:
                return answer(self)
            times = answers.stop_times_of(message)
            if times is not None:
                return super().on_receive(times)
        return super().on_other(message)

    def admit(self, connection: Connection) -> bool | bytes:
        """Whether the limits of the server let a client in; what to tell it if not.

        Where TLS comes first it is not told: a handshake would be more work than serving it.
        """
        context: ListenerContext = connection.endpoint.configuration
        peer = connection.peer
        peername = connection.note = address_of(peer[0]) if isinstance(peer, tuple) else None
        # Behind a balancer a client is counted when its own address is known.
        address = None if context.options.proxy_protocol is not None else peername
        full = self._refuses_when_full and self.session_count() >= self._most_sessions
        refusal = self._client_limits.enter(address, full=full)
        if refusal is None:
            return True
        return context.options.protocol != "ssl" and encode_verbatim([refusal.reply(context.hostname)])

    def make_session(self, connection: Connection) -> SessionActor:
        """The session of a connection, with what its listener's sessions share."""
        context: ListenerContext = connection.endpoint.configuration
        try:
            return SmtpSession(connection, self.actor_ref, context)
        except BaseException:
            if context.options.proxy_protocol is None:
                self._client_limits.leave(connection.note)
            raise

    def listeners(self) -> list[Listener]:
        """The listeners as they run, in the order of the options."""
        return [_record(listening) for listening in self.listener_group]

    def add_smtp_listener(self, options: ListenerOptions, inherited: InheritedSocket | None = None) -> Any:
        """Listen at one more endpoint; returns the address bound.

        Args:
            options: the options of the listener, checked.
            inherited: the socket, if another process has opened it.
        """
        check_callback_options(class_made_by(self._module), [options])
        if inherited is not None:
            self._inherited[self.listener_group.next_number] = inherited
        address = self.add_listener(self.make_endpoint(options))
        self._note_addresses()
        return address

    def _note_addresses(self) -> None:
        """Have the sessions know where their listeners listen."""
        for listening in self.listener_group:
            listening.endpoint.configuration.address = shown_address(listening.address)

    def replace_options(self, replaced: Sequence[tuple[ListenerOptions, ListenerOptions]]) -> None:
        """Go by new options, each instead of an old one, for new handshakes; for what concerns no socket."""
        for listening in self.listener_group:
            context: ListenerContext = listening.endpoint.configuration
            for old, new in replaced:
                if context.options is old:
                    context.options = new

    def change_module(self, module: Module) -> list[GeventRef[Any]]:
        """Serve new clients with another callback class; returns the sessions that have the old one."""
        options = [each.endpoint.configuration.options for each in self.listener_group]
        check_callback_options(class_made_by(module), options)
        check_client_certificates(class_made_by(module), options)
        self._module = module
        for listening in self.listener_group:
            listening.endpoint.configuration.module = module
        return self.all_sessions()

    def make_endpoint(self, options: ListenerOptions) -> Endpoint:
        """What a listener is told, with what its sessions share."""
        context = self._context(options)
        tell_of_old_tls(options, context.hostname)
        return endpoint_of(options, context)

    def _context(self, options: ListenerOptions) -> ListenerContext:
        # Guessing it asks the name service, which must not keep the other actors waiting.
        hostname = options.domain or options.sessionoptions.hostname or run_blocking(options.hostname)
        config = _protocol_config(options, hostname, self._memory)
        return ListenerContext(
            self._module,
            options,
            hostname,
            config,
            self._counter,
            self._client_limits,
            self._memory,
            transcript_of(options.sessionoptions.transcript),
            self._loop,
        )


def _record(listening: Listening) -> Listener:
    context: ListenerContext = listening.endpoint.configuration
    return Listener(
        hostname=context.hostname,
        port=None if context.options.family == "unix" else listening.address[1],
        socket=listening.socket,
        sessionoptions=context.options.sessionoptions,
        listenoptions=context.options,
    )


def _protocol_config(options: ListenerOptions, hostname: str, memory: MessageMemory) -> ProtocolConfig:
    session = options.sessionoptions
    return ProtocolConfig(
        hostname=hostname,
        lmtp=session.protocol == "lmtp",
        # For some clients alone: the session looks who its client is.
        allow_bare_newlines=session.allow_bare_newlines if session.bare_newlines_from is None else False,
        lenient=session.lenient,
        starttls_available=session.tls_context() is not None,
        allow_insecure_auth=session.allow_insecure_auth,
        require_tls=session.require_tls,
        require_auth=session.require_auth,
        refuse_early_talkers=session.refuse_early_talkers,
        has_room=memory.has_room,
        take_octets=memory.take,
        give_back=memory.give_back,
        xclient=None if options.xclient is None else False,
        xforward=None if options.xforward is None else False,
        **session.limits.for_protocol(),
    )
