"""From a recipient's address to the name of a folder that can be nowhere but where it belongs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TypeAlias
from unicodedata import normalize
from urllib.parse import quote

MailboxNamer: TypeAlias = Callable[[str], str | None]
"""Takes an address, gives the name of its folder; None if there is no such mailbox."""

_LONGEST_NAME = 255  # octets, on every file system in use


def name_of_address(address: str) -> str:
    """The folder's name for an address: the address itself in lower case, what is unusual in it as `%XX`.

    Letters, digits and `@ . _ - ~ + =` stand for themselves, but for a dot in front, which would hide the
    folder. So no two addresses that differ in more than case have one name, and none has a slash in it.
    """
    name = quote(normalize("NFC", address).lower(), safe="@+=")
    return f"%2E{name[1:]}" if name.startswith(".") else name


def folder_in(root: Path, name: str | None) -> Path | None:
    """The folder of a name below `root`; None for a name that is none, or leads elsewhere."""
    if not name or "\0" in name:
        return None
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        return None
    if any(len(part.encode("utf-8", "replace")) > _LONGEST_NAME for part in path.parts):
        return None
    return root / path
