"""What happens between a process and its queue, as typed events; subscribe with `actors.events.subscribe`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from actors import events as actor_events

__all__ = [
    "BrokerConnected",
    "BrokerLost",
    "BrokerStopsMessages",
    "BrokerTakesMessages",
    "MessageBounced",
    "MessageBuried",
    "MessageDeferred",
    "MessageDelivered",
    "MessageNotQueued",
    "QueueEvent",
]

_logger = logging.getLogger("gen_smtp")


@dataclass(frozen=True, slots=True)
class QueueEvent(actor_events.Event):
    """The base of this module's events."""

    logger: ClassVar[logging.Logger] = _logger


@dataclass(frozen=True, slots=True)
class BrokerConnected(QueueEvent):
    """A connection to the broker is there, and was set up."""

    text: ClassVar[str] = "connected to the broker at {broker}"
    broker: str


@dataclass(frozen=True, slots=True)
class BrokerLost(QueueEvent):
    """There is no connection to the broker, or no more. It is tried again.

    Attributes:
        seconds: until the next try, at most.
    """

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "no connection to the broker at {broker}: {error}; the next try is in {seconds} s"
    broker: str
    error: str
    seconds: float


@dataclass(frozen=True, slots=True)
class BrokerStopsMessages(QueueEvent):
    """The broker takes no messages: it has no memory or no disk left."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "the broker at {broker} takes no messages: {reason}"
    broker: str
    reason: str


@dataclass(frozen=True, slots=True)
class BrokerTakesMessages(QueueEvent):
    """The broker takes messages again."""

    text: ClassVar[str] = "the broker at {broker} takes messages again"
    broker: str


@dataclass(frozen=True, slots=True)
class MessageNotQueued(QueueEvent):
    """A message of an SMTP client could not be queued. The client was told to come again."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "{session}: message {message_id} is not queued in {queue}: {error}"
    session: str
    message_id: str
    queue: str
    error: str


@dataclass(frozen=True, slots=True)
class MessageDelivered(QueueEvent):
    """The next hop has taken a message for these recipients."""

    text: ClassVar[str] = "{message_id}: delivered to {recipients}"
    message_id: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MessageDeferred(QueueEvent):
    """The next hop did not take a message for these recipients; it is tried again.

    Attributes:
        reason: of the first of them.
        seconds: until the next try.
    """

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "{message_id}: not yet delivered to {recipients}, again in {seconds} s: {reason}"
    message_id: str
    recipients: tuple[str, ...]
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class MessageBounced(QueueEvent):
    """A message will not be delivered to these recipients.

    Attributes:
        reason: of the first of them.
        reported: whether its sender gets a report.
    """

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "{message_id}: not delivered to {recipients} (report: {reported}): {reason}"
    message_id: str
    recipients: tuple[str, ...]
    reason: str
    reported: bool


@dataclass(frozen=True, slots=True)
class MessageBuried(QueueEvent):
    """A message went to the queue of those that nobody can deliver.

    Attributes:
        reason: why.
    """

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "{message_id}: put into {queue}: {reason}"
    message_id: str
    queue: str
    reason: str
