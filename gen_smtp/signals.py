"""Waiting for SIGTERM or SIGINT while a server runs in other greenlets or in another thread."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import gevent
from gevent.monkey import is_module_patched

from actors import ActorDeadError, GeventRef
from actors.future import Signal, new_native_lock

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def caught() -> Iterator[Callable[[GeventRef[Any]], None]]:
    """Catch SIGTERM and SIGINT for the length of a `with` block; outside the main thread no signal is seen.

    Entered before a server starts, so that a signal which comes while it starts ends it in good order too.

    Returns:
        a function that waits until one of them has come or the server given has ended, and raises an
        `ActorDeadError` when that ended by itself and not in good order.
    """
    catcher = _caught_by_hub if is_module_patched("threading") else _caught_by_thread
    with catcher() as wait_for:

        def wait_for_end(server: GeventRef[Any]) -> None:
            wait_for(server)
            reason = server.exit_reason
            if reason not in (None, "normal", "shutdown"):
                raise ActorDeadError(f"the server ended: {reason!r}", reason)

        yield wait_for_end


@contextlib.contextmanager
def _caught_by_thread() -> Iterator[Callable[[GeventRef[Any]], None]]:
    lock = new_native_lock()
    lock.acquire()

    def wake(*_: Any) -> None:
        # A bare lock, for this also runs as a signal handler, in the middle of anything.
        with contextlib.suppress(RuntimeError):
            lock.release()

    def wait_for(server: GeventRef[Any]) -> None:
        server.actor_stopped.on_set(wake)  # type: ignore[attr-defined]  # it is an actors.future.Signal
        lock.acquire()

    with _handled_by(wake):
        yield wait_for


@contextlib.contextmanager
def _caught_by_hub() -> Iterator[Callable[[GeventRef[Any]], None]]:
    over = Signal()

    def wait_for(server: GeventRef[Any]) -> None:
        server.actor_stopped.on_set(over.set)  # type: ignore[attr-defined]  # it is an actors.future.Signal
        over.wait()

    watchers = [gevent.signal_handler(each, over.set) for each in _SIGNALS]
    try:
        yield wait_for
    finally:
        for watcher in watchers:
            watcher.cancel()


@contextlib.contextmanager
def _handled_by(wake: Any) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        wake()

    before = {each: signal.signal(each, handle) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
