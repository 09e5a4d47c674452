"""A short piece of fuzzing of the parts in C: beside those in Python, and under sanitizers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz import sanitized

CASES = 300


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, require_tool: Callable[[str], str]) -> Path:
    """The modules, built with sanitizers."""
    require_tool(sanitized.COMPILER)
    folder = tmp_path_factory.mktemp("sanitized")
    sanitized.build(folder)
    return folder


def test_no_sanitizer_complains_and_both_agree(built: Path) -> None:
    ended = sanitized.run_in(built, "--cases", str(CASES), "--seed", "1")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"seed 1: {CASES} cases, C and Python agree, and no sanitizer complains\n"


@pytest.mark.parametrize(
    ("module", "right", "wrong", "complaint"),
    [
        ("quick_newlines", "octets[i + 1]", "octets[i + 9]", "heap-buffer-overflow"),
        ("quick_newlines", "octets[size - 1] == '\\r'", "0", "AssertionError"),
        ("quick_socket", "char few[FEW]", "char few[FEW / 4]", "stack-buffer-overflow"),
        ("quick_socket", "*copy_of(self) = 0;", "", "AssertionError"),
    ],
)
def test_a_fault_is_noticed(
    built: Path, tmp_path: Path, module: str, right: str, wrong: str, complaint: str
) -> None:
    """Each is planted in the source, the others' modules stay."""
    source = sanitized.SOURCES[module].read_text()
    assert right in source
    changed = tmp_path / f"{module}.c"
    changed.write_text(source.replace(right, wrong))
    for name in sanitized.SOURCES:
        (tmp_path / f"{name}.so").symlink_to(built / f"{name}.so")
    (tmp_path / f"{module}.so").unlink()
    sanitized.build(tmp_path, {module: changed})
    ended = sanitized.run_in(tmp_path, "--cases", str(CASES), "--seed", "1")
    assert ended.returncode != 0
    assert complaint in ended.stderr
