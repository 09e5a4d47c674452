"""The first message of a TLS handshake, ClientHello, read before OpenSSL answers it (RFC 8446 section 4.1.2).

Python's `ssl` goes on with a client whose protocols it has none of (ALPN), and does not tell it from a client
that names none: measured with Python 3.11 and OpenSSL 3.0. RFC 7301 section 3.2 has it refused. The host that
a client asks for (SNI) is told to a callback of the context alone, of which there is one.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

MOST_OCTETS = 16384
"""A longer message is OpenSSL's alone to judge; browsers send two thousand octets."""

NO_APPLICATION_PROTOCOL = bytes([21, 3, 3, 0, 2, 2, 120])
"""The alert in clear, as all are before the server's first message: a record of type 21, fatal, 120."""

_RECORD = struct.Struct("!BHH")
_HANDSHAKE, _CLIENT_HELLO = 22, 1
_SERVER_NAME, _ALPN = 0, 16
_HOST_NAME = 0
_VERSION_AND_RANDOM = 2 + 32


_NAME = re.compile(rb"[A-Za-z0-9_.-]{1,255}")


class ClientHello(NamedTuple):
    """What a client says first.

    Attributes:
        protocols: the names of the protocols that it knows (RFC 7301); none if it names none.
        server_name: the host that it asks for, in small letters (RFC 6066 section 3); None if it names none,
            or what is no host name.
    """

    protocols: tuple[bytes, ...] = ()
    server_name: str | None = None


NOTHING = ClientHello()


class ClientHelloReader:
    """Finds the names in what a client sends first."""

    __slots__ = ("_octets", "_wanted")

    def __init__(self) -> None:
        self._octets = bytearray()
        self._wanted = _RECORD.size + 4

    def feed(self, data: bytes) -> ClientHello | None:
        """Take in what has come, however it is cut.

        Returns:
            the names; `NOTHING` for a message that is not well-formed, which OpenSSL will refuse. None: the
            message is not complete yet.
        """
        self._octets += data
        if len(self._octets) < self._wanted:
            return None
        if len(self._octets) > MOST_OCTETS:
            return NOTHING
        message = self._message()
        return None if message is None else _read(message)

    def _message(self) -> bytes | None:
        """The handshake message, put together from its records; None if more is wanted. Empty: it is none."""
        octets, message, start = self._octets, bytearray(), 0
        while len(message) < 4 or len(message) < 4 + int.from_bytes(message[1:4], "big"):
            if len(octets) < start + _RECORD.size:
                self._wanted = start + _RECORD.size
                return None
            kind, _, length = _RECORD.unpack_from(octets, start)
            if kind != _HANDSHAKE or not length:
                return b""
            end = start + _RECORD.size + length
            if len(octets) < end:
                self._wanted = end
                return None
            message += octets[start + _RECORD.size : end]
            start = end
        return bytes(message[: 4 + int.from_bytes(message[1:4], "big")])


def _read(message: bytes) -> ClientHello:
    if message[:1] != bytes([_CLIENT_HELLO]):
        return NOTHING
    body = _Octets(message[4:])
    protocols: tuple[bytes, ...] = ()
    server_name: str | None = None
    try:
        body.take(_VERSION_AND_RANDOM)
        body.vector(1)  # the session's id
        body.vector(2)  # cipher suites
        body.vector(1)  # compression methods
        extensions = _Octets(body.vector(2))
        while extensions.left():
            kind = int.from_bytes(extensions.take(2), "big")
            extension = extensions.vector(2)
            if kind == _ALPN:
                protocols = _protocols_of(extension)
            elif kind == _SERVER_NAME:
                server_name = _server_name_of(extension)
    except ValueError:
        return NOTHING
    return ClientHello(protocols, server_name)


def _server_name_of(extension: bytes) -> str | None:
    """RFC 6066 section 3; of several names the first host name counts, as OpenSSL knows no other kind."""
    names = _Octets(_Octets(extension).vector(2))
    while names.left():
        kind, name = names.take(1)[0], names.vector(2)
        if kind == _HOST_NAME:
            return name.decode("ascii").lower() if _NAME.fullmatch(name) else None
    return None


def _protocols_of(extension: bytes) -> tuple[bytes, ...]:
    """RFC 7301 section 3.1."""
    names = _Octets(_Octets(extension).vector(2))
    found = []
    while names.left():
        found.append(names.vector(1))
    return tuple(found)


class _Octets:
    """Octets that are taken from the front. Raises ValueError where there are too few."""

    __slots__ = ("_octets", "_start")

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._start = 0

    def left(self) -> bool:
        return self._start < len(self._octets)

    def take(self, count: int) -> bytes:
        end = self._start + count
        if end > len(self._octets):
            raise ValueError(f"{count} octets at {self._start} of {len(self._octets)}")
        taken, self._start = self._octets[self._start : end], end
        return taken

    def vector(self, size: int) -> bytes:
        """Octets behind their number, which takes `size` octets."""
        return self.take(int.from_bytes(self.take(size), "big"))
