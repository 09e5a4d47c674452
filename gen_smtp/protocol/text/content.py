"""What the octets of a message may be, however they come: newlines, the length of lines, the size."""

import math
import re
from typing import Literal

from gen_smtp.protocol.text.newlines import has_bare_newline
from gen_smtp.protocol.text.whole import CRLF, BareNewlines

RejectionCause = Literal["bare_newline", "line_too_long", "size_exceeded"]

_Fault = tuple[int | float, RejectionCause]
"""Where in the message it is, and what."""

DEFAULT_MAX_SIZE = 10485760
DISCARD_FACTOR = 4
"""A rejected body may go on for this many times the limit."""

COUNTED_OCTETS = 65536
"""In so many octets of a message lines are counted; in all of them it would take a quarter of the time that a
large message takes (docs/performance.md). A client with newlines of its own has one of them there."""

_BARE_NEWLINE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class ContentJudge:
    """Judges and mends one message, given in pieces that split no CRLF.

    ``limit`` is the greatest size of the message in octets; ``line_limit`` that of a line with its CRLF (RFC
    5321 section 4.5.3.1.6). A message that breaks a rule has its ``rejection`` set at once. ``endless`` is
    set when 4 times the limit has come since. The first ``uncounted`` octets are none of the message: they
    are judged with it, but not handed out.
    """

    __slots__ = (
        "_bare",
        "_line",
        "_line_limit",
        "_lines",
        "_produced",
        "_rejected_at",
        "_size",
        "_uncounted",
        "endless",
        "limit",
        "mode",
        "rejection",
    )

    def __init__(
        self, mode: BareNewlines, limit: int | float, line_limit: int | float = math.inf, uncounted: int = 0
    ) -> None:
        self.mode = mode
        self.limit = limit
        self._line_limit = line_limit
        self._uncounted = uncounted
        self.rejection: RejectionCause | None = None
        """Why the message is rejected, as soon as it is known."""
        self.endless = False
        """Rejected, and too much has come since: give up on this client."""
        self._line = 0
        """Octets of the line under way."""
        self._lines = 0
        """Ends of lines so far, in the first `COUNTED_OCTETS`."""
        self._bare = ""
        """Where the bare newline is for which the message is rejected, and what."""
        self._rejected_at: int | float = 0
        self._size = self._produced = -uncounted

    def reject(self, cause: RejectionCause) -> None:
        """Reject the message for what is known of it before its next octets come. The first cause counts."""
        if self.rejection is None:
            self.rejection = cause
            self._rejected_at = self._size

    def describe_bare_newline(self) -> str:
        """Which newline the message is rejected for, and where: ``LF without CR in line 12``."""
        return self._bare

    def judge(self, content: bytes) -> bytes:
        """Mend the next piece and return it, nothing of it if the message is rejected."""
        if not content:
            return b""
        size_before = self._size
        self._size += len(content)
        if self.rejection is None:
            content = self._mend(content, size_before)
        if self.rejection is None:
            return content
        patience = DISCARD_FACTOR * (self.limit if self.limit < math.inf else DEFAULT_MAX_SIZE)
        self.endless = self._size - self._rejected_at > patience
        return b""

    def take_clean(self, content: bytes) -> bool:
        """Take the next piece if it breaks no rule and needs no mending; else nothing has happened."""
        size = self._size + len(content)
        if self.rejection is not None or self._line_limit < math.inf or size > self.limit:
            return False
        if self.mode != "ignore" and has_bare_newline(content):
            return False
        if self.mode is False and self._size < COUNTED_OCTETS:
            self._count_lines(content, self._size)
        self._size = size
        self._produced += len(content)
        return True

    def _mend(self, content: bytes, size_before: int) -> bytes:
        """Mend ``content`` or set ``rejection``; of two faults the first in the message counts."""
        produced_before = self._produced
        lines = content
        fault: _Fault | None = None
        if self.mode != "ignore" and has_bare_newline(content):
            if self.mode is False:
                bare = _first_bare_newline(content)
                self._locate(content, bare, size_before)
                fault, lines = (size_before + bare, "bare_newline"), content[:bare]
            elif self.mode == "fix":
                content = lines = _fix(content)
            else:
                content = _strip(content)
        elif self.mode is False and size_before < COUNTED_OCTETS:
            self._count_lines(content, size_before)
        self._produced += len(content)
        if self._line_limit < math.inf:
            before = produced_before if self.mode == "fix" else size_before
            fault = self._find_long_line(lines, before) or fault
        if max(self._size, self._produced) > self.limit and (fault is None or fault[0] > self.limit):
            fault = (self.limit, "size_exceeded")
        if fault is not None:
            position, self.rejection = fault
            self._rejected_at = min(position, self.limit)
        return content[self._uncounted :] if produced_before < 0 else content

    def _count_lines(self, content: bytes, size_before: int, end: int | None = None) -> None:
        begin = max(0, -size_before)  # what is none of the message has no line of its own
        counted = max(0, COUNTED_OCTETS - size_before)
        self._lines += content.count(b"\n", begin, counted if end is None else min(counted, end))

    def _locate(self, content: bytes, bare: int, size_before: int) -> None:
        """Note the line of the bare newline at ``bare``, or one before it if lines are counted no more."""
        self._count_lines(content, size_before, bare)
        what = "CR without LF" if content[bare : bare + 1] == b"\r" else "LF without CR"
        is_counted = size_before + bare < COUNTED_OCTETS
        self._bare = (
            f"{what} in line {self._lines + 1}" if is_counted else f"{what} behind line {self._lines}"
        )

    def _find_long_line(self, content: bytes, before: int) -> _Fault | None:
        """Look for the octet that makes a line too long; the message had ``before`` octets so far."""
        longest = self._line_limit - len(CRLF)
        start = before - self._line
        lengths = [len(line) for line in content.split(CRLF)]
        lengths[0] += self._line
        self._line = lengths[-1]
        if max(lengths) <= longest:
            return None
        for length in lengths:
            if length > longest:
                break
            start += length + len(CRLF)
        return start + longest, "line_too_long"


def _fix(content: bytes) -> bytes:
    """Every CR, LF and CRLF as CRLF."""
    lines = content.splitlines()
    if content.endswith((b"\r", b"\n")):
        lines.append(b"")
    return CRLF.join(lines)


def _first_bare_newline(content: bytes) -> int:
    matched = _BARE_NEWLINE.search(content)
    return matched.start() if matched else 0


def _strip(content: bytes) -> bytes:
    return b"\r\n".join([line.translate(None, b"\r\n") for line in content.split(b"\r\n")])
