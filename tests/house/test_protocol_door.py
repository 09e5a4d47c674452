"""The program that drives the protocol uses the members that `Protocol` names as its door, and no others."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gen_smtp.protocol.protocol import Protocol, ProtocolConfig

ROOT = Path(__file__).parents[2]
ROOMS = ("gen_smtp/session", "gen_smtp/server", "gen_smtp/callbacks")
DRIVERS = [
    *(path for room in ROOMS for path in sorted((ROOT / room).glob("*.py"))),
    ROOT / "benchmarks/core.py",
    ROOT / "tests/fuzz/harnesses/harness.py",
]
WRITTEN = {"unsent"}
"""What a driver may assign to."""


def door() -> set[str]:
    """The members that the class's docstring names, at its bullets."""
    text = inspect.cleandoc(Protocol.__doc__ or "")
    bullets = text[text.index("* ") : text.index("Args:")]
    return set(re.findall(r"``(\w+)``", bullets)) - {"questions"}


def uses(tree: ast.AST) -> Iterator[ast.Attribute]:
    """The attributes of what is called `protocol` or `_protocol`, alone or as an attribute itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if name in ("protocol", "_protocol"):
                yield node


def test_the_door_has_what_it_names() -> None:
    protocol = Protocol(ProtocolConfig("mx.example"))
    assert {"greet", "hear", "next_step", "respond", "unsent", "close", "closing"} <= door()
    assert [name for name in door() if not hasattr(protocol, name)] == []
    assert [name for name in door() if name.startswith("_")] == []


@pytest.mark.parametrize("path", DRIVERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_driver_uses_the_door_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {"protocol.protocol", "protocol.questions"}  # `gen_smtp.protocol.x` in full is a module
    strangers = {
        (node.lineno, node.attr)
        for node in uses(tree)
        if node.attr not in door() and ast.unparse(node).removeprefix("gen_smtp.") not in imported
    }
    assert strangers == set()


@pytest.mark.parametrize("path", DRIVERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_driver_changes_nothing_but_takes_the_replies(path: Path) -> None:
    changed = {
        node.attr
        for node in uses(ast.parse(path.read_text(encoding="utf-8")))
        if not isinstance(node.ctx, ast.Load)
    }
    assert changed <= WRITTEN


def test_every_member_of_the_door_is_used() -> None:
    used = {node.attr for path in DRIVERS for node in uses(ast.parse(path.read_text(encoding="utf-8")))}
    assert door() - used == set()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("protocol.reader", {"reader"}),
        ("self.protocol.reader = 1", {"reader"}),
        ("actor.protocol._x.y", {"_x"}),
        ("self._protocol.hear(data)", {"hear"}),
        ("options.protocol == 'ssl'", set()),
    ],
)
def test_what_counts_as_a_use(source: str, expected: set[str]) -> None:
    assert {node.attr for node in uses(ast.parse(source))} == expected
