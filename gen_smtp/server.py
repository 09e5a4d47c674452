"""The server actor: turns listener options into listeners, and connections into SMTP sessions."""

from __future__ import annotations

from collections.abc import Sequence

from actors import Census, Connection, Endpoint, ServerActor, SessionActor
from gen_smtp.behaviour import Module
from gen_smtp.callback_session import Setup
from gen_smtp.core.protocol import ProtocolConfig
from gen_smtp.options import Listener, ListenerOptions
from gen_smtp.session import SmtpSession


class SmtpServer(ServerActor):
    """A server that listens for SMTP connections.

    Args:
        module: makes the callback object of each session.
        configurations: the options of each listener, checked.
    """

    def __init__(self, module: Module, configurations: Sequence[ListenerOptions]) -> None:
        super().__init__([_endpoint(each) for each in configurations])
        census = Census()
        self._setups = [_setup(each, module, census) for each in configurations]

    def make_session(self, connection: Connection) -> SessionActor:
        """The session of a connection, with what its listener's sessions share."""
        return SmtpSession(connection, self.actor_ref, self._setups[connection.listener])

    def listeners(self) -> list[Listener]:
        """The listeners as they run, in the order of the options."""
        return [
            Listener(
                hostname=setup.hostname,
                port=None if setup.options.family == "unix" else address[1],
                socket=socket,
                sessionoptions=setup.options.sessionoptions,
                listenoptions=setup.options,
            )
            for setup, address, socket in zip(self._setups, self.addresses(), self.sockets(), strict=True)
        ]


def _endpoint(options: ListenerOptions) -> Endpoint:
    return Endpoint(
        address=options.address,
        port=options.port,
        family=options.family,
        protocol=options.protocol,
        backlog=options.backlog,
    )


def _setup(options: ListenerOptions, module: Module, census: Census) -> Setup:
    session = options.sessionoptions
    hostname = options.hostname()
    config = ProtocolConfig(
        hostname=hostname,
        lmtp=session.protocol == "lmtp",
        allow_bare_newlines=session.allow_bare_newlines,
        starttls_available=session.tls_context() is not None,
        allow_insecure_auth=session.allow_insecure_auth,
        require_tls=session.require_tls,
        require_auth=session.require_auth,
    )
    return Setup(module, options, hostname, config, census)


