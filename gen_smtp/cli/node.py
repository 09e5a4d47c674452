"""The flags of `gen-smtp serve` that make it a node of an Erlang cluster, and the table [node] of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from gen_smtp.cli.configuration import CommandLineError
from gen_smtp.options.checks import OptionsError
from gen_smtp.options.node import NodeOptions, parse_node_options

# The option that each flag sets.
NODE_FLAGS = {
    "--node": "node",
    "--cookie-file": "cookie_file",
    "--seed": "seeds",
    "--name": "name",
    "--node-address": "address",
    "--node-port": "port",
    "--node-only": "only",
    "--node-tls": "tls",
}
_FLAG_OF = {f"node.{option}": flag for flag, option in NODE_FLAGS.items()}

NodeFlag = Annotated[
    str | None,
    typer.Option("--node", metavar="NAME@HOST", help="Be a node of an Erlang cluster, with this name."),
]
CookieFileFlag = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="File with the cluster's cookie. [default: ~/.erlang.cookie]"),
]
SeedFlag = Annotated[
    list[str] | None,
    typer.Option("--seed", metavar="NAME@HOST", help="Node to connect to at the start; may be repeated."),
]
NameFlag = Annotated[
    str | None,
    typer.Option("--name", metavar="global:NAME|local:NAME", help="What to register the server as there."),
]
NodeAddressFlag = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Where to listen for other nodes. [default: 127.0.0.1]"),
]
NodePortFlag = Annotated[
    int | None,
    typer.Option(metavar="PORT", help="First port to listen at for them. [default: the system chooses]"),
]
NodeOnlyFlag = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME@HOST", help="Node that may connect, and no other; may be repeated."),
]
NodeTlsFlag = Annotated[
    str | None,
    typer.Option(metavar="CERT,KEY,CA", help="TLS between nodes: files with certificate, key, authority."),
]


def node_from_flags(flags: Mapping[str, Any]) -> NodeOptions | None:
    """What the command line says of the node; None if it says nothing.

    Args:
        flags: the values of `NODE_FLAGS`; None is a flag that was not given.

    Raises:
        CommandLineError: what is wrong, with the flag.
    """
    given = {NODE_FLAGS[flag]: value for flag, value in flags.items() if value not in (None, [])}
    if not given:
        return None
    if "node" not in given:
        raise CommandLineError("--node: needed for all that is about an Erlang cluster")
    if "tls" in given:
        given["tls"] = _tls_files(given["tls"])
    try:
        return parse_node_options(given)
    except OptionsError as error:
        problem = OptionsError(error.problem, allowed=error.allowed)
        raise CommandLineError(f"{_FLAG_OF.get(error.option or '', '--node')}: {problem}") from error


def _tls_files(text: str) -> dict[str, str]:
    names = ("certfile", "keyfile", "cafile")
    paths = text.split(",")
    if len(paths) != len(names) or not all(paths):
        raise CommandLineError("--node-tls: three files with commas between: certificate, key, authority")
    return dict(zip(names, paths, strict=True))
