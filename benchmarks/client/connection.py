"""A client's connection: blocking, with no system call but those that carry octets."""

from __future__ import annotations

import socket
import ssl
import struct
from dataclasses import dataclass

Address = tuple[str, int]

SECONDS_OF_SILENCE = 60
"""How long a server may be silent. A limit of the kernel's: one of Python's would poll before each recv."""

ENVELOPE = (b"MAIL FROM:<sender@client.example>\r\n", b"RCPT TO:<recipient@bench.example>\r\n", b"DATA\r\n")

_EHLO = b"EHLO client.example\r\n"
_BATCH = 200
_LINE = b"X" * 70 + b"\r\n"


class ReplyError(Exception):
    """The server said what it should not, or nothing."""


@dataclass(slots=True)
class Tls:
    """How to start TLS on new connections.

    Attributes:
        context: the client's context.
        session: offered to the server for resumption; None asks for a full handshake.
    """

    context: ssl.SSLContext
    session: ssl.SSLSession | None = None


def make_tls() -> Tls:
    """TLS that believes any certificate: what is measured is the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return Tls(context)


def message(size: int) -> bytes:
    """A message of `size` octets in lines of 72, and the end of the data."""
    lines, rest = divmod(size, len(_LINE))
    body = _LINE * lines + (b"X" * (rest - 2) + b"\r\n" if rest >= 2 else b"")
    return body + b".\r\n"


def connect(address: Address, tls: Tls | None = None) -> socket.socket:
    """Connect, start TLS if asked to, and read the greeting."""
    connection = _dial(address)
    if tls is not None:
        connection = tls.context.wrap_socket(connection, session=tls.session)
    expect(connection, b"220")
    return connection


def connect_many(address: Address, count: int) -> list[socket.socket]:
    """Connections that have said EHLO, made by the batch: some servers are slow to greet."""
    made: list[socket.socket] = []
    while len(made) < count:
        batch = [_dial(address) for _ in range(min(_BATCH, count - len(made)))]
        for connection in batch:
            expect(connection, b"220")
            connection.sendall(_EHLO)
        for connection in batch:
            expect(connection, b"250")
        made += batch
    return made


def _dial(address: Address) -> socket.socket:
    connection = socket.create_connection(address)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    limit = struct.pack("ll", SECONDS_OF_SILENCE, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    return connection


def hello(connection: socket.socket) -> None:
    """Say EHLO."""
    connection.sendall(_EHLO)
    expect(connection, b"250")


def expect(connection: socket.socket, code: bytes) -> None:
    """Read one reply, of one or several lines.

    Raises:
        ReplyError: it has another code, or the server hung up.
    """
    reply = b""
    while not (reply.endswith(b"\n") and reply[reply.rfind(b"\n", 0, -1) + 1 :][3:4] != b"-"):
        part = connection.recv(65536)
        if not part:
            raise ReplyError(f"the server hung up after {reply!r}")
        reply += part
    if not reply.startswith(code):
        raise ReplyError(f"expected {code.decode()}, got {reply!r}")


def say_quit(connection: socket.socket) -> None:
    """Say QUIT."""
    connection.sendall(b"QUIT\r\n")
    expect(connection, b"221")
