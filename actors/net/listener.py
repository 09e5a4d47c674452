"""The actor that accepts from a listening socket, and how many sessions its server may still take."""

from __future__ import annotations

import _socket
import contextlib
import errno
import math
from collections.abc import Callable
from itertools import count
from typing import Any

from actors import events
from actors.errors import ActorDeadError, ActorExit
from actors.messages import Accepted, OwnsFile, Pause, Resume
from actors.net.session_socket import SessionSocket
from actors.net.sockets import (
    Connection,
    Endpoint,
    InheritedSocket,
    address_bound,
    file_at,
    open_socket,
    remove_file,
)
from actors.net.transport import READ
from actors.runtime.actor import GeventActor
from actors.runtime.hub import Hub
from actors.runtime.refs import GeventRef
from actors.runtime.timers import Timer

ACCEPTS_PER_TURN = 64
ACCEPTS_FROM_SHARED = 8
"""Of a socket that several processes accept from, the most in one turn.

With 64 the process that wakes first takes all that wait; with 1 each connection costs a wait of its own.
"""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 2.0

FAILURES_IN_A_ROW = 64
"""So many connections that can't be accepted, one behind the other, are a fault that takes time to pass."""

# A connection that was gone before it was accepted, or a fault of its network (accept(2)): go on.
_PASSING = {
    errno.ECONNABORTED,
    errno.EINTR,
    errno.EPROTO,
    errno.EPERM,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENONET,
    errno.ENOPROTOOPT,
    errno.EOPNOTSUPP,
    errno.EPROTONOSUPPORT,
    errno.ESOCKTNOSUPPORT,
    errno.ETIMEDOUT,
}
_SCARCE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.ENOSR}


class Capacity:
    """Counts the places that are free, and calls the listeners that wait for one.

    A listener takes a place for a connection in the moment it accepts it. As all actors run on one hub, no
    batch of accepts in flight can overshoot the limit, and nothing needs to be dropped: what finds no
    place stays in the kernel's backlog.

    Args:
        size: the most sessions at one time; `math.inf` sets no limit.

    Attributes:
        free: the places that are left.
        on_full: called when the last one is taken, and again only after half of them were free: a server
            at its limit goes to and fro there with each session that ends.
    """

    __slots__ = ("_told", "_waiting", "free", "on_full", "size")

    def __init__(self, size: float = math.inf, on_full: Callable[[], object] = lambda: None) -> None:
        self.size = self.free = size
        self.on_full = on_full
        self._told = False
        self._waiting: dict[Callable[[], object], None] = {}

    def take(self, waiter: Callable[[], object]) -> None:
        """Take a place, of those that are free.

        Args:
            waiter: as for `wait`; a listener that got a place waits for the next one behind the others.
        """
        self.free -= 1
        self._waiting.pop(waiter, None)
        if not self.free and not self._told:
            self._told = True
            self.on_full()

    def give_back(self) -> None:
        """A session is gone, or a connection was not served: call all that wait, in the order they came."""
        self.free += 1
        if self._told and self.free >= self.size / 2:
            self._told = False
        for waiter in list(self._waiting):
            waiter()

    def wait(self, waiter: Callable[[], object]) -> None:
        """Have `waiter` called, again and again, when a place is free; it must not wait itself."""
        self._waiting.setdefault(waiter)

    def stop_waiting(self, waiter: Callable[[], object]) -> None:
        """Undo `wait`."""
        self._waiting.pop(waiter, None)


