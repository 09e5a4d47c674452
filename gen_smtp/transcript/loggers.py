"""Transcripts in a logger."""

from __future__ import annotations

import logging

from gen_smtp.transcript.sink import Entry, Sink


class LoggerSink(Sink):
    """Logs each entry with level INFO; the logger says when.

    Args:
        logger: where to.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def write(self, entry: Entry) -> None:
        self._logger.info("%s %s: %s", entry.session, entry.speaker, entry.text)
