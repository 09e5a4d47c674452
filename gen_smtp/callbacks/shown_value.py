"""A callback's wrong value as the log may show it: not too long, and without message or password."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from actors.errors import shown

LONGEST_SHOWN_VALUE = 200
_SECRET_ARGUMENT = {"handle_AUTH": 2, "handle_DATA": 2}
"""Which of a callback's arguments has no place in a log."""
_READERS = {"handle_DATA_stream"}
"""Callbacks that read what has no place there: nobody can tell it from the rest of what they return."""


def shown_value(value: Any, callback: str, arguments: tuple[Any, ...]) -> str:
    """Show a value that a callback returned.

    Args:
        value: what it returned.
        callback: its name.
        arguments: what it was called with; it may have handed some of that back by mistake.
    """
    if callback in _READERS:
        return f"a value of type {type(value).__name__}"
    text = shown(value)
    if callback in _SECRET_ARGUMENT:
        for secret in _texts(arguments[_SECRET_ARGUMENT[callback]]):
            text = text.replace(secret, "...")
    return text if len(text) <= LONGEST_SHOWN_VALUE else f"{text[:LONGEST_SHOWN_VALUE]}…"


def _texts(secret: Any) -> Iterator[str]:
    """How a secret looks inside a repr: its octets, and the text they stand for."""
    for part in secret if isinstance(secret, tuple) else (secret,):
        if part:
            yield repr(part).removeprefix("b")[1:-1]
        if isinstance(part, bytes) and part:
            yield repr(part.decode("utf-8", "replace"))[1:-1]
