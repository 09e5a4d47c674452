"""What happens at a control socket, as typed events; subscribe with `actors.events.subscribe`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, ClassVar

from actors import events as actor_events

_logger = logging.getLogger("gen_smtp.control")


@dataclass(frozen=True, slots=True)
class Controlled(actor_events.Event):
    """Somebody has had the server do something, and it did.

    Attributes:
        request: what: `kick`, `suspend`, `stop` and so on; looking is no event.
        arguments: with what, but for the options of a listener.
        user: the number of the user who asked; None where the system does not say.
    """

    logger: ClassVar[logging.Logger] = _logger
    text: ClassVar[str] = "{request} {arguments} by user {user}"
    absent: ClassVar[dict[str, str]] = {"user": "unknown"}
    request: str
    arguments: str
    user: Any


@dataclass(frozen=True, slots=True)
class ControlFailed(actor_events.Event):
    """The control socket has a fault of its own; the server goes on."""

    logger: ClassVar[logging.Logger] = _logger
    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "the control socket failed: {error}"
    error: BaseException

    @property
    def exception(self) -> BaseException | None:
        return self.error
