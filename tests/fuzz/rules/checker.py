"""The rules: for one session, and for the same octets sent in different pieces."""

from __future__ import annotations

from collections.abc import Mapping

from tests.fuzz.cases.case import Case, Cut
from tests.fuzz.rules.onlooker import Onlooker
from tests.fuzz.rules.transcript import Transcript, Violation


def check_all(case: Case, transcripts: Mapping[Cut, Transcript]) -> None:
    """The rules for one case, sent in different pieces. Raises Violation."""
    first, *others = transcripts.values()
    check(case, first)
    for other in others:
        check_memory(case, other)
        compare(first, other)


def check(case: Case, transcript: Transcript) -> None:
    """The rules for one session. Raises Violation."""
    check_memory(case, transcript)
    Onlooker(case, transcript.items).look()


def check_memory(case: Case, transcript: Transcript) -> None:
    """What a client makes the server keep has bounds. Raises Violation."""
    for name, unread in transcript.most_unread.items():
        longest = max(map(case.number, name.split()))
        if unread > longest:
            raise Violation("memory", f"{unread} octets unread, where a line has {longest}")
    if transcript.excess > 0:
        raise Violation("memory", f"replies {transcript.excess} octets longer than they may be")


def compare(one: Transcript, other: Transcript) -> None:
    """However it is cut, it means the same. Raises Violation."""
    if one.items == other.items and one.causes == other.causes:
        return
    for number, (mine, theirs) in enumerate(zip(one.items, other.items, strict=False)):
        if mine != theirs:
            raise Violation("cuts", f"item {number}: {mine!r} or {theirs!r}, as it is cut")
    raise Violation("cuts", f"{len(one.items)} or {len(other.items)} items, {one.causes} or {other.causes}")
