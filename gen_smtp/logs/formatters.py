"""A formatter for each form of the log, and the log to standard error."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from actors.log_text import escaped
from gen_smtp.logs.fields import event_of, fields_of, traceback_text
from gen_smtp.process.child_process import worker_number

LogFormat = Literal["text", "json", "logfmt", "journald"]

FORMATS: tuple[LogFormat, ...] = get_args(LogFormat)

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
JOURNAL = "%(name)s: %(message)s"

_SYSLOG = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7))
"""The priorities of sd-daemon(3), by the lowest level that has them."""


class TextFormatter(logging.Formatter):
    """Lines for people. Nothing that a client sends can make a line of its own.

    Args:
        form: as `logging.Formatter` takes it.
    """

    def format(self, record: logging.LogRecord) -> str:
        record.exc_text = traceback_text(record)  # else the base class makes one with lines of a client
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        if event_of(record) is None:  # an event's text is printable, and a stack in it has lines on purpose
            record.message = escaped(record.message)
        worker, name = worker_number(), record.name
        if worker is None:
            return super().formatMessage(record)
        record.name = f"{name}[worker {worker}, pid {record.process}]"
        try:
            return super().formatMessage(record)
        finally:
            record.name = name


class JournalFormatter(TextFormatter):
    """Lines for a journal that reads standard error: each begins with its priority, and none has a time."""

    def __init__(self) -> None:
        super().__init__(JOURNAL)

    def format(self, record: logging.LogRecord) -> str:
        priority = next(number for level, number in _SYSLOG if record.levelno >= level)
        lines = super().format(record).split("\n")
        return "\n".join(f"<{priority}>{line}" for line in lines)


class JsonFormatter(logging.Formatter):
    """An object of JSON in each line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(fields_of(record))


class LogfmtFormatter(logging.Formatter):
    """`key=value` pairs; a value that needs quotes is written as JSON writes it."""

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{_key(name)}={_value(value)}" for name, value in fields_of(record).items())


def make_formatter(form: LogFormat) -> logging.Formatter:
    """The formatter of a form."""
    return _MAKE[form]()


def log_to_stderr(level: int | str, form: LogFormat = "text") -> None:
    """Have the root logger write to standard error, unless it has a handler already.

    Args:
        level: from which level on, as `logging` takes it.
        form: what a line looks like.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(make_formatter(form))
    logging.basicConfig(level=level, handlers=[handler])


def _key(name: str) -> str:
    return "".join(each if each.isalnum() or each in "_.-" else "_" for each in name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    is_bare = text.isascii() and text.isprintable() and not any(each in ' ="\\' for each in text)
    return text if text and is_bare else json.dumps(text)


_MAKE: Mapping[LogFormat, Callable[[], logging.Formatter]] = {
    "text": lambda: TextFormatter(TEXT),
    "json": JsonFormatter,
    "logfmt": LogfmtFormatter,
    "journald": JournalFormatter,
}
