"""A message that comes whole and as it is meant to be, as most do: seen at one look, without a reader."""

import math
from typing import Literal

from gen_smtp.protocol.text.newlines import has_bare_newline

BareNewlines = Literal[False, "ignore", "fix", "strip"]
"""What becomes of a CR or LF that is not part of a CRLF: rejected, kept, made a CRLF, removed."""

TERMINATOR = b"\r\n.\r\n"
STUFFED = b"\r\n."
CRLF = b"\r\n"
ENDING = b".\r\n"
"""What comes behind a message; the CRLF in front of it is the message's."""

SHORT = 16384
"""A message that ends before the octets do is looked for in so many at most: a reader searches them again."""


def whole_message(
    data: bytes, start: int, mode: BareNewlines, limit: int | float, line_limit: int | float
) -> bytes | None:
    """The fast path: a message that begins at ``start`` and ends in ``data``, and is as it is meant to be.

    Behind it come ``ENDING`` and perhaps the next envelope. None for any other, which goes the general way,
    by a ``DataReader``: its end is missing, it has a stuffed dot, it is empty, or anything may be wrong with
    it. Most messages come whole, and this saves 10 % of one over a kept connection, and 22 % where the next
    envelope comes with it (docs/performance.md). test_data_reader.py holds the two equal.
    """
    if data.startswith(b".", start) or (not data.endswith(TERMINATOR) and len(data) - start > SHORT):
        return None
    end = data.find(STUFFED, start)
    if not data.startswith(TERMINATOR, end) or line_limit < math.inf:
        return None
    content = data[start : end + len(CRLF)]
    if len(content) > limit or (mode != "ignore" and has_bare_newline(content)):
        return None
    return content
