"""A message of which only so much is in memory while it arrives; the rest waits in a temporary file.

Many slow senders of big messages hold disk then, not memory. Files are written and read in worker threads:
a piece of a MiB takes the system some hundred microseconds, now and then ten milliseconds, and for as long
as a disk that is busy likes.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable

from actors import run_blocking
from gen_smtp.callbacks.tracebacks import let_go
from gen_smtp.protocol.text.replies import INTERNAL_ERROR
from gen_smtp.server.message_memory import MessageMemory
from gen_smtp.session.bodies import NO_ROOM, MessageBody, Refusal
from gen_smtp.session.spool_file import SpoolFile

PIECE = 1048576
"""Octets that are written at one time, unless the threshold is lower."""

DISK_FAILED = Refusal("storage_failed", INTERNAL_ERROR)
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class SpooledBody(MessageBody):
    """The message under way, in memory up to a threshold and beyond it in a file.

    Args:
        memory: counts what is in memory.
        threshold: octets that it may have in memory until it is complete.
        directory: where the file is; None is the system's folder for temporary files.
        on_wait: told how many seconds the client waited for the disk.
        on_error: told that the disk failed the message.
    """

    __slots__ = ("_directory", "_file", "_limit", "_on_error", "_on_wait", "_spooled")

    def __init__(
        self,
        memory: MessageMemory,
        threshold: int | float,
        directory: str | None,
        on_wait: Callable[[float], object],
        on_error: Callable[[OSError], object],
    ) -> None:
        super().__init__(memory)
        self._limit = threshold
        self._directory = directory
        self._on_wait = on_wait
        self._on_error = on_error
        self._file: SpoolFile | None = None
        self._spooled = 0

    @property
    def size(self) -> int:
        """Its octets."""
        return self._spooled + self.held

    def add(self, chunk: bytes) -> bool:
        """Add the next piece; waits, in the turn, for the disk."""
        return super().add(chunk) and (self.held <= self._limit or self._write_out())

    def content(self) -> bytes | None:
        """The whole message, None if it can't be taken; waits for the disk. Now all of it is counted."""
        file = self._file
        if file is None or not self._write_out():
            return super().content()
        if not self.memory.take(self._spooled):
            self.refuse(NO_ROOM)
            return None
        self.held, self._spooled = self._spooled, 0
        try:
            return run_blocking(file.content)
        except OSError as error:
            self._fail(error)
            return None
        finally:
            self._close_file()

    def drop(self) -> None:
        """As for any body; the file goes, too."""
        super().drop()
        self._spooled = 0
        self._close_file()

    def _write_out(self) -> bool:
        """Move what is in memory behind what is in the file."""
        if self._file is None:
            self._file = SpoolFile(self._directory)
            self._limit = min(self._limit, PIECE)
        began = time.monotonic()
        try:
            run_blocking(self._file.append, super().content() or b"")
        except OSError as error:
            return self._fail(error)
        self._on_wait(time.monotonic() - began)
        self._spooled += self.held
        super().drop()
        return True

    def _fail(self, error: OSError) -> bool:
        self._on_error(error)
        let_go(error)
        return self.refuse(NO_ROOM if error.errno in _DISK_FULL else DISK_FAILED)

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
