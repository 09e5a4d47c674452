"""What there is to write, and who takes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

Speaker = Literal["C", "S", "-"]
"""The client, the server, or neither: something that happened."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a transcript.

    Attributes:
        session: tells the session from all others: its URN, as events have it, without `urn:actor:`.
        time: in seconds since the epoch.
        speaker: who said it.
        text: printable, on one line, and bounded.
    """

    session: str
    time: float
    speaker: Speaker
    text: str

    def __str__(self) -> str:
        moment = datetime.fromtimestamp(self.time, UTC).isoformat(timespec="microseconds")
        return f"{moment.replace('+00:00', 'Z')} {self.session} {self.speaker}: {self.text}"


class Sink(ABC):
    """Takes the entries of all sessions, in their order."""

    @abstractmethod
    def write(self, entry: Entry) -> None:
        """Take one. It is called in the hub and must not wait. If it raises, the session goes on."""
