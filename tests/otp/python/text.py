"""Values as the comparison wants them: what `tests/otp/erlang/otp_text.erl` makes of the BEAM's terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pykka

import actors


class Mistake(Exception):  # noqa: N818 - no error of this program
    """What Erlang's `error(Reason)` is here."""

    def __init__(self, reason: Any) -> None:
        super().__init__(reason)
        self.reason = reason


def plain(value: Any, names: Mapping[Any, Any]) -> Any:
    """A value made of text, numbers, tuples and lists; an actor is who it is in the scenario.

    Args:
        value: any value.
        names: who the actors are.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case tuple():
            return tuple(plain(each, names) for each in value)
        case list():
            return [plain(each, names) for each in value]
        case pykka.ActorRef():
            return names.get(value, "other")
        case Exception():
            return plain(reason_of(value), names)
    return f"a {type(value).__name__}"


def reason_of(error: Exception) -> Any:
    """The exit reason that an exception stands for, as Erlang has it."""
    match error:
        case Mistake(reason=reason):
            return ("error", reason)
        case actors.NoProc():
            return ("error", "noproc")
        case actors.ActorDeadError() | pykka.Timeout():
            return ("call", failure(error))
        case actors.ActorExit(reason=reason):
            return reason
        case actors.ChildStateError() | actors.StartError():
            return error.reason
        case KeyError():
            return "not_found"
    return ("raised", type(error).__name__)


def failure(error: Exception) -> Any:
    """Why a call failed."""
    match error:
        case pykka.Timeout():
            return "timeout"
        case actors.ActorDeadError(reason=reason):
            return reason
    return error
