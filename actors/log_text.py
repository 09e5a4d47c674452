"""Text as a log may show it: it forges no line, it has an end, and no object's own `__str__` can break it."""

from __future__ import annotations

import traceback
from collections.abc import Generator, Iterator
from typing import Any

from actors.errors import shown

LONGEST_TEXT = 512


def printable(text: str) -> str:
    """Text for a log: control characters escaped (none may forge a line), the end of long text cut."""
    return escaped(cut(text))


def cut(text: str) -> str:
    """Text without its end, if it is long."""
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"


def escaped(text: str) -> str:
    """Text in one line: control characters escaped, and all else that is not for printing."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def text_of(value: Any) -> str:
    """A value's text, or its repr where it has none. Whatever an object's methods raise, there is a text."""
    if isinstance(value, BaseException):
        return shown(value)  # its text alone may say little, or nothing
    try:
        return str(value)
    except BaseException:
        return shown(value)


def traceback_of(error: BaseException) -> str:
    """An exception's traceback with those of its causes. Its own text is one line, as `printable` makes it.

    What a client sent may be in that text. Python's own formatting would show each of its lines as one of
    the log.
    """
    told = traceback.TracebackException.from_exception(error, compact=True)
    for each in _all_of(told):
        each.__class__ = _OneLine
    return "".join(told.format()).rstrip("\n")


def _all_of(told: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """An exception, its causes, and the members of each group."""
    waiting: list[traceback.TracebackException | None] = [told]
    while waiting:
        each = waiting.pop()
        if each is not None:
            yield each
            waiting += [each.__cause__, each.__context__, *(getattr(each, "exceptions", None) or ())]


class _OneLine(traceback.TracebackException):
    """An exception whose text and notes are one line each, whatever is in them."""

    # Newer versions of Python have options here.
    def format_exception_only(self, **options: Any) -> Generator[str, None, None]:
        notes, self.__notes__ = getattr(self, "__notes__", None), None
        try:
            for line in super().format_exception_only(**options):
                yield f"{_printable_line(line)}\n"
        finally:
            self.__notes__ = notes
        if isinstance(notes, list | tuple):
            for note in notes:
                yield f"{_printable_line(text_of(note))}\n"


def _printable_line(line: str) -> str:
    return printable(line.rstrip("\n"))
