"""Which room may import which, types included.

A room is a folder of modules, or one of the modules that stand directly in a package. `actors` knows no SMTP,
`gen_smtp.protocol` knows neither input nor output.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MOST_MODULES = 12
"""So many modules may be in a folder, beside its `__init__`."""

# What each room may import, beside itself and the standard library: rooms, and packages from elsewhere.
ALLOWED: dict[str, set[str]] = {
    "actors": {
        "actors.behaviours",
        "actors.errors",
        "actors.messages",
        "actors.net",
        "actors.otp",
        "actors.runtime",
        "actors.sys",
    },
    "actors.errors": {"pykka"},
    "actors.log_text": {"actors.errors"},
    "actors.events": {"actors.errors", "actors.log_text", "gevent"},
    "actors.messages": {"actors.seconds"},
    "actors.seconds": set(),
    "actors.sys": {"actors.errors", "actors.runtime", "actors.seconds", "pykka"},
    "actors.runtime": {
        "actors.errors",
        "actors.events",
        "actors.log_text",
        "actors.messages",
        "actors.seconds",
        "gevent",
        "pykka",
    },
    "actors.otp": {
        "actors.errors",
        "actors.events",
        "actors.log_text",
        "actors.messages",
        "actors.runtime",
        "actors.seconds",
        "pykka",
    },
    "actors.behaviours": {
        "actors.errors",
        "actors.events",
        "actors.log_text",
        "actors.messages",
        "actors.otp",
        "actors.runtime",
    },
    "actors.net": {
        "actors.errors",
        "actors.events",
        "actors.log_text",
        "actors.messages",
        "actors.otp",
        "actors.runtime",
        "actors.seconds",
        "gevent",
    },
    "beam": {"beam.events", "beam.names", "beam.node", "beam.wire"},
    "beam.events": {"actors.events"},
    "beam.reasons": {"actors.errors", "beam.wire", "pykka"},
    "beam.names": {
        "actors",
        "actors.events",
        "actors.log_text",
        "actors.runtime",
        "beam.events",
        "beam.node",
        "beam.wire",
        "pykka",
    },
    "beam.node": {
        "actors.errors",
        "actors.events",
        "actors.messages",
        "actors.runtime",
        "actors.sys",
        "beam.events",
        "beam.reasons",
        "beam.wire",
        "gevent",
        "pykka",
    },
    "beam.wire": {"gevent"},
    "gen_smtp": {"actors.net", "gen_smtp.protocol.text"},
    "gen_smtp.protocol": {
        "gen_smtp.protocol.parameters",
        "gen_smtp.protocol.sasl",
        "gen_smtp.protocol.text",
        "gen_smtp.protocol.verbs",
    },
    "gen_smtp.protocol.text": set(),
    "gen_smtp.protocol.parameters": {"gen_smtp.protocol.text"},
    "gen_smtp.protocol.sasl": {"scramp"},
    "gen_smtp.protocol.verbs": {
        "gen_smtp.protocol",
        "gen_smtp.protocol.parameters",
        "gen_smtp.protocol.sasl",
        "gen_smtp.protocol.text",
    },
    "gen_smtp.protocol.proxy": {"gen_smtp.protocol.text"},
    "gen_smtp.smtp_util": {"dns", "gen_smtp.protocol.sasl"},
    "gen_smtp.events": {"actors.events"},
    "gen_smtp.sasl": {"gen_smtp.protocol.sasl"},
    "gen_smtp.options.tls": {"actors.events", "gen_smtp.options"},
    "gen_smtp.reports": {"gen_smtp.protocol.parameters"},
    "gen_smtp.transcript": {"actors.events", "gen_smtp.events", "gen_smtp.protocol.text"},
    "gen_smtp.options": {
        "actors",
        "actors.errors",
        "gen_smtp.options.tls",
        "gen_smtp.protocol.text",
        "gen_smtp.smtp_util",
        "gen_smtp.transcript",
    },
    "gen_smtp.callbacks": {
        "actors",
        "actors.errors",
        "actors.net",
        "actors.runtime",
        "gen_smtp.protocol",
        "gen_smtp.protocol.parameters",
        "gen_smtp.protocol.proxy",
        "gen_smtp.protocol.sasl",
        "gen_smtp.protocol.text",
        "gen_smtp.smtp_util",
        "gevent",
    },
    "gen_smtp.session": {
        "actors",
        "actors.errors",
        "actors.events",
        "actors.messages",
        "actors.net",
        "actors.runtime",
        "gen_smtp.callbacks",
        "gen_smtp.cluster",
        "gen_smtp.events",
        "gen_smtp.options",
        "gen_smtp.options.tls",
        "gen_smtp.protocol",
        "gen_smtp.protocol.proxy",
        "gen_smtp.protocol.sasl",
        "gen_smtp.protocol.text",
        "gen_smtp.server",
        "gen_smtp.transcript",
        "gevent",
        "pykka",
    },
    "gen_smtp.server": {
        "actors",
        "actors.events",
        "actors.net",
        "actors.otp",
        "actors.runtime",
        "cachetools",
        "gen_smtp.callbacks",
        "gen_smtp.cluster",
        "gen_smtp.events",
        "gen_smtp.options",
        "gen_smtp.options.tls",
        "gen_smtp.protocol",
        "gen_smtp.protocol.text",
        "gen_smtp.session",
        "gen_smtp.transcript",
        "pykka",
    },
    "gen_smtp.cluster": {
        "actors",
        "actors.messages",
        "beam",
        "gen_smtp.callbacks",
        "gen_smtp.options",
        "pykka",
    },
    "gen_smtp.process": {
        "actors",
        "actors.events",
        "actors.messages",
        "actors.net",
        "actors.otp",
        "actors.runtime",
        "actors.seconds",
        "gen_smtp.callbacks",
        "gen_smtp.cluster",
        "gen_smtp.options",
        "gen_smtp.server",
        "gen_smtp.transcript",
        "gevent",
        "pykka",
    },
    "gen_smtp.workers": {
        "actors",
        "actors.events",
        "actors.messages",
        "actors.net",
        "actors.otp",
        "actors.runtime",
        "actors.seconds",
        "gen_smtp.callbacks",
        "gen_smtp.control",
        "gen_smtp.metrics",
        "gen_smtp.options",
        "gen_smtp.process",
        "gen_smtp.server",
        "gen_smtp.tracing",
        "gevent",
        "pykka",
    },
    "gen_smtp.gen_smtp_server": {
        "actors",
        "actors.otp",
        "actors.seconds",
        "gen_smtp.callbacks",
        "gen_smtp.cluster",
        "gen_smtp.options",
        "gen_smtp.options.tls",
        "gen_smtp.process",
        "gen_smtp.server",
        "gen_smtp.workers",
        "pykka",
    },
    "gen_smtp.gen_smtp_server_session": {
        "actors.otp",
        "actors.runtime",
        "gen_smtp.callbacks",
        "gen_smtp.cluster",
        "gen_smtp.protocol",
        "gen_smtp.session",
    },
    "gen_smtp.maildir": {
        "actors",
        "actors.events",
        "gen_smtp.callbacks",
        "gen_smtp.events",
        "gen_smtp.options",
        "gen_smtp.smtp_util",
    },
    "gen_smtp.queue": {
        "actors",
        "actors.events",
        "actors.runtime",
        "gen_smtp.callbacks",
        "gen_smtp.options",
        "gen_smtp.protocol.parameters",
        "gen_smtp.smtp_util",
        "pika",
        "pykka",
    },
    "gen_smtp.forward": {
        "actors",
        "actors.events",
        "gen_smtp.callbacks",
        "gen_smtp.client",
        "gen_smtp.events",
        "gen_smtp.gen_smtp_client",
        "gen_smtp.options",
        "gen_smtp.protocol.parameters",
        "gen_smtp.reports",
        "gen_smtp.smtp_util",
        "gevent",
    },
    "gen_smtp.example": {"gen_smtp.options"},
    "gen_smtp.smtp_server_example": {
        "actors",
        "actors.events",
        "gen_smtp.callbacks",
        "gen_smtp.example",
        "gen_smtp.gen_smtp_client",
        "gen_smtp.smtp_util",
    },
    "gen_smtp.settings": {"actors.messages", "gen_smtp.options"},
    "gen_smtp.queue.delivery": {
        "actors",
        "actors.events",
        "actors.runtime",
        "gen_smtp.gen_smtp_client",
        "gen_smtp.process",
        "gen_smtp.queue",
        "gen_smtp.reports",
        "gevent",
        "pykka",
    },
    "gen_smtp.queue.inspection": {
        "actors.log_text",
        "gen_smtp.queue",
        "gen_smtp.queue.delivery",
        "pika",
        "rich",
    },
    "gen_smtp.cli.mail_queue": {
        "gen_smtp.options",
        "gen_smtp.queue",
        "gen_smtp.queue.delivery",
        "gen_smtp.queue.inspection",
        "pika",
        "rich",
        "typer",
    },
    "gen_smtp.logs": {
        "actors.events",
        "actors.log_text",
        "gen_smtp.process",
        "gen_smtp.server",
    },
    "gen_smtp.control": {
        "actors",
        "actors.errors",
        "actors.events",
        "actors.net",
        "actors.otp",
        "actors.runtime",
        "gen_smtp.facts",
        "gen_smtp.options",
        "gen_smtp.process",
        "gen_smtp.server",
        "pykka",
    },
    "gen_smtp.metrics": {
        "actors",
        "actors.errors",
        "actors.events",
        "actors.log_text",
        "actors.runtime",
        "gen_smtp.callbacks",
        "gen_smtp.events",
        "gen_smtp.facts",
        "gen_smtp.options",
        "gen_smtp.process",
        "gen_smtp.server",
        "gevent",
        "prometheus_client",
    },
    "gen_smtp.tracing": {
        "actors.events",
        "gen_smtp.callbacks",
        "gen_smtp.events",
        "opentelemetry",
    },
    "gen_smtp.porting": {"tree_sitter_language_pack", "typer"},
    "gen_smtp.cli": {
        "actors.errors",
        "actors.events",
        "actors.log_text",
        "gen_smtp",
        "gen_smtp.catch",
        "gen_smtp.cli.mail_queue",
        "gen_smtp.cluster",
        "gen_smtp.control",
        "gen_smtp.gen_smtp_server",
        "gen_smtp.logs",
        "gen_smtp.metrics",
        "gen_smtp.options",
        "gen_smtp.porting",
        "gen_smtp.process",
        "gen_smtp.server",
        "gen_smtp.settings",
        "gen_smtp.workers",
        "pykka",
        "rich",
        "typer",
    },
    "gen_smtp.facts": {
        "actors",
        "actors.events",
        "actors.net",
        "actors.runtime",
        "gen_smtp.events",
        "gen_smtp.server",
        "gen_smtp.session",
    },
    "gen_smtp.client.protocol.text": {"gen_smtp.protocol.parameters", "gen_smtp.protocol.text"},
    "gen_smtp.client.protocol": {
        "gen_smtp.client.protocol.text",
        "gen_smtp.protocol.sasl",
        "gen_smtp.protocol.text",
    },
    "gen_smtp.client.routing": {
        "dns",
        "gen_smtp.client.protocol",
        "gen_smtp.client.protocol.text",
    },
    "gen_smtp.client": {
        "actors",
        "actors.net",
        "actors.runtime",
        "gen_smtp.client.protocol",
        "gen_smtp.client.protocol.text",
        "gen_smtp.client.routing",
        "gen_smtp.options",
        "gen_smtp.options.tls",
        "gen_smtp.protocol.parameters",
        "gen_smtp.smtp_util",
        "gevent",
    },
    "gen_smtp.gen_smtp_client": {
        "actors",
        "gen_smtp.client",
        "gen_smtp.client.protocol",
        "gen_smtp.client.protocol.text",
        "gen_smtp.options",
    },
    "gen_smtp.testing": {
        "actors",
        "actors.messages",
        "actors.otp",
        "gen_smtp.callbacks",
        "gen_smtp.gen_smtp_server",
        "gen_smtp.options",
        "gen_smtp.protocol",
        "gen_smtp.server",
        "gen_smtp.smtp_util",
        "gevent",
        "pykka",
        "trustme",
    },
    "gen_smtp.catch": {
        "actors",
        "actors.log_text",
        "falcon",
        "gen_smtp.gen_smtp_server",
        "gen_smtp.testing",
        "gevent",
        "pykka",
        "rich",
    },
    "gen_smtp.pytest_plugin": {"gen_smtp.testing", "pytest"},
    "gen_smtp.__main__": {"gen_smtp.cli"},
}
CORES = ("gen_smtp.protocol", "gen_smtp.client.protocol")
FORBIDDEN_IN_CORE = {"asyncio", "select", "selectors", "socket", "socketserver", "ssl", "threading", "time"}

PACKAGES = ("actors", "beam", "gen_smtp")
PATHS = {path: path.relative_to(ROOT) for top in PACKAGES for path in (ROOT / top).rglob("*.py")}
MODULES = {
    ".".join(short.with_suffix("").parts).removesuffix(".__init__"): path for path, short in PATHS.items()
}
FOLDERS = sorted({path.parent for path in PATHS})


def room_of(name: str) -> str:
    """The room that a module is in; of a module from elsewhere, its package."""
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return parts[0]
    for length in range(len(parts), 1, -1):
        if ".".join(parts[:length]) in ALLOWED:
            return ".".join(parts[:length])
    return name


def imports_of(path: Path) -> Iterator[str]:
    """The full names of all modules that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module or ""


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_imports_what_its_room_allows(name: str) -> None:
    room = room_of(name)
    imported = {room_of(each) for each in imports_of(MODULES[name])} - set(sys.stdlib_module_names)
    assert sorted(imported - ALLOWED[room] - {room}) == []


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_room_needs_all_that_it_is_allowed(room: str) -> None:
    """A row says what is, and is no wish."""
    of_room = [path for name, path in MODULES.items() if room_of(name) == room]
    imported = {room_of(each) for path in of_room for each in imports_of(path)}
    assert sorted(ALLOWED[room] - imported) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_is_small_enough_to_know(folder: Path) -> None:
    modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MOST_MODULES


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_opens_with_what_it_may_import(folder: Path) -> None:
    room = ".".join(folder.relative_to(ROOT).parts)
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert "mports" in text
    unnamed = [each for each in sorted(ALLOWED[room]) if f"`{each}`" not in text]
    assert unnamed == []


@pytest.mark.parametrize("name", [name for name in sorted(MODULES) if name.startswith(CORES)])
def test_the_core_imports_nothing_that_waits_or_reads_a_clock(name: str) -> None:
    assert {each.partition(".")[0] for each in imports_of(MODULES[name])} & FORBIDDEN_IN_CORE == set()


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
    users = {path.name: names for path in MODULES.values() if (names := private_names_of_pykka(path))}
    assert users == {"actor.py": {"pykka.messages._ActorStop"}}


def loaded_by(statement: str) -> set[str]:
    """The names of all modules that a statement loads."""
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
