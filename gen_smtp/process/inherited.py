"""Listening sockets that a process finds when it starts, and which listener gets which of them.

They come from a service manager, or from the process's own predecessor. Both hand them over as
sd_listen_fds(3) says: `LISTEN_FDS` of them from descriptor 3 on, with names in `LISTEN_FDNAMES`. A service
manager adds `LISTEN_PID`, a predecessor adds `GEN_SMTP_HANDOVER` (see `Handover`).

A socket is for the listener whose options name its address. The sockets of a service manager must fit
exactly: a port that nobody serves, or that is opened beside the manager's, is a mistake in its units. A
predecessor may have had other options: what fits goes on, what is new is opened, what is gone is closed.
"""

from __future__ import annotations

import _socket
import contextlib
import os
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Self
from urllib.parse import quote

from actors import StartError, events
from actors.net.sockets import FAMILIES, InheritedSocket, address_bound, is_abstract, resolve
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.process.events import SocketDropped
from gen_smtp.server.endpoints import call_here, endpoint_of
from gen_smtp.server.shown_address import shown_address

FIRST_DESCRIPTOR = 3
COUNT, NAMES, PROCESS, HANDOVER = "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "GEN_SMTP_HANDOVER"
READY = b"READY"

CONTROL = "control"
"""The name of a control socket among those that are passed on, also by systemd's `FileDescriptorName=`."""


class ActivationError(StartError):
    """The sockets that the process was started with are not those that its listeners need."""


@dataclass(frozen=True, slots=True)
class FoundSocket:
    """A listening socket that was there when the process started.

    Attributes:
        socket: non-blocking.
        name: what the giver calls it.
    """

    socket: _socket.socket
    name: str

    @property
    def address(self) -> Any:
        """Where it listens."""
        return address_bound(self.socket)

    def __str__(self) -> str:
        return f"{shown_address(self.address)} ({self.name})"


@dataclass(frozen=True, slots=True)
class Handover:
    """What a predecessor says beside the sockets, as the value of `GEN_SMTP_HANDOVER`.

    Attributes:
        report_to: the descriptor to which `READY` is to be written once the successor serves.
        of_manager: whether the sockets are a service manager's, which keeps the files of unix sockets.
    """

    report_to: int
    of_manager: bool

    def __str__(self) -> str:
        return f"{self.report_to}:{'manager' if self.of_manager else 'process'}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a predecessor wrote.

        Raises:
            ActivationError: none has written that.
        """
        descriptor, _, owner = text.partition(":")
        if not descriptor.isdecimal():
            raise ActivationError(f"{HANDOVER}={text!r} was not written by gen_smtp")
        return cls(int(descriptor), owner == "manager")


class InheritedSockets:
    """What a process was given when it started: sockets, and perhaps a predecessor that waits.

    Args:
        environment: says what it is; what it says is taken out, for it is meant for this process alone.

    Attributes:
        of_manager: whether there are sockets, and they are a service manager's.
        owns_files: whether the files of unix sockets are this process's once it has reported ready: until
            then a predecessor may go on.

    Raises:
        ActivationError: something else than listening sockets was given.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        text = environment.pop(HANDOVER, None)
        self._handover = None if text is None else Handover.parse(text)
        self._found: list[FoundSocket] = []
        if self._handover is not None or environment.get(PROCESS) == str(os.getpid()):
            count, names, _ = (environment.pop(each, "") for each in (COUNT, NAMES, PROCESS))
            self._found = _find(count, names)
        self.of_manager = bool(self._found) if self._handover is None else self._handover.of_manager
        self.owns_files = self._handover is not None and not self.of_manager

    @property
    def is_awaited(self) -> bool:
        """Whether a predecessor waits for `report_ready`."""
        return self._handover is not None

    def control_socket(self, path: str) -> InheritedSocket | None:
        """The control socket, if it is among the sockets and listens at that path; before `sockets_for`."""
        for each in self._found:
            address = str(each.address)
            same = address == path or (
                not is_abstract(path) and os.path.abspath(address) == os.path.abspath(path)
            )
            if each.name == CONTROL and same:
                self._found.remove(each)
                return InheritedSocket(each.socket)
        return None

    def sockets_for(self, configurations: Sequence[ListenerOptions]) -> list[InheritedSocket | None]:
        """The socket of each listener; None where it has to open one. To be called once.

        Raises:
            ActivationError: the sockets and the listeners don't fit.
        """
        found, self._found = self._found, []
        try:
            given = distribute(found, configurations, strictly=self._handover is None)
        except BaseException:
            for each in found:
                each.socket.close()
            raise
        return [None if each is None else InheritedSocket(each) for each in given]

    def report_ready(self) -> None:
        """Tell the predecessor, if there is one, that it may leave."""
        if self._handover is not None:
            with contextlib.suppress(OSError):  # it is gone already
                os.write(self._handover.report_to, READY)
        self.close()

    def close(self) -> None:
        """Hang up on the predecessor. If it has not heard `READY`, it goes on."""
        handover, self._handover = self._handover, None
        if handover is not None:
            with contextlib.suppress(OSError):
                os.close(handover.report_to)


