"""The books: what clients sent and were told, beside what is there."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How an attempt to send a message ended, as its client saw it."""

    TAKEN = "taken"
    """It had its 250: the message must be there."""
    REFUSED = "refused"
    """It had a 4xx or 5xx: the message must not be there."""
    CUT_OFF = "cut off"
    """The connection broke before the end of the message was sent: it must not be there."""
    UNANSWERED = "unanswered"
    """The connection broke between the end of the message and its reply: it may be there."""


class FaultKind(StrEnum):
    """What can be wrong with a copy."""

    LOST = "lost"
    DOUBLED = "doubled"
    DAMAGED = "damaged"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        kind: what.
        copy: with which.
        told: the numbers, or where it lies.
    """

    kind: FaultKind
    copy: str
    told: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.copy}: {self.told}"


class _Entry:
    """One recipient's copy of a message."""

    __slots__ = ("digest", "found", "taken", "unanswered")

    def __init__(self, digest: str) -> None:
        self.digest = digest
        self.taken = self.unanswered = self.found = 0


class Ledger:
    """Keeps the books of one run, in whatever order the entries come.

    Attributes:
        outcomes: how many copies were tried with what outcome.
        repeated: copies that are there more than once, as they may be: a client had seen no reply.
        found: copies found.
    """

    def __init__(self) -> None:
        self.outcomes = dict.fromkeys(Outcome, 0)
        self.repeated = 0
        self.found = 0
        self._entries: dict[str, _Entry] = {}
        self._odd: list[tuple[str, str, str]] = []

    def note_attempt(self, copy: str, digest: str, outcome: Outcome) -> None:
        """An attempt to send a recipient's copy of a message has ended."""
        self.outcomes[outcome] += 1
        entry = self._entries.setdefault(copy, _Entry(digest))
        entry.digest = digest
        entry.taken += outcome is Outcome.TAKEN
        entry.unanswered += outcome is Outcome.UNANSWERED

    def note_found(self, copies: Collection[str], digest: str, where: str) -> None:
        """A message was found in a Maildir; `where` is for people."""
        if not copies:
            self._odd.append(("a file that does not say what it is", digest, where))
        for copy in copies:
            self.found += 1
            entry = self._entries.setdefault(copy, _Entry(""))
            entry.found += 1
            if entry.digest != digest:  # perhaps its attempt is only entered later
                self._odd.append((copy, digest, where))

    def faults(self) -> Iterator[Fault]:
        """All that is wrong, once everything is entered."""
        for copy, digest, where in self._odd:
            entry = self._entries.get(copy)
            if entry is None or (entry.digest and entry.digest != digest):
                yield Fault(FaultKind.DAMAGED, copy, where)
        self.repeated = 0
        for copy, entry in self._entries.items():
            numbers = f"taken {entry.taken}, unanswered {entry.unanswered}, found {entry.found}"
            if not entry.digest:
                yield Fault(FaultKind.UNKNOWN, copy, f"no client sent it; {numbers}")
            elif entry.found < entry.taken:
                yield Fault(FaultKind.LOST, copy, numbers)
            elif entry.found > entry.taken + entry.unanswered:
                yield Fault(FaultKind.DOUBLED, copy, numbers)
            else:
                self.repeated += max(0, entry.found - 1)
