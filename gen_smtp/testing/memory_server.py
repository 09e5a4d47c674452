"""A server that listens nowhere: its clients are in the same process."""

from __future__ import annotations

import _socket
import socket
from collections.abc import Sequence

from actors import Connection, GeventRef, launch
from actors.messages import Accepted
from actors.otp.messaging import cast, invoke
from gen_smtp.callbacks.behaviour import Module
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.options.parsing import ListenerConfiguration
from gen_smtp.server.server import SmtpServer, State
from gen_smtp.server.starting import check_arguments

Peer = tuple[str, int]


class MemoryServer(SmtpServer):
    """A server whose only listener is no socket; `connect` brings the clients."""

    def init(self, args: Sequence[ListenerOptions]) -> State:
        """Open nothing."""
        self._memory_endpoint = self.make_endpoint(args[0])
        return super().init(())

    def connect(self, end: _socket.socket, peer: Peer) -> None:
        """Serve a client.

        Args:
            end: the server's end of a pair of connected sockets.
            peer: the address that the client is to have.
        """
        cast(self.actor_ref, Accepted((Connection(end, peer, 0, self._memory_endpoint),)))


def start_memory_server(module: Module, options: ListenerConfiguration | None) -> GeventRef[MemoryServer]:
    """Start one, with the options of one listener.

    Raises:
        OptionsError, BehaviourError: as `gen_smtp_server.start`.
    """
    checked, listeners, server_options = check_arguments(
        module, None if options is None else [options], {"max_sessions": None}
    )
    return launch(MemoryServer(checked, listeners, server_options=server_options))


def connect(server: GeventRef[MemoryServer], peer: Peer) -> socket.socket:
    """A client's end of a new session."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    end = _socket.socket(ours.family, ours.type, 0, ours.detach())
    end.setblocking(False)
    invoke(server, None, MemoryServer.connect, end, peer)
    return theirs
