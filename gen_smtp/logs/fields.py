"""The fields of a structured log line."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from actors.events import Event
from actors.log_text import cut, text_of, traceback_of
from gen_smtp.process.child_process import worker_number
from gen_smtp.server.shown_address import shown_address

OWN_FIELDS: Mapping[str, str] = {
    "time": "when it was logged, as RFC 3339 has it, in UTC",
    "level": "`debug`, `info`, `warning`, `error` or `critical`",
    "logger": "`actors` for actors and sockets, `gen_smtp` for SMTP and processes; or your own logger",
    "event": "the class of the event; absent for a line that comes from none",
    "message": "the line that the format `text` has",
    "pid": "the process",
    "worker": "which of the workers the process is, from 0; absent without `--workers`",
    "exception": "the traceback; absent if there is none",
}
"""What every line has, and what it means."""

RENAMED: Mapping[str, str] = {"pid": "other_pid"}
"""Fields of events whose names every line has for something else."""

_OF_RECORDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_PLAIN = (bool, int, float, type(None))


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of a line, in order; what has no value is left out."""
    event = event_of(record)
    fields: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": None if event is None else type(event).__name__,
        "message": record.getMessage(),
        "pid": record.process,
        "worker": worker_number(),
    }
    fields |= _extra(record) if event is None else fields_of_event(event)
    fields["exception"] = traceback_text(record)
    return {name: value for name, value in fields.items() if value is not None and value != []}


def fields_of_event(event: Event) -> dict[str, Any]:
    """What an event says, as plain values."""
    names = [each.name for each in dataclasses.fields(event)]
    fields: dict[str, Any] = {}
    for name in (*names, *event.derived):
        value = getattr(event, name)
        name = RENAMED.get(name, name)
        if name == "peer" and isinstance(value, tuple):
            fields[name], fields["peer_port"] = str(value[0]), value[1]
        else:
            fields[name] = _plain(name, value)
    return fields


def event_of(record: logging.LogRecord) -> Event | None:
    """The event that a record tells of; None if it tells of none."""
    if isinstance(record.args, tuple) and len(record.args) == 1 and isinstance(record.args[0], Event):
        return record.args[0]
    return None


def traceback_text(record: logging.LogRecord) -> str | None:
    """The traceback of a record's exception, whose own text is one line."""
    if record.exc_text:
        return record.exc_text
    if record.exc_info and record.exc_info[1] is not None:
        return traceback_of(record.exc_info[1])
    return None


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    """What a logging call of the user's own has said with `extra`."""
    given = vars(record).items()
    return {
        name: _plain(name, value)
        for name, value in given
        if name not in _OF_RECORDS and name not in OWN_FIELDS
    }


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no infinity
    if isinstance(value, _PLAIN):
        return value
    shown = _SHOWN.get(name)
    if shown is not None:
        return shown(value)
    if isinstance(value, tuple | list):
        return [cut(text_of(each)) for each in value]
    text = cut(text_of(value))
    return text or None


def _addresses(value: Any) -> list[str]:
    return [shown_address(each) for each in value]


_SHOWN: Mapping[str, Callable[[Any], Any]] = {"address": shown_address, "addresses": _addresses}
