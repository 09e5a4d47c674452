"""Callbacks that are `async def`: which they are, and the asyncio loop that they run on."""

from __future__ import annotations

import asyncio
import atexit
import inspect
import os
from collections.abc import Iterable
from typing import Any

from gevent import monkey
from gevent.monkey import get_original

from actors.runtime.future import new_native_lock

_start_thread = get_original("_thread", "start_new_thread")
_lock = new_native_lock()
_kept: tuple[int, asyncio.AbstractEventLoop] | None = None


def coroutine_callbacks(cls: type[Any], names: Iterable[str]) -> frozenset[str]:
    """Which of a class's callbacks are `async def`."""
    return frozenset(name for name in names if inspect.iscoroutinefunction(function_of(cls, name)))


def function_of(cls: type[Any], name: str) -> Any:
    """The function of a callback, out of its staticmethod or classmethod."""
    method = inspect.getattr_static(cls, name)
    return getattr(method, "__func__", method)


def own_loop() -> asyncio.AbstractEventLoop:
    """The loop for programs that have none, in a thread of its own, which is started now if it does not run.

    A forked child has another one: the thread did not come along.
    """
    global _kept
    with _lock:
        if _kept is None or _kept[0] != os.getpid():
            loop = _started_loop()
            atexit.register(_stop, loop, os.getpid())
            _kept = os.getpid(), loop
        return _kept[1]


def _started_loop() -> asyncio.AbstractEventLoop:
    made: list[asyncio.AbstractEventLoop] = []
    ready = new_native_lock()
    ready.acquire()
    _start_thread(_serve, (made, ready))
    ready.acquire()  # the thread has released it
    return made[0]


def _new_loop() -> asyncio.AbstractEventLoop:
    """A loop that waits for itself, whatever gevent has patched.

    It is made in its own thread, for the sockets and selectors of a patched program belong to the hub of the
    thread that makes them, and must not be used in another.
    """
    if monkey.is_module_patched("selectors"):
        return asyncio.SelectorEventLoop(get_original("selectors", "DefaultSelector")())
    return asyncio.new_event_loop()


def _serve(made: list[asyncio.AbstractEventLoop], ready: Any) -> None:
    loop = _new_loop()
    asyncio.set_event_loop(loop)
    made.append(loop)
    ready.release()
    try:
        loop.run_forever()
    finally:
        loop.close()


def _stop(loop: asyncio.AbstractEventLoop, pid: int) -> None:
    if os.getpid() == pid and loop.is_running():
        loop.call_soon_threadsafe(loop.stop)
