"""Transcripts in a file, which several processes may write at once.

Each entry is one `write` to a file that is open for appending, so lines stay whole, whoever else writes.
"""

from __future__ import annotations

import errno
import os
import threading
from weakref import WeakValueDictionary

from actors import events as actor_events
from gen_smtp.events import TranscriptFailed, TranscriptFull
from gen_smtp.transcript.sink import Entry, Sink

MODE = 0o600
"""Addresses are nobody else's business."""

# A pipe that nobody reads must not hold the hub up.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY

_sinks: WeakValueDictionary[tuple[str, int | float], FileSink] = WeakValueDictionary()


class FileSink(Sink):
    """Writes to a file, which it opens for its first entry, or when it is told to.

    What can't be written is lost: a `TranscriptFailed` says so, once until it can be written again.

    Args:
        path: of the file; it is made if it is not there.
        size: octets of the whole file; with more nothing is written, until it is shorter or another.
    """

    def __init__(self, path: str, size: int | float) -> None:
        self.path = path
        self._size = size
        self._file: int | None = None
        self._lock = threading.Lock()
        self._is_told = self._is_torn = False

    def write(self, entry: Entry) -> None:
        try:
            self._append(f"{entry}\n".encode())
        except OSError as error:
            self._tell(TranscriptFailed(self.path, error))

    def _append(self, line: bytes) -> None:
        file = self.open()
        length = os.fstat(file).st_size
        if length >= self._size:
            self._tell(TranscriptFull(self.path, self._size))
            return
        if length + len(line) >= self._size:
            line += b"- this file is full, with %d octets: nothing more is written to it\n" % self._size
        if self._is_torn:
            line = b"\n" + line
        written = os.write(file, line)
        self._is_torn = written < len(line)
        if self._is_torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._is_told = False

    def _tell(self, event: actor_events.Event) -> None:
        if not self._is_told:
            self._is_told = True
            actor_events.emit(event)

    def open(self) -> int:
        """Open the file, if it is not open.

        Returns:
            its descriptor, which stays the sink's.

        Raises:
            OSError: it can't be opened.
        """
        if self._file is None:
            with self._lock:
                self._file = os.open(self.path, _FLAGS, MODE)
        return self._file

    def reopen(self) -> None:
        """Go on in the file that has the name now; from any thread.

        Raises:
            OSError: it can't be opened, and the one before goes on.
        """
        with self._lock:
            if self._file is not None:
                fresh = os.open(self.path, _FLAGS, MODE)
                # The number stays: the hub may be about to write.
                os.dup2(fresh, self._file, inheritable=False)
                os.close(fresh)

    def close(self) -> None:
        """Close the file; another entry opens it again."""
        with self._lock:
            file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def __del__(self) -> None:
        self.close()


def file_sink(path: str, size: int | float) -> FileSink:
    """The sink for a file: one for all listeners of this process that name it."""
    key = (os.path.abspath(path), size)
    sink = _sinks.get(key)
    if sink is None:
        sink = _sinks[key] = FileSink(path, size)
    return sink


def has_files() -> bool:
    """Whether this process has transcripts in files."""
    return bool(_sinks)


def reopen_files() -> None:
    """Go on in the files that have the names now, after a rotation.

    Raises:
        OSError: one can't be opened; it goes on as it is.
    """
    for sink in list(_sinks.values()):
        sink.reopen()
