"""The body of a message after DATA (RFC 5321 sections 4.1.1.4 and 4.5.2), as a stream.

The end of the message is ``CRLF . CRLF`` on the raw octets and nothing else; it is searched before newlines
are mended, so no mode can move it (SMTP smuggling). What comes out does not depend on how the octets were
cut: the reader holds back the few octets that could still become the terminator, and a CR that could still
become a CRLF is always among them.
"""

import math
import re
from collections.abc import Callable
from typing import Literal

BareNewlines = Literal[False, "ignore", "fix", "strip"]
"""What becomes of a CR or LF that is not part of a CRLF: refused, kept, made a CRLF, removed."""

RejectionCause = Literal["bare_newline", "size_exceeded"]

DEFAULT_MAX_SIZE = 10485760
DISCARD_FACTOR = 4
"""A refused body may go on for this many times the limit."""

_TERMINATOR = b"\r\n.\r\n"
_PARTIAL_TERMINATORS = tuple(_TERMINATOR[:length] for length in (4, 3, 2, 1))
_BARE_NEWLINE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class DataReader:
    """Decodes one message, fed in pieces of any size.

    ``limit`` is the greatest size of the message in octets, un-stuffed and with its last CRLF (RFC 1870
    section 3). A message that breaks a rule has its ``rejection`` set at once; the rest of it is thrown away
    up to the true end. ``endless`` is set when that is not in sight after 4 times the limit.
    """

    __slots__ = (
        "_held",
        "_limit",
        "_mode",
        "_produced",
        "_rejected_at",
        "_size",
        "endless",
        "finished",
        "rejection",
        "rest",
    )

    def __init__(self, mode: BareNewlines, limit: int | float) -> None:
        self._mode = mode
        self._limit = limit
        # The octets before the message act as the CRLF in front of its first line; they are not counted.
        self._held = b"\r\n"
        self._size = self._produced = -len(self._held)
        self._rejected_at: int | float = 0
        self.rejection: RejectionCause | None = None
        """Why the message is refused, as soon as it is known."""
        self.finished = False
        """The terminator was seen."""
        self.rest = b""
        """What came behind the terminator."""
        self.endless = False
        """Refused, and too much has come since: give up on this client."""

    def feed(self, data: bytes) -> bytes:
        """Take ``data`` in and return what is ready of the message, nothing if it is refused."""
        data = self._held + data
        end = data.find(_TERMINATOR)
        if end >= 0:
            self.finished = True
            self.rest = data[end + len(_TERMINATOR) :]
            self._held = b""
            return self._decode(data[: end + 2])
        self._held = next(filter(data.endswith, _PARTIAL_TERMINATORS), b"")
        return self._decode(data[: len(data) - len(self._held)])

    def _decode(self, raw: bytes) -> bytes:
        """Un-stuff, judge and mend ``raw``, which splits neither a CRLF nor a CRLF-dot."""
        if not raw:
            return b""
        content = raw.replace(b"\r\n.", b"\r\n")
        size_before = self._size
        self._size += len(content)
        if self.rejection is None:
            content = self._judge(content, size_before)
        if self.rejection is None:
            return content
        patience = DISCARD_FACTOR * (self._limit if self._limit < math.inf else DEFAULT_MAX_SIZE)
        self.endless = self._size - self._rejected_at > patience
        return b""

    def _judge(self, content: bytes, size_before: int) -> bytes:
        """Mend ``content`` or set ``rejection``; of two faults the first in the message counts."""
        if self._mode != "ignore" and _has_bare_newline(content):
            if self._mode is False:
                position = size_before + _first_bare_newline(content)
                self._reject("bare_newline" if position <= self._limit else "size_exceeded", position)
                return b""
            content = _MEND[self._mode](content)
        produced_before = self._produced
        self._produced += len(content)
        if max(self._size, self._produced) > self._limit:
            self._reject("size_exceeded", self._limit)
        return content[2:] if produced_before < 0 else content

    def _reject(self, cause: RejectionCause, position: int | float) -> None:
        self.rejection = cause
        self._rejected_at = min(position, self._limit)


def _has_bare_newline(content: bytes) -> bool:
    pairs = content.count(b"\r\n")
    return content.count(b"\n") != pairs or content.count(b"\r") != pairs


def _first_bare_newline(content: bytes) -> int:
    matched = _BARE_NEWLINE.search(content)
    return matched.start() if matched else 0


def _fix(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def _strip(content: bytes) -> bytes:
    return b"\r\n".join([line.translate(None, b"\r\n") for line in content.split(b"\r\n")])


_MEND: dict[str, Callable[[bytes], bytes]] = {"fix": _fix, "strip": _strip}