class ListenerActor(GeventActor):
    """Accepts from one listening socket and hands the connections to its server.

    Args:
        endpoint: where to listen.
        index: the listener's number in its server.
        server: the server.
        open_: opens the socket.

    Attributes:
        socket: the listening socket, once it is open.
        address: the address really bound.
        capacity: the places of its server; while none is free, connections stay in the backlog.
        paused: whether it leaves connections in the backlog until it is told to go on.
    """

    in_registry = False
    accepts_per_turn = ACCEPTS_PER_TURN

    def __init__(
        self,
        endpoint: Endpoint,
        index: int,
        server: GeventRef[Any],
        open_: Callable[[Endpoint], _socket.socket] = open_socket,
    ) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._index = index
        self._server = server
        self.capacity = Capacity()
        self._open = open_
        self.socket: _socket.socket | None = None
        self._unix_file: tuple[int, int] | None = None
        self._watcher: Any = None
        self._readable = False
        self.paused = False
        self._waits = False
        self._back_off = SHORTEST_PAUSE
        self._retry: Timer | None = None
        self.address: Any = None

    def on_start(self) -> None:
        """Open the socket."""
        self.socket = self._open(self._endpoint)
        self.address = address_bound(self.socket)
        if self._endpoint.family == "unix":
            self._unix_file = file_at(self._endpoint.address)
        self._watcher = Hub.current().loop.io(self.socket.fileno(), READ)
        self._watch()
        if events.wanted(events.ListenerStarted):
            events.emit(events.ListenerStarted(self.address, self._endpoint.protocol))

    def on_receive(self, message: Any) -> Any:
        match message:
            case Pause():
                self.paused = True
                self._readable = False
                self._watch()
            case Resume():
                self.paused = False
                self._watch()
            case OwnsFile(owns):
                self._unix_file = file_at(self._endpoint.address) if owns else None
            case _:
                return super().on_receive(message)
        return None

    def on_turn(self) -> bool:
        """Accept what waits, in one batch."""
        if self._readable:
            self._readable = False
            self._accept_batch()
        return False

    def on_exit(self, reason: Any, error: BaseException | None) -> None:
        if events.wanted(events.ListenerEnded):
            events.emit(events.ListenerEnded(self.address, self._endpoint.protocol, reason))

    def release(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self.capacity.stop_waiting(self._look_again)
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.stop()
            watcher.close()
        if self.socket is not None:
            with contextlib.suppress(OSError):  # it may be broken, which is why the listener ends
                self.socket.close()
        remove_file(self._endpoint.address, self._unix_file)

    def leave_behind(self) -> None:
        self._retry = None  # the timer belongs to the parent's hub
        self._unix_file = None  # and so does the file
        super().leave_behind()

    def on_ready(self) -> bool:
        """Accept what waits, in one batch; unless it was told to pause since the socket was looked at."""
        if self._watcher.active:
            self._accept_batch()
        return False

    def on_ready_too_soon(self) -> None:
        """Somebody connects, but another turn is under way, or due, or this listener is suspended."""
        if self._watcher is not None and self._watcher.active:
            self._watcher.stop()  # level-triggered: it would be announced again and again
            self._look_again()

    def _look_again(self) -> None:
        """There may be something to accept, and a place for it. Runs in the hub or in the server's turn."""
        self._readable = True
        self.mailbox.wake()

    def _watch(self) -> None:
        """Wait for what comes next: a connection or, without a place for one, a place."""
        may_accept = not self.paused and self._retry is None
        if may_accept and not self.capacity.free:
            self._waits = True
            self.capacity.wait(self._look_again)
            self._watcher.stop()
            return
        if self._waits:
            self._waits = False
            self.capacity.stop_waiting(self._look_again)
        if not may_accept:
            self._watcher.stop()
        elif not self._watcher.active:
            self._watcher.start(Hub.current().join_line, self)

    def _accept_batch(self) -> None:
        connections: list[Connection] = []
        try:
            while self.capacity.free and len(connections) < self.accepts_per_turn:
                connection = self._accept()
                if connection is None:
                    break
                self.capacity.take(self._look_again)
                connections.append(connection)
        finally:
            self._hand_over(connections)
        self._watch()

    def _accept(self) -> Connection | None:
        """The next connection; None when there is none now."""
        assert self.socket is not None
        for failures in count(1):
            try:
                descriptor, peer = self.socket._accept()  # type: ignore[attr-defined]
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in _PASSING and failures < FAILURES_IN_A_ROW:
                    continue
                if error.errno in _PASSING or error.errno in _SCARCE:
                    self._pause_for_want(error)
                    break
                # The socket itself is broken. The server opens another one.
                raise ActorExit(error) from error
            self._back_off = SHORTEST_PAUSE
            accepted = SessionSocket(self.socket.family, _socket.SOCK_STREAM, 0, descriptor)
            accepted.setblocking(False)
            return Connection(accepted, peer, self._index, self._endpoint)
        return None

    def _pause_for_want(self, error: OSError) -> None:
        pause = self._back_off
        self._back_off = min(self._back_off * 2, LONGEST_PAUSE)
        if events.wanted(events.AcceptPaused):
            events.emit(events.AcceptPaused(self.address, pause, error.strerror))
        self._retry = Hub.current().timers.call_later(pause, self._go_on)

    def _go_on(self) -> None:
        self._retry = None
        self._watch()

    def _hand_over(self, connections: list[Connection]) -> None:
        if not connections:
            return
        try:
            self._server.tell(Accepted(tuple(connections)))
        except ActorDeadError as error:
            for connection in connections:
                connection.socket.close()
            raise ActorExit("shutdown") from error


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
        self._inherited = inherited
        self.accepts_per_turn = ACCEPTS_FROM_SHARED if inherited.shared else ACCEPTS_PER_TURN

    def on_start(self) -> None:
        super().on_start()
        self._unix_file = None

    def release(self) -> None:
        super().release()
        with contextlib.suppress(OSError):
            self._inherited.socket.close()  # of a listener that was killed before its start
