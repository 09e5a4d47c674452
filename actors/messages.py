"""The messages that actors of this library send each other. No message is changed once it was sent.

The vocabulary of all rooms, so it imports none of them but `seconds`. What a message carries of theirs, such
as a reference (`GeventRef`), is Any here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from actors.seconds import delay_seconds

Ref: TypeAlias = Any
"""A `GeventRef`."""

DEFAULT_GRACE = 5.0
"""Seconds that a session gets to finish the work in hand when it is told to end."""


@dataclass(frozen=True, slots=True)
class Exit:
    """A linked actor ended; comes to actors that trap exits (OTP's `{'EXIT', Pid, Reason}`)."""

    ref: Ref
    reason: Any


@dataclass(frozen=True, slots=True)
class Down:
    """A monitored actor ended, or was dead already (reason `noproc`); once for each monitor.

    `monitor` is the `Monitor`; `ref` is the actor's reference, or the name that it was monitored by.
    """

    monitor: Any
    ref: Ref | str | tuple[Any, ...]
    reason: Any


@dataclass(frozen=True, slots=True)
class TimerExpired:
    """The time of `start_timer` is over (OTP's `{timeout, TimerRef, Msg}`). `timer` is its `TimerRef`."""

    timer: Any
    message: Any


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The poison pill for a session: finish the work in hand, then end with reason `shutdown`.

    `grace` is the time for that in seconds; ValueError for what is none.
    """

    grace: float

    def __post_init__(self) -> None:
        delay_seconds(self.grace)


@dataclass(frozen=True, slots=True)
class StopTimes:
    """To a server, before its poison pill or one more: how many seconds sessions get when it stops.

    First they go on for `drain`, then they have `grace` to finish the work in hand; None changes nothing.
    ValueError for what is no time.
    """

    grace: float | None = None
    drain: float = 0.0

    def __post_init__(self) -> None:
        for seconds in (self.grace or 0.0, self.drain):
            delay_seconds(seconds)


@dataclass(frozen=True, slots=True)
class Accepted:
    """Listener to server: new `Connection`s, all that were waiting at one readiness."""

    connections: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class AcceptedLast:
    """Server to itself: its listeners are closed, and what they had accepted was before this."""


@dataclass(slots=True)
class SessionStarted:
    """Session to server: the session is served from now on and belongs in the session list.

    This and the next are not frozen, as nothing is that each connection brings; see `Connection`.
    """

    ref: Ref


@dataclass(frozen=True, slots=True)
class PeerReplaced:
    """Session to server: its peer is another than the client that connected, which is a proxy."""

    ref: Ref
    peer: Any


@dataclass(slots=True)
class SessionEnded:
    """Session to server: the session has ended, with `reason`. Always heard, once, whatever the cause."""

    ref: Ref
    reason: Any


@dataclass(frozen=True, slots=True)
class Pause:
    """Server to listener: stop accepting; the kernel's backlog holds what comes."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Server to listener: accept again."""


@dataclass(frozen=True, slots=True)
class OwnsFile:
    """Server to listener: whether the file of its unix socket is its own, to be removed at its end.

    It is not while another process listens there, too, or does so still when this one has gone.
    """

    owns: bool
