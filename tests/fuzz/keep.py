"""Chooses what to keep of what fuzzing has learnt: small cases that between them do all that it did.

python -m tests.fuzz.keep .fuzz/core/corpus .fuzz/session/corpus

What a case does is which lines of the core follow which, and what each answer of the handler brings about.
Cases that do what none in `corpus` does are added there, without the lines that they do not need for it.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import gen_smtp.protocol
from tests.fuzz.cases.case import Case, whole
from tests.fuzz.corpus import FOLDER, read_cases
from tests.fuzz.harnesses.harness import drive
from tests.fuzz.rules.transcript import Call, Item, Reply, Violation

Deeds = frozenset[tuple[Any, ...]]

_CORE = str(Path(gen_smtp.protocol.__path__[0]))


def main(folders: Iterable[Path]) -> None:
    """Add to the corpus what it lacks."""
    known: set[tuple[Any, ...]] = set()
    for case in read_cases().values():
        known |= deeds_of(case)
    found = [case for folder in folders for case in read_cases(folder).values()]
    for case in sorted(found, key=lambda each: len(each.stream)):
        new = deeds_of(case) - known
        if new:
            small = shortened(case, new)
            known |= deeds_of(small)
            name = f"learnt-{hashlib.sha256(small.encode()).hexdigest()[:8]}"
            (FOLDER / name).write_bytes(small.encode())
            print(name, len(new), "new")


def deeds_of(case: Case) -> Deeds:
    """What a case does."""
    steps: set[tuple[Any, ...]] = set()

    def trace_lines(file: str) -> Any:
        before = 0

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal before
            steps.add((file, before, frame.f_lineno))
            before = frame.f_lineno
            return trace

        return trace

    def trace_call(frame: FrameType, event: str, argument: Any) -> Any:
        file = frame.f_code.co_filename
        return trace_lines(file[len(_CORE) :]) if file.startswith(_CORE) else None

    sys.settrace(trace_call)
    try:
        transcript = drive(case, whole)
    except Violation:
        return frozenset()  # for the one who runs the corpus to see
    finally:
        sys.settrace(None)
    return frozenset(steps | set(_answers(transcript.items)))


def _answers(items: list[Item]) -> Iterator[tuple[Any, ...]]:
    """What each answer of the handler brought about."""
    for item, following in itertools.pairwise(items):
        if isinstance(item, Call):
            code = following.code if isinstance(following, Reply) else type(following).__name__
            yield item.name, item.answer.word, code


def shortened(case: Case, deeds: Deeds) -> Case:
    """The case without the lines, flags and numbers that it does not need to do these deeds."""
    for name in case.numbers:
        fewer = Case(case.flags, {n: v for n, v in case.numbers.items() if n != name}, case.stream)
        case = fewer if deeds <= deeds_of(fewer) else case
    for flag in sorted(case.flags):
        fewer = Case(case.flags - {flag}, case.numbers, case.stream)
        case = fewer if deeds <= deeds_of(fewer) else case
    lines = case.stream.splitlines(keepends=True)
    for number in reversed(range(len(lines))):
        fewer = Case(case.flags, case.numbers, b"".join(lines[:number] + lines[number + 1 :]))
        if deeds <= deeds_of(fewer):
            del lines[number]
    return Case(case.flags, case.numbers, b"".join(lines))


if __name__ == "__main__":
    main(map(Path, sys.argv[1:]))
