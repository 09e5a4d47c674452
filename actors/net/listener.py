"""Listening sockets: how one is opened, and the actor that accepts from it."""

from __future__ import annotations

import _socket
import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal, TypeAlias

from gevent.monkey import get_original

from actors import events
from actors.errors import ActorDeadError, ActorExit, ListenError
from actors.messages import Accepted, OwnsFile, Pause, Resume
from actors.net.capacity import Places
from actors.net.transport import READ
from actors.runtime.actor import GeventActor
from actors.runtime.hub import Hub
from actors.runtime.refs import GeventRef
from actors.runtime.threads import run_blocking
from actors.runtime.timers import Timer

Family: TypeAlias = Literal["inet", "inet6", "unix"]
FAMILIES = {"inet": _socket.AF_INET, "inet6": _socket.AF_INET6, "unix": _socket.AF_UNIX}

ACCEPTS_PER_TURN = 64
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


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to listen.

    Attributes:
        address: an IP address or host name; the path of a unix socket.
        port: 0 lets the system choose one; None for unix sockets.
        family: `"inet"`, `"inet6"` (IPv6 alone) or `"unix"`.
        protocol: what is served, for messages: `"tcp"` or `"ssl"`.
        backlog: how many connections the kernel holds until they are accepted.
        mode: the permissions of a unix socket's file, `0o660` say; who may write to it may connect. None
            leaves them to the process's umask.
        group: the number of the group that the file belongs to; None leaves it to the system.
        configuration: whatever the sessions of this listener need; handed through untouched.
    """

    address: str
    port: int | None = 0
    family: Family = "inet"
    protocol: str = "tcp"
    backlog: int = 4096
    mode: int | None = None
    group: int | None = None
    configuration: Any = field(default=None, repr=False)


@dataclass(slots=True)
class Connection:
    """One accepted connection. Not to be changed, though not frozen: CPython would take five times as long.

    Attributes:
        socket: non-blocking; whoever takes the connection owns it.
        peer: the peer's address as the system gives it: `(address, port, ...)`, or a path.
        listener: the number of the listener it came in by.
        endpoint: what that listener was told.
        note: what `ServerActor.admit` finds out, for the session.
    """

    socket: _socket.socket
    peer: Any
    listener: int
    endpoint: Endpoint
    note: Any = None


def open_socket(endpoint: Endpoint, run: Callable[..., Any] = run_blocking) -> _socket.socket:
    """Open a listening socket, non-blocking.

    Args:
        endpoint: where.
        run: calls what blocks, the look-up of a host name, with its arguments: in a worker thread.

    Raises:
        ListenError: it can't be opened; the system's reason is in it.
    """
    try:
        where = resolve(endpoint, run)
        # The bare socket type of the standard library: small, and the same in a monkey-patched program.
        opened = _socket.socket(FAMILIES[endpoint.family], _socket.SOCK_STREAM)
        try:
            _bind(opened, endpoint, where)
            opened.listen(endpoint.backlog)
        except BaseException:
            opened.close()
            raise
    except OSError as error:
        raise ListenError(endpoint.address, endpoint.port, endpoint.protocol, error) from error
    return opened


def resolve(endpoint: Endpoint, run: Callable[..., Any] = run_blocking) -> Any:
    """The address to bind to, as the socket module has it.

    Args:
        endpoint: where.
        run: calls what blocks, as for `open_socket`.

    Raises:
        OSError: its host name can't be found.
    """
    if endpoint.family == "unix":
        return endpoint.address
    family = FAMILIES[endpoint.family]
    flags = socket.AI_NUMERICHOST | socket.AI_PASSIVE
    look_up = get_original("socket", "getaddrinfo")
    port = endpoint.port or 0
    try:
        found = look_up(endpoint.address, port, family, socket.SOCK_STREAM, 0, flags)
    except socket.gaierror:
        found = run(look_up, endpoint.address, port, family, socket.SOCK_STREAM, 0, 0)
    return found[0][4]


def _bind(opened: _socket.socket, endpoint: Endpoint, where: Any) -> None:
    opened.setblocking(False)
    if endpoint.family == "unix":
        _make_way(endpoint.address)
    else:
        opened.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    if endpoint.family == "inet6":
        # Or `::` beside `0.0.0.0` on one port is EADDRINUSE.
        opened.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
    opened.bind(where)
    if endpoint.family == "unix":
        _set_access(endpoint)


def _set_access(endpoint: Endpoint) -> None:
    """Say who may connect; nobody can before the socket listens, so there is no moment of other rules."""
    try:
        if endpoint.group is not None:
            os.chown(endpoint.address, -1, endpoint.group)
        if endpoint.mode is not None:
            os.chmod(endpoint.address, endpoint.mode)
    except OSError:
        os.unlink(endpoint.address)
        raise


def _make_way(path: str) -> None:
    """Remove the socket file that a dead server left; one that answers stays and is an error."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise FileExistsError(errno.EEXIST, "the path exists and is not a socket", path)
    except FileNotFoundError:
        return
    with contextlib.closing(_socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass  # its backlog is full: somebody lives there
    raise OSError(errno.EADDRINUSE, "another server listens there", path)


def file_at(path: str) -> tuple[int, int] | None:
    """Which file has that path: its device and number; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def remove_file(path: str, file: tuple[int, int] | None) -> None:
    """Remove the file of a unix socket, if that is still the one which has the path."""
    if file is not None and file_at(path) == file:
        # Root may have been dropped since, and the folder be root's: the next start replaces the file.
        with contextlib.suppress(OSError):
            os.unlink(path)


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
        places: those of its server; without one that is free, connections stay in the backlog.
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
        self.places = Places()
        self._open = open_
        self.socket: _socket.socket | None = None
        self._unix_file: tuple[int, int] | None = None
        self._watcher: Any = None
        self._readable = False
        self.paused = False
        self._back_off = SHORTEST_PAUSE
        self._retry: Timer | None = None
        self.address: Any = None

    def on_start(self) -> None:
        """Open the socket."""
        self.socket = self._open(self._endpoint)
        self.address = self.socket.getsockname()
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
                self._watcher.stop()
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
        self.places.stop_waiting(self._look_again)
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
        if self.socket is not None:
            with contextlib.suppress(OSError):  # it may be broken, which is why the listener ends
                self.socket.close()
        remove_file(self._endpoint.address, self._unix_file)

    def leave_behind(self) -> None:
        self._retry = None  # the timer belongs to the parent's hub
        self._unix_file = None  # and so does the file
        super().leave_behind()

    def _on_readable(self) -> None:
        # Level-triggered: stays quiet until the batch is accepted.
        self._watcher.stop()
        self._look_again()

    def _look_again(self) -> None:
        """There may be something to accept, and a place for it. Runs in the hub or in the server's turn."""
        self._readable = True
        self.mailbox.wake()

    def _watch(self) -> None:
        """Wait for what comes next: a connection or, without a place for one, a place."""
        may_accept = not self.paused and self._retry is None
        if may_accept and not self.places.free:
            self.places.wait(self._look_again)
            return
        self.places.stop_waiting(self._look_again)
        if may_accept:
            self._watcher.start(self._on_readable)

    def _accept_batch(self) -> None:
        connections: list[Connection] = []
        try:
            while self.places.free and len(connections) < self.accepts_per_turn:
                connection = self._accept()
                if connection is None:
                    break
                self.places.take(self._look_again)
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
            accepted = _socket.socket(self.socket.family, _socket.SOCK_STREAM, 0, descriptor)
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
