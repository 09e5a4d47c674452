"""Names that begin with one underscore are used in the file that defines them, and nowhere else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PACKAGES = ["actors/**/*.py", "beam/**/*.py", "gen_smtp/**/*.py"]

OF_OTHERS = {
    "_MainThread": "threading: a thread that is not its own, and forks, must be the child's main thread",
    "_daemon": "threading: as _MainThread",
    "_set_tstate_lock": "threading: as _MainThread",
    "_accept": "socket.socket: accept, which wraps it, makes a socket object of a class that is not wanted",
    "_actor_refs": "pykka.ActorRegistry: nothing else takes out the parent's actors in a forked child",
    "_actor_refs_lock": "pykka.ActorRegistry: a thread that a forked child has not may hold it",
    "_clear": "atexit: what is to run at the parent's exit is not for a worker that it forks",
    "_current_frames": "sys: the documented way to another thread's stack",
    "_handle_receive": "pykka.Actor: carries out what proxies ask for",
    "_run_exitfuncs": "atexit: a worker leaves by os._exit, which runs none of them",
    "_hub_local": "gevent: tells whether a thread has a hub without making one",
}
"""Private names of other libraries, and why they are used."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def defined_in(tree: ast.AST) -> Iterator[str]:
    """The names that a file defines: definitions, assignments, those of `self`, and slots."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                yield name
            case ast.Assign(targets=[ast.Name(id="__slots__")], value=value):
                yield from (each.value for each in ast.walk(value) if isinstance(each, ast.Constant))


def reached_for(source: str) -> list[tuple[int, str]]:
    """The private names that a file reaches for in what other files define, with their lines."""
    tree = ast.parse(source)
    known = {*defined_in(tree), *OF_OTHERS}
    attributes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    found = {(node.lineno, node.attr) for node in attributes if is_private(node.attr)}
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    own = (
        node for node in imports if (node.module or "").partition(".")[0] in ("actors", "beam", "gen_smtp")
    )
    found |= {(node.lineno, each.name) for node in own for each in node.names if is_private(each.name)}
    return sorted((line, name) for line, name in found if name not in known)


FILES = {pattern: sorted(ROOT.glob(pattern)) for pattern in PACKAGES}
ALL_FILES = [path for files in FILES.values() for path in files]


def test_there_are_files_in_each_place() -> None:
    assert [pattern for pattern, files in FILES.items() if not files] == []


def test_each_exception_is_needed() -> None:
    sources = [
        path.read_text(encoding="utf-8")
        for each in ("actors", "beam", "gen_smtp")
        for path in (ROOT / each).rglob("*.py")
    ]
    used = {
        node.attr for each in sources for node in ast.walk(ast.parse(each)) if isinstance(node, ast.Attribute)
    }
    assert OF_OTHERS.keys() - used == set()


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_private_name_of_another_file_is_used(path: Path) -> None:
    assert reached_for(path.read_text(encoding="utf-8")) == []


def test_what_is_reached_for_is_found() -> None:
    source = """
from actors.runtime.refs import _numbers
import socket
_own = 1
class Some:
    __slots__ = ("_slot",)
    _attribute: int
    def __init__(self, other):
        self._assigned = other._slot + other._assigned + other._attribute
        other._set = self._foreign = None
    def _method(self):
        return self._method, self.__class__, self.__mangled, module._own
    def use(self):
        return socket._accept(), self._base_method()
"""
    assert reached_for(source) == [(2, "_numbers"), (10, "_set"), (14, "_base_method")]
