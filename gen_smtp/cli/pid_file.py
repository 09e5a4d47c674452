"""A file with the number of the process that serves, for those who send it signals."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


class PidFile:
    """The file. Whoever serves last has written it last, and it is that one's to remove.

    Attributes:
        path: where it is; its folder must be writable for the process as it serves, not for root only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self) -> None:
        """Put this process in, in one step: nobody reads half of it.

        Raises:
            OSError: it can't be written.
        """
        written = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            written.write_text(f"{os.getpid()}\n")
            written.replace(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                written.unlink()
            raise

    def remove(self) -> None:
        """Remove it, if it speaks of this process still."""
        with contextlib.suppress(OSError):
            if self.path.read_text() == f"{os.getpid()}\n":
                self.path.unlink()
