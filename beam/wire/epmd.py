"""epmd, the port mapper of a host: nodes register their port there by their name, and ask for those of
others."""

from __future__ import annotations

import contextlib
import os
from typing import Any, NamedTuple

import gevent
from gevent import socket

ENVIRONMENT = "ERL_EPMD_PORT"
DEFAULT_PORT = 4369

VERSION = 6
"""Of the handshake: the one of OTP 23 and newer, which is the only one spoken here."""

ALIVE_REQUEST = 120
ALIVE_ANSWER = 121
ALIVE_LONG_ANSWER = 118
PORT_REQUEST = 122
PORT_ANSWER = 119

HIDDEN = 72
VISIBLE = 77

NAME_TAKEN = 1


class EpmdError(OSError):
    """epmd did not do what it was asked for; the text says why."""


class Entry(NamedTuple):
    """What epmd knows of a node.

    Attributes:
        port: where the node listens.
        lowest, highest: the versions of the handshake that it knows.
    """

    port: int
    lowest: int
    highest: int


class Registration(NamedTuple):
    """A name that is registered while the connection to epmd is open.

    Attributes:
        sock: the connection.
        creation: which life of the node it is.
    """

    sock: Any
    creation: int


def port_of_epmd() -> int:
    """Where epmd listens on this host: the variable `ERL_EPMD_PORT`, or 4369.

    Raises:
        EpmdError: the variable is no port.
    """
    text = os.environ.get(ENVIRONMENT, "")
    if not text:
        return DEFAULT_PORT
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise EpmdError(f"the variable {ENVIRONMENT} holds {text!r}, which is no port")
    return int(text)


def register(address: str, epmd_port: int, name: str, port: int, timeout: float) -> Registration:
    """Register a hidden node.

    Args:
        address: where epmd listens, on this host.
        epmd_port: its port.
        name: the node's name without the host.
        port: where the node listens.
        timeout: seconds.

    Raises:
        EpmdError: the name is taken, or epmd answers something else.
        OSError: nobody listens there.
    """
    octets = name.encode()
    request = bytes((ALIVE_REQUEST,)) + port.to_bytes(2) + bytes((HIDDEN, 0))
    request += VERSION.to_bytes(2) * 2 + len(octets).to_bytes(2) + octets + b"\0\0"
    with _within(timeout, address, epmd_port):
        sock = _connect(address, epmd_port, request)
        try:
            kind, result = _receive(sock, 2)
            if kind not in (ALIVE_ANSWER, ALIVE_LONG_ANSWER):
                raise EpmdError(f"at {address} port {epmd_port} answers something that is not epmd")
            if result == NAME_TAKEN:
                raise EpmdError(f"the name {name!r} is registered by another node of this host")
            if result != 0:
                raise EpmdError(f"epmd refuses the name {name!r} (its answer is {result})")
            creation = int.from_bytes(_receive(sock, 4 if kind == ALIVE_LONG_ANSWER else 2))
        except BaseException:
            sock.close()
            raise
        return Registration(sock, creation)


def look_up(host: str, epmd_port: int, name: str, timeout: float) -> Entry | None:
    """Where a node of a host listens.

    Args:
        host: the host's name or address.
        epmd_port: the port of its epmd.
        name: the node's name without the host.
        timeout: seconds.

    Returns:
        None if epmd does not know it.

    Raises:
        EpmdError: what answers is no epmd.
        OSError: nobody listens there, or does not answer in time.
    """
    with (
        _within(timeout, host, epmd_port),
        contextlib.closing(_connect(host, epmd_port, bytes((PORT_REQUEST,)) + name.encode())) as sock,
    ):
        kind, result = _receive(sock, 2)
        if kind != PORT_ANSWER:
            raise EpmdError(f"at {host} port {epmd_port} answers something that is not epmd")
        if result != 0:
            return None
        octets = _receive(sock, 8)
        highest, lowest = int.from_bytes(octets[4:6]), int.from_bytes(octets[6:8])
        return Entry(int.from_bytes(octets[:2]), lowest, highest)


def _within(timeout: float, host: str, port: int) -> Any:
    return gevent.Timeout(
        timeout, EpmdError(f"epmd at {host} port {port} does not answer within {timeout} s")
    )


def _connect(host: str, port: int, request: bytes) -> Any:
    sock = socket.create_connection((host, port))
    try:
        sock.sendall(len(request).to_bytes(2) + request)
    except BaseException:
        sock.close()
        raise
    return sock


def _receive(sock: Any, count: int) -> bytes:
    octets = b""
    while len(octets) < count:
        piece = sock.recv(count - len(octets))
        if not piece:
            raise EpmdError("epmd closed the connection without an answer")
        octets += piece
    return octets
