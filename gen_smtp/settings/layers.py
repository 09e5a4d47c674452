"""Flags over environment variables over a file over defaults, and where each value comes from."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gen_smtp.options.checks import OptionsError, shown_option, unknown_option
from gen_smtp.settings.errors import CommandLineError
from gen_smtp.settings.table import (
    BY_NAME,
    DEADLINE_RECORDS,
    LIMIT_RECORDS,
    LISTENER,
    NODE,
    OF_PROCESS,
    SERVER,
    SESSION,
    SETTINGS,
    Setting,
)
from gen_smtp.settings.toml_file import TomlFile


@dataclass(frozen=True, slots=True)
class Given:
    """What a flag or a variable says.

    Attributes:
        value: the value, of the setting's type.
        source: the flag or the variable.
    """

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Layers:
    """All that was said, in one piece.

    Attributes:
        file: the file; None without one.
        listeners: the options of each listener.
        server, node: what is said of the server and of the node.
        process: the values of the settings of the process, by their places.
        sources: where what was said comes from, by the place: a flag, a variable; what is not in here comes
            from the file, or is a default.
    """

    file: TomlFile | None
    listeners: list[Any]
    server: Any
    node: Any
    process: dict[str, Any]
    sources: dict[str, str] = field(default_factory=dict)

    def name_of(self, place: str) -> str:
        """What has set a place: a flag, a variable, or the file with a line; its flag if nothing has."""
        if place in self.sources:
            return self.sources[place]
        if self.file is not None and place in self.file.lines:
            return f"{self.file.where(place)}, {place}"
        return _FLAG_OF.get(place, place)


def layers(given: Mapping[str, Given], file: TomlFile | None = None) -> Layers:
    """Put all that was said over each other.

    Args:
        given: what flags and variables say, by the names of the settings.
        file: what a file says.

    Raises:
        CommandLineError: something in the file, or a flag, does not fit.
    """
    found = _from_file(file)
    for name, each in given.items():
        setting = BY_NAME[name]
        _check_choice(setting, each.value, each.source)
        for place, value in _entries(setting, each).items():
            _put(found, place, value, each.source)
    return found


def _entries(setting: Setting, given: Given) -> Mapping[str, Any]:
    try:
        return setting.read(given.value)
    except CommandLineError as error:
        # The texts of the flag are read alike wherever they come from, and name the flag.
        raise CommandLineError(str(error).replace(setting.flag, given.source, 1)) from error


def _put(found: Layers, place: str, value: Any, source: str) -> None:
    place, if_unset, _ = place.partition("?")
    table, _, inner = place.partition(".")
    if table == LISTENER:
        if len(found.listeners) != 1:
            assert found.file is not None
            raise CommandLineError(
                f"{source}: {found.file.path} has {len(found.listeners)} listeners, and this is for one; "
                "write it into the file"
            )
        holder = found.listeners[0]
    elif table in (SERVER, NODE):
        holder = found.server if table == SERVER else found.node
    else:
        found.process[place] = value
        found.sources[place] = source
        return
    if _set(holder, inner, value, keep=bool(if_unset)):
        found.sources[place] = source


def _set(holder: Any, place: str, value: Any, keep: bool) -> bool:
    """Put a value into nested tables; one that is no table is left for its check to refuse."""
    *tables, name = place.split(".")
    for table in tables:
        if not isinstance(holder, dict):
            return False
        holder = holder.setdefault(table, {})
    if not isinstance(holder, dict) or (keep and name in holder):
        return False
    holder[name] = value
    return True


# -- the file ---------------------------------------------------------------------------------------


def _from_file(file: TomlFile | None) -> Layers:
    process = {each.place: each.default for each in OF_PROCESS}
    if file is None:
        return Layers(None, [{}], {}, {}, process)
    tables = deepcopy(dict(file.tables))
    listeners = tables.pop(LISTENER, [{}])
    if not isinstance(listeners, list) or not listeners:
        raise CommandLineError(
            f"{file.where(LISTENER)}: every listener is a [[listener]] table, with two brackets"
        )
    server, node = tables.pop(SERVER, {}), tables.pop(NODE, {})
    known = {each.place: each for each in OF_PROCESS}
    for place, value in _flat(tables, known):
        if place not in known:
            raise CommandLineError(_unknown(file, place))
        _check_type(known[place], value, f"{file.where(place)}: {place}")
        process[place] = float(value) if known[place].type is float else value
        if known[place].type is Path:
            process[place] = Path(value)
    return Layers(file, listeners, server, node, process)


def _flat(tables: Mapping[str, Any], known: Mapping[str, Setting], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in tables.items():
        place = f"{before}{name}"
        is_table = any(each.startswith(f"{place}.") for each in known)
        if is_table and isinstance(value, dict):
            found += _flat(value, known, f"{place}.")
        else:
            found.append((place, value))
    return found


def _unknown(file: TomlFile, place: str) -> str:
    table, dot, _ = place.rpartition(".")
    beside = [each.place for each in OF_PROCESS if each.place.rpartition(".")[0] == table]
    nearest = unknown_option(place, beside).nearest
    hint = f"; did you mean {nearest}?" if nearest else ""
    if dot:
        return f"{file.where(place)}: there is no {place!r}{hint or '; there are ' + ', '.join(beside)}"
    return (
        f"{file.where(place)}: there is no {place!r} here{hint}; every listener is a [[listener]] table, "
        "what is for all of them is in [server] and in [node]"
    )


_TYPES: Mapping[type, tuple[tuple[type, ...], str]] = {
    str: ((str,), "text"),
    Path: ((str,), "a path, as text"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    bool: ((bool,), "true or false"),
    list: ((list,), "a list"),
}


def _check_type(setting: Setting, value: Any, where: str) -> None:
    types, wanted = _TYPES[setting.type]
    if not isinstance(value, types) or (isinstance(value, bool) and setting.type is not bool):
        raise CommandLineError(f"{where}: {wanted} is needed, not {shown_option(value)}")
    _check_choice(setting, value, where)


def _check_choice(setting: Setting, value: Any, where: str) -> None:
    if setting.choices is not None and str(value).lower() not in setting.choices:
        raise CommandLineError(f"{where}: {value!r} is none; allowed: {', '.join(setting.choices)}")


def where_wrong(found: Layers, table: str, error: OptionsError) -> str:
    """What is wrong with an option, named as its user wrote it: by a flag, a variable, or a file and a line.

    Args:
        found: all that was said.
        table: the table that the option stands in.
        error: what is wrong; its option is named from that table on.
    """
    place = ".".join(part for part in (table, error.option) if part)
    source = found.sources.get(place)
    if source is None and found.file is None:
        source = _FLAG_OF.get(place) or _FLAG_OF.get(place.rpartition(".")[0])
    if source is None and found.file is not None:
        numbered = place.replace(LISTENER, f"{LISTENER}.{error.listener}", 1) if error.listener else place
        return f"{found.file.where(numbered)}: {error}"
    is_entry = place.rpartition(".")[0] in _WITH_ENTRIES
    name = f" {place.rpartition('.')[2]}" if is_entry else ""
    return f"{source or place}{name}: {OptionsError(error.problem, allowed=error.allowed)}"


_WITH_ENTRIES = {*LIMIT_RECORDS, *DEADLINE_RECORDS, f"{SESSION}.callbackoptions"}
"""The tables that one flag sets entries of: `--limit NAME=VALUE`."""

_FLAG_OF: Mapping[str, str] = {
    **{each.place: each.flag for each in SETTINGS},
    **dict.fromkeys(LIMIT_RECORDS, "--limit"),
    f"{SESSION}.tls_options.password": "--keyfile",
}
