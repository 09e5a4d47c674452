"""A message that comes whole and as it is meant to be, as most do: seen at one look, without a reader."""

import math
from io import IncrementalNewlineDecoder
from typing import Literal

BareNewlines = Literal[False, "ignore", "fix", "strip"]
"""What becomes of a CR or LF that is not part of a CRLF: rejected, kept, made a CRLF, removed."""

TERMINATOR = b"\r\n.\r\n"
STUFFED = b"\r\n."
CRLF = b"\r\n"
_NO_BARE_NEWLINE = (None, "\r\n")


def whole_message(
    data: bytes, start: int, mode: BareNewlines, limit: int | float, line_limit: int | float
) -> bytes | None:
    """The fast path: a message that is the rest of ``data`` from ``start`` on, and as it is meant to be.

    None for any other, which goes the general way, by a ``DataReader``: its end is missing or something comes
    behind that, it has a stuffed dot, it is empty, or anything may be wrong with it. Most messages come
    whole, and this saves 10 % of one over a kept connection (docs/performance.md). test_data_reader.py holds
    the two equal.
    """
    if not data.endswith(TERMINATOR) or data.startswith(b".", start):
        return None
    end = len(data) - len(TERMINATOR)
    if data.find(STUFFED, start) != end or line_limit < math.inf:
        return None
    content = data[start : end + len(CRLF)]
    if len(content) > limit or (mode != "ignore" and has_bare_newline(content)):
        return None
    return content


def has_bare_newline(content: bytes) -> bool:
    """Whether there is a CR or LF that is no part of a CRLF.

    The standard library's decoder for text files notes which kinds of newlines it has seen, and looks at each
    octet once: faster than counting them, splitting at them, or any regular expression.
    """
    seen = IncrementalNewlineDecoder(None, False)
    seen.decode(content.decode("latin-1"), True)
    return seen.newlines not in _NO_BARE_NEWLINE
