"""The regular expressions of a package, and what is in them."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from re import _constants as codes  # type: ignore[attr-defined]  # the standard library's reading of a pattern
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

Pattern = re.Pattern[Any]

_SINGLE_CHARACTERS = {codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY, codes.CATEGORY}


def patterns_of(package: str) -> dict[str, Pattern]:
    """All that the package's modules have compiled, by the name of the module and its own."""
    root = importlib.import_module(package)
    modules = [package, *(each.name for each in pkgutil.walk_packages(root.__path__, f"{package}."))]
    return {
        f"{module}.{name}": value
        for module in modules
        if not module.endswith(".__main__")
        for name, value in vars(importlib.import_module(module)).items()
        if isinstance(value, re.Pattern)
    }


def possessive_groups(pattern: str | bytes, flags: int = 0) -> int:
    """How many groups a pattern repeats possessively."""
    return sum(_possessive_groups(parser.parse(pattern, flags)))


def _possessive_groups(node: Any) -> Iterator[bool]:
    if isinstance(node, tuple) and node and node[0] is codes.POSSESSIVE_REPEAT:
        repeated = node[1][2]
        yield len(repeated) != 1 or repeated[0][0] not in _SINGLE_CHARACTERS
    if isinstance(node, tuple | list | parser.SubPattern):
        for each in node:
            yield from _possessive_groups(each)
