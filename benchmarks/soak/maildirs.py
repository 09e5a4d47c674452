"""The reader of the Maildirs: takes what is in `new` into the books, as a reader may while mail comes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.soak.ledger import Ledger
from benchmarks.soak.mails import identify


def collect(maildirs: Path, ledger: Ledger, *, remove: bool = False) -> int:
    """Enter every message that is in a Maildir.

    Args:
        maildirs: the folder that holds the Maildirs.
        ledger: the books.
        remove: remove each file, so that the disk does not fill up.

    Returns:
        how many there were.
    """
    count = 0
    for path in _files(maildirs, "new"):
        with open(path, "rb") as file:
            stored = identify(file.read())
        ledger.note_found(stored.copies, stored.digest, path)
        count += 1
        if remove:
            os.unlink(path)
    return count


def count_unfinished(maildirs: Path) -> int:
    """How many deliveries were cut off: their files are still in `tmp`."""
    return sum(1 for _ in _files(maildirs, "tmp"))


def _files(maildirs: Path, name: str) -> Iterator[str]:
    for folder in maildirs.glob(f"*/{name}"):
        with os.scandir(folder) as entries:
            yield from [entry.path for entry in entries]