def name_of(options: ListenerOptions) -> str:
    """What a predecessor calls the socket of a listener: where its options say that it listens."""
    return quote(f"{options.family}-{options.address}-{options.port}", safe="")


def distribute(
    found: Sequence[FoundSocket], configurations: Sequence[ListenerOptions], *, strictly: bool
) -> list[_socket.socket | None]:
    """The socket of each listener; None where there is none for it.

    Args:
        found: the sockets.
        configurations: the options of each listener.
        strictly: if there is any socket, each must be used, and each listener have one. Otherwise those that
            are not used are closed.

    Raises:
        ActivationError: strictly, they don't fit.
    """
    left = list(found)
    given: list[_socket.socket | None] = [None] * len(configurations)
    for fits in _FITS:
        for number, options in enumerate(configurations):
            fitting = None if given[number] is not None else next((s for s in left if fits(s, options)), None)
            if fitting is not None:
                given[number] = fitting.socket
                left.remove(fitting)
    without = [options for options, socket in zip(configurations, given, strict=True) if socket is None]
    if strictly and found and (left or without):
        raise ActivationError(_misfit(left, without))
    for each in left:
        events.emit(SocketDropped(str(each)))
        each.socket.close()
    return given


def _find(count: str, names: str) -> list[FoundSocket]:
    if not count.isdecimal():
        raise ActivationError(f"{COUNT} is {count!r}, and no number")
    named = names.split(":") if names else []
    found: list[FoundSocket] = []
    try:
        for place in range(int(count)):
            descriptor = FIRST_DESCRIPTOR + place
            name = named[place] if place < len(named) else f"descriptor {descriptor}"
            found.append(FoundSocket(_socket_at(descriptor, name), name))
            _check_listening(found[-1])
    except ActivationError:
        for each in found:
            each.socket.close()
        raise
    return found


def _socket_at(descriptor: int, name: str) -> _socket.socket:
    try:
        os.set_inheritable(descriptor, False)
        found = _socket.socket(fileno=descriptor)
    except OSError as error:
        raise ActivationError(f"{name} is no socket: {error.strerror}") from error
    found.setblocking(False)
    return found


def _check_listening(found: FoundSocket) -> None:
    listens = found.socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN)
    if found.socket.type != _socket.SOCK_STREAM or not listens:
        raise ActivationError(f"{found.name} does not listen for connections (ListenStream=, Accept=no)")


def _misfit(left: Sequence[FoundSocket], without: Sequence[ListenerOptions]) -> str:
    sockets = ", ".join(map(str, left))
    listeners = ", ".join(_where(options) for options in without)
    if not without:
        return f"no listener for the inherited socket {sockets}"
    if not left:
        return f"no inherited socket for the listener {listeners}"
    return f"the inherited socket {sockets} does not fit the listener {listeners}"


def _where(options: ListenerOptions) -> str:
    if options.family == "unix":
        return options.address
    return f"{shown_address((options.address, options.port))} ({options.family})"


def _has_its_name(found: FoundSocket, options: ListenerOptions) -> bool:
    return found.name == name_of(options)


def _has_its_address(found: FoundSocket, options: ListenerOptions) -> bool:
    if found.socket.family != FAMILIES[options.family]:
        return False
    bound = found.address
    if options.family == "unix":
        path = str(bound)
        if is_abstract(path) or is_abstract(options.address):
            return path == options.address
        return os.path.abspath(path) == os.path.abspath(options.address)
    try:
        wanted = resolve(endpoint_of(options), call_here)
    except OSError:  # a name that can't be found; who opens a socket there says so
        return False
    return (ip_address(bound[0]), bound[1]) == (ip_address(wanted[0]), wanted[1])


def _has_all_addresses(found: FoundSocket, options: ListenerOptions) -> bool:
    """systemd's `ListenStream=25` is one IPv6 socket for IPv4 as well: more than `0.0.0.0`, but that too."""
    return (
        found.socket.family == _socket.AF_INET6
        and not found.socket.getsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY)
        and options.family == "inet"
        and options.address == "0.0.0.0"
        and found.address[:2] == ("::", options.port)
    )


_FITS: tuple[Callable[[FoundSocket, ListenerOptions], bool], ...] = (
    _has_its_name,
    _has_its_address,
    _has_all_addresses,
)
"""From the closest fit on, so that none takes a socket which is better for another."""
