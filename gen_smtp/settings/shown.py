"""The effective configuration for people: each value, and where it comes from; a TOML file again."""

from __future__ import annotations

import dataclasses
import enum
import json
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gen_smtp.options.checks import option_names
from gen_smtp.settings.configuration import Configuration
from gen_smtp.settings.table import LISTENER, NODE, OF_PROCESS, SERVER, SESSION

DEFAULT = "default"
HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True)
class Shown:
    """One value.

    Attributes:
        place: where it stands in a file; listeners are counted from 1: `listener.1.port`.
        value: the value, ready for JSON; None for none. What may be a password is hidden.
        source: a flag, a variable, a file with its line, or `default`.
    """

    place: str
    value: Any
    source: str


def effective(configuration: Configuration) -> list[Shown]:
    """All values, those of the process first."""
    return [
        *_of_process(configuration),
        *_of_record(configuration, SERVER, SERVER, configuration.server),
        *(_of_record(configuration, NODE, NODE, configuration.node) if configuration.node else ()),
        *(
            each
            for number, options in enumerate(configuration.listeners, 1)
            for each in _of_record(configuration, f"{LISTENER}.{number}", LISTENER, options)
        ),
    ]


def as_toml(values: list[Shown]) -> str:
    """The same as the text of a TOML file, with the sources as comments."""
    lines: list[str] = []
    table = ""
    for each in values:
        holder, _, name = each.place.rpartition(".")
        if holder != table:
            lines += ["", _header(holder)]
            table = holder
        said = f"{_key(name)} = {_toml(each.value)}"
        lines.append(
            f"{said if each.value is not None else f'# {_key(name)} is not set':<50}  # {each.source}"
        )
    return "\n".join(lines).lstrip("\n") + "\n"


def _of_process(configuration: Configuration) -> Iterator[Shown]:
    in_tables = sorted(OF_PROCESS, key=lambda each: each.place.rpartition(".")[0])
    for setting in in_tables:
        source = _source(configuration, setting.place, setting.place)
        yield Shown(setting.place, _plain(configuration.process[setting.place]), source)


def _of_record(configuration: Configuration, numbered: str, place: str, record: Any) -> Iterator[Shown]:
    tables = []
    for name in option_names(type(record)):
        value, here = getattr(record, name), f"{place}.{name}"
        is_options = here == f"{SESSION}.callbackoptions" and isinstance(value, Mapping)
        if is_options or (dataclasses.is_dataclass(value) and name not in _TEXTS):
            tables.append((name, value))
        elif here not in _PYTHON_ONLY:
            hidden = name == "password" and value is not None
            value = f"{value:o}" if name == "mode" and value is not None else value
            source = _source(configuration, f"{numbered}.{name}", here)
            yield Shown(f"{numbered}.{name}", HIDDEN if hidden else _plain(value), source)
    for name, value in tables:
        if isinstance(value, Mapping):
            for key in value:
                shown = f"{numbered}.{name}.{key}"
                yield Shown(shown, HIDDEN, _source(configuration, shown, f"{place}.{name}.{key}"))
        else:
            yield from _of_record(configuration, f"{numbered}.{name}", f"{place}.{name}", value)


_TEXTS = ("proxy_protocol", "xclient", "xforward", "bare_newlines_from", "transcript_from")
"""Records that a file has as a list of texts."""

_PYTHON_ONLY = (f"{SERVER}.loop", f"{SESSION}.tls_options.sni_fun", f"{SESSION}.transcript.sink")


def _source(configuration: Configuration, numbered: str, place: str) -> str:
    said = configuration.said
    if place in said.sources:
        return said.sources[place]
    if said.file is not None and _is_in(said.file.tables, numbered):
        return said.file.where(numbered)
    return DEFAULT


def _is_in(tables: Any, place: str) -> bool:
    for name in place.split("."):
        if isinstance(tables, list) and name.isdecimal():
            tables = tables[int(name) - 1] if int(name) <= len(tables) else None
        elif isinstance(tables, Mapping) and name in tables:
            tables = tables[name]
        else:
            return False
    return True


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | str | int):
        return value.name if isinstance(value, enum.Enum) else value
    if isinstance(value, float):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, logging.Logger):
        return value.name
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return str(value)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "inf" if math.isinf(value) else repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(name)} = {_toml(each)}" for name, each in value.items())
        return f"{{ {inner} }}"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() and name.isascii() else json.dumps(name)


def _header(holder: str) -> str:
    first, _, rest = holder.partition(".")
    if first != LISTENER:
        return f"[{holder}]"
    _, dot, inner = rest.partition(".")
    return f"[{LISTENER}{dot}{inner}]" if inner else f"[[{LISTENER}]]"
