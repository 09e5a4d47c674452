"""From the command line or a TOML file to listener options; faults are named as their user wrote them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gen_smtp.options.checks import OptionsError, option_names, read_record, unknown_option
from gen_smtp.options.deadlines import Deadlines
from gen_smtp.options.limits import Limits
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.options.node import NodeOptions, parse_node_options
from gen_smtp.options.parsing import parse_options, parse_server_options
from gen_smtp.options.server import ServerOptions

# The option that each option of the command line sets.
LISTENER_FLAGS = {
    "--address": "address",
    "--port": "port",
    "--family": "family",
    "--mode": "mode",
    "--socket-group": "group",
    "--protocol": "protocol",
    "--domain": "domain",
    "--proxy-protocol": "proxy_protocol",
    "--trust-proxied-tls": "trust_proxied_tls",
    "--xclient": "xclient",
    "--xforward": "xforward",
    "--certfile": "sessionoptions.certfile",
    "--keyfile": "sessionoptions.keyfile",
    "--lmtp": "sessionoptions.protocol",
    "--require-tls": "sessionoptions.require_tls",
    "--require-auth": "sessionoptions.require_auth",
    "--allow-insecure-auth": "sessionoptions.allow_insecure_auth",
    "--timeout": "sessionoptions.timeout",
    "--deadline": "sessionoptions.deadlines",
    "--allow-bare-newlines": "sessionoptions.allow_bare_newlines",
    "--bare-newlines-from": "sessionoptions.bare_newlines_from",
    "--lenient": "sessionoptions.lenient",
    "--refuse-early-talkers": "sessionoptions.refuse_early_talkers",
    "--greet-delay": "sessionoptions.greet_delay",
    "--limit": "sessionoptions.limits",
    "--callback-option": "sessionoptions.callbackoptions",
}
_FLAG_OF = {option: flag for flag, option in LISTENER_FLAGS.items()} | {
    "sessionoptions.tls_options.password": "--keyfile"
}


LIMIT_RECORDS: Mapping[str, type] = {"serveroptions": ServerOptions, "sessionoptions.limits": Limits}
"""What `--limit NAME=VALUE` sets, by the option that holds it."""

DEADLINE_RECORDS: Mapping[str, type] = {"sessionoptions.deadlines": Deadlines}
"""What `--deadline NAME=VALUE` sets."""


class CommandLineError(Exception):
    """What was asked for on the command line can't be done; the text is one line for its user."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is to be served.

    Attributes:
        listeners: the options of each listener.
        server: the limits of the whole server.
        node: how to join an Erlang cluster; None for not at all.
    """

    listeners: tuple[ListenerOptions, ...]
    server: ServerOptions
    node: NodeOptions | None = None


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
        problem = OptionsError(error.problem, allowed=error.allowed)
        raise CommandLineError(f"{_flag_of(error.option or '')}: {problem}") from error


def _flag_of(option: str) -> str:
    """An option as the command line has it; one of a record behind the record's flag."""
    place, _, name = option.rpartition(".")
    if option not in _FLAG_OF and place in _FLAG_OF:
        return f"{_FLAG_OF[place]} {name}"
    return _FLAG_OF.get(option, option)


def server_from_limits(limits: Mapping[str, Any]) -> ServerOptions:
    """The limits of the whole server, from those of the command line.

    Raises:
        CommandLineError: what is wrong, with the name of the limit.
    """
    try:
        return parse_server_options(limits)
    except OptionsError as error:
        name = (error.option or "").rpartition(".")[2]
        problem = OptionsError(error.problem, allowed=error.allowed)
        raise CommandLineError(f"--limit {name}: {problem}") from error


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


def configuration_from_file(path: Path) -> Configuration:
    """What a TOML file describes: a `[[listener]]` table for each listener, `[server]` for all of them.

    The table `[node]` makes it a node of an Erlang cluster.

    Raises:
        CommandLineError: what is wrong, with the file, the listener's number and the option.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandLineError(f"--config: cannot read {str(path)!r}: {error.strerror or error}") from error
    except ValueError as error:  # UnicodeDecodeError is one too
        raise CommandLineError(f"{path}: not a TOML file: {error}") from error
    unknown = [name for name in tables if name not in ("listener", "server", "node")]
    if unknown:
        raise CommandLineError(
            f"{path}: there is no {unknown[0]!r} here; every listener is a [[listener]] table, "
            "what is for all of them is in [server] and in [node]"
        )
    listeners = tables.get("listener")
    if not isinstance(listeners, list) or not listeners:
        raise CommandLineError(f"{path}: every listener is a [[listener]] table, with two brackets")
    try:
        return Configuration(
            parse_options(listeners),
            _server_from_table(tables.get("server", {})),
            parse_node_options(tables.get("node")),
        )
    except OptionsError as error:
        # What is `serveroptions` in Python is the table [server] here.
        nearest = error.nearest and error.nearest.replace("serveroptions.", "server.")
        raise CommandLineError(f"{path}: {error.meaning(nearest)}") from error


def _server_from_table(table: Any) -> ServerOptions:
    try:
        return read_record(ServerOptions, table)
    except OptionsError as error:
        raise error.within("server") from error.__cause__


def _toml_value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return table["value"] if len(table) == 1 else text
