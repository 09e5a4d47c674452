"""Values of labels, bounded: what a client says makes no more time series than it should."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from actors.log_text import text_of

OTHER = "other"
"""Stands for all that is too many, or is no value of its kind."""

VERBS = frozenset(
    (
        *("HELO", "EHLO", "LHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT"),
        *("RSET", "NOOP", "VRFY", "EXPN", "HELP", "ETRN", "QUIT", "XCLIENT", "XFORWARD"),
    )
)

_CODE = re.compile(r"[2-5]\d\d(?!\d)")
_WORDS = frozenset({"normal", "shutdown", "killed"})
_KINDS = frozenset({"limit", "error_receiving_data"})


class Few:
    """The first so many values of a label; `other` is what comes after them.

    Args:
        most: so many.
        known: those that count from the start.
    """

    def __init__(self, most: int, known: Collection[str] = ()) -> None:
        self._most = most
        self._known = set(known)

    def __call__(self, value: str) -> str:
        """The value, or `other`."""
        if value not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(value)
        return value


def verb_of(verb: str) -> str:
    """A verb of SMTP; a client may send any word as one."""
    return verb if verb in VERBS else "none" if not verb else "connection" if " " in verb else OTHER


def code_of(reply: str) -> str:
    """The code of a reply."""
    found = _CODE.match(reply)
    return found[0] if found else OTHER


def reason_of(reason: Any) -> str:
    """Why a session ended: a word of ours, `error` for an exception, `other` for what a callback has said."""
    if isinstance(reason, BaseException):
        return "error"
    if isinstance(reason, tuple) and reason and reason[0] in _KINDS:
        return str(reason[0])
    return reason if isinstance(reason, str) and reason in _WORDS else OTHER


def finite(value: float | None) -> float:
    """A limit; 0 for none."""
    return 0.0 if value is None else float(value)


def name_of(value: Any) -> str:
    """Anything as the value of a label."""
    return text_of(value)
