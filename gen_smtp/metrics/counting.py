"""What is counted of each event: one row of a table for each kind."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from actors import events as actor_events
from gen_smtp import events
from gen_smtp.callbacks import watching
from gen_smtp.metrics.labels import OTHER, Few, code_of, name_of, reason_of, verb_of
from gen_smtp.process import events as process_events

MOST_LISTENERS = 50
MOST_NAMES = 40
"""So many values of a label at most; `other` stands for the rest."""


class Counting:
    """Counts events, and the time of callbacks, from its making until `close`.

    Args:
        instruments: what `make_instruments` made.
    """

    def __init__(self, instruments: Mapping[str, Any]) -> None:
        self.instruments = instruments
        self.listener = Few(MOST_LISTENERS)
        self._names: dict[str, Few] = {}
        self._counts: dict[tuple[str, tuple[str, ...]], Callable[[float], object]] = {}
        self._observes: dict[tuple[str, tuple[str, ...]], Callable[[float], object]] = {}
        # What is known of the sessions that live: where they came from, and since when.
        self._sessions: dict[str, tuple[str, float]] = {}
        self._ends: list[Callable[[], object]] = [watching.watch(self._time_callback)]
        for kind, count in _COUNTS.items():
            self.on(kind, partial(count, self))
        for module, name, counter, outcome in _OF_ROOMS:
            # The room may need a library of its own: it is loaded by those who use it.
            found = sys.modules.get(module)
            if found is not None:
                self.on(getattr(found, name), partial(self._count_outcome, counter, outcome))

    def on(self, kind: type[actor_events.Event], count: Callable[[Any], object]) -> None:
        """Count events of one more kind."""
        self._ends.append(actor_events.subscribe(kind, count))

    def close(self) -> None:
        """Count no more."""
        for end in self._ends:
            end()
        self._ends = []

    def add(self, name: str, *labels: str, amount: float = 1) -> None:
        """Count up."""
        count = self._counts.get((name, labels))
        if count is None:
            # `labels` takes longer than all else together, and the values of labels are few.
            count = self._counts[name, labels] = self._series(name, labels).inc
        count(amount)

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Add to a histogram."""
        observe = self._observes.get((name, labels))
        if observe is None:
            observe = self._observes[name, labels] = self._series(name, labels).observe
        observe(seconds)

    def _series(self, name: str, labels: tuple[str, ...]) -> Any:
        instrument = self.instruments[name]
        return instrument.labels(*labels) if labels else instrument

    def few(self, what: str, value: str) -> str:
        """The value of a label, or `other` after too many of them."""
        return self._names.setdefault(what, Few(MOST_NAMES))(value)

    # -- sessions -----------------------------------------------------------------------------------

    def begin_session(self, event: actor_events.SessionOpened) -> None:
        """A session was greeted."""
        listener = self.listener(event.listener)
        self._sessions[event.session] = listener, time.monotonic()
        self.add("sessions_started_total", listener)

    def end_session(self, event: actor_events.SessionClosed) -> None:
        """A session has ended."""
        known = self._sessions.pop(event.session, None)
        self.add("sessions_ended_total", OTHER if known is None else known[0], reason_of(event.reason))
        if known is not None:
            self.observe("session_duration_seconds", time.monotonic() - known[1])

    def take_message(self, event: events.MessageTaken) -> None:
        """A message was taken."""
        listener = self.listener(event.listener)
        self.add("messages_total", listener, event.verdict)
        self.add("message_received_bytes_total", listener, amount=event.size)
        self.add("message_recipients_total", listener, amount=len(event.recipients) - event.refused)
        self.observe("message_duration_seconds", event.seconds, event.verdict)

    def refuse(self, event: events.CommandRefused) -> None:
        """A command or a message was refused."""
        self.add("refusals_total", verb_of(event.verb), code_of(event.reply))
        if event.verdict is not None:
            self.add("messages_total", self.listener(event.listener), event.verdict)
            self.observe("message_duration_seconds", event.seconds or 0.0, event.verdict)

    # -- callbacks ----------------------------------------------------------------------------------

    def _time_callback(self, session: Any, name: str, call: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        try:
            return call()
        finally:
            self.observe("callback_duration_seconds", time.perf_counter() - began, name)

    def _count_outcome(self, name: str, outcome: str, event: object) -> None:
        self.add(name, outcome)


def _auth(outcome: str) -> Callable[[Counting, Any], None]:
    def count(counting: Counting, event: Any) -> None:
        counting.add("auth_attempts_total", counting.few("mechanism", event.mechanism.upper()), outcome)

    return count


def _plain(name: str) -> Callable[[Counting, Any], None]:
    """Counts the event and no more."""
    return lambda counting, _: counting.add(name)


def _named(name: str, field: str) -> Callable[[Counting, Any], None]:
    """Counts it by one of its fields."""
    return lambda counting, event: counting.add(name, counting.few(name, name_of(getattr(event, field))))


def _reloaded(outcome: str) -> Callable[[Counting, Any], None]:
    return lambda counting, _: counting.add("reloads_total", outcome)


_COUNTS: Mapping[type[actor_events.Event], Callable[[Counting, Any], None]] = {
    actor_events.SessionOpened: Counting.begin_session,
    actor_events.SessionClosed: Counting.end_session,
    actor_events.TlsEstablished: _named("tls_handshakes_total", "version"),
    actor_events.TlsFailed: _plain("tls_handshake_failures_total"),
    actor_events.ActorCrashed: _plain("actor_crashes_total"),
    actor_events.ChildEnded: _plain("child_restarts_total"),
    actor_events.HubStalled: _plain("hub_stalls_total"),
    actor_events.AcceptPaused: _plain("accept_pauses_total"),
    actor_events.ServerFull: _plain("server_full_total"),
    events.MessageTaken: Counting.take_message,
    events.CommandRefused: Counting.refuse,
    events.DeadlineExceeded: _named("deadlines_exceeded_total", "deadline"),
    events.LimitReached: _named("limits_reached_total", "limit"),
    events.ClientTurnedAway: _named("clients_turned_away_total", "limit"),
    events.Authenticated: _auth("succeeded"),
    events.AuthenticationFailed: _auth("failed"),
    events.CallbackCrashed: _named("callback_errors_total", "callback"),
    events.WrongCallbackValue: _named("callback_errors_total", "callback"),
    events.BuffersFull: _plain("buffers_full_total"),
    process_events.Reloaded: _reloaded("succeeded"),
    process_events.ReloadFailed: _reloaded("failed"),
}
"""What is counted of each kind of event. One more row counts one more."""

_QUEUE, _QUEUED = "gen_smtp.queue.queue_events", "queue_messages_total"
_FORWARD, _FORWARDED = "gen_smtp.forward.events", "forward_attempts_total"
_OF_ROOMS = (
    (_QUEUE, "MessageDelivered", _QUEUED, "delivered"),
    (_QUEUE, "MessageDeferred", _QUEUED, "deferred"),
    (_QUEUE, "MessageBounced", _QUEUED, "bounced"),
    (_QUEUE, "MessageBuried", _QUEUED, "buried"),
    (_QUEUE, "MessageNotQueued", _QUEUED, "not_queued"),
    (_FORWARD, "Forwarded", _FORWARDED, "succeeded"),
    (_FORWARD, "ForwardFailed", _FORWARDED, "failed"),
)
"""Events of rooms that are loaded if they are used: module, event, what counts it, its outcome."""
