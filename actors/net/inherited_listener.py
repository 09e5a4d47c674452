"""The actor that accepts from a listening socket which another process has opened."""

from __future__ import annotations

import _socket
from dataclasses import dataclass
from typing import Any

from actors.net.listener import ACCEPTS_PER_TURN, Endpoint, ListenerActor
from actors.runtime.refs import GeventRef


@dataclass(frozen=True, slots=True)
class InheritedSocket:
    """A listening socket that was there before its server.

    Attributes:
        socket: non-blocking.
        shared: other processes accept from it as well, for as long as this one does.
    """

    socket: _socket.socket
    shared: bool = False


class InheritedListener(ListenerActor):
    """Accepts from a socket that another process has opened.

    The file of a unix socket is that one's until an `OwnsFile` says otherwise.

    Args:
        endpoint: where it listens.
        index: the listener's number in its server.
        server: the server.
        inherited: the socket; closed with this listener, in this process alone.
    """

    def __init__(
        self, endpoint: Endpoint, index: int, server: GeventRef[Any], inherited: InheritedSocket
    ) -> None:
        super().__init__(endpoint, index, server, open_=lambda _: inherited.socket)
        # Whoever wakes first would take all that wait. One at a time, each takes what it has time for.
        self.accepts_per_turn = 1 if inherited.shared else ACCEPTS_PER_TURN

    def on_start(self) -> None:
        super().on_start()
        self._unix_file = None
