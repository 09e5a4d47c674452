"""This process as a node of an Erlang cluster, next to BEAMs and to other Python processes.

    node = beam.start("mx1@10.0.0.5", cookie_file="/etc/cookie", seeds=["app@10.0.0.7"], address="10.0.0.5")

`events` is what can be subscribed to. Its rooms: `wire`, what goes over the network: terms, epmd, the
handshake, the channel; it knows no actors. `node`, the node itself: references to processes elsewhere, and
actors here for processes elsewhere. `names`, the names that a whole cluster knows: OTP's `global`.

Public is all that is in `__all__`. Nothing in here knows SMTP; the standard library and gevent are enough.

Imports: `beam.events`, `beam.names`, `beam.node`, `beam.wire`.
"""

from collections.abc import Callable
from typing import Any

from beam.events import (
    ConnectionFailed,
    ConnectionRefused,
    EpmdFound,
    EpmdLost,
    NameLost,
    NameRestored,
    NameTakenAway,
    NodeConnected,
    NodeLost,
    NodeStarted,
    NodeStopped,
    RemoteOutput,
    ReplyFailed,
    ResolverFailed,
)
from beam.names.global_names import attach
from beam.names.global_names import of_node as global_names
from beam.names.resolving import random_notify_name
from beam.node.far import NamedRef, RemoteRef
from beam.node.node import Node, NodeDown, NodeUp, at_start, check, running, running_node, start
from beam.node.spawning import RpcError
from beam.wire.decoder import decode
from beam.wire.encoder import encode
from beam.wire.records import record
from beam.wire.terms import (
    Atom,
    BitString,
    Export,
    Fun,
    ImproperList,
    Pid,
    Port,
    Reference,
    TermError,
    TermMap,
    text,
)

at_start.append(attach)


def rpc(node: str, module: str, function: str, arguments: list[Any], timeout: float | None = 5.0) -> Any:
    """Call a function of another node, as `erpc:call`, and wait for its value.

    Args:
        node: the node.
        module, function: the function's name; both become atoms.
        arguments: terms.
        timeout: seconds, 5 unless told otherwise; None waits for ever.

    Returns:
        its value.

    Raises:
        RpcError: it gave none, or there is no connection.
        pykka.Timeout: no value came in time.
        TermError: an argument is no term.
        RuntimeError: this process is no node.
    """
    return running_node().rpc(node, module, function, arguments, timeout)


def expose(module: str, name: str, function: Callable[..., Any]) -> None:
    """Let other nodes call a function by `rpc:call`, `erpc:call` and `beam.rpc`; all else is `undef` to them.

    Each call runs in the turn of an actor of its own, which may wait, but must not block: work that does goes
    to `actors.run_blocking`. What the function raises is the reason `{python, Class, Text}` of the caller.

    Args:
        module, name: what it is called by.
        function: what is called; it returns a term.

    Raises:
        RuntimeError: this process is no node.
    """
    running_node().expose(module, name, function)


def monitor_nodes(flag: bool = True) -> None:
    """Have the calling actor told of nodes that come and go, by `NodeUp` and `NodeDown`: `net_kernel`'s.

    Args:
        flag: False ends it.

    Raises:
        RuntimeError: this process is no node.
        ValueError: it is called outside any actor.
    """
    running_node().monitor_nodes(flag)


__all__ = [
    "Atom",
    "BitString",
    "ConnectionFailed",
    "ConnectionRefused",
    "EpmdFound",
    "EpmdLost",
    "Export",
    "Fun",
    "ImproperList",
    "NameLost",
    "NameRestored",
    "NameTakenAway",
    "NamedRef",
    "Node",
    "NodeConnected",
    "NodeDown",
    "NodeLost",
    "NodeStarted",
    "NodeStopped",
    "NodeUp",
    "Pid",
    "Port",
    "Reference",
    "RemoteOutput",
    "RemoteRef",
    "ReplyFailed",
    "ResolverFailed",
    "RpcError",
    "TermError",
    "TermMap",
    "check",
    "decode",
    "encode",
    "expose",
    "global_names",
    "monitor_nodes",
    "random_notify_name",
    "record",
    "rpc",
    "running",
    "start",
    "text",
]
