"""A configuration file: its tables, and in which line something stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gen_smtp.settings.errors import CommandLineError

_HEADER = re.compile(r"\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*+\.\s*+(?:[A-Za-z0-9_-]++|"[^"]*+"))*)\s*="""
)

_AROUND = re.compile(r"""["'\s]""")


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A file that was read.

    Attributes:
        path: where it is, as it was named.
        tables: what is in it.
        lines: the number of the line of each key and table, by the place, with listeners counted from 1:
            `listener.2.port`.
    """

    path: Path
    tables: Mapping[str, Any]
    lines: Mapping[str, int] = field(repr=False)

    def where(self, place: str) -> str:
        """The file, and the line of a place, or of the nearest table that holds it."""
        while place:
            if place in self.lines:
                return f"{self.path}, line {self.lines[place]}"
            place = place.rpartition(".")[0]
        return str(self.path)


def read_toml(path: Path) -> TomlFile:
    """Read a file.

    Raises:
        CommandLineError: it can't be read, or is no TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except OSError as error:
        raise CommandLineError(f"--config: cannot read {str(path)!r}: {error.strerror or error}") from error
    except ValueError as error:  # UnicodeDecodeError is one too
        raise CommandLineError(f"{path}: not a TOML file: {error}") from error
    return TomlFile(path, tables, _lines(text))


def _lines(text: str) -> dict[str, int]:
    """Where the keys stand that begin a line: enough to point at, whatever TOML allows beyond that."""
    found: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if (header := _HEADER.fullmatch(line)) is not None:
            name = _bare(header[2])
            if header[1] == "[[":
                counts[name] = counts.get(name, 0) + 1
            first, dot, rest = name.partition(".")
            table = f"{first}.{counts[first]}{dot}{rest}" if first in counts else name
            found.setdefault(table, number)
        elif (key := _KEY.match(line)) is not None:
            found.setdefault(f"{table}.{_bare(key[1])}".lstrip("."), number)
    return found


def _bare(name: str) -> str:
    return _AROUND.sub("", name)
