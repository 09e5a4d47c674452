"""A temporary file for one message. It has no name: it is gone with its last user, whatever happens."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from io import FileIO

from actors.runtime.future import new_native_lock


class SpoolFile:
    """Written and read in worker threads, by one at a time; closed by anyone, but never under a user's feet.

    Args:
        directory: where it is; None is the system's folder for temporary files.
    """

    __slots__ = ("_closed", "_directory", "_file", "_in_use", "_lock")

    def __init__(self, directory: str | None) -> None:
        self._directory = directory
        self._file: FileIO | None = None
        self._lock = new_native_lock()
        self._in_use = False
        self._closed = False

    def append(self, data: bytes) -> None:
        """Write behind what is there; makes the file first if need be.

        Raises:
            OSError: what went wrong, such as ENOSPC.
            ValueError: it is closed.
        """
        with self._in_hand() as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]

    def content(self) -> bytes:
        """All that was written.

        Raises:
            OSError, ValueError: as `append`.
        """
        with self._in_hand() as file:
            file.seek(0)
            return file.readall()

    def close(self) -> None:
        """Give the file up, at once or when who uses it is done; never waits for that."""
        with self._lock:
            self._closed = True
            if not self._in_use:
                self._close_file()

    @contextmanager
    def _in_hand(self) -> Generator[FileIO]:
        with self._lock:
            if self._closed:
                raise ValueError("the temporary file is closed")
            self._in_use = True
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115
            yield self._file
        finally:
            self._lay_down()

    def _lay_down(self) -> None:
        with self._lock:
            self._in_use = False
            if self._closed:
                self._close_file()

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
