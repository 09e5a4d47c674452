"""A connection in memory: the real transport of a session over a socket that is none."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gevent

import actors.net.session
from actors.net.transport import Transport


class MemorySocket:
    """The server's end. What the client sends arrives in the pieces that it is sent in.

    Attributes:
        sent: what the server has sent, and nobody has taken yet.
        said: what the session has sent, before TLS.
        session: the session that has the connection.
        transport: its transport.
        family: of a socket with no acknowledgements.
    """

    family = socket.AF_UNIX

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._announce: Callable[[], object] | None = None
        self._is_broken = False
        self.sent = bytearray()
        self.said = bytearray()
        self.closed = False
        self.session: Any = None
        self.transport: Any = None

    # -- the client's side --------------------------------------------------------------------------

    def arrive(self, piece: bytes) -> None:
        """Have a piece wait to be received; an empty one is the end."""
        self._pieces.append(piece)
        self._look()

    @property
    def is_due(self) -> bool:
        """Whether there is something to read, and somebody who wants to."""
        return bool(self._pieces) and self._announce is not None

    def _look(self) -> None:
        """Say that there is something to read, if anybody wants to know."""
        if self._pieces and self._announce is not None:
            self._announce()

    def break_off(self) -> None:
        """Have the connection be reset, behind what waits."""
        self._is_broken = True
        self.arrive(b"")

    def take_sent(self) -> bytes:
        """What the server has sent since the last time."""
        octets = bytes(self.sent)
        self.sent.clear()
        return octets

    # -- a socket -----------------------------------------------------------------------------------

    def fileno(self) -> int:
        return -1

    def setsockopt(self, *options: object) -> None:
        """There are none."""

    def recv(self, size: int, flags: int = 0) -> bytes:
        if not self._pieces:
            raise BlockingIOError
        piece = self._pieces[0]
        if not piece and self._is_broken:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        if not flags & socket.MSG_PEEK:
            self._take(size)
        if self._pieces:  # a watcher looks at levels, again in each round of the loop
            gevent.get_hub().loop.run_callback(self._look)
        return piece[:size]

    def _take(self, size: int) -> None:
        piece = self._pieces[0]
        if len(piece) > size:
            self._pieces[0] = piece[size:]
        elif piece:  # an end stays one
            self._pieces.popleft()

    def send(self, data: bytes | memoryview, flags: int = 0) -> int:
        self.sent += data
        if self.transport.secured is None:
            self.said += data
        return len(data)

    def shutdown(self, how: int) -> None:
        """Nothing is sent after it."""

    def close(self) -> None:
        self.closed = True

    # -- a loop and a watcher of it -----------------------------------------------------------------

    def io(self, descriptor: int, events: int) -> MemorySocket:
        return self

    def start(self, callback: Callable[..., object], *args: object) -> None:
        self._announce = partial(callback, *args)
        self._look()

    def stop(self) -> None:
        self._announce = None

    @property
    def active(self) -> bool:
        """Whether it watches."""
        return self._announce is not None


class MemoryTransport(Transport):
    """A transport over a MemorySocket that keeps what is sent as it is before TLS."""

    __slots__ = ("_memory",)

    def __init__(self, socket: Any, loop: Any, announce: Any, whom: Any) -> None:
        super().__init__(socket, socket, announce, whom)
        self._memory = socket
        socket.transport = self
        socket.session = whom

    def send(self, data: bytes, *options: Any) -> None:
        if self.secured is not None:
            self._memory.said += data
        super().send(data, *options)


@contextlib.contextmanager
def memory_sockets() -> Iterator[None]:
    """Sessions over a MemorySocket can be made, for the length of a `with` block; others stay as they are."""
    module: Any = actors.net.session
    real = module.Transport

    def make(socket: Any, *args: Any) -> Any:
        return (MemoryTransport if isinstance(socket, MemorySocket) else real)(socket, *args)

    module.Transport = make
    try:
        yield
    finally:
        module.Transport = real
