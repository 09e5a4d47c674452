"""Metrics of processes that serve: what the first of them does, and what each of them does."""

from __future__ import annotations

import _socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.registry import Collector

from actors import GeventRef
from actors import events as actor_events
from actors.errors import ListenError
from gen_smtp.metrics.counting import Counting
from gen_smtp.metrics.endpoint import Endpoint
from gen_smtp.metrics.gauges import Gauges, on_hub
from gen_smtp.metrics.instruments import make_instruments
from gen_smtp.metrics.sharing import are_shared, forget_dead_gauges, shared_values, sum_of_all
from gen_smtp.metrics.sockets import listening_at, parse_address
from gen_smtp.process.child_process import worker_number
from gen_smtp.process.events import MetricsServed, WorkerEnded
from gen_smtp.process.serve_job import Observer
from gen_smtp.server.shown_address import shown_address


@contextmanager
def metrics_at(address: str | int, workers: int) -> Iterator[Observer]:
    """Listen for scrapes for the length of a `with` block.

    Args:
        address: `9464`, a port of 127.0.0.1, or `HOST:PORT`.
        workers: how many processes will serve.

    Returns:
        what each process that serves is to call.

    Raises:
        OptionsError: that is no address.
        ListenError: nothing can listen there.
    """
    host, port = parse_address("metrics", address)
    with ExitStack() as stack:
        try:
            listening = stack.enter_context(listening_at(host, port))
        except OSError as error:
            raise ListenError(host, port, "metrics", error) from error
        actor_events.emit(MetricsServed(shown_address(listening.getsockname())))
        if workers > 1:
            stack.enter_context(shared_values())
            stack.callback(_count_workers())
        yield partial(_observe, listening)


class Observation:
    """One process that counts and is looked at; `close` ends it.

    Args:
        server: the server.
        registry: where the metrics are.

    Raises:
        ValueError: the registry has them already.
    """

    def __init__(self, server: GeventRef[Any], registry: CollectorRegistry) -> None:
        number = worker_number()
        self.counting = Counting(make_instruments(registry))
        self.gauges = Gauges(server, self.counting, "0" if number is None else str(number))
        on_hub(self.gauges.start)

    def close(self) -> None:
        """Count no more."""
        self.counting.close()
        on_hub(self.gauges.close)


def observe(server: GeventRef[Any], registry: CollectorRegistry = REGISTRY) -> Observation:
    """Count what happens in this process into a registry that the program tells itself.

    Args:
        server: the server whose gauges are told.
        registry: where the metrics go.

    Returns:
        what counts; its `close` ends that. The metrics stay in the registry.

    Raises:
        ValueError: the registry has these metrics already.
    """
    return Observation(server, registry)


def _observe(listening: _socket.socket, server: GeventRef[Any]) -> Callable[[], object]:
    if are_shared():
        forget_dead_gauges()
        observation = Observation(server, CollectorRegistry())
        told = sum_of_all()
    else:
        told = CollectorRegistry()
        observation = Observation(server, told)
        told.register(_Others())
    endpoint = on_hub(Endpoint, listening, told, observation.gauges.look)
    # A process that stops, because another has taken over or not, leaves the scrapes to others.
    unsubscribe = actor_events.subscribe(actor_events.ServerStopping, lambda _: endpoint.close())

    def close() -> None:
        unsubscribe()
        on_hub(endpoint.close)
        observation.close()

    return close


def _count_workers() -> Callable[[], None]:
    """In the parent: count the workers that it has to replace."""
    instruments = make_instruments(CollectorRegistry())
    return actor_events.subscribe(WorkerEnded, lambda _: instruments["worker_restarts_total"].inc())


class _Others(Collector):
    """What a program, or a library, has put into prometheus_client's own registry."""

    def collect(self) -> Iterator[Any]:
        yield from REGISTRY.collect()
