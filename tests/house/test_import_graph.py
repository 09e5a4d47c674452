"""No module imports, by way of others, itself: imports in functions and for types alone count as well."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PACKAGES = ["actors", "beam", "gen_smtp"]

Graph = Mapping[str, set[str]]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_by(tree: ast.AST, modules: set[str]) -> Iterator[str]:
    """The modules among these that a module imports; a package is one when a name of its own is meant."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module in modules:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in modules else node.module


def graph_of(package: str) -> Graph:
    paths = {module_name(path): path for path in sorted((ROOT / package).rglob("*.py"))}
    return {
        name: set(imported_by(ast.parse(path.read_text(encoding="utf-8")), set(paths)))
        for name, path in paths.items()
    }


def circles(graph: Graph) -> list[list[str]]:
    """Circles, each as the modules along it; every module that is on one is on one of these."""
    return [circle for name in graph if (circle := way_back(graph, name)) and min(circle) == name]


def way_back(graph: Graph, start: str) -> list[str]:
    """The shortest way from a module by its imports back to itself; empty if there is none."""
    ways = [[start]]
    seen: set[str] = set()
    for way in ways:
        for name in sorted(graph[way[-1]]):
            if name == start:
                return way
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_imports_go_in_a_circle(package: str) -> None:
    graph = graph_of(package)
    assert len(graph) > 1
    assert [" -> ".join([*circle, circle[0]]) for circle in circles(graph)] == []


def test_circles_are_found_and_named() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"d"}, "e": {"a"}}
    assert circles(graph) == [["a", "b", "c"], ["d"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_imports_of_all_kinds_count() -> None:
    source = """
import p.one
from p import two, name
from p.three import other
if TYPE_CHECKING:
    from p.four import Kind
def late():
    import p.five
import q
"""
    modules = {"p", "p.one", "p.two", "p.three", "p.four", "p.five"}
    assert set(imported_by(ast.parse(source), modules)) == modules
