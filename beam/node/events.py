"""What happens to a node, for `actors.events.subscribe`. The log has all of it, under `beam`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from actors.events import Event

_logger = logging.getLogger("beam")


@dataclass(frozen=True, slots=True)
class NodeStarted(Event):
    """This process is a node now."""

    logger: ClassVar[logging.Logger] = _logger
    text: ClassVar[str] = "node {name} listens at {address} port {port}"

    name: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class NodeStopped(Event):
    """This process is no node any more."""

    logger: ClassVar[logging.Logger] = _logger
    text: ClassVar[str] = "node {name} has stopped"

    name: str


@dataclass(frozen=True, slots=True)
class NodeConnected(Event):
    """A connection to another node is up."""

    logger: ClassVar[logging.Logger] = _logger
    text: ClassVar[str] = "connected to node {node}"

    node: str


@dataclass(frozen=True, slots=True)
class NodeLost(Event):
    """A connection to another node is no more."""

    logger: ClassVar[logging.Logger] = _logger
    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "lost node {node}: {reason}"

    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionFailed(Event):
    """Another node could not be reached."""

    logger: ClassVar[logging.Logger] = _logger
    text: ClassVar[str] = "cannot connect to node {node}: {reason}"

    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionRefused(Event):
    """Somebody who connected is no node that may: another cookie, a name that is not allowed, no
    handshake."""

    logger: ClassVar[logging.Logger] = _logger
    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "refused a connection from {peer}: {reason}"

    peer: str
    reason: str


@dataclass(frozen=True, slots=True)
class EpmdLost(Event):
    """epmd is gone; the node registers again once it is back. Connections that are up go on."""

    logger: ClassVar[logging.Logger] = _logger
    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "epmd at port {port} is gone; trying to register {name} again"

    name: str
    port: int


@dataclass(frozen=True, slots=True)
class EpmdFound(Event):
    """The node is registered again."""

    logger: ClassVar[logging.Logger] = _logger
    text: ClassVar[str] = "registered {name} at epmd again"

    name: str
    port: int


@dataclass(frozen=True, slots=True)
class ReplyFailed(Event):
    """What an actor answered to a process of another node is no term; the process gets an error."""

    logger: ClassVar[logging.Logger] = _logger
    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "a reply to node {node} is no term: {reason}"

    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class RemoteOutput(Event):
    """A function called on another node by `beam.rpc` has written to its standard output."""

    logger: ClassVar[logging.Logger] = _logger
    text: ClassVar[str] = "output from {node}: {output}"

    node: str
    output: str
