"""What stands in a text: `KEY=VALUE`, and TOML's values."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from gen_smtp.options.checks import option_names, unknown_option
from gen_smtp.settings.errors import CommandLineError


def keys_and_values(flag: str, texts: Iterable[str]) -> dict[str, Any]:
    """Values by their keys, from texts `KEY=VALUE`, or `KEY` alone for True.

    A value is what TOML makes of it (`true`, `655360`, `[1, 2]`, `"text"`), and else text as it stands.

    Args:
        flag: the option of the command line.
        texts: what was given, once or more often.

    Raises:
        CommandLineError: a text without a key, or a key twice.
    """
    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key:
            raise CommandLineError(f"{flag}: {text!r} has no key; write KEY=VALUE")
        if key in values:
            raise CommandLineError(f"{flag}: {key!r} is given twice")
        values[key] = _toml_value(value) if equals else True
    return values


def values_of_records(
    flag: str, texts: Iterable[str], records: Mapping[str, type]
) -> dict[str, dict[str, Any]]:
    """As `keys_and_values`, for the fields of records.

    Args:
        flag: the option of the command line.
        texts: what was given, once or more often.
        records: the records' types, by the names of the options that hold them.

    Returns:
        for each of these names the values that belong there.

    Raises:
        CommandLineError: no record has such a field, too.
    """
    owners = {field: name for name, record in records.items() for field in option_names(record)}
    found: dict[str, dict[str, Any]] = {name: {} for name in records}
    for key, value in keys_and_values(flag, texts).items():
        if key not in owners:
            raise CommandLineError(f"{flag}: {unknown_option(key, owners)}")
        found[owners[key]][key] = value
    return found


def _toml_value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return table["value"] if len(table) == 1 else text
