"""A connection while two nodes introduce themselves: octets in a greenlet that waits, in clear or over
TLS."""

from __future__ import annotations

import ssl
from typing import Any

READ_AT_ONCE = 65536

TLS_PACKET = 4
CLEAR_PACKET = 2


class TlsPair:
    """TLS between two buffers of memory.

    Args:
        context: the certificates, and what is asked of the peer's.
        server: whether the peer connected here.
        host: the name or address that the peer's certificate must be for; None does not ask.
    """

    def __init__(self, context: ssl.SSLContext, server: bool, host: str | None) -> None:
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.object = context.wrap_bio(self.incoming, self.outgoing, server_side=server, server_hostname=host)


class ConnectionClosedError(OSError):
    """The peer closed the connection."""


class Stream:
    """A connected socket of gevent, read and written in a greenlet.

    Args:
        sock: the socket.
        tls: TLS over it; None in clear.

    Attributes:
        sock, tls: as given.
        packet: how many octets the length of a packet of the handshake has: two in clear, four over TLS.
    """

    def __init__(self, sock: Any, tls: TlsPair | None = None) -> None:
        self.sock = sock
        self.tls = tls
        self.packet = CLEAR_PACKET if tls is None else TLS_PACKET

    def start_tls(self) -> None:
        """Agree on TLS, if it is wanted.

        Raises:
            OSError: the peer's certificate is not taken, or the peer is gone.
        """
        if self.tls is not None:
            self._until_done(self.tls.object.do_handshake)

    def send(self, octets: bytes) -> None:
        """Send all of them. Raises: OSError."""
        if self.tls is None:
            self.sock.sendall(octets)
        else:
            self.tls.object.write(octets)
            self._send_rest()

    def receive(self, count: int) -> bytes:
        """Exactly so many octets.

        Raises:
            ConnectionClosedError: the peer closed before.
            OSError: the connection is lost.
        """
        octets = b""
        while len(octets) < count:
            piece = self._receive_some(count - len(octets))
            if not piece:
                raise ConnectionClosedError("the peer closed the connection")
            octets += piece
        return octets

    def _receive_some(self, most: int) -> bytes:
        if self.tls is None:
            return bytes(self.sock.recv(most))
        return bytes(self._until_done(self.tls.object.read, most))

    def _until_done(self, step: Any, *args: Any) -> Any:
        assert self.tls is not None
        while True:
            try:
                result = step(*args)
            except ssl.SSLWantReadError:
                self._send_rest()
                piece = self.sock.recv(READ_AT_ONCE)
                if not piece:
                    raise ConnectionClosedError("the peer closed the connection") from None
                self.tls.incoming.write(piece)
            except ssl.SSLError:
                self._send_rest()  # the alert that tells the peer why
                raise
            else:
                self._send_rest()
                return result

    def _send_rest(self) -> None:
        assert self.tls is not None
        rest = self.tls.outgoing.read()
        if rest:
            self.sock.sendall(rest)

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()
