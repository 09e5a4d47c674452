"""Listening sockets: where to listen, how a socket is opened there, and the file of a unix socket."""

from __future__ import annotations

import _socket
import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from gevent.monkey import get_original

from actors.errors import ListenError
from actors.runtime.threads import run_blocking

Family: TypeAlias = Literal["inet", "inet6", "unix"]
FAMILIES = {"inet": _socket.AF_INET, "inet6": _socket.AF_INET6, "unix": _socket.AF_UNIX}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to listen.

    Attributes:
        address: an IP address or host name; the path of a unix socket, or `@name` for a name in Linux's
            abstract namespace, which has no file.
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
        socket: non-blocking; the taker of the connection owns it.
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


def duplicates(sockets: Iterable[_socket.socket]) -> list[int]:
    """Duplicate the descriptors of sockets, of all or of none; the caller closes the duplicates.

    Raises:
        OSError: the system has no more descriptors; those made so far are closed.
    """
    made: list[int] = []
    try:
        for each in sockets:
            made.append(os.dup(each.fileno()))
    except BaseException:
        for descriptor in made:
            os.close(descriptor)
        raise
    return made


def resolve(endpoint: Endpoint, run: Callable[..., Any] = run_blocking) -> Any:
    """The address to bind to, as the socket module has it.

    Args:
        endpoint: where.
        run: calls what blocks, as for `open_socket`.

    Raises:
        OSError: its host name can't be found.
    """
    if endpoint.family == "unix":
        return _as_bound(endpoint.address)
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
    has_file = endpoint.family == "unix" and not is_abstract(endpoint.address)
    if has_file:
        _make_way(endpoint.address)
    elif endpoint.family != "unix":
        opened.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    if endpoint.family == "inet6":
        # Or `::` beside `0.0.0.0` on one port is EADDRINUSE.
        opened.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
    opened.bind(where)
    if has_file:
        _set_access(endpoint)


def is_abstract(address: str) -> bool:
    """Tell whether the address of a unix socket is a name without a file (unix(7))."""
    return address.startswith("@")


def _as_bound(address: str) -> str | bytes:
    """The address of a unix socket as the socket module has it."""
    return b"\0" + os.fsencode(address[1:]) if is_abstract(address) else address


def address_bound(opened: _socket.socket) -> Any:
    """Where a socket listens, as `Endpoint` has it: `@name` for an abstract name."""
    bound = opened.getsockname()
    return "@" + os.fsdecode(bound[1:]) if isinstance(bound, bytes) else bound


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
    """Remove the socket file that a dead server left. If a server answers there, that is an error."""
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
    """Which file a unix socket's address is: its device and number; None if there is none."""
    if is_abstract(path):
        return None
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


@dataclass(frozen=True, slots=True)
class InheritedSocket:
    """A listening socket that was there before its server.

    Attributes:
        socket: non-blocking.
        shared: other processes accept from it as well, for as long as this one does.
    """

    socket: _socket.socket
    shared: bool = False
