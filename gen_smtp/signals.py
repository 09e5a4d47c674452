"""Waiting for SIGTERM or SIGINT while a server runs in other greenlets or in another thread.

SIGHUP does not end the wait: it has something done, such as reading certificates again.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import gevent
from gevent.monkey import is_module_patched

from actors import ActorDeadError, GeventRef
from actors.future import Signal
from gen_smtp.signal_pipe import WOKEN, SignalPipe

ENDING = (signal.SIGTERM, signal.SIGINT)

WaitForEnd: TypeAlias = Callable[[GeventRef[Any], Callable[[], object]], None]
"""Takes the server and what to do at SIGHUP."""


@contextlib.contextmanager
def caught() -> Iterator[WaitForEnd]:
    """Catch SIGTERM, SIGINT and SIGHUP for the length of a `with` block; in the main thread only.

    Entered before a server starts, so that a signal which comes while it starts ends it in good order too.

    Returns:
        a function that waits until one of the first two has come or the server given has ended, and raises
        an `ActorDeadError` when that ended by itself and not in good order. At each SIGHUP it calls the
        function that it was given.
    """
    catcher = _caught_by_hub if is_module_patched("threading") else _caught_by_thread
    with catcher() as wait_for:

        def wait_for_end(server: GeventRef[Any], on_hangup: Callable[[], object]) -> None:
            wait_for(server, on_hangup)
            reason = server.exit_reason
            if reason not in (None, "normal", "shutdown"):
                raise ActorDeadError(f"the server ended: {reason!r}", reason)

        yield wait_for_end


@contextlib.contextmanager
def _caught_by_thread() -> Iterator[WaitForEnd]:
    with SignalPipe((*ENDING, signal.SIGHUP)) as arrivals:

        def wait_for(server: GeventRef[Any], on_hangup: Callable[[], object]) -> None:
            stopped: Signal = server.actor_stopped  # type: ignore[assignment]
            stopped.on_set(arrivals.wake)
            for number in arrivals:
                if number == signal.SIGHUP:
                    on_hangup()
                elif number == WOKEN or number in ENDING:
                    break
            stopped.forget(arrivals.wake)

        yield wait_for


@contextlib.contextmanager
def _caught_by_hub() -> Iterator[WaitForEnd]:
    over = Signal()
    hooks: list[Callable[[], object]] = []

    def hang_up() -> None:
        for hook in hooks:
            hook()

    def wait_for(server: GeventRef[Any], on_hangup: Callable[[], object]) -> None:
        server.actor_stopped.on_set(over.set)  # type: ignore[attr-defined]  # it is an actors.future.Signal
        hooks.append(on_hangup)
        over.wait()

    watchers = [gevent.signal_handler(each, over.set) for each in ENDING]
    watchers.append(gevent.signal_handler(signal.SIGHUP, hang_up))
    try:
        yield wait_for
    finally:
        for watcher in watchers:
            watcher.cancel()
