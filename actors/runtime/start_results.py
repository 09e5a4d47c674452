"""What an actor's `on_start` may return besides None."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final


class Ignore(Enum):
    """The type of `IGNORE`."""

    IGNORE = "ignore"


IGNORE: Final = Ignore.IGNORE
"""The actor does not want to run: its start returns None, its exit reason is `normal`."""


@dataclass(frozen=True, slots=True)
class Continue:
    """Go on with `handle_continue(term)`, before any message, when the starter is told that all is well."""

    term: Any = None
