"""What ARCHITECTURE.md and CONTRIBUTING.md name exists."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest

from tests.house.test_layering import ALLOWED, FOLDERS, MODULES, ROOT

PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("ARCHITECTURE.md", "CONTRIBUTING.md")}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")

FILE_NAME = re.compile(r"\.?[\w./-]*(?:/|\.(?:py|md|toml|yml))|Makefile")
DOTTED_NAME = re.compile(r"[A-Za-z_]\w*(?:[.:][A-Za-z_]\w*)+")
ROW = re.compile(r"^\| `((?:actors|beam|gen_smtp)/[\w/]+)/` \|[^|]+\|([^|]+)\|$", re.MULTILINE)

NO_PATHS = {"__init__.py"}
"""File names that are no paths."""


def spans(page: str) -> list[str]:
    """What stands in backticks, outside of blocks of code."""
    return re.findall(r"`([^`\n]+)`", page)


def links(page: str) -> list[str]:
    return re.findall(r"\]\(((?!http)[^)#]+)[^)]*\)", page)


def file_names(page: str) -> list[str]:
    named = [each for each in spans(page) if FILE_NAME.fullmatch(each)]
    return sorted({*named, *links(page)} - NO_PATHS)


def dotted_names(page: str) -> list[str]:
    named = {each for each in spans(page) if DOTTED_NAME.fullmatch(each)}
    return sorted({each for each in named if not FILE_NAME.fullmatch(each)})


@cache
def homes() -> dict[str, list[tuple[str, ...]]]:
    """Where a name with a dot may begin: with a class, or with the last part of a module's name."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for module, path in MODULES.items():
        found.setdefault(module.rpartition(".")[2], []).append((module,))
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append((module, node.name))
    return found


def is_at(module: str, names: Sequence[str]) -> bool:
    """Whether an object can be reached from a module by these names, one after the other."""
    reached: Any = importlib.import_module(module)
    for name in names:
        if not hasattr(reached, name):
            return False
        reached = getattr(reached, name)
    return True


def exists(name: str) -> bool:
    """Whether `package.module.name`, `package.module:name`, `module.function` or `Class.method` is there."""
    parts = name.replace(":", ".").split(".")
    if any(module.endswith(f".{'.'.join(parts)}") for module in MODULES):
        return True  # a room that nobody has imported yet
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in MODULES:
            return is_at(".".join(parts[:length]), parts[length:])
    return any(is_at(module, [*start, *parts[1:]]) for module, *start in homes().get(parts[0], []))


@pytest.mark.parametrize("page", PAGES)
def test_files_and_folders_exist(page: str) -> None:
    named = file_names(PAGES[page])
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_modules_functions_and_methods_exist(page: str) -> None:
    named = dotted_names(PAGES[page])
    assert named
    assert [name for name in named if not exists(name)] == []


def test_the_path_of_a_mail_names_its_functions() -> None:
    section = PAGES["ARCHITECTURE.md"].partition("## The path of a mail")[2].partition("\n## ")[0]
    assert len(dotted_names(section)) >= 30


def test_every_folder_has_a_row_that_says_what_it_may_import() -> None:
    rows = dict(ROW.findall(PAGES["ARCHITECTURE.md"]))
    folders = {str(path.relative_to(ROOT)) for path in FOLDERS} - {"actors", "beam", "gen_smtp"}
    assert set(rows) == folders
    wrong = {
        room: cell
        for room, cell in rows.items()
        if room.startswith(("beam", "gen_smtp")) and not agrees(room, cell)
    }
    assert wrong == {}


def agrees(room: str, cell: str) -> bool:
    """Whether a row names the rooms that the layering allows; those of `actors` count as one."""
    allowed = (
        each for each in ALLOWED[room.replace("/", ".")] if each.startswith(("actors", "beam", "gen_smtp"))
    )
    rooms = {"actors" if each.startswith("actors") else each.removeprefix("gen_smtp.") for each in allowed}
    return set(re.findall(r"`([^`]+)`", cell)) == rooms


def test_commands_are_those_of_the_makefile() -> None:
    helped = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    named = {page: set(re.findall(r"`make ([a-z-]+)", text)) for page, text in PAGES.items()}
    assert helped <= named["CONTRIBUTING.md"]
    assert set().union(*named.values()) <= targets


def test_what_does_not_exist_is_found() -> None:
    page = "`tests/nowhere/` `gen_smtp/core/plain.py` [it](docs/none.md#there) `Hub._run_turn` `ok` `a b.c`"
    assert file_names(page) == ["docs/none.md", "gen_smtp/core/plain.py", "tests/nowhere/"]
    assert dotted_names(page) == ["Hub._run_turn"]
    assert not exists("Hub.no_such_method")
    assert not exists("calling.no_such_function")
    assert not exists("NoSuchClass.method")
    assert not exists("gen_smtp.maildir:Nobody")
    assert exists("actors.sys.get_state")
    assert exists("gen_smtp.cli:app")
    assert not agrees("gen_smtp/example", "`options`, `server`")
