"""The spans of sessions: made where callbacks are called, and ended by events."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Any

from opentelemetry import trace as otel
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from actors import events as actor_events
from gen_smtp import events
from gen_smtp.callbacks import watching

NAME = "gen_smtp"
"""The name of the instrumentation."""

NANOSECONDS = 1_000_000_000


class SessionTrace:
    """The spans of one session.

    Args:
        tracer: makes them.
        session: the session, which has said nothing yet.

    Attributes:
        span: of the session.
        transaction: of its transaction; None without one.
    """

    def __init__(self, tracer: Tracer, session: Any) -> None:
        self._tracer = tracer
        self._known: Any = None
        protocol = "lmtp" if session.context.config.lmtp else "smtp"
        self.span: Span = tracer.start_span(
            f"{protocol} session",
            otel.set_span_in_context(otel.INVALID_SPAN),
            SpanKind.SERVER,
            {
                "network.protocol.name": protocol,
                "network.transport": "unix" if session.peername is None else "tcp",
                "client.address": str(session.peername or ""),
                "server.address": session.context.hostname,
                "gen_smtp.session": session.actor_urn,
                "gen_smtp.listener": session.context.address,
            },
            start_time=int(session.started_at * NANOSECONDS),
        )
        self.transaction: Span | None = None
        self._last = time.time_ns()

    def call(self, session: Any, name: str, call: Callable[[], Any]) -> Any:
        """Make a call, in a span of its own under the transaction's, or the session's."""
        self._follow(session.protocol.transaction, name)
        context = otel.set_span_in_context(self.transaction or self.span)
        # What these raise may have credentials in its text.
        tells = not name.startswith("handle_AUTH")
        with self._tracer.start_as_current_span(
            name, context, record_exception=tells, set_status_on_exception=tells
        ) as span:
            try:
                return call()
            except BaseException:
                if not tells:
                    span.set_status(StatusCode.ERROR)
                raise
            finally:
                self._last = time.time_ns()

    def end_transaction(self, refused: str | None = None, **attributes: Any) -> None:
        """The transaction is over.

        Args:
            refused: why it was; None if it was not.
            attributes: what is known of it.
        """
        span, self.transaction = self.transaction, None
        self._known = None
        if span is None:
            return
        for name, value in attributes.items():
            span.set_attribute(f"gen_smtp.{name}", value)
        if refused is not None:
            span.set_status(Status(StatusCode.ERROR, refused))
        span.end(self._last if refused is None and not attributes else None)

    def end(self) -> None:
        """The session is over."""
        self.end_transaction()
        self.span.end()

    def _follow(self, transaction: Any, name: str) -> None:
        """See whether a transaction has begun or ended since the last call."""
        if name in _MAIL:
            if self.transaction is None or self._known is not None:
                self.end_transaction()
                self._begin()
        elif transaction is None:
            self.end_transaction()
        elif self.transaction is None or self._known not in (None, transaction):
            self.end_transaction()
            self._begin()
        self._known = transaction

    def _begin(self) -> None:
        context = otel.set_span_in_context(self.span)
        self.transaction = self._tracer.start_span("mail transaction", context)


_MAIL = ("handle_MAIL", "handle_MAIL_extension")
"""Their transaction has not begun yet for the protocol."""


class Tracing:
    """Makes spans of all sessions that begin, from its making until `close`.

    Args:
        tracer: makes them.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._traces: weakref.WeakKeyDictionary[Any, SessionTrace] = weakref.WeakKeyDictionary()
        self._by_name: weakref.WeakValueDictionary[str, SessionTrace] = weakref.WeakValueDictionary()
        subscribe = actor_events.subscribe
        self._ends = [
            watching.watch(self._call),
            subscribe(events.MessageTaken, self._take),
            subscribe(events.CommandRefused, self._refuse),
            subscribe(events.Authenticated, self._log_in),
            subscribe(actor_events.TlsEstablished, self._secure),
            subscribe(events.DeadlineExceeded, lambda event: self._tell(event, "deadline", event.deadline)),
            subscribe(events.LimitReached, lambda event: self._tell(event, "limit", event.limit)),
        ]

    def close(self) -> None:
        """Make no more spans."""
        for end in self._ends:
            end()
        self._ends = []
        for each in list(self._traces.values()):
            each.end()

    def _call(self, session: Any, name: str, call: Callable[[], Any]) -> Any:
        known = self._traces.get(session)
        if known is None:
            known = self._traces[session] = SessionTrace(self._tracer, session)
            self._by_name[session.actor_urn] = known
            session.call_at_end(self._end, (session, known))
            if session.tls is not None:
                known.span.set_attribute("tls.protocol.version", session.tls.version)
        return known.call(session, name, call)

    def _end(self, session: Any, known: SessionTrace) -> None:
        self._traces.pop(session, None)
        protocol = session.protocol
        known.span.set_attribute("gen_smtp.messages", session.messages)
        known.span.set_attribute("gen_smtp.refused", session.refused)
        if protocol.helo is not None:
            known.span.set_attribute("gen_smtp.helo", protocol.helo)
        if session.exit_reason not in ("normal", "shutdown"):
            known.span.set_status(Status(StatusCode.ERROR, type(session.exit_reason).__name__))
        known.end()

    def _take(self, event: events.MessageTaken) -> None:
        known = self._by_name.get(event.session)
        if known is not None:
            known.end_transaction(
                sender=event.sender,
                recipient_count=len(event.recipients),
                size=event.size,
                verdict=event.verdict,
                queue_id=event.queue_id or "",
            )

    def _refuse(self, event: events.CommandRefused) -> None:
        known = self._by_name.get(event.session)
        if known is None:
            return
        (known.transaction or known.span).add_event(
            "refused", {"smtp.verb": event.verb, "smtp.reply": event.reply}
        )
        if event.verdict is not None:
            known.end_transaction(event.reply, sender=event.sender or "", size=event.size or 0)
        elif event.verb == "MAIL":
            known.end_transaction(event.reply)

    def _log_in(self, event: events.Authenticated) -> None:
        known = self._by_name.get(event.session)
        if known is not None:
            known.span.set_attribute("enduser.id", event.username)

    def _secure(self, event: actor_events.TlsEstablished) -> None:
        known = self._by_name.get(event.session)
        if known is not None:
            known.span.set_attribute("tls.protocol.version", event.version)

    def _tell(self, event: Any, what: str, value: str) -> None:
        known = self._by_name.get(event.session)
        if known is not None:
            known.span.add_event(what, {f"gen_smtp.{what}": value})


def trace(tracer_provider: otel.TracerProvider | None = None) -> Callable[[], None]:
    """Make spans of all sessions of this process that begin from now on.

    Args:
        tracer_provider: whose tracer makes them; None is OpenTelemetry's global one.

    Returns:
        a function that ends that.
    """
    return Tracing(otel.get_tracer(NAME, tracer_provider=tracer_provider)).close


def trace_server(server: object) -> Callable[[], None]:
    """As `trace`, for processes that serve."""
    return trace()
