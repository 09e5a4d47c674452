"""The first message of a TLS handshake, ClientHello, read before OpenSSL answers it (RFC 8446 section 4.1.2).

Python's `ssl` goes on with a client whose protocols it has none of (ALPN), and does not tell it from a client
that names none: measured with Python 3.11 and OpenSSL 3.0. RFC 7301 section 3.2 has it refused.
"""

from __future__ import annotations

import struct

MOST_OCTETS = 16384
"""A longer message is OpenSSL's alone to judge; browsers send two thousand octets."""

NO_APPLICATION_PROTOCOL = bytes([21, 3, 3, 0, 2, 2, 120])
"""The alert in clear, as all are before the server's first message: a record of type 21, fatal, 120."""

_RECORD = struct.Struct("!BHH")
_HANDSHAKE, _CLIENT_HELLO = 22, 1
_ALPN = 16
_VERSION_AND_RANDOM = 2 + 32


class ClientHelloReader:
    """Finds the protocols that a client names, in what it sends first."""

    __slots__ = ("_octets", "_wanted")

    def __init__(self) -> None:
        self._octets = bytearray()
        self._wanted = _RECORD.size + 4

    def feed(self, data: bytes) -> tuple[bytes, ...] | None:
        """Take in what has come, however it is cut.

        Returns:
            the names, none for a client that names none, or whose message is not well-formed: that is for
            OpenSSL to refuse. None: the message is not complete yet.
        """
        self._octets += data
        if len(self._octets) < self._wanted:
            return None
        if len(self._octets) > MOST_OCTETS:
            return ()
        message = self._message()
        return None if message is None else _protocols_of(message)

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


def _protocols_of(message: bytes) -> tuple[bytes, ...]:
    if message[:1] != bytes([_CLIENT_HELLO]):
        return ()
    body = _Octets(message[4:])
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
                return _names_of(extension)
    except ValueError:
        pass
    return ()


def _names_of(extension: bytes) -> tuple[bytes, ...]:
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
