"""What happens to a node and to its global names, for `actors.events.subscribe`. The log has all of it, under
`beam`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, ClassVar

from actors.events import Event

_logger = logging.getLogger("beam")


@dataclass(frozen=True, slots=True)
class BeamEvent(Event):
    """The base of this module's events."""

    logger: ClassVar[logging.Logger] = _logger


@dataclass(frozen=True, slots=True)
class NodeStarted(BeamEvent):
    """This process is a node now."""

    text: ClassVar[str] = "node {name} listens at {address} port {port}"

    name: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class NodeStopped(BeamEvent):
    """This process is no node any more."""

    text: ClassVar[str] = "node {name} has stopped"

    name: str


@dataclass(frozen=True, slots=True)
class NodeConnected(BeamEvent):
    """A connection to another node is up."""

    text: ClassVar[str] = "connected to node {node}"

    node: str


@dataclass(frozen=True, slots=True)
class NodeLost(BeamEvent):
    """A connection to another node is no more."""

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "lost node {node}: {reason}"

    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionFailed(BeamEvent):
    """Another node could not be reached."""

    text: ClassVar[str] = "cannot connect to node {node}: {reason}"

    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionRefused(BeamEvent):
    """Somebody who connected is no node that may: another cookie, a name that is not allowed, no
    handshake."""

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "refused a connection from {peer}: {reason}"

    peer: str
    reason: str


@dataclass(frozen=True, slots=True)
class EpmdLost(BeamEvent):
    """epmd is gone; the node registers again once it is back. Connections that are up go on."""

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "epmd at port {port} is gone; trying to register {name} again"

    name: str
    port: int


@dataclass(frozen=True, slots=True)
class EpmdFound(BeamEvent):
    """The node is registered again."""

    text: ClassVar[str] = "registered {name} at epmd again"

    name: str
    port: int


@dataclass(frozen=True, slots=True)
class ReplyFailed(BeamEvent):
    """What an actor answered to a process of another node is no term; the process gets an error."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "a reply to node {node} is no term: {reason}"

    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class RemoteOutput(BeamEvent):
    """A function called on another node by `beam.rpc` has written to its standard output."""

    text: ClassVar[str] = "output from {node}: {output}"

    node: str
    output: str


@dataclass(frozen=True, slots=True)
class NameLost(BeamEvent):
    """Another actor has the name now: what had it here stops, unless it handed the name over."""

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "the global name {name} of {ref} belongs to {holder} now"
    absent = {"holder": "nobody"}  # noqa: RUF012 - the base class says what it is
    name: Any
    ref: Any
    holder: Any


@dataclass(frozen=True, slots=True)
class NameRestored(BeamEvent):
    """A node did not know the name, and was told it again."""

    text: ClassVar[str] = "the global name {name} of {ref} is registered at {node} again"
    name: Any
    ref: Any
    node: str


@dataclass(frozen=True, slots=True)
class NameTakenAway(BeamEvent):
    """Somebody has called `global:unregister_name/1`. The actor lives on without the name."""

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "the global name {name} was taken away from {ref}"
    name: Any
    ref: Any


@dataclass(frozen=True, slots=True)
class ResolverFailed(BeamEvent):
    """The function that is to decide a conflict raised, or returned none of the two: OTP's rule decides."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "the resolver of the global name {name} failed: {error}"
    name: Any
    error: BaseException

    @property
    def exception(self) -> BaseException | None:
        return self.error
