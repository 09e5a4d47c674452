"""Rates of actors by themselves: ask, tell, start and stop. Beside them Pykka's own actors, one thread each.

A process of its own for each library, `python -m benchmarks.actor_rates gevent|threads SCALE`, on one core:
what is printed, as JSON, is how many operations a second of its CPU does.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pykka

import actors
from benchmarks.clients import ClientError
from benchmarks.processes import running, server_core

Library = str
LIBRARIES = ("gevent", "threads")
THREADS = 8
_OPERATIONS = 20000
_ACTORS = 2000


class GeventEcho(actors.GeventActor):
    """Answers with the message; one that can be called is called."""

    def on_receive(self, message: Any) -> Any:
        return message() if callable(message) else message


class ThreadingEcho(pykka.ThreadingActor):
    """The same on Pykka's own runtime."""

    def on_receive(self, message: Any) -> Any:
        return message() if callable(message) else message


Echo = type[GeventEcho] | type[ThreadingEcho]
Rate = Callable[[Echo, int], Callable[[], object]]
"""Prepares: takes the class of actors and a number of operations, gives the function that does those."""


def ask_from_thread(echo: Echo, operations: int) -> Callable[[], object]:
    ref = echo.start()

    def ask() -> None:
        for number in range(operations):
            ref.ask(number)

    return ask


def ask_from_threads(echo: Echo, operations: int) -> Callable[[], object]:
    ref = echo.start()

    def ask() -> None:
        for number in range(operations // THREADS):
            ref.ask(number)

    def ask_in_parallel() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            for done in [pool.submit(ask) for _ in range(THREADS)]:
                done.result()

    return ask_in_parallel


def tell_from_thread(echo: Echo, operations: int) -> Callable[[], object]:
    ref = echo.start()

    def tell() -> None:
        for number in range(operations):
            ref.tell(number)
        ref.ask(None)

    return tell


def ask_from_actor(echo: Echo, operations: int) -> Callable[[], object]:
    asker, ask = echo.start(), ask_from_thread(echo, operations)
    return lambda: asker.ask(ask)


def tell_from_actor(echo: Echo, operations: int) -> Callable[[], object]:
    teller, tell = echo.start(), tell_from_thread(echo, operations)
    return lambda: teller.ask(tell)


def ask_from_asyncio(echo: Echo, operations: int) -> Callable[[], object]:
    ref = echo.start()

    async def ask() -> None:
        for number in range(operations):
            await ref.ask(number, block=False)

    return lambda: asyncio.run(ask())


def start_and_stop(echo: Echo, operations: int) -> Callable[[], object]:
    def work() -> None:
        for _ in range(operations):
            echo.start().stop()

    return work


def start_and_stop_from_actor(echo: Echo, operations: int) -> Callable[[], object]:
    starter, work = echo.start(), start_and_stop(echo, operations)
    return lambda: starter.ask(work)


def start_link_and_stop(echo: Echo, operations: int) -> Callable[[], object]:
    starter = GeventEcho.start()

    def work() -> None:
        for _ in range(operations):
            GeventEcho.start_link().stop()

    return lambda: starter.ask(work)


def start_monitor_and_stop(echo: Echo, operations: int) -> Callable[[], object]:
    watcher = GeventEcho.start()

    def work() -> None:
        for _ in range(operations):
            started = GeventEcho.start()
            actors.monitor(started)
            started.stop()

    return lambda: watcher.ask(work)


RATES: dict[str, tuple[Rate, int]] = {
    "ask, from a thread": (ask_from_thread, _OPERATIONS),
    f"ask, from {THREADS} threads": (ask_from_threads, _OPERATIONS),
    "ask, from an actor": (ask_from_actor, _OPERATIONS),
    "await ask, from asyncio": (ask_from_asyncio, _OPERATIONS),
    "tell, from a thread": (tell_from_thread, 5 * _OPERATIONS),
    "tell, from an actor": (tell_from_actor, 5 * _OPERATIONS),
    "start and stop, from a thread": (start_and_stop, _ACTORS),
    "start and stop, from an actor": (start_and_stop_from_actor, _ACTORS),
    "start_link and stop, from an actor": (start_link_and_stop, _ACTORS),
    "start, monitor and stop, from an actor": (start_monitor_and_stop, _ACTORS),
}

ONLY_GEVENT = {"start_link and stop, from an actor", "start, monitor and stop, from an actor"}
"""What Pykka's own actors can't do."""

_ECHOES: dict[Library, Echo] = {"gevent": GeventEcho, "threads": ThreadingEcho}


def measured(library: Library, scale: float) -> dict[str, float]:
    """The rates of a library's actors, measured in a process of its own on one core.

    Raises:
        ClientError: it failed.
    """
    command = [sys.executable, "-m", "benchmarks.actor_rates", library, str(scale)]
    with running(command, {server_core()}, pipes=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
    if not line:
        raise ClientError(f"the rates of {library} could not be measured")
    rates: dict[str, float] = json.loads(line)
    return rates


def main() -> None:
    """Measure every rate of a library's actors."""
    library, scale = sys.argv[1], float(sys.argv[2])
    rates = {}
    for name, (prepare, operations) in RATES.items():
        if library == "threads" and name in ONLY_GEVENT:
            continue
        count = max(round(operations * scale), THREADS)
        prepare(_ECHOES[library], max(count // 20, THREADS))()
        work = prepare(_ECHOES[library], count)
        start = time.process_time()
        work()
        rates[name] = count / (time.process_time() - start)
        pykka.ActorRegistry.stop_all()
    print(json.dumps(rates), flush=True)


if __name__ == "__main__":
    main()
