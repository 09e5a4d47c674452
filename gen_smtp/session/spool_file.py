"""A temporary file for one message. It has no name: it is gone with its last user, whatever happens."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from io import FileIO


class SpoolFile:
    """Written and read in worker threads, by one at a time; closed by anyone, but never under a user's feet.

    Without a lock, as a finaliser may close it (see `actors.runtime.mailbox`). The user notes that it is in
    use and then looks whether it is closed. To close it is the reverse, so one of the two sees the other.

    Args:
        directory: where it is; None is the system's folder for temporary files.
    """

    __slots__ = ("_closed", "_directory", "_file", "_in_use")

    def __init__(self, directory: str | None) -> None:
        self._directory = directory
        self._file: FileIO | None = None
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
        self._closed = True
        if not self._in_use:
            self._close_file()

    @contextmanager
    def _in_hand(self) -> Generator[FileIO]:
        self._in_use = True
        try:
            if self._closed:
                raise ValueError("the temporary file is closed")
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115
            yield self._file
        finally:
            self._in_use = False
            if self._closed:
                self._close_file()

    def _close_file(self) -> None:
        file, self._file = self._file, None  # indivisible
        if file is not None:
            file.close()
