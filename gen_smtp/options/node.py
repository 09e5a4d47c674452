"""The options of a node: how a process that serves joins an Erlang cluster."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from actors.errors import StartError
from gen_smtp.options.checks import (
    Check,
    OptionsError,
    check_fields,
    file_path,
    optional,
    read_record,
    seconds,
    shown_option,
    whole_number,
)
from gen_smtp.options.hints import with_hint


class NodeError(StartError):
    """The process could not become a node, or its server did not get its name there.

    Attributes:
        option: the option at fault, of `NodeOptions`.
    """

    def __init__(self, option: str, text: str) -> None:
        super().__init__(text)
        self.option = option


NodeConfiguration: TypeAlias = "NodeOptions | Mapping[str, Any] | Sequence[tuple[str, Any]] | None"
"""A node's options: the record, a mapping, or an Erlang-like list of (key, value) pairs; None is no node."""

_NODE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}@[A-Za-z0-9._:-]{1,255}", re.ASCII)
_FORMS_OF_NAMES = "global:NAME, local:NAME, or a tuple such as ('global', term)"
_SECOND = "-b"
"""In the names of a successor's nodes, as its predecessor's live as long as it starts."""

_BEHIND = re.compile(r"(?:-b)?(?:-[0-9]+)?", re.ASCII)
"""What may stand behind the name of a node in those of its family."""


def _node_name(value: Any) -> str:
    """The full name of a node."""
    if isinstance(value, str) and _NODE_NAME.fullmatch(value):
        return value
    raise OptionsError(
        f"not the name of a node: {shown_option(value)}",
        allowed="name@host, such as mx1@10.0.0.5, as erl -name has it",
    )


def _node_names(value: Any) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        raise OptionsError(f"not a list of nodes: {shown_option(value)}", allowed="a list of name@host")
    return tuple(_node_name(each.strip() if isinstance(each, str) else each) for each in names)


def _registered_name(value: Any) -> tuple[str, Any]:
    """The name to register, as `actors.register` takes it."""
    if isinstance(value, str):
        kind, colon, name = value.partition(":")
        if colon and kind in ("global", "local") and name:
            return kind, name
    elif isinstance(value, tuple) and len(value) == 2 and value[0] in ("global", "local"):
        return value[0], value[1]
    raise OptionsError(f"not a name to register: {shown_option(value)}", allowed=_FORMS_OF_NAMES)


def _tls(value: Any) -> dict[str, str]:
    """The files of TLS between nodes."""
    wanted = {"certfile", "keyfile", "cafile"}
    given = dict(value) if isinstance(value, Mapping | list | tuple) else {}
    if not given or set(given) - wanted or not {"certfile", "cafile"} <= set(given):
        raise OptionsError(
            f"not the files of TLS: {shown_option(value)}",
            allowed="a mapping with certfile, cafile, and keyfile where that is another file",
        )
    return {name: file_path(path) for name, path in given.items()}


@dataclass(frozen=True, kw_only=True)
class NodeOptions:
    """How a process that serves joins an Erlang cluster.

    Attributes:
        node: its name there, `mx1@10.0.0.5`. A successor by SIGUSR2 is `mx1-b@10.0.0.5`, the next one `mx1`
            again; with several workers they are `mx1-1`, `mx1-2` and so on.
        cookie_file: the file with the cluster's cookie, which nobody but its owner may read; None is the one
            in the home folder that `erl` makes, `~/.erlang.cookie`.
        name: what the server is registered as: `"global:mx"`, `("global", term)`, `"local:mx"`; None for no
            name.
        seeds: nodes to connect to at the start.
        address: where it listens for other nodes.
        port: the first port that it listens at; 0 lets the system choose. A process takes this one or the
            next, as its successor does; with N workers it is N ports, and N more for the successor's.
        only: the nodes that may connect; None for all that know the cookie.
        net_ticktime: seconds after which a node that is silent is taken for dead, as in Erlang's kernel.
        tls: TLS with certificates on both sides: a mapping with `certfile`, `keyfile` and `cafile`.

    Raises:
        OptionsError: for a value of the wrong type or out of range.
    """

    node: str
    cookie_file: str | None = None
    name: Any = None
    seeds: tuple[str, ...] = ()
    address: str = "127.0.0.1"
    port: int = 0
    only: tuple[str, ...] | None = None
    net_ticktime: float = 60.0
    tls: dict[str, str] | None = None

    def __post_init__(self) -> None:
        check_fields(self, _CHECKS)

    def places(self, place: int | None = None, places: int = 1) -> list[tuple[str, int]]:
        """The names and ports that a process may have as a node: its own, and others if it succeeds one.

        Args:
            place: the number of the worker, from 0; None without workers.
            places: how many workers there are.
        """
        local, _, host = self.node.partition("@")
        number = "" if place is None else f"-{place + 1}"
        ports = [0, 0] if self.port == 0 else [self.port + (place or 0), self.port + places + (place or 0)]
        return [
            (f"{local}{second}{number}@{host}", port)
            for second, port in zip(("", _SECOND), ports, strict=True)
        ]

    def family(self, place: int | None = None, places: int = 1) -> list[str]:
        """The names of the nodes that share a name with one: its siblings, a predecessor's, a successor's.

        Args:
            place, places: as of `places`.
        """
        numbers = [None] if place is None else range(places)
        return [name for number in numbers for name, _ in self.places(number, places)]

    def is_family(self, node: str) -> bool:
        """Tell whether a node is this process, one of its siblings, or one of a predecessor or successor."""
        local, _, host = self.node.partition("@")
        other, _, place = node.partition("@")
        same_host = place == host and other.startswith(local)
        return same_host and _BEHIND.fullmatch(other.removeprefix(local)) is not None


_CHECKS: dict[str, Check] = {
    "node": _node_name,
    "cookie_file": optional(file_path),
    "name": optional(_registered_name),
    "seeds": _node_names,
    "port": whole_number(0, 65_000),
    "only": optional(_node_names),
    "net_ticktime": seconds,
    "tls": optional(_tls),
}


def parse_node_options(given: NodeConfiguration) -> NodeOptions | None:
    """The record of a node's options; None for no node.

    Raises:
        OptionsError: what is wrong, with the option and what is allowed.
    """
    if given is None:
        return None
    try:
        return read_record(NodeOptions, given)
    except OptionsError as error:
        raise with_hint(error.within("node")) from error.__cause__
    except TypeError as error:
        raise OptionsError("the name of the node is needed", option="node.node") from error
