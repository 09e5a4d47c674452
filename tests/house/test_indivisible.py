"""What is marked as indivisible is so: no thread, signal or finaliser comes in between.

CPython lets go of the interpreter's lock, and runs signal handlers and the collector, at calls, at jumps back
and at the beginnings of functions; up to 3.11 the collector also runs where an object is made. A debugger
comes in at the beginning of a line.
"""

from __future__ import annotations

import dis
import re
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

ROOT = Path(__file__).parents[2]
MARK = re.compile(r"#.*\bindivisible$")
HARMLESS = re.compile(
    r"(LOAD_(FAST|ATTR|CONST|GLOBAL|NAME|DEREF|SMALL_INT|CLOSURE)|STORE_(FAST|ATTR|SUBSCR|GLOBAL|NAME)|POP_JUMP_"
    r"(FORWARD_)?IF_|JUMP_FORWARD|IS_OP|CONTAINS_OP|BINARY_SUBSCR|BINARY_OP|DELETE_SUBSCR|SWAP|COPY|POP_TOP|NOP"
    r"|CACHE|NOT_TAKEN|EXTENDED_ARG|RETURN_(CONST|VALUE)|TO_BOOL)"
)


def marked() -> Iterator[tuple[Path, int]]:
    """Each marked line."""
    for folder in ("actors", "beam", "gen_smtp"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
                if MARK.search(line):
                    yield path.relative_to(ROOT), number


def code_objects(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from code_objects(constant)


def instructions_of(code: CodeType, line: int) -> list[str]:
    """The names of the instructions that a line was compiled to."""
    found = []
    for each in code_objects(code):
        lines = [position[0] for position in each.co_positions()]
        for instruction in dis.get_instructions(each):
            if lines[instruction.offset // 2] == line:
                found.append(instruction.opname)
    return found


def test_there_are_some() -> None:
    assert len(list(marked())) > 10


@pytest.mark.parametrize(("path", "line"), list(marked()), ids=str)
def test_a_marked_line_has_no_call_no_loop_and_makes_nothing(path: Path, line: int) -> None:
    code = compile((ROOT / path).read_text(encoding="utf-8"), str(path), "exec")
    instructions = instructions_of(code, line)
    assert len(instructions) >= 3
    assert [each for each in instructions if not HARMLESS.match(each)] == []


@pytest.mark.parametrize(
    "statement",
    [
        "a.b = f(a.b)",
        "a.b, a.c, a.d, a.e = a.c, a.b, a.e, a.d",
        "a.b = [a.b]",
        "a.b = [c for c in a.b]",
    ],
)
def test_a_line_that_can_be_divided_is_found_out(statement: str) -> None:
    code = compile(f"def change(a, f):\n    {statement}\n", "<test>", "exec")
    assert any(not HARMLESS.match(each) for each in instructions_of(code, 2))
