"""Spans of sessions, transactions and callbacks, as the SDK's exporter in memory has them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Generator
from typing import Any

import pytest
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from actors import events as actor_events
from gen_smtp.callbacks import watching
from gen_smtp.gen_smtp_server_session import error, ok
from gen_smtp.tracing import trace
from tests.gen_smtp.live import DATA, MESSAGE, behaviour, collected, serving, take


@pytest.fixture
def exporter() -> Generator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    end = trace(provider)
    try:
        yield exporter
    finally:
        end()
        provider.shutdown()
    assert not watching.is_watched()


def spans_of(exporter: InMemorySpanExporter, module: Any, *said: str) -> dict[str, list[ReadableSpan]]:
    """The spans of one session in which a client says this and QUIT; `MESSAGE` follows a DATA. By name."""
    with collected(actor_events.SessionClosed) as closed, serving(module) as server:
        with server.greeted(*said[:1]) as client:
            for line in said[1:]:
                client.say(line)
                if line == "DATA":
                    client.send(MESSAGE)
                    client.reply()
            client.say("QUIT")
        take(closed)
    found: dict[str, list[ReadableSpan]] = {}
    for span in exporter.get_finished_spans():
        found.setdefault(span.name, []).append(span)
    return found


def is_under(child: ReadableSpan, parent: ReadableSpan) -> bool:
    assert parent.context is not None
    return child.parent is not None and child.parent.span_id == parent.context.span_id


def test_a_message_is_a_transaction_with_its_callbacks(exporter: InMemorySpanExporter) -> None:
    def handle_DATA(self: Any, *args: Any) -> Any:
        with otel.get_tracer("mine", tracer_provider=PROVIDERS[0]).start_as_current_span("mine"):
            return ok("queued as 7")

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    PROVIDERS[:] = [provider]
    module = behaviour(handle_DATA=handle_DATA, blocking={"handle_DATA"})
    spans = spans_of(exporter, module, *DATA[:-1], "DATA", "VRFY x")
    (session,), (transaction,) = spans["smtp session"], spans["mail transaction"]
    assert is_under(transaction, session)
    for name in ("handle_MAIL", "handle_RCPT", "handle_DATA"):
        (callback,) = spans[name]
        assert is_under(callback, transaction)
    for name in ("init", "handle_EHLO", "handle_VRFY", "terminate"):
        (callback,) = spans[name]
        assert is_under(callback, session)
    assert is_under(spans["mine"][0], spans["handle_DATA"][0])  # in a worker thread
    facts = dict(transaction.attributes or {})
    assert facts == {
        "gen_smtp.sender": "a@x.test",
        "gen_smtp.recipient_count": 1,
        "gen_smtp.size": len(MESSAGE) - 3,
        "gen_smtp.verdict": "taken",
        "gen_smtp.queue_id": "7",
    }
    of_session = dict(session.attributes or {})
    assert (of_session["client.address"], of_session["gen_smtp.messages"]) == ("127.0.0.1", 1)
    assert session.status.status_code is StatusCode.UNSET
    assert (session.start_time or 0) < (transaction.start_time or 0)


PROVIDERS: list[TracerProvider] = []


def test_transactions_that_come_to_nothing(exporter: InMemorySpanExporter) -> None:
    verdicts = [error("550 not here"), ok("ok"), ok("ok")]
    module = behaviour(handle_MAIL=lambda self, sender: verdicts.pop(0), handle_DATA=error("554 no"))
    lines = (
        "MAIL FROM:<a@x.test>",
        "MAIL FROM:<b@x.test>",
        "RSET",
        "MAIL FROM:<c@x.test>",
        "RCPT TO:<d@x.test>",
    )
    spans = spans_of(exporter, module, "EHLO c", *lines, "DATA")
    refused, reset, rejected = spans["mail transaction"]
    assert (refused.status.status_code, refused.status.description) == (StatusCode.ERROR, "550 not here")
    assert reset.status.status_code is StatusCode.UNSET
    assert (rejected.status.status_code, rejected.status.description) == (StatusCode.ERROR, "554 no")
    assert [each.name for each in spans["smtp session"][0].events] == []


def test_what_handle_auth_raises_is_in_no_span(exporter: InMemorySpanExporter) -> None:
    def handle_AUTH(self: Any, mechanism: str, username: str, credential: Any) -> Any:
        raise LookupError(f"no user with {credential}")

    module = behaviour(handle_EHLO=ok([("AUTH", "PLAIN")]), handle_AUTH=handle_AUTH, init=ok)
    with (
        collected(actor_events.SessionClosed) as closed,
        serving(module, sessionoptions={"allow_insecure_auth": True}) as server,
        server.greeted("EHLO c") as client,
    ):
        client.say("AUTH PLAIN " + b64encode(b"\0alice\0correct-horse").decode())
        take(closed)
    spans = exporter.get_finished_spans()
    assert "handle_AUTH" in {each.name for each in spans}
    assert "correct-horse" not in "".join(each.to_json() for each in spans)


def test_a_callback_that_raises_is_in_its_span(exporter: InMemorySpanExporter) -> None:
    def handle_VRFY(self: Any, address: str) -> Any:
        raise LookupError("nobody")

    spans = spans_of(exporter, behaviour(handle_VRFY=handle_VRFY), "EHLO c", "VRFY x")
    (callback,) = spans["handle_VRFY"]
    assert callback.status.status_code is StatusCode.ERROR
    assert [each.name for each in callback.events] == ["exception"]
    (session,) = spans["smtp session"]
    assert session.status.status_code is StatusCode.ERROR
