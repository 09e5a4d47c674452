"""Delivery to Maildirs, so that a message which was delivered stays: after `kill -9`, after a power cut.

A Maildir has three folders. A message is written to `tmp`, and when all of it is on the disk it is renamed
into `new`, where readers look; so nobody ever sees half of one. `cur` is the readers' own. All this blocks.

Source: https://cr.yp.to/proto/maildir.html
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import socket
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

TMP, NEW, CUR = "tmp", "new", "cur"

PIECE_SIZE = 1 << 20
"""Octets that are converted and written at a time, and the rest of the line."""

LEFT_BEHIND = 36 * 3600.0
"""Seconds after which a file in `tmp` belongs to a delivery that was cut off."""

_numbers = itertools.count()
_prepared: set[Path] = set()
"""The Maildirs that this process has looked after. Two threads may do so at a time; it does no harm."""


def unique_name() -> str:
    """A name that no other message has, in any Maildir, on any host that delivers there."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    host = socket.gethostname().replace("/", r"\057").replace(":", r"\072") or "localhost"
    # Process and number alone would come again where each start has the same process id, as in a container.
    unique = f"M{nanoseconds // 1000:06}P{os.getpid()}Q{next(_numbers)}R{secrets.token_hex(8)}"
    return f"{seconds}.{unique}.{host}"


class Maildir:
    """A Maildir.

    Args:
        path: its folder.
        create: make the folder if it is not there. What lacks inside of it is made in any case.
        root: the folder that holds all Maildirs; None if there is but this one.
    """

    __slots__ = ("_create", "_root", "path")

    def __init__(self, path: Path, *, create: bool, root: Path | None = None) -> None:
        self.path = path
        self._create = create
        self._root = root

    def takes_mail(self) -> bool:
        """Whether it is there, or will be made.

        Raises:
            OSError: it can't be known: the root, or what a link leads to, is not there, as where a volume is
                not mounted; or the system fails to look.
        """
        return self._create or self._is_there()

    def _is_there(self) -> bool:
        try:
            return stat.S_ISDIR(os.stat(self.path).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            if self._root is not None:
                os.stat(self._root)
            for each in (self.path, *self.path.parents):
                if each == self._root:
                    break
                if os.path.islink(each):
                    os.stat(each)
            return False

    def write(self, name: str, parts: Iterable[bytes]) -> Draft:
        """Write a message to `tmp`; when this returns it is on the disk.

        Args:
            name: a new `unique_name`.
            parts: the message, in pieces.

        Raises:
            OSError: it can't be written; nothing is left of it.
        """
        self._prepare()
        draft = Draft(self.path, name)
        try:
            draft.write(parts)
        except FileNotFoundError:
            _prepared.discard(self.path)  # somebody removed it: look after it anew
            raise
        except BaseException:
            draft.withdraw()
            raise
        return draft

    def _prepare(self) -> None:
        if self.path in _prepared:
            return
        if self._create:
            _make_folder(self.path)
        for name in (TMP, NEW, CUR):
            _make_folder(self.path / name, with_parents=False)
        _remove_left_behind(self.path / TMP)
        _prepared.add(self.path)


class Draft:
    """A message on its way into a Maildir."""

    __slots__ = ("_at", "_path", "name")

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self.name = name
        self._at = path / TMP / name

    def write(self, parts: Iterable[bytes]) -> None:
        """Write it to `tmp`, and wait until the disk has it."""
        with _opened(self._at, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
            for part in parts:
                _write(descriptor, part)
            os.fsync(descriptor)

    def publish(self) -> None:
        """Show it to readers, and wait until the disk knows.

        Raises:
            OSError: it is not sure to be there after a power cut; `withdraw` it.
        """
        folder = self._path / NEW
        published = folder / self.name
        try:
            os.rename(self._at, published)  # over nothing: the name is unique
        except FileNotFoundError:
            _prepared.discard(self._path)  # as for `tmp`
            raise
        self._at = published
        _sync_folder(folder)

    def withdraw(self) -> None:
        """Take it away again, unless a reader already has."""
        with contextlib.suppress(OSError):
            os.unlink(self._at)


class Copy(NamedTuple):
    """A message for one Maildir.

    Attributes:
        maildir: where it goes.
        name: a new `unique_name`.
        parts: the message, in pieces; read once.
    """

    maildir: Maildir
    name: str
    parts: Iterable[bytes]


def deliver(copies: Iterable[Copy]) -> None:
    """Deliver a message to one Maildir or several, or, as far as possible, to none.

    All copies are written before the first one is shown: a disk that is full shows in time.

    Args:
        copies: the message, for each Maildir.

    Raises:
        OSError: a copy could not be delivered; those that were are withdrawn, if no reader has them yet.
    """
    drafts: list[Draft] = []
    try:
        for maildir, name, parts in copies:
            drafts.append(maildir.write(name, parts))
        for draft in drafts:
            draft.publish()
    except BaseException:
        for draft in drafts:
            draft.withdraw()
        raise


def with_unix_line_ends(data: bytes) -> Iterator[bytes]:
    """A message with LF instead of CRLF, in pieces: a large one is not in memory twice."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start + PIECE_SIZE) + 1 or len(data)  # no piece ends between CR and LF
        yield data[start:end].replace(b"\r\n", b"\n")
        start = end


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:  # a disk that gets full takes a part first, and says so at the next
        rest = rest[os.write(descriptor, rest) :]


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """A descriptor, closed with the block; some file systems say only then that there is no room."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    except BaseException:
        with contextlib.suppress(OSError):
            os.close(descriptor)
        raise
    os.close(descriptor)


def _sync_folder(path: Path) -> None:
    """Wait until the disk has the names in a folder."""
    with _opened(path, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        os.fsync(descriptor)


def _make_folder(path: Path, *, with_parents: bool = True) -> None:
    """Make a folder, if it is not there, and wait until the disk knows."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except FileNotFoundError:
        if not with_parents:
            raise
        _make_folder(path.parent)
        with contextlib.suppress(FileExistsError):  # another thread was quicker
            os.mkdir(path, 0o700)
    with contextlib.suppress(PermissionError):  # not ours to read, so it was there before
        _sync_folder(path.parent)


def _remove_left_behind(folder: Path) -> None:
    """Remove what deliveries that were cut off have left in `tmp`."""
    limit = time.time() - LEFT_BEHIND
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # another process may do the same
                facts = entry.stat(follow_symlinks=False)
                if max(facts.st_atime, facts.st_mtime) < limit:
                    os.unlink(entry.path)
