"""The octets of a message on their way out: CRLF at the end of each line, and stuffed dots."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from gen_smtp.protocol.text.newlines import has_bare_newline

Message: TypeAlias = (
    "bytes | bytearray | memoryview | str | Iterable[bytes] | Callable[[], bytes | str] | Any"
)
"""Octets or text, a function that gives either, pieces of octets, or a binary file."""

READ_OCTETS = 65536
END = b".\r\n"
MOST_COPIED = 65536
"""A message of more octets is not copied to put its end behind it."""

_BARE_NEWLINE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_HEADER_END = b"\r\n\r\n"


class EightBitError(Exception):
    """A message that comes as a stream has octets of 8 bits, and the server takes none."""


class Content:
    """A message.

    Attributes:
        octets: all of it, with CRLF at the end of each line; None for a stream.
        stream: its pieces, as they were given; empty if there are octets.
        size: how many octets there are; None if that is not known.
    """

    __slots__ = ("octets", "size", "stream")

    def __init__(self, octets: bytes | None, stream: Iterable[bytes] = (), size: int | None = None) -> None:
        self.octets = octets
        self.stream = stream
        self.size = size if octets is None else len(octets)

    @property
    def is_ascii(self) -> bool:
        """Whether all octets are known to have 7 bits."""
        return self.octets is not None and self.octets.isascii()

    @property
    def header_is_ascii(self) -> bool:
        """Whether the octets of the header section have 7 bits, as far as they are known."""
        return self.octets is None or self.octets.partition(_HEADER_END)[0].isascii()


def prepare(message: Any, *, size: int | None = None, binary: bool = False) -> Content:
    """A message as it is sent.

    Args:
        message: as users give it.
        size: octets of a stream, if they are known.
        binary: leave all octets as they are (RFC 3030).

    Raises:
        TypeError: it is no message.
    """
    if callable(message) and not hasattr(message, "read"):
        message = message()
    if isinstance(message, str):
        message = message.encode()
    if isinstance(message, bytes | bytearray | memoryview):
        octets = bytes(message)
        return Content(octets if binary else with_crlf(octets))
    if hasattr(message, "read"):
        return Content(None, _pieces_of(message), size)
    if isinstance(message, Iterable):
        return Content(None, message, size)
    raise TypeError(f"a message is bytes, text, a function, pieces of bytes, or a file, not {type(message)}")


def _pieces_of(file: Any) -> Iterator[bytes]:
    while piece := file.read(READ_OCTETS):
        yield piece


def with_crlf(octets: bytes) -> bytes:
    """A message in which each CR, LF or CRLF is CRLF, as is its end.

    A server that takes a bare one for the end of a line would see the end of the message in LF.LF (SMTP
    smuggling).
    """
    if has_bare_newline(octets):
        octets = _BARE_NEWLINE.sub(b"\r\n", octets)
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


def stuffed(octets: bytes) -> bytes:
    """A message with its dots stuffed (RFC 5321 section 4.5.2)."""
    if b"\n." in octets:
        octets = octets.replace(b"\r\n.", b"\r\n..")
    return b"." + octets if octets[:1] == b"." else octets


def crlf_pieces(pieces: Iterable[bytes], *, seven_bit: bool) -> Iterator[bytes]:
    """The pieces of a stream with CRLF at the end of each line, and at the end; none of them splits a CRLF.

    Raises:
        EightBitError: an octet has 8 bits, and `seven_bit` says that none may have.
    """
    held = b""
    ended = True
    for given in pieces:
        piece = held + given
        if seven_bit and not piece.isascii():
            raise EightBitError
        held = b"\r" if piece.endswith(b"\r") else b""
        piece = piece[:-1] if held else piece
        if piece:
            piece = _BARE_NEWLINE.sub(b"\r\n", piece) if has_bare_newline(piece) else piece
            ended = piece.endswith(b"\n")
            yield piece
    if held or not ended:
        yield b"\r\n"


def stuffed_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pieces of whole CRLFs with their dots stuffed, and behind them the end of the message."""
    at_start = True
    for piece in pieces:
        at_start_before, at_start = at_start, piece.endswith(b"\n")
        if b"\n." in piece:
            piece = piece.replace(b"\r\n.", b"\r\n..")
        yield b"." + piece if at_start_before and piece[:1] == b"." else piece
    yield END


def chunks_of(pieces: Iterable[bytes], octets: int) -> Iterator[bytes]:
    """Pieces put together to chunks of about so many octets."""
    held: list[bytes] = []
    length = 0
    for piece in pieces:
        held.append(piece)
        length += len(piece)
        if length >= octets:
            yield b"".join(held)
            held, length = [], 0
    if held:
        yield b"".join(held)


def collect(pieces: Iterable[bytes], most: int) -> bytes | None:
    """A stream as a whole; None if it has more octets than that."""
    held: list[bytes] = []
    length = 0
    for piece in pieces:
        held.append(piece)
        length += len(piece)
        if length > most:
            return None
    return b"".join(held)
