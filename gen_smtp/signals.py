"""Waiting for SIGTERM or SIGINT while a server runs in other greenlets or in another thread."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import gevent
from gevent.monkey import is_module_patched

from actors import ActorDeadError, GeventRef
from actors.future import Signal, new_native_lock

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def wait_for_end(server: GeventRef[Any]) -> None:
    """Wait until SIGTERM or SIGINT comes or the server ends. Outside the main thread no signal is seen.

    Raises:
        ActorDeadError: the server ended by itself, and not in good order.
    """
    if is_module_patched("threading"):
        _wait_in_hub(server)
    else:
        _wait_in_thread(server)
    reason = server.exit_reason
    if reason not in (None, "normal", "shutdown"):
        raise ActorDeadError(f"the server ended: {reason!r}", reason)


def _wait_in_thread(server: GeventRef[Any]) -> None:
    lock = new_native_lock()
    lock.acquire()

    def wake(*_: Any) -> None:
        # A bare lock, for this also runs as a signal handler, in the middle of anything.
        with contextlib.suppress(RuntimeError):
            lock.release()

    server.actor_stopped.on_set(wake)  # type: ignore[attr-defined]  # it is an actors.future.Signal
    with _handled_by(wake):
        lock.acquire()


def _wait_in_hub(server: GeventRef[Any]) -> None:
    over = Signal()
    server.actor_stopped.on_set(over.set)  # type: ignore[attr-defined]  # it is an actors.future.Signal
    watchers = [gevent.signal_handler(each, over.set) for each in _SIGNALS]
    try:
        over.wait()
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
