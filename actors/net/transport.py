"""A non-blocking connection: TCP or unix socket, in clear or under TLS.

It belongs to one actor, which alone uses it, in its turns. Receiving never waits. Sending waits, in the
turn, for a client that does not read. The socket's watcher is armed all the time an actor is idle.
"""

from __future__ import annotations

import _socket
import contextlib
import errno
import math
import ssl
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import gevent

from actors.net.client_hello import NO_APPLICATION_PROTOCOL, ClientHelloReader

RECEIVE_OCTETS = 65536
FEW_OCTETS = 479
"""The most that CPython keeps in a block of 512; for more, malloc is asked, and once again to shrink it."""
READ, WRITE = 1, 2
MOST_READS_AWAY = 16
"""If a peer sends more than so many times `RECEIVE_OCTETS` for nothing, its connection may break."""
NAMES_SHOWN = 4
"""Of the protocols that a client names and that are not ours."""
ALERTS_KEPT = 65536
"""Octets that TLS itself may have to answer a peer that asks and asks and does not read."""
_QUICKACK: int | None = getattr(_socket, "TCP_QUICKACK", None)
"""Linux alone has it."""
_MORE: int | None = getattr(_socket, "MSG_MORE", None)
"""Linux alone has it."""


@dataclass(frozen=True, slots=True)
class TlsInfo:
    """What is known of a TLS connection.

    Attributes:
        version: as `TLSv1.3`.
        cipher: the cipher suite's name.
        client_certificate: as `ssl.SSLSocket.getpeercert` gives it, None without one.
        server_name: the host that the client asked for, in small letters (SNI, RFC 6066 3); None if it named
            none, or what is no host name.
    """

    version: str
    cipher: str
    client_certificate: dict[str, Any] | None
    server_name: str | None = None


class TlsError(OSError):
    """The TLS handshake failed, or the peer broke TLS."""


class TlsCutError(TlsError):
    """The peer has finished sending without TLS's close_notify: it hung up, or somebody has cut it off."""


class WriteTimeoutError(TimeoutError):
    """The peer has not read in time. A TimeoutError alone may be the kernel's, of a connection that died."""

    def __init__(self) -> None:
        super().__init__(errno.ETIMEDOUT, "the peer does not read")


class _Tls:
    """The TLS side of a connection, between its two memory buffers."""

    __slots__ = ("ended", "hello", "incoming", "layer", "looked_at", "outgoing", "protocols", "server_name")

    def __init__(self, context: ssl.SSLContext, protocols: Collection[bytes]) -> None:
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        # wrap_bio, not wrap_socket: the latter refuses a context that is older than a monkey-patch.
        self.layer = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.ended = False
        self.looked_at = False
        self.protocols = protocols
        self.server_name: str | None = None
        self.hello: ClientHelloReader | None = ClientHelloReader()

    def look_at_hello(self, data: bytes) -> None:
        """Refuse a client that names protocols (RFC 7301), and none of ours. Raises TlsError."""
        assert self.hello is not None
        hello = self.hello.feed(data)
        if hello is None:
            return
        self.hello, self.server_name = None, hello.server_name
        named = hello.protocols if self.protocols else ()
        if named and not any(name in self.protocols for name in named):
            self.outgoing.write(NO_APPLICATION_PROTOCOL)
            shown = ", ".join(name.decode("ascii", "backslashreplace") for name in named[:NAMES_SHOWN])
            raise TlsError(errno.ECONNABORTED, f"the client wants another protocol (ALPN): {shown}")

    def feed(self, data: bytes) -> None:
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    def read(self) -> bytes | None:
        """All plaintext there is: None for none yet, empty at the end of the stream."""
        parts: list[bytes] = []
        while not self.ended:  # several records may have come at once
            try:
                data = self.layer.read(RECEIVE_OCTETS)
            except ssl.SSLWantReadError:
                return b"".join(parts) or None
            except ssl.SSLZeroReturnError:
                data = b""
            except ssl.SSLError as error:
                kind = TlsCutError if isinstance(error, ssl.SSLEOFError) else TlsError
                raise kind(errno.ECONNABORTED, f"TLS: {_reason(error)}") from error
            # After close_notify nothing that comes counts any more.
            self.ended = not data
            parts.append(data)
        return b"".join(parts)


