"""A connected socket on the hub, in clear or under TLS. It belongs to one greenlet at a time, which waits.

Nothing here waits without an end: each wait is due at a time of `time.monotonic`, all of them at a final one.
"""

from __future__ import annotations

import _socket
import contextlib
import errno
import math
import os
import socket as _names
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any

import gevent
from gevent.hub import getcurrent
from gevent.monkey import get_original

from actors.net.session_socket import SessionSocket
from actors.net.transport import TlsInfo
from actors.runtime.hub import Hub
from actors.runtime.threads import run_long

READ, WRITE = 1, 2
RECEIVE_OCTETS = 65536
_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN)
_RECORD = 16384
"""Octets that TLS puts into one record."""

Address = tuple[int, Any]
"""The family of a socket, and what it connects to."""
SockOpt = tuple[int, int, int | bytes]


class ServerClosedError(ConnectionError):
    """The server has closed the connection."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, "the server has closed the connection")


def _timed_out() -> TimeoutError:
    return TimeoutError(errno.ETIMEDOUT, "the server took too long")


def look_up(host: str, port: int) -> list[Address]:
    """The addresses of a host, in a worker thread if it has a name.

    Raises:
        OSError: there are none.
    """
    find: Any = get_original("socket", "getaddrinfo")
    kind = _socket.SOCK_STREAM
    try:
        found = find(host, port, 0, kind, 0, _socket.AI_NUMERICHOST)
    except _names.gaierror:
        found = run_long(find, host, port, 0, kind, 0, 0)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


class Stream:
    """A connection.

    Args:
        family: of the socket.
        options: to set on it before it connects.
        source: the address to connect from; None leaves that to the system.

    Attributes:
        tls: the TLS side; None in clear.
        final: when all must be over, by `time.monotonic`.
        closed: whether it is closed.

    Raises:
        OSError: there are no descriptors, or an option is not taken.
    """

    __slots__ = (
        "_alarm",
        "_due",
        "_hub",
        "_incoming",
        "_outgoing",
        "_socket",
        "_timers",
        "_waiting",
        "_watchers",
        "closed",
        "final",
        "tls",
    )

    def __init__(self, family: int, options: Sequence[SockOpt] = (), source: str | None = None) -> None:
        self._hub = gevent.get_hub()
        self._timers = Hub.current().timers
        self._alarm: Any = None
        self._due = self.final = math.inf
        self._waiting: Any = None
        self._watchers: dict[int, Any] = {}
        self.tls: Any = None
        self._incoming: Any = None
        self._outgoing: Any = None
        self.closed = False
        self._socket = SessionSocket(family, _socket.SOCK_STREAM)
        try:
            self._set_up(family, options, source)
        except BaseException:
            self.close()
            raise

    def _set_up(self, family: int, options: Sequence[SockOpt], source: str | None) -> None:
        os.set_inheritable(self._socket.fileno(), False)
        self._socket.setblocking(False)
        if family != _socket.AF_UNIX:
            self._socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            self._socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_KEEPALIVE, 1)
        for level, name, value in options:
            self._socket.setsockopt(level, name, value)
        if source is not None and family != _socket.AF_UNIX:
            self._socket.bind((source, 0))

    # -- waiting --------------------------------------------------------------------------------------

    def _wait(self, event: int, due: float) -> None:
        """Wait until the socket is ready.

        Raises:
            TimeoutError: that is not in time, or not before the final deadline.
        """
        if due > self.final:
            due = self.final
        self._due = due
        alarm = self._alarm
        if alarm is None or due < alarm.due:
            self._set_alarm(due)
        watcher = self._watchers.get(event) or self._watcher_for(event)
        self._waiting = greenlet = getcurrent()
        watcher.start(greenlet.switch)
        try:
            self._hub.switch()
        finally:
            self._waiting = None
            watcher.stop()

    def _watcher_for(self, event: int) -> Any:
        watcher = self._watchers[event] = self._hub.loop.io(self._socket.fileno(), event)
        return watcher

    def _set_alarm(self, due: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if due < math.inf:
            self._alarm = self._timers.call_at(due, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self._waiting is None:
            return
        if self._due <= time.monotonic():
            self._waiting.throw(_timed_out())
        else:
            self._set_alarm(self._due)

    # -- connecting -----------------------------------------------------------------------------------

    def connect(self, address: Any, due: float) -> None:
        """Connect. Raises: OSError."""
        refused = self._socket.connect_ex(address)
        if refused in _UNDER_WAY:
            self._wait(WRITE, due)
            refused = self._socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        if refused:
            raise OSError(refused, os.strerror(refused))

    def start_tls(self, context: ssl.SSLContext, server_name: str | None, due: float) -> None:
        """Agree on TLS; nothing that came in clear counts for it.

        Raises:
            ssl.SSLError: the handshake failed, or the certificate is not good.
            OSError: the connection is lost.
        """
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        layer = context.wrap_bio(
            self._incoming, self._outgoing, server_side=False, server_hostname=server_name
        )
        while True:
            try:
                layer.do_handshake()
            except ssl.SSLWantReadError:
                self._send_records(due)
                self._feed(due)
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._send_records(due)  # the alert that says why
                raise
            else:
                break
        self._send_records(due)
        self.tls = layer

    def _feed(self, due: float) -> None:
        data = self._receive_clear(due)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _send_records(self, due: float) -> None:
        data = self._outgoing.read()
        if data:
            self._send_clear(data, due)

    @property
    def certificate(self) -> bytes:
        """The server's certificate in DER, whoever vouches for it; empty in clear."""
        return b"" if self.tls is None else self.tls.getpeercert(True) or b""

    @property
    def tls_info(self) -> TlsInfo | None:
        """What is known of TLS; None in clear."""
        if self.tls is None:
            return None
        cipher = self.tls.cipher()
        return TlsInfo(self.tls.version() or "", cipher[0] if cipher else "", None, self.tls.server_hostname)

    # -- octets ---------------------------------------------------------------------------------------

    def receive(self, due: float) -> bytes:
        """What has come; waits for it.

        Raises:
            ServerClosedError: nothing comes any more.
            OSError: the connection is lost, or nothing came in time.
        """
        data = self._receive_clear(due) if self.tls is None else self._receive_tls(due)
        if not data:
            raise ServerClosedError
        return data

    def _receive_clear(self, due: float) -> bytes:
        self._wait(READ, due)
        while True:
            try:
                return self._socket.recv(RECEIVE_OCTETS)
            except (BlockingIOError, InterruptedError):
                self._wait(READ, due)

    def _receive_tls(self, due: float) -> bytes:
        while True:
            try:
                data: bytes = self.tls.read(RECEIVE_OCTETS)
            except ssl.SSLWantReadError:
                if self._outgoing.pending:
                    self._send_records(due)
                self._feed(due)
            except ssl.SSLError as error:
                if isinstance(error, ssl.SSLZeroReturnError | ssl.SSLEOFError):
                    return b""
                raise
            else:
                return data

    def receive_now(self) -> bytes | None:
        """What has come already; None for nothing, empty if the server has closed."""
        try:
            if self.tls is None:
                return self._socket.recv(RECEIVE_OCTETS)
            with contextlib.suppress(BlockingIOError, InterruptedError):
                data = self._socket.recv(RECEIVE_OCTETS)
                if not data:
                    return b""
                self._incoming.write(data)
            return bytes(self.tls.read(RECEIVE_OCTETS))
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError):
            return None
        except OSError:
            return b""

    def send(self, octets: bytes, due: float) -> None:
        """Send all of it.

        Raises:
            OSError: the connection is lost, or the server does not read.
        """
        if self.tls is None:
            self._send_clear(octets, due)
            return
        view = memoryview(octets)
        for start in range(0, len(view), _RECORD):
            self.tls.write(view[start : start + _RECORD])
            if self._outgoing.pending > RECEIVE_OCTETS:
                self._send_records(due)
        self._send_records(due)

    def _send_clear(self, octets: bytes, due: float) -> None:
        try:
            sent = self._socket.send(octets)
        except (BlockingIOError, InterruptedError):
            sent = 0
        if sent == len(octets):
            return
        rest = memoryview(octets)[sent:]
        while rest:
            self._wait(WRITE, due)
            with contextlib.suppress(BlockingIOError, InterruptedError):
                rest = rest[self._socket.send(rest) :]

    def close(self) -> None:
        """Close: the watchers first, then the socket."""
        if self.closed:
            return
        self.closed = True
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        for watcher in self._watchers.values():
            watcher.stop()
            watcher.close()
        self._watchers.clear()
        self._socket.close()


def connected(
    addresses: Sequence[Address],
    seconds: float,
    options: Sequence[SockOpt],
    source: str | None,
    note: Callable[[Any, OSError], None],
) -> Stream:
    """A stream to the first address that answers.

    Raises:
        OSError: none does; the last one's error.
    """
    failure = OSError(errno.EADDRNOTAVAIL, "the host has no address")
    for family, address in addresses:
        try:
            stream = Stream(family, options, source)
        except OSError as error:
            failure = error
            continue
        try:
            stream.connect(address, time.monotonic() + seconds)
            return stream
        except OSError as error:
            stream.close()
            failure = error
            note(address, error)
        except BaseException:
            stream.close()
            raise
    raise failure
