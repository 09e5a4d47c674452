"""From all that was said to checked options; faults are named as their user wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gen_smtp.options.checks import OptionsError, option_names, read_record
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.options.node import NodeOptions, parse_node_options
from gen_smtp.options.parsing import parse_options
from gen_smtp.options.server import ServerOptions
from gen_smtp.settings.errors import CommandLineError
from gen_smtp.settings.layers import Given, Layers, layers, where_wrong
from gen_smtp.settings.table import LISTENER, NODE, OF_PROCESS, SERVER
from gen_smtp.settings.toml_file import TomlFile, read_toml


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is to be served, and how.

    Attributes:
        listeners: the options of each listener.
        server: the limits of the whole server.
        node: how to join an Erlang cluster; None for not at all.
        process: the values of the settings of the process, by their places: `workers`, `log.level`.
        said: all that was said, and by whom.
    """

    listeners: tuple[ListenerOptions, ...]
    server: ServerOptions
    node: NodeOptions | None
    process: Mapping[str, Any]
    said: Layers

    def name_of(self, place: str) -> str:
        """What an error names a setting of the process by: its flag, its variable, or file and line."""
        return self.said.name_of(place)

    def error(self, error: OptionsError) -> CommandLineError:
        """What was found wrong with an option of a listener after all, as its user wrote it."""
        return CommandLineError(where_wrong(self.said, LISTENER, error))


def configure(given: Mapping[str, Given], path: Path | None = None) -> Configuration:
    """Read and check all settings.

    Args:
        given: what flags and variables say, by the names of the settings.
        path: the file; None for none.

    Raises:
        CommandLineError: what is wrong, with the flag, the variable, or the file and the line.
    """
    said = layers(given, None if path is None else read_toml(path))
    return Configuration(_listeners(said), _server(said), _node(said), said.process, said)


def configuration_from_file(path: Path) -> Configuration:
    """What a TOML file describes: a `[[listener]]` table for each listener, `[server]` for all of them.

    The table `[node]` makes it a node of an Erlang cluster.

    Raises:
        CommandLineError: what is wrong, with the file, the line, the listener's number and the option.
    """
    return configure({}, path)


def _listeners(said: Layers) -> tuple[ListenerOptions, ...]:
    try:
        return parse_options(said.listeners)
    except OptionsError as error:
        if said.file is not None:
            hint = _of_process(said.file, error)
            if hint is not None:
                raise CommandLineError(hint) from error
            # What is `serveroptions` in Python is the table [server] here.
            nearest = error.nearest and error.nearest.replace("serveroptions.", "server.")
            error = error.meaning(nearest)
        raise CommandLineError(where_wrong(said, LISTENER, error)) from error


def _of_process(file: TomlFile, error: OptionsError) -> str | None:
    """A setting of the process that stands behind `[[listener]]` belongs to that table, as TOML has it."""
    place = error.option or ""
    if "." in place or place not in _TOP_LEVEL or error.listener is None:
        return None
    where = file.where(f"{LISTENER}.{error.listener}.{place}")
    return f"{where}: {place!r} is no option of a listener; write it above the first table of the file"


def _server(said: Layers) -> ServerOptions:
    try:
        return read_record(ServerOptions, said.server)
    except OptionsError as error:
        raise CommandLineError(_named(said, SERVER, error)) from error


def _node(said: Layers) -> NodeOptions | None:
    if said.node == {}:
        return None
    if isinstance(said.node, dict) and "node" not in said.node and said.file is None:
        raise CommandLineError("--node: needed for all that is about an Erlang cluster")
    try:
        return parse_node_options(said.node)
    except OptionsError as error:
        # It names its option with the table.
        table, _, name = (error.option or "").partition(".")
        option = (name if table == NODE else error.option) or None
        inner = OptionsError(error.problem, option=option, allowed=error.allowed, nearest=error.nearest)
        inner.__cause__ = error.__cause__
        raise CommandLineError(_named(said, NODE, inner)) from error


def _named(said: Layers, table: str, error: OptionsError) -> str:
    return where_wrong(said, "", error.within(table))


_TOP_LEVEL = frozenset(
    each.place
    for each in OF_PROCESS
    if "." not in each.place and each.place not in option_names(ListenerOptions)
)
