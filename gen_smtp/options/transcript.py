"""Where the dialogues of sessions are written down: the session option `transcript`."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import Any

from gen_smtp.options.checks import (
    Check,
    OptionsError,
    check_fields,
    file_path,
    limit_from,
    optional,
    read_record,
    shown_option,
    whole_number,
)
from gen_smtp.transcript import Sink

MEBIOCTET = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class TranscriptOptions:
    """Where transcripts go, and how long they may get.

    Attributes:
        file: the path of a file that is appended to.
        logger: a logger, or its name, instead.
        sink: an object of a class derived from `gen_smtp.transcript.Sink` instead.
        line_length: characters of a line, without time and session; a longer one is cut.
        session_size: characters of one session; nothing more of it is written then. None or `math.inf` is no
            limit, here and below.
        file_size: octets of the file; nothing more is written to it then, until it is another.

    Raises:
        OptionsError: for a value of the wrong type or out of range, or for none or several of the first
            three.
    """

    file: str | None = None
    logger: logging.Logger | None = None
    sink: Sink | None = None
    line_length: int = 1000
    session_size: int | float = MEBIOCTET
    file_size: int | float = 100 * MEBIOCTET

    def __post_init__(self) -> None:
        check_fields(self, _CHECKS)
        if sum(each is not None for each in (self.file, self.logger, self.sink)) != 1:
            raise OptionsError("a transcript goes to one place", allowed="one of file, logger, sink")


def read_transcript(given: Any) -> TranscriptOptions:
    """The check of the option: a path, a logger, a sink, or the record, as such or as a mapping or pairs."""
    if isinstance(given, str | os.PathLike):
        return TranscriptOptions(file=file_path(given))
    if isinstance(given, logging.Logger):
        return TranscriptOptions(logger=given)
    if isinstance(given, Sink):
        return TranscriptOptions(sink=given)
    return read_record(TranscriptOptions, given)


def _file(value: Any) -> str:
    path = file_path(value)
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise OptionsError(
            f"there is no folder {shown_option(folder)}", allowed="a file in a folder that exists"
        )
    if os.path.isdir(path):
        raise OptionsError(f"a folder: {shown_option(path)}", allowed="the path of a file")
    return path


def _logger(value: Any) -> logging.Logger:
    if isinstance(value, logging.Logger):
        return value
    if isinstance(value, str) and value:
        return logging.getLogger(value)
    raise OptionsError(f"not a logger: {shown_option(value)}", allowed="a logging.Logger, or its name")


def _sink(value: Any) -> Sink:
    if isinstance(value, Sink):
        return value
    raise OptionsError(
        f"not a sink: {shown_option(value)}",
        allowed="an object of a class derived from gen_smtp.transcript.Sink",
    )


_CHECKS: dict[str, Check] = {
    "file": optional(_file),
    "logger": optional(_logger),
    "sink": optional(_sink),
    "line_length": whole_number(80, 2**31 - 1),
    "session_size": limit_from(1000),
    "file_size": limit_from(1000),
}
