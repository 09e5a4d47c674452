"""The body of a message after DATA (RFC 5321 sections 4.1.1.4 and 4.5.2), as a stream.

The end of the message is ``CRLF . CRLF`` on the raw octets and nothing else; it is searched before newlines
are mended, so no mode can move it (SMTP smuggling). What comes out does not depend on how the octets were
cut: the reader holds back the few octets that could still become the terminator, and a CR that could still
become a CRLF is always among them.
"""

import math
import re
from io import IncrementalNewlineDecoder
from typing import Literal

BareNewlines = Literal[False, "ignore", "fix", "strip"]
"""What becomes of a CR or LF that is not part of a CRLF: rejected, kept, made a CRLF, removed."""

RejectionCause = Literal["bare_newline", "line_too_long", "size_exceeded"]

_Fault = tuple[int | float, RejectionCause]
"""Where in the message it is, and what."""

DEFAULT_MAX_SIZE = 10485760
DISCARD_FACTOR = 4
"""A rejected body may go on for this many times the limit."""

_TERMINATOR = b"\r\n.\r\n"
_STUFFED = b"\r\n."
_CRLF = b"\r\n"
_PARTIAL_TERMINATORS = tuple(_TERMINATOR[:length] for length in (4, 3, 2, 1))
_NO_BARE_NEWLINE = (None, "\r\n")
_BARE_NEWLINE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def whole_message(
    data: bytes, start: int, mode: BareNewlines, limit: int | float, line_limit: int | float
) -> bytes | None:
    """The fast path: a message that is the rest of ``data`` from ``start`` on, and as it is meant to be.

    None for any other, which goes the general way, by a ``DataReader``: its end is missing or something comes
    behind that, it has a stuffed dot, it is empty, or anything may be wrong with it. Most messages come
    whole, and this saves 10 % of one over a kept connection (docs/performance.md). test_data_reader.py holds
    the two equal.
    """
    if not data.endswith(_TERMINATOR) or data.startswith(b".", start):
        return None
    end = len(data) - len(_TERMINATOR)
    if data.find(_STUFFED, start) != end or line_limit < math.inf:
        return None
    content = data[start : end + len(_CRLF)]
    if len(content) > limit or (mode != "ignore" and _has_bare_newline(content)):
        return None
    return content


class DataReader:
    """Decodes one message, fed in pieces of any size.

    ``limit`` is the greatest size of the message in octets, un-stuffed and with its last CRLF (RFC 1870
    section 3); ``line_limit`` that of a line with its CRLF (RFC 5321 section 4.5.3.1.6). A message that
    breaks a rule has its ``rejection`` set at once; the rest of it is thrown away up to the true end.
    ``endless`` is set when that is not in sight after 4 times the limit.
    """

    __slots__ = (
        "_held",
        "_limit",
        "_line",
        "_line_limit",
        "_mode",
        "_produced",
        "_rejected_at",
        "_size",
        "end",
        "endless",
        "finished",
        "rejection",
    )

    def __init__(self, mode: BareNewlines, limit: int | float, line_limit: int | float = math.inf) -> None:
        self._mode = mode
        self._limit = limit
        self._line_limit = line_limit
        self.rejection: RejectionCause | None = None
        """Why the message is rejected, as soon as it is known."""
        self.finished = False
        """The terminator was seen."""
        self.end = 0
        """Where it ended in what was fed last."""
        self.endless = False
        """Rejected, and too much has come since: give up on this client."""
        self._line = 0
        """Octets of the line under way."""
        self._rejected_at: int | float = 0
        self._held: bytes | None = None
        """What could still become the terminator; None before the first octet has come."""
        # A CRLF in front of the message stands for the one before its first line; it is not counted.
        self._size = self._produced = -len(_CRLF)

    def feed(self, data: bytes, start: int = 0) -> bytes:
        """Take in ``data`` from ``start`` on; return what is ready of the message, nothing if it is rejected.

        A piece is searched once for CRLF-dot: without one the message does not end and nothing is stuffed.
        Copied is only what is joined with held octets, or cut off from what is behind the terminator.
        """
        held = _CRLF if self._held is None else self._held
        seam = held + data[start : start + len(_TERMINATOR) - 1]
        if seam.startswith(_TERMINATOR):
            self._finish(start - len(held))
            return self._decode(_CRLF)
        dot = data.find(_STUFFED, start) if data.find(b".", start) >= 0 else -1
        end = data.find(_TERMINATOR, dot) if dot >= 0 else -1
        if end >= 0:
            self._finish(end)
            raw = held + data[start : end + len(_CRLF)]
        else:
            raw = held + data[start:]
            self._held = next(filter(raw.endswith, _PARTIAL_TERMINATORS), b"")
            raw = raw[: len(raw) - len(self._held)]
        return self._decode(raw.replace(_STUFFED, _CRLF) if dot != end or _STUFFED in seam else raw)

    def _finish(self, terminator: int) -> None:
        self.finished = True
        self.end = terminator + len(_TERMINATOR)
        self._held = b""

    def _decode(self, content: bytes) -> bytes:
        """Judge and mend un-stuffed ``content``, which splits no CRLF."""
        if not content:
            return b""
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
        produced_before = self._produced
        lines = content
        fault: _Fault | None = None
        if self._mode != "ignore" and _has_bare_newline(content):
            if self._mode is False:
                bare = _first_bare_newline(content)
                fault, lines = (size_before + bare, "bare_newline"), content[:bare]
            elif self._mode == "fix":
                content = lines = _fix(content)
            else:
                content = _strip(content)
        self._produced += len(content)
        if self._line_limit < math.inf:
            before = produced_before if self._mode == "fix" else size_before
            fault = self._find_long_line(lines, before) or fault
        if max(self._size, self._produced) > self._limit and (fault is None or fault[0] > self._limit):
            fault = (self._limit, "size_exceeded")
        if fault is not None:
            position, self.rejection = fault
            self._rejected_at = min(position, self._limit)
        return content[2:] if produced_before < 0 else content

    def _find_long_line(self, content: bytes, before: int) -> _Fault | None:
        """Look for the octet that makes a line too long; the message had ``before`` octets so far."""
        longest = self._line_limit - len(_CRLF)
        start = before - self._line
        lengths = [len(line) for line in content.split(_CRLF)]
        lengths[0] += self._line
        self._line = lengths[-1]
        if max(lengths) <= longest:
            return None
        for length in lengths:
            if length > longest:
                break
            start += length + len(_CRLF)
        return start + longest, "line_too_long"


def _has_bare_newline(content: bytes) -> bool:
    """Whether there is a CR or LF that is no part of a CRLF.

    The standard library's decoder for text files notes which kinds of newlines it has seen, and looks at each
    octet once: faster than counting them, splitting at them, or any regular expression.
    """
    seen = IncrementalNewlineDecoder(None, False)
    seen.decode(content.decode("latin-1"), True)
    return seen.newlines not in _NO_BARE_NEWLINE


def _fix(content: bytes) -> bytes:
    """Every CR, LF and CRLF as CRLF."""
    lines = content.splitlines()
    if content.endswith((b"\r", b"\n")):
        lines.append(b"")
    return _CRLF.join(lines)


def _first_bare_newline(content: bytes) -> int:
    matched = _BARE_NEWLINE.search(content)
    return matched.start() if matched else 0


def _strip(content: bytes) -> bytes:
    return b"\r\n".join([line.translate(None, b"\r\n") for line in content.split(b"\r\n")])
