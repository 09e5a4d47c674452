"""Who imports whom in the protocol: the rule of its `__init__`, with no circle, types included."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOM = "gen_smtp.protocol"
FOLDER = Path(__file__).parents[2] / "gen_smtp/protocol"
ALLOWED = {
    "text": {"text"},
    "proxy": {"proxy", "text"},
    "sasl": {"sasl"},
    "parameters": {"parameters", "text"},
    "verbs": {"verbs", "parameters", "sasl", "text", ""},
    "": {"", "parameters", "sasl", "text"},
}
"""What the modules of each folder import of the others; `""` is the room itself."""
MODULES = {
    ".".join([ROOM, *path.relative_to(FOLDER).with_suffix("").parts]).removesuffix(".__init__"): path
    for path in sorted(FOLDER.rglob("*.py"))
}


def folder_of(module: str) -> str:
    """The folder that a module is in, or that its package is."""
    parts = module.removeprefix(ROOM).split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ALLOWED else ""


def imports_of(module: str) -> set[str]:
    """The modules of the room that a module imports, wherever in it and whatever for."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= full & MODULES.keys() or {node.module}
    return found & MODULES.keys()


@pytest.mark.parametrize("module", [name for name in MODULES if name != f"{ROOM}.protocol"])
def test_a_module_imports_what_its_folder_may(module: str) -> None:
    imported = imports_of(module)
    assert {folder_of(each) for each in imported} <= ALLOWED[folder_of(module)]
    assert (f"{ROOM}.protocol" in imported) is (module == f"{ROOM}.watched")


def test_the_protocol_itself_does_without_the_proxy_header() -> None:
    folders = {folder_of(each) for each in imports_of(f"{ROOM}.protocol")}
    assert folders == {"", "sasl", "text", "verbs"}


def test_no_imports_go_in_a_circle() -> None:
    order = list(TopologicalSorter({module: imports_of(module) for module in MODULES}).static_order())
    assert set(order) == set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_leaves_alone_what_another_keeps_to_itself(module: str) -> None:
    strangers = []
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls"):
            strangers += [node.attr]
        elif isinstance(node, ast.ImportFrom):
            strangers += [alias.name for alias in node.names]
    private = [name for name in strangers if name.startswith("_") and not name.startswith("__")]
    assert private == []


def test_a_folder_has_twelve_files_at_most() -> None:
    """Beside its `__init__`, as all rooms."""
    for folder in {path.parent for path in MODULES.values()}:
        assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 12


@pytest.mark.parametrize("folder", ["", "text", "parameters", "sasl", "verbs", "proxy"])
def test_a_folder_says_what_it_is_for_and_what_it_imports(folder: str) -> None:
    said = ast.get_docstring(ast.parse((FOLDER / folder / "__init__.py").read_text(encoding="utf-8")))
    assert said is not None
    assert "import" in said.lower()
