"""A relay between a client and a server that keeps what the client has sent."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Any, Self


class WireTap:
    """Hands connections on, octet for octet, one after the other, as a context manager.

    Args:
        address: of the server.

    Attributes:
        port: where it listens, on loopback.
        said: what the clients have sent, one `bytearray` for each connection; whole at the end.
    """

    def __init__(self, address: tuple[Any, ...]) -> None:
        self._address = address
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.port = int(self._listener.getsockname()[1])
        self.said: list[bytearray] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # ends the wait for another client
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, socket.create_connection(self._address[:2]) as server:
                self.said.append(bytearray())
                back = threading.Thread(target=self._hand_on, args=(server, client, bytearray()))
                back.start()
                self._hand_on(client, server, self.said[-1])
                back.join()

    @staticmethod
    def _hand_on(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
        try:
            while data := source.recv(65536):
                kept += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return  # one of them is gone; the other will notice
