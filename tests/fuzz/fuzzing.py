"""What both fuzz targets share: atheris, told how to make new cases of old ones."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import atheris

from tests.fuzz.cases.case import Case, Cut
from tests.fuzz.cases.mutations import mutate
from tests.fuzz.corpus import FOLDER, read_cases
from tests.fuzz.rules.checker import check_all
from tests.fuzz.rules.transcript import Transcript

WORK = Path(__file__).parents[2] / ".fuzz"
LONGEST = 2048
"""Octets of a case."""
SHORT = 250
"""Cases of so many octets are sent octet by octet as well, which takes longer than all the rest."""
SLOWEST = 30
"""A case that takes so many seconds is a find."""
BY_OCTETS = 0.3
"""How often libFuzzer changes a case, which sees octets, instead of `mutations`, which sees lines."""

Drive = Callable[[Case, Cut], Transcript]
Check = Callable[[bytes], None]
Change = Callable[[bytes, int, int], bytes]


def fuzz(name: str, drive: Drive) -> None:
    """Have libFuzzer look for a case that breaks a rule. See `run_libfuzzer`."""
    others = list(read_cases().values())

    def check(data: bytes) -> None:
        case = Case.decode(data)
        check_all(case, {cut: drive(case, cut) for cut in case.cuts(SHORT)})

    def change(data: bytes, longest: int, seed: int) -> bytes:
        dice = random.Random(seed)
        if dice.random() < BY_OCTETS:
            return bytes(atheris.Mutate(data, longest))
        return mutate(Case.decode(data), others, dice).encode()[:longest]

    run_libfuzzer(name, check, FOLDER, change)


def run_libfuzzer(name: str, check: Check, corpus: Path, change: Change | None = None) -> None:
    """Run libFuzzer with the arguments of the command line until it finds something or its time is over.

    What it learns goes to ``.fuzz/NAME/corpus``; it begins with that and the kept corpus. A find is written
    to ``.fuzz/NAME``.

    Args:
        name: the target's.
        check: raises for a find.
        corpus: what is kept.
        change: makes another input of one, at most so long, by a seed; libFuzzer itself does if it is None.
    """
    work = WORK / name
    (work / "corpus").mkdir(parents=True, exist_ok=True)
    arguments = sys.argv[1:]
    options = [f"-max_len={LONGEST}", f"-timeout={SLOWEST}", f"-artifact_prefix={work}{os.sep}"]
    folders = [] if any(each[:1] != "-" for each in arguments) else [str(work / "corpus"), str(corpus)]
    command = [sys.argv[0], *options, "-print_final_stats=1", *arguments, *folders]
    atheris.Setup(command, check, **({} if change is None else {"custom_mutator": change}))
    atheris.Fuzz()
