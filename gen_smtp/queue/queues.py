"""The queues of the broker: for what is to be delivered, for each delay, for what nobody can deliver.

A message that is to be tried again is put into the queue of its delay. The broker itself puts it back into
the first queue when its time has come: dead-lettering, *at least once*, by which it leaves the one queue when
the other has confirmed it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DELAYS = (60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0)
"""Seconds before each new try; the last one again and again. RFC 5321 section 4.5.4.1 wants at least 30
minutes as a rule, and shorter ones at the beginning."""

NO_SUCH_QUEUE = 404
"""The broker's code."""

DEAD = "dead"
RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue, as it is made if it is not there.

    Attributes:
        name: its name.
        arguments: of its declaration.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: {"x-queue-type": "quorum"})


def incoming_queue(name: str, max_length: int | None = None) -> Queue:
    """The queue of what is to be delivered.

    Args:
        name: its name.
        max_length: messages that it takes, more or less, before it refuses more; None for no limit.
    """
    if max_length is None:
        return Queue(name)
    limit = {"x-max-length": max_length, "x-overflow": "reject-publish"}
    return Queue(name, {"x-queue-type": "quorum", **limit})


def dead_queue(name: str) -> Queue:
    """The queue of what nobody can deliver, by the name of the first queue."""
    return Queue(f"{name}.{DEAD}")


def retry_queue(name: str, seconds: float) -> Queue:
    """The queue of what waits so many seconds, by the name of the first queue."""
    arguments = {
        "x-queue-type": "quorum",
        "x-message-ttl": round(seconds * 1000),
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": name,
        # The broker's default is at most once. This one wants the overflow, too.
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    return Queue(f"{name}.{RETRY}.{seconds:g}", arguments)


def all_queues(name: str, delays: Sequence[float] = DELAYS) -> list[Queue]:
    """All queues that belong to the first one of this name, which comes first."""
    return [incoming_queue(name), *(retry_queue(name, each) for each in delays), dead_queue(name)]


def delay_after(tries: int, delays: Sequence[float]) -> float:
    """The seconds to wait after so many tries, one at least."""
    return delays[min(tries, len(delays)) - 1]
