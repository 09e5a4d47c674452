"""docs/protocol.md has a row for every extension that the protocol knows of, and names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gen_smtp.protocol.extensions import EXTENSIONS, Doer
from gen_smtp.protocol.sasl.table import BUILT_IN

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "protocol.md"
TITLES = {
    Doer.PROTOCOL: "Done by the protocol",
    Doer.CALLBACK: "Done by the callback alone",
    Doer.NOBODY: "Never announced",
}


def section(title: str) -> str:
    """The text of a section."""
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (found,) = (each for each in sections if each.startswith(f"{title}\n"))
    return found


def rows(title: str) -> list[list[str]]:
    """The cells of each row of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[1:]]


@pytest.mark.parametrize("doer", TITLES)
def test_every_extension_stands_where_it_belongs(doer: Doer) -> None:
    named = [name for first, *_ in rows(TITLES[doer]) for name in first.split(", ")]
    assert sorted(named) == sorted(name for name, each in EXTENSIONS.items() if each is doer)


@pytest.mark.parametrize("row", rows(TITLES[Doer.PROTOCOL]), ids=lambda row: row[0])
def test_what_the_protocol_does_names_its_rfc_and_its_test(row: list[str]) -> None:
    _, rfc, done, option, callback, test = row
    assert rfc.isdigit() or rfc == "Postfix"
    assert all((done, option, callback))
    assert_tests_are_there(test)


def test_every_mechanism_of_auth_has_a_row_with_its_test() -> None:
    named = rows("Mechanisms of AUTH")
    assert {name for first, *_ in named for name in first.split(", ")} == {*BUILT_IN, "one's own"}
    for *_, test in named:
        assert_tests_are_there(test)


@pytest.mark.parametrize("doer", [Doer.CALLBACK, Doer.NOBODY])
def test_the_test_of_all_others_is_there(doer: Doer) -> None:
    assert_tests_are_there(section(TITLES[doer]))


def assert_tests_are_there(text: str) -> None:
    """Each test that is named stands in the file that is named before it."""
    parts = re.findall(r"\]\(\.\./(tests/[^)]+\.py)\)|`(test_\w+)`", text)
    assert parts
    source = ""
    for path, name in parts:
        if path:
            source = (ROOT / path).read_text(encoding="utf-8")
        else:
            assert f"def {name}(" in source
