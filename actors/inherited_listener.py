"""The actor that accepts from a listening socket which several processes share."""

from __future__ import annotations

import _socket
from typing import Any, ClassVar

from actors.listener import Endpoint, ListenerActor
from actors.refs import GeventRef


class InheritedListener(ListenerActor):
    """Accepts from a socket that a parent process has opened, beside other processes that do so too.

    The file of a unix socket is the parent's: it stays when this listener ends.

    Args:
        endpoint: where it listens.
        index: the listener's number in its server.
        server: the server.
        opened: the socket, non-blocking; closed with this listener, in this process alone.
    """

    # Whoever wakes first would take all that wait. One at a time, each process takes what it has time for.
    accepts_per_turn: ClassVar[int] = 1

    def __init__(
        self, endpoint: Endpoint, index: int, server: GeventRef[Any], opened: _socket.socket
    ) -> None:
        super().__init__(endpoint, index, server, open_=lambda _: opened)

    def on_start(self) -> None:
        super().on_start()
        self._unix_file = None
