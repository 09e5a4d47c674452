"""The exceptions of the actor layer."""

from __future__ import annotations

from typing import Any

import pykka


class ActorDeadError(pykka.ActorDeadError):
    """The actor is dead, or died before it answered.

    Attributes:
        reason: the actor's exit reason; `"noproc"` when it was dead already.
    """

    def __init__(self, message: str, reason: Any = "noproc") -> None:
        super().__init__(message)
        self.reason = reason


class ActorExit(Exception):  # noqa: N818 - OTP's word: exit(Reason)
    """Raised by an actor to end itself with `reason`, as `exit(Reason)` does in Erlang.

    Args:
        reason: the exit reason: `"normal"`, `"shutdown"`, `("shutdown", term)` or any other term.
    """

    def __init__(self, reason: Any = "normal") -> None:
        super().__init__(reason)
        self.reason = reason


class CallingSelf(ActorDeadError):  # noqa: N818 - OTP's word: calling_self
    """An actor asked itself, which would wait for ever."""


class StartError(Exception):
    """An actor could not be started.

    Attributes:
        reason: the exit reason that its start ended with; often an exception, then also `__cause__`.
    """

    reason: Any = None


class AlreadyStarted(StartError):  # noqa: N818 - OTP's word: already_started
    """The name is taken.

    Attributes:
        name: the name asked for.
        ref: the `pykka.ActorRef` of the actor that has the name.
    """

    def __init__(self, name: str, ref: pykka.ActorRef[Any]) -> None:
        super().__init__(f"the name {name!r} is taken by {ref}; stop that actor or choose another name")
        self.name = name
        self.ref = ref


class ListenError(StartError):
    """A listening socket could not be opened.

    Attributes:
        address: the address asked for (a path for unix sockets).
        port: the port asked for; None for unix sockets.
        protocol: what was to be served there, for the reader: `"tcp"`, `"ssl"`.
        reason: the system's `OSError`.
    """

    def __init__(self, address: str, port: int | None, protocol: str, reason: OSError) -> None:
        where = address if port is None else f"{address} port {port}"
        super().__init__(f"cannot listen on {where} ({protocol}): {reason.strerror or reason}")
        self.address = address
        self.port = port
        self.protocol = protocol
        self.reason = reason
