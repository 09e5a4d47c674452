"""Which package may import which: `actors` knows no SMTP, `gen_smtp.protocol` knows no input or output."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

VOCABULARY = {"actors.errors", "actors.events", "actors.messages"}

# The room, as a folder, and what it may import besides the standard library.
ALLOWED = {
    "actors/runtime": {"actors.runtime", "gevent", "greenlet", "pykka", *VOCABULARY},
    "actors/otp": {"actors.otp", "actors.runtime", "pykka", *VOCABULARY},
    "actors": {"actors", "gevent", "greenlet", "pykka"},
    "gen_smtp/protocol": {"gen_smtp.protocol"},
    "gen_smtp": {"actors", "cachetools", "dns", "gen_smtp", "gevent", "pykka", "typer"},
}
FORBIDDEN_IN_CORE = {"asyncio", "select", "selectors", "socket", "socketserver", "ssl", "threading", "time"}


def modules_of(room: str) -> list[Path]:
    """The room's modules, without those of a room inside it that has rules of its own."""
    inner = [ROOT / other for other in ALLOWED if other.startswith(f"{room}/")]
    return [
        path
        for path in sorted((ROOT / room).rglob("*.py"))
        if not any(path.is_relative_to(folder) for folder in inner)
    ]


def imports_of(path: Path) -> Iterator[str]:
    """The full names of all modules that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_allowed(name: str, allowed: set[str]) -> bool:
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return True
    return any(name == each or name.startswith(f"{each}.") for each in allowed)


ALL_MODULES = [(room, path) for room in ALLOWED for path in modules_of(room)]


@pytest.mark.parametrize(
    ("room", "path"), ALL_MODULES, ids=[str(p.relative_to(ROOT)) for _, p in ALL_MODULES]
)
def test_a_module_imports_what_its_room_allows(room: str, path: Path) -> None:
    strangers = [name for name in imports_of(path) if not is_allowed(name, ALLOWED[room])]
    assert strangers == []


@pytest.mark.parametrize("module", sorted(VOCABULARY))
def test_the_words_of_all_rooms_import_none_of_them(module: str) -> None:
    path = ROOT / f"{module.replace('.', '/')}.py"
    allowed = {"gevent", "pykka", *VOCABULARY}
    assert [name for name in imports_of(path) if not is_allowed(name, allowed)] == []


@pytest.mark.parametrize("path", modules_of("gen_smtp/protocol"), ids=lambda path: path.name)
def test_the_core_imports_nothing_that_waits_or_reads_a_clock(path: Path) -> None:
    assert {name.partition(".")[0] for name in imports_of(path)} & FORBIDDEN_IN_CORE == set()


def private_names_of_pykka(path: Path) -> set[str]:
    """The names with an underscore that a module imports from Pykka."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "pykka":
            full_names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in full_names if "._" in name}
    return found


def test_only_the_runtime_knows_what_pykka_keeps_to_itself() -> None:
    """What a new Pykka may change is in one place."""
    paths = (ROOT / "actors").rglob("*.py")
    users = {path.name: names for path in paths if (names := private_names_of_pykka(path))}
    assert users == {"actor.py": {"pykka.messages._ActorStop"}}


def loaded_by(statement: str) -> set[str]:
    """The top-level and second-level names of all modules that a statement loads."""
    script = f"{statement}\nimport sys; print(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True, timeout=30
    )
    return set(ended.stdout.split())


def test_importing_the_core_loads_neither_gevent_nor_pykka_nor_sockets() -> None:
    loaded = loaded_by("import gen_smtp.protocol, gen_smtp.protocol.protocol")
    assert "gen_smtp.protocol.protocol" in loaded
    assert loaded & {"gevent", "greenlet", "pykka", "socket", "_socket", "ssl", "_ssl", "actors"} == set()


def test_importing_actors_loads_no_smtp() -> None:
    loaded = loaded_by("import actors")
    assert "actors.net.server" in loaded
    assert [name for name in loaded if name.partition(".")[0] == "gen_smtp"] == []


def test_importing_actors_patches_nothing() -> None:
    script = (
        "import actors; from gevent import monkey; "
        "assert not any(map(monkey.is_module_patched, ('threading', 'socket', 'time', 'os')))"
    )
    assert "actors" in loaded_by(script)