class Transport:
    """A connection.

    Args:
        socket: connected, non-blocking.
        loop: the hub's loop.
        announce: called in the hub when the peer's data wait; it must not wait.
        whom: its argument.

    Attributes:
        socket: the socket. The session reads from it in clear, as `receive` does; only the transport sends.
        secured: the TLS side; None in clear.
        watching: whether `announce` is called, or held back.
        shaking_hands: whether a TLS handshake is under way, or something else that comes before all else.
        closed: whether the connection is closed.
    """

    __slots__ = (
        "_announce",
        "_watcher",
        "_whom",
        "closed",
        "secured",
        "shaking_hands",
        "socket",
        "watching",
    )

    def __init__(
        self, socket: _socket.socket, loop: Any, announce: Callable[[Any], object], whom: object
    ) -> None:
        self.socket = socket
        self._announce = announce
        self._whom: object = whom
        self.secured: _Tls | None = None
        self._watcher = loop.io(socket.fileno(), READ)
        self.watching = self.shaking_hands = self.closed = False

    def watch(self) -> None:
        """Arm the watcher: announce that data wait, again and again as long as they do."""
        self.watching = True
        self._watcher.start(self._announce, self._whom)

    def pause(self) -> None:
        """Disarm the watcher; the peer's data stay in the kernel."""
        self.watching = False
        self._watcher.stop()

    @property
    def held_back(self) -> bool:
        """Whether `hold_back` is in force."""
        return self.watching and not self._watcher.active

    @property
    def finished(self) -> bool:
        """Whether TLS's close_notify has come, perhaps behind data: no readiness need tell of it."""
        return self.secured is not None and self.secured.ended

    def hold_back(self) -> None:
        """As `pause`, but a turn that ends does not arm the watcher again: `watch` alone does."""
        self.watching = True
        self._watcher.stop()

    def receive(self) -> bytes | None:
        """Read once.

        Returns:
            the data; None when there are none now; empty when the peer has finished sending.

        Raises:
            OSError: the connection is lost.
        """
        if self.secured is not None:
            return self._receive_tls(self.secured)
        try:
            return self.socket.recv(RECEIVE_OCTETS)
        except (BlockingIOError, InterruptedError):
            return None

    def _receive_tls(self, tls: _Tls) -> bytes | None:
        if tls.ended:
            return b""
        if not tls.looked_at:  # perhaps there was more in one piece with the end of the handshake
            tls.looked_at = True
            plaintext = tls.read()
            if plaintext is not None:
                return plaintext
        try:
            tls.feed(self.socket.recv(RECEIVE_OCTETS))
        except (BlockingIOError, InterruptedError):
            return None
        plaintext = tls.read()
        if tls.outgoing.pending:
            self._send_alerts(tls.outgoing)
        return plaintext

    def acknowledge(self) -> None:
        """Acknowledge what has come, now that no reply will carry the acknowledgement.

        Nagle's algorithm lets a peer that writes twice, the body and then the dot, send the second piece only
        when the first is acknowledged, which Linux puts off for 40 ms. It falls back to that with the next
        reply (tcp(7)), so this holds for the present piece alone.
        """
        if _QUICKACK is not None and self.socket.family != _socket.AF_UNIX:
            with contextlib.suppress(OSError):  # the connection may be lost, as the next read will say
                self.socket.setsockopt(_socket.IPPROTO_TCP, _QUICKACK, 1)

    def peek(self, octets: int) -> bytes | None:
        """What the peer has sent in clear so far, at most so many octets, all still to be received.

        Returns and raises as `receive`.
        """
        try:
            return self.socket.recv(octets, _socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return None

    def skip(self, octets: int) -> None:
        """Take so many octets that were peeked at."""
        if octets:
            self.socket.recv(octets)

    def skip_all(self) -> None:
        """Read away what the peer has sent so far, as much of it as there should ever be."""
        with contextlib.suppress(OSError):  # the next `receive` will hear of it
            _read_away(self.socket)

    def send(self, data: bytes) -> memoryview | OSError | None:
        """Send as much of `data` as the socket takes at once. The error is no exception but a result.

        Returns:
            None when the socket took all; else what it did not take, for `send_rest`, or why the connection
            is lost.
        """
        try:
            if self.secured is not None:
                self.secured.layer.write(data)
                data = self.secured.outgoing.read()
            sent = self.socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            return error
        return None if sent == len(data) else memoryview(data)[sent:]

    def send_last(self, data: bytes) -> memoryview | OSError | None:
        """As `send`, for what `close` follows at once: in clear, the end of the connection goes with it.

        One segment of some twenty less for a connection with one message. The kernel keeps back what is to be
        followed, for 200 ms at most (tcp(7), TCP_CORK).
        """
        if _MORE is None or self.secured is not None:
            return self.send(data)
        try:
            sent = self.socket.send(data, _MORE)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            return error
        return None if sent == len(data) else memoryview(data)[sent:]

    def send_rest(self, rest: memoryview, deadline: float) -> None:
        """Send what the socket has not taken at once, as it takes it; waits, in the turn.

        Args:
            rest: the octets.
            deadline: when the peer must have read so much that they fit in, a time of `time.monotonic`.

        Raises:
            WriteTimeoutError: the deadline has passed.
            OSError: the connection is lost.
        """
        while rest:
            try:
                rest = rest[self.socket.send(rest) :]
            except (BlockingIOError, InterruptedError):
                self._wait_until_writable(deadline)

    def start_tls(self, context: ssl.SSLContext, protocols: Collection[bytes] = ()) -> None:
        """Begin TLS. What was received in clear is no concern of it and must have been dropped.

        Args:
            context: the certificates and the rules.
            protocols: a client that names others alone by ALPN is refused; empty refuses none.
        """
        self.secured = _Tls(context, protocols)
        self.shaking_hands = True

    def shake_hands(self, deadline: float) -> bool:
        """Go on with the TLS handshake as far as the peer's data reach.

        Args:
            deadline: when the peer must have read what is sent, a time of `time.monotonic`.

        Returns:
            whether TLS is established.

        Raises:
            TlsError: the handshake failed.
            OSError: the connection is lost.
        """
        assert self.secured is not None
        try:
            with contextlib.suppress(BlockingIOError, InterruptedError):
                data = self.socket.recv(RECEIVE_OCTETS)
                if self.secured.hello is not None:
                    self.secured.look_at_hello(data)
                self.secured.feed(data)
            self.secured.layer.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLError, TlsError) as error:
            with contextlib.suppress(OSError):
                self.send_rest(memoryview(self.secured.outgoing.read()), deadline)  # the alert that says why
            if isinstance(error, TlsError):
                raise
            raise TlsError(errno.ECONNABORTED, _reason(error)) from error
        else:
            self.shaking_hands = False
        if self.secured.outgoing.pending:
            self.send_rest(memoryview(self.secured.outgoing.read()), deadline)
        else:
            self.acknowledge()
        return not self.shaking_hands

    @property
    def tls(self) -> TlsInfo | None:
        """What is known of the TLS connection; None in clear."""
        if self.secured is None or self.shaking_hands:
            return None
        layer = self.secured.layer
        cipher = layer.cipher()
        return TlsInfo(
            version=layer.version() or "",
            cipher=cipher[0] if cipher else "",
            client_certificate=layer.getpeercert() or None,
            server_name=self.secured.server_name,
        )

    def close(self, *, drain: bool = False) -> None:
        """Close: the watcher first, then the socket, with no switch between.

        Args:
            drain: read away what the peer has sent so far. Data unread at a close make the kernel reset
                the connection, and the peer may never see the last reply.
        """
        if self.closed:
            return
        self.closed = True
        self._watcher.stop()
        self._watcher.close()
        self._whom = None  # its owner: without the cycle both go at once, and not by the collector
        if drain:
            _drain(self.socket)
        self.socket.close()

    def say_goodbye(self) -> None:
        """Send TLS's close_notify, if there is TLS and the peer can take it now."""
        if self.secured is not None and not self.shaking_hands and not self.closed:
            with contextlib.suppress(OSError):
                with contextlib.suppress(ssl.SSLError):
                    self.secured.layer.unwrap()
                self.socket.send(self.secured.outgoing.read())

    def finish_sending(self) -> None:
        """Send nothing more, and tell the peer so; what it sends can still be received."""
        self.say_goodbye()
        with contextlib.suppress(OSError):
            self.socket.shutdown(_socket.SHUT_WR)

    def _send_alerts(self, outgoing: ssl.MemoryBIO) -> None:
        """Send what TLS itself has to answer, such as its refusal to renegotiate; never waits."""
        data = outgoing.read()
        sent = 0
        with contextlib.suppress(BlockingIOError, InterruptedError):
            sent = self.socket.send(data)
        if len(data) - sent > ALERTS_KEPT:
            raise WriteTimeoutError
        outgoing.write(data[sent:])  # the rest goes before the next reply

    def _wait_until_writable(self, deadline: float) -> None:
        hub = gevent.get_hub()
        seconds = None if deadline == math.inf else max(0.0, deadline - time.monotonic())
        watcher = hub.loop.io(self.socket.fileno(), WRITE)
        try:
            with gevent.Timeout(seconds, WriteTimeoutError()):
                hub.wait(watcher)
        finally:
            watcher.close()


def turn_away(socket: _socket.socket, last_words: bytes) -> None:
    """Close a connection that was never served, at once.

    Args:
        socket: non-blocking.
        last_words: sent before, as far as the socket takes them without waiting; empty for none.
    """
    if last_words:
        with contextlib.suppress(OSError):
            socket.send(last_words)
        _drain(socket)
    socket.close()


def _drain(socket: _socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.shutdown(_socket.SHUT_WR)
        _read_away(socket)


def _read_away(socket: _socket.socket) -> None:
    for _ in range(MOST_READS_AWAY):
        if not socket.recv(RECEIVE_OCTETS):
            break


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or error.strerror or "unknown").replace("_", " ").lower()
