"""The page on security names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = [row for row in PAGE.splitlines() if row.startswith("| ") and not row.startswith("| attack")]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_each_attack_names_a_test_that_is_there(row: str) -> None:
    cell = row.split("|")[4]
    parts = re.findall(r"\]\(\.\./(tests/[^)]+)\)|`(test_\w+)`", cell)
    assert parts
    source = ""
    for path, name in parts:
        if path:
            source = (ROOT / path).read_text()
        else:
            assert f"def {name}(" in source


def test_there_are_attacks() -> None:
    assert len(ROWS) > 20
