"""The exceptions of the actor layer."""

from __future__ import annotations

from typing import Any

import pykka


def shown(value: Any) -> str:
    """A value as a text shows it: its repr, if that can be had."""
    try:
        return repr(value)
    except BaseException as error:  # an object's own method: nobody's end may hang on it
        return f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"


class ActorDeadError(pykka.ActorDeadError):
    """The actor is dead, or died before it answered.

    Attributes:
        reason: the actor's exit reason; `"noproc"` when it was dead already.
    """

    def __init__(self, message: str, reason: Any = "noproc") -> None:
        super().__init__(message)
        self.reason = reason


NO_REPLY = object()
"""Stands for a reply that is not given, as None is one."""


class ActorExit(Exception):  # noqa: N818 - OTP's word: exit(Reason)
    """Raised by an actor to end itself with `reason`, as `exit(Reason)` does in Erlang.

    Args:
        reason: the exit reason: `"normal"`, `"shutdown"`, `("shutdown", term)` or any other term.
        reply: what the asker of the message in hand gets once the actor is gone, as with OTP's
            `{stop, Reason, Reply, State}`; without it the asker gets `ActorDeadError`.
    """

    def __init__(self, reason: Any = "normal", *, reply: Any = NO_REPLY) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reply = reply


class CallingSelf(ActorDeadError):  # noqa: N818 - OTP's word: calling_self
    """An actor asked itself, which would wait for ever."""


class TimedOut(pykka.Timeout):
    """No message that `actors.receive` waits for came in time: Erlang's `after`."""


class OutOfTime(BaseException):
    """Raised in a turn that waits beyond its deadline. It is no Exception, which so many catch."""


class StartError(Exception):
    """An actor could not be started.

    Attributes:
        reason: the exit reason that its start ended with; often an exception, then also `__cause__`;
            `"timeout"` if it took too long.
    """

    reason: Any = None


class AlreadyStarted(StartError, ValueError):  # noqa: N818 - OTP's word: already_started
    """The name is taken.

    Attributes:
        name: the name asked for.
        ref: the `pykka.ActorRef` of the actor that has the name.
        reason: `("already_started", ref)`.
    """

    def __init__(self, name: Any, ref: pykka.ActorRef[Any]) -> None:
        super().__init__(f"the name {name!r} is taken by {ref}; stop that actor or choose another name")
        self.name = name
        self.ref = ref
        self.reason = ("already_started", ref)


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


class ChildStartError(StartError):
    """A supervisor could not start a child.

    Attributes:
        child: the child's `ChildSpec`.
        reason: what its start ended with.
    """

    def __init__(self, child: Any, reason: Any) -> None:
        super().__init__(f"the child {child.id!r} could not be started: {shown(reason)}")
        self.child = child
        self.reason = reason


class ChildRunning(AlreadyStarted):
    """A child with this id is running; `ref` is its reference."""

    def __init__(self, child_id: Any, ref: pykka.ActorRef[Any]) -> None:
        StartError.__init__(self, f"the child {child_id!r} is running: {ref}")
        self.name = child_id
        self.ref = ref
        self.reason = ("already_started", ref)


class AlreadyPresent(StartError):  # noqa: N818 - OTP's word: already_present
    """A child with this id is known to the supervisor, but not running.

    Attributes:
        id: the id asked for.
        reason: `"already_present"`.
    """

    def __init__(self, child_id: Any) -> None:
        super().__init__(f"there is a child {child_id!r}, which is not running; restart it or delete it")
        self.id = child_id
        self.reason = "already_present"


class StartSpecError(StartError, ValueError):
    """A supervisor's child specifications do not go together.

    Attributes:
        reason: `("start_spec", what)`, as in OTP: `what` is `("duplicate_child_name", id)` or
            `("bad_combination", (("auto_shutdown", "never"), ("significant", True)))`.
    """

    def __init__(self, message: str, what: Any) -> None:
        super().__init__(message)
        self.reason = ("start_spec", what)


class ChildStateError(Exception):
    """A supervisor's child is not in the state that was asked for.

    Attributes:
        id: the child's id.
        reason: `"running"`, `"restarting"`, or `"simple_one_for_one"` where children have no ids.
    """

    def __init__(self, child_id: Any, reason: str) -> None:
        super().__init__(f"this can't be done with the child {child_id!r}: {reason}")
        self.id = child_id
        self.reason = reason
