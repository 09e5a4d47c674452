"""Counts what happens in this process, by the events of its actors; for as long as somebody looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from actors import events as actor_events
from gen_smtp import events

_REASONS = ("normal", "shutdown", "killed")


class Totals:
    """Counts from its making until `close`. It subscribes to events, so nothing is counted while none exists.

    The names are `sessions_opened`, `sessions_closed`, `messages`, `octets`, `recipients`, `refused`,
    `deadlines`, `limits`, `turned_away`, `logins`, `failed_logins`, `tls_sessions`, `tls_failures`,
    `callback_crashes` and `actor_crashes`. Behind a dot stands what it was: `refused.RCPT.550`,
    `sessions_closed.normal`, `deadlines.data_block`, `tls_sessions.TLSv1.3`.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._ends = [
            actor_events.subscribe(event_type, self._counting(count)) for event_type, count in _COUNTS.items()
        ]

    def as_mapping(self) -> Mapping[str, int]:
        """The counts by their names, in the order of the names."""
        return dict(sorted(self._counts.copy().items()))

    def close(self) -> None:
        """Count no more."""
        for end in self._ends:
            end()
        self._ends = []

    def _counting(self, count: Callable[[Any], Mapping[str, int]]) -> Callable[[Any], None]:
        # All of these events are emitted on the hub, one at a time.
        return lambda event: self._counts.update(count(event))


def _both(name: str, *kinds: str) -> dict[str, int]:
    return {name: 1, ".".join((name, *kinds)): 1}


def _taken(event: events.MessageTaken) -> Mapping[str, int]:
    return {"messages": 1, "octets": event.size, "recipients": len(event.recipients)}


def _refused(event: events.CommandRefused) -> Mapping[str, int]:
    # A client may send any word as a verb: those that are none have one name together.
    verb = event.verb if event.verb in _VERBS else "other"
    return _both("refused", verb, event.reply[:3])


def _closed(event: actor_events.SessionClosed) -> Mapping[str, int]:
    is_word = isinstance(event.reason, str) and event.reason in _REASONS
    return _both("sessions_closed", event.reason if is_word else "error")


_VERBS = frozenset(
    (
        "HELO",
        "EHLO",
        "LHLO",
        "STARTTLS",
        "AUTH",
        "MAIL",
        "RCPT",
        "DATA",
        "BDAT",
        "RSET",
        "NOOP",
        "VRFY",
        "EXPN",
        "HELP",
        "ETRN",
        "QUIT",
        "XCLIENT",
        "XFORWARD",
    )
)

_COUNTS: Mapping[type[actor_events.Event], Callable[[Any], Mapping[str, int]]] = {
    actor_events.SessionOpened: lambda _: {"sessions_opened": 1},
    actor_events.SessionClosed: _closed,
    actor_events.TlsEstablished: lambda event: _both("tls_sessions", event.version),
    actor_events.TlsFailed: lambda _: {"tls_failures": 1},
    actor_events.ActorCrashed: lambda _: {"actor_crashes": 1},
    events.MessageTaken: _taken,
    events.CommandRefused: _refused,
    events.DeadlineExceeded: lambda event: _both("deadlines", event.deadline),
    events.LimitReached: lambda event: _both("limits", event.limit),
    events.ClientTurnedAway: lambda event: _both("turned_away", event.limit),
    events.Authenticated: lambda event: _both("logins", event.mechanism),
    events.AuthenticationFailed: lambda event: _both("failed_logins", event.mechanism),
    events.CallbackCrashed: lambda event: _both("callback_crashes", event.callback),
}
