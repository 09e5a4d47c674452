"""Traces for OpenTelemetry, with the extra `gen-smtp[otel]`: a span for each session and each transaction.

`trace_server` is what processes that serve call; `trace` begins in a program of its own. `sessions` makes the
spans. Only the API of OpenTelemetry is used: what becomes of spans is the program's, or of
`opentelemetry-instrument`. Nothing of it is loaded where no traces are wanted.

Imports: `actors.events`, `gen_smtp.callbacks`, `gen_smtp.events`, `opentelemetry`.
"""

from gen_smtp.tracing.sessions import trace, trace_server

__all__ = ["trace", "trace_server"]
