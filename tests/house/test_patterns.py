"""No regular expression repeats a group possessively: CPython 3.11.2, Debian 12's, gets that wrong.

Of a round of such a group that fails halfway it keeps the characters that were read, so that `a(?:\\.b)*+`
takes the dot of `a.`. Repeated single characters, as in `[a-z]*+`, are as they should be.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.patterns import Pattern, patterns_of, possessive_groups

ROOT = Path(__file__).parents[2]
PACKAGES = ("actors", "gen_smtp")
PATTERNS = {name: pattern for package in PACKAGES for name, pattern in patterns_of(package).items()}
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"(?:ab)*+", 1),
        (r"(ab)?+c", 1),
        (rb"x(?:a|b(?:cd){2}+)", 1),
        (r"(?:a(?:bc)++)*+", 2),
        (r"[a-z]*+\w++.?+a{2,3}+\s++[^x]++", 0),
        (r"(?:ab)*(?:cd)+?", 0),
    ],
)
def test_a_possessive_group_is_found(pattern: str | bytes, expected: int) -> None:
    assert possessive_groups(pattern) == expected


@pytest.mark.parametrize("pattern", [pytest.param(each, id=name) for name, each in PATTERNS.items()])
def test_no_group_is_repeated_possessively(pattern: Pattern) -> None:
    assert possessive_groups(pattern.pattern, pattern.flags) == 0


def test_all_patterns_are_compiled_where_the_test_above_finds_them() -> None:
    """In the module, and not in a function or by `re.match` and its like."""
    assert PATTERNS
    elsewhere = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in MODULES
        for call in _calls_of_re(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert elsewhere == []


def _calls_of_re(tree: ast.Module) -> list[ast.Call]:
    """The calls of functions of the module `re` but for the right-hand sides of the module's assignments."""
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
    ]
    in_place = [statement.value for statement in tree.body if isinstance(statement, ast.Assign)]
    return [call for call in found if call not in in_place and call.func.attr != "escape"]  # type: ignore[attr-defined]
