"""From the command line or a TOML file to listener options; faults are named as their user wrote them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gen_smtp.cli.values import CommandLineError
from gen_smtp.options.checks import read_record
from gen_smtp.options.deadlines import Deadlines
from gen_smtp.options.limits import Limits
from gen_smtp.options.listener import ListenerOptions, OptionsError, parse_options
from gen_smtp.options.server import ServerOptions, parse_server_options

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
    "--certfile": "sessionoptions.certfile",
    "--keyfile": "sessionoptions.keyfile",
    "--lmtp": "sessionoptions.protocol",
    "--require-tls": "sessionoptions.require_tls",
    "--require-auth": "sessionoptions.require_auth",
    "--allow-insecure-auth": "sessionoptions.allow_insecure_auth",
    "--timeout": "sessionoptions.timeout",
    "--deadline": "sessionoptions.deadlines",
    "--allow-bare-newlines": "sessionoptions.allow_bare_newlines",
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


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is to be served.

    Attributes:
        listeners: the options of each listener.
        server: the limits of the whole server.
    """

    listeners: tuple[ListenerOptions, ...]
    server: ServerOptions


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


def configuration_from_file(path: Path) -> Configuration:
    """What a TOML file describes: a `[[listener]]` table for each listener, `[server]` for all of them.

    Raises:
        CommandLineError: what is wrong, with the file, the listener's number and the option.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandLineError(f"--config: cannot read {str(path)!r}: {error.strerror or error}") from error
    except ValueError as error:  # UnicodeDecodeError is one too
        raise CommandLineError(f"{path}: not a TOML file: {error}") from error
    unknown = [name for name in tables if name not in ("listener", "server")]
    if unknown:
        raise CommandLineError(
            f"{path}: there is no {unknown[0]!r} here; every listener is a [[listener]] table, "
            "what is for all of them is in [server]"
        )
    listeners = tables.get("listener")
    if not isinstance(listeners, list) or not listeners:
        raise CommandLineError(f"{path}: every listener is a [[listener]] table, with two brackets")
    try:
        return Configuration(parse_options(listeners), _server_from_table(tables.get("server", {})))
    except OptionsError as error:
        raise CommandLineError(f"{path}: {error}") from error


def _server_from_table(table: Any) -> ServerOptions:
    try:
        return read_record(ServerOptions, table)
    except OptionsError as error:
        raise error.within("server") from error.__cause__
