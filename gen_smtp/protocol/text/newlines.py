"""The look for bare newlines: in C where `quick_newlines.c` was built, else in Python."""

import os
from collections.abc import Callable
from io import IncrementalNewlineDecoder

_NO_BARE_NEWLINE = (None, "\r\n")


def look_in_python(content: bytes) -> bool:
    """Whether there is a CR or LF that is no part of a CRLF.

    The standard library's decoder for text files notes which kinds of newlines it has seen, and looks at each
    octet once: faster than counting them, splitting at them, or any regular expression.
    """
    seen = IncrementalNewlineDecoder(None, False)
    seen.decode(content.decode("latin-1"), True)
    return seen.newlines not in _NO_BARE_NEWLINE


has_bare_newline: Callable[[bytes], bool] = look_in_python
"""The one that runs. That in C takes a tenth of the time (docs/performance.md)."""
IN_C = False

if os.environ.get("GEN_SMTP_PURE", "") in ("", "0"):
    try:
        from gen_smtp.protocol.text import quick_newlines
    except ImportError:  # there was no compiler
        pass
    else:
        has_bare_newline, IN_C = quick_newlines.has_bare_newline, True
