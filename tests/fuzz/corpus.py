"""The kept cases: dialogues of real clients, cases by hand, and what fuzzing has found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.fuzz.cases.case import Case

FOLDER = Path(__file__).with_name("corpus")
PROXY_FOLDER = Path(__file__).with_name("corpus_proxy")
"""Headers of the PROXY protocol, as they are."""


def read_cases(folder: Path = FOLDER) -> Mapping[str, Case]:
    """The cases of a folder by their names, in order."""
    return {path.name: Case.decode(path.read_bytes()) for path in sorted(folder.iterdir()) if path.is_file()}
