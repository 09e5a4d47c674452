"""A client that sends exactly the octets it is told to, for what well-bred clients never do."""

from __future__ import annotations

import socket
import ssl
from types import TracebackType
from typing import Any, Self

from tests.real_clients.tools.collector import PATIENCE


class RawClient:
    """A connection; replies are read whole, continuation lines included.

    Args:
        address: of the server, as its socket has it.
        tls: TLS from the first octet on.
    """

    def __init__(
        self, address: Any, tls: ssl.SSLContext | None = None, server_name: str | None = None
    ) -> None:
        self._socket = socket.create_connection(address[:2], timeout=PATIENCE)
        self._unread = b""
        if tls is not None:
            self.start_tls(tls, server_name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def socket(self) -> Any:
        """The socket, a TLS one after `start_tls`."""
        return self._socket

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def start_tls(self, context: ssl.SSLContext, server_name: str | None = None) -> None:
        """The client's side of a handshake."""
        plain = self._socket
        try:
            self._socket = context.wrap_socket(plain, server_hostname=server_name or "localhost")
        except BaseException:
            plain.close()
            raise

    def send(self, *lines: str | bytes) -> None:
        """Send lines in one piece, each with CRLF."""
        octets = [line if isinstance(line, bytes) else line.encode() for line in lines]
        self.send_raw(b"".join(line + b"\r\n" for line in octets))

    def send_raw(self, data: bytes) -> None:
        """Send octets."""
        self._socket.sendall(data)

    def reply(self) -> str:
        """The next reply, all its lines; the rest when the connection ends; empty at its end."""
        lines = []
        while True:
            line = self._line()
            lines.append(line)
            if not line or line[3:4] != b"-":
                return b"\n".join(lines).decode()

    def replies(self, count: int) -> list[str]:
        """The codes of so many replies."""
        return [self.reply()[:3] for _ in range(count)]

    def ask(self, *lines: str | bytes) -> str:
        """Send lines and give the reply to the first."""
        self.send(*lines)
        return self.reply()

    def rest(self) -> bytes:
        """All that comes until the server closes."""
        while self._receive():
            pass
        rest, self._unread = self._unread, b""
        return rest

    def _line(self) -> bytes:
        while b"\n" not in self._unread and self._receive():
            pass
        line, _, self._unread = self._unread.partition(b"\n")
        return line.rstrip(b"\r")

    def _receive(self) -> bool:
        data = self._socket.recv(65536)
        self._unread += data
        return bool(data)


def greeted(address: Any, hello: str = "EHLO raw.example") -> RawClient:
    """A client that has read the banner and the reply to its hello."""
    client = RawClient(address)
    try:
        assert client.reply().startswith("220 ")
        assert client.ask(hello).startswith("250")
    except BaseException:
        client.close()
        raise
    return client
