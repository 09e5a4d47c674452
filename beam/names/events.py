"""What happens to the names of a cluster, as typed events; subscribe with `actors.events.subscribe`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, ClassVar

from actors import events as actor_events

_logger = logging.getLogger("beam")


@dataclass(frozen=True, slots=True)
class NameEvent(actor_events.Event):
    """The base of this module's events."""

    logger: ClassVar[logging.Logger] = _logger


@dataclass(frozen=True, slots=True)
class NameLost(NameEvent):
    """Another actor has the name now: what had it here stops, unless it handed the name over."""

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "the global name {name} of {ref} belongs to {holder} now"
    absent = {"holder": "nobody"}  # noqa: RUF012 - the base class says what it is
    name: Any
    ref: Any
    holder: Any


@dataclass(frozen=True, slots=True)
class NameRestored(NameEvent):
    """A node did not know the name, and was told it again."""

    text: ClassVar[str] = "the global name {name} of {ref} is registered at {node} again"
    name: Any
    ref: Any
    node: str


@dataclass(frozen=True, slots=True)
class NameTakenAway(NameEvent):
    """Somebody has called `global:unregister_name/1`. The actor lives on without the name."""

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "the global name {name} was taken away from {ref}"
    name: Any
    ref: Any


@dataclass(frozen=True, slots=True)
class ResolverFailed(NameEvent):
    """The function that is to decide a conflict raised, or returned none of the two: OTP's rule decides."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "the resolver of the global name {name} failed: {error}"
    name: Any
    error: BaseException

    @property
    def exception(self) -> BaseException | None:
        return self.error
