"""Which listener gets which of the sockets that were there before it.

A socket is for the listener whose options name its address. What a service manager gives has to fit without
remainder: a port that nobody serves, or one that is opened beside the manager's, is a mistake in its units. A
predecessor may have had other options: what fits goes on, what is new is opened, what is gone is closed.
"""

from __future__ import annotations

import _socket
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

from actors import StartError, events
from actors.net.sockets import FAMILIES, address_bound, is_abstract, resolve
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.process.events import SocketDropped
from gen_smtp.server.endpoints import call_here, endpoint_of
from gen_smtp.server.shown_address import shown_address


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
