"""Metrics and traces of processes that serve: loaded if they are wanted, and not otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from gen_smtp.options.checks import OptionsError
from gen_smtp.process.serve_job import ServeJob


@contextmanager
def observed(job: ServeJob, workers: int, metrics: str | int | None, traces: bool) -> Iterator[None]:
    """Have the processes of a job looked at, for the length of a `with` block.

    Args:
        job: what they run; its observers are added.
        workers: how many there will be.
        metrics: where they answer scrapes; None for nowhere.
        traces: whether they tell OpenTelemetry.

    Raises:
        OptionsError: an address is none, or a library is missing.
        ListenError: nothing can listen there.
    """
    with ExitStack() as stack:
        if metrics is not None:
            with needing("metrics", "prometheus_client"):
                from gen_smtp.metrics.serving import metrics_at
            job.observers = [*job.observers, stack.enter_context(metrics_at(metrics, workers))]
        if traces:
            with needing("otel", "opentelemetry"):
                from gen_smtp.tracing import trace_server
            job.observers = [*job.observers, trace_server]
        yield


@contextmanager
def needing(extra: str, library: str) -> Iterator[None]:
    """Import what needs an extra, for the length of a `with` block.

    Raises:
        OptionsError: the library of the extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != library:
            raise
        raise OptionsError(
            f"{library} is not installed",
            option={"otel": "traces"}.get(extra, extra),
            allowed=f"with `pip install 'gen-smtp[{extra}]'`",
        ) from error
