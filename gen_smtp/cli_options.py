"""From the command line or a TOML file to listener options; faults are named as their user wrote them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gen_smtp.options import ListenerOptions, OptionsError, parse_options

# The option that each option of the command line sets.
LISTENER_FLAGS = {
    "--address": "address",
    "--port": "port",
    "--family": "family",
    "--mode": "mode",
    "--socket-group": "group",
    "--protocol": "protocol",
    "--domain": "domain",
    "--certfile": "sessionoptions.certfile",
    "--keyfile": "sessionoptions.keyfile",
    "--lmtp": "sessionoptions.protocol",
    "--require-tls": "sessionoptions.require_tls",
    "--require-auth": "sessionoptions.require_auth",
    "--allow-insecure-auth": "sessionoptions.allow_insecure_auth",
    "--timeout": "sessionoptions.timeout",
    "--allow-bare-newlines": "sessionoptions.allow_bare_newlines",
    "--callback-option": "sessionoptions.callbackoptions",
}
_FLAG_OF = {option: flag for flag, option in LISTENER_FLAGS.items()} | {
    "sessionoptions.tls_options.password": "--keyfile"
}


class CommandLineError(Exception):
    """What was asked for on the command line can't be done; the text is one line for its user."""


def listener_from_flags(flags: Mapping[str, Any]) -> tuple[ListenerOptions, ...]:
    """The one listener that the command line describes.

    Args:
        flags: the values of `LISTENER_FLAGS`; None is an option that was not given.

    Raises:
        CommandLineError: what is wrong, with the option of the command line.
    """
    listener: dict[str, Any] = {}
    session: dict[str, Any] = {}
    for flag, value in flags.items():
        place, _, inner = LISTENER_FLAGS[flag].partition(".")
        if value is not None:
            (session if inner else listener)[inner or place] = value
    try:
        return parse_options([{**listener, "sessionoptions": session}])
    except OptionsError as error:
        name = _FLAG_OF.get(error.option or "", error.option)
        raise CommandLineError(f"{name}: {OptionsError(error.problem, allowed=error.allowed)}") from error


def listeners_from_file(path: Path) -> tuple[ListenerOptions, ...]:
    """The listeners that a TOML file describes, one `[[listener]]` table each.

    Raises:
        CommandLineError: what is wrong, with the file, the listener's number and the option.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandLineError(f"--config: cannot read {str(path)!r}: {error.strerror or error}") from error
    except ValueError as error:  # UnicodeDecodeError is one too
        raise CommandLineError(f"{path}: not a TOML file: {error}") from error
    unknown = [name for name in tables if name != "listener"]
    if unknown:
        raise CommandLineError(
            f"{path}: there is no {unknown[0]!r} here; every listener is a [[listener]] table"
        )
    listeners = tables.get("listener")
    if not isinstance(listeners, list) or not listeners:
        raise CommandLineError(f"{path}: every listener is a [[listener]] table, with two brackets")
    try:
        return parse_options(listeners)
    except OptionsError as error:
        raise CommandLineError(f"{path}: {error}") from error


def callback_options(texts: Iterable[str]) -> dict[str, Any]:
    """Options for the callback, from texts `KEY=VALUE`, or `KEY` alone for True.

    A value is what TOML makes of it (`true`, `655360`, `[1, 2]`, `"text"`), and else text as it stands.

    Raises:
        CommandLineError: a text without a key, or a key twice.
    """
    options: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key:
            raise CommandLineError(f"--callback-option: {text!r} has no key; write KEY=VALUE")
        if key in options:
            raise CommandLineError(f"--callback-option: {key!r} is given twice")
        options[key] = _toml_value(value) if equals else True
    return options


def _toml_value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return table["value"] if len(table) == 1 else text
