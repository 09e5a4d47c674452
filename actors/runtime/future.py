"""Waiting: a future that may be waited on from any thread, greenlet or asyncio task.

What blocks where: in a thread that has a gevent hub a wait must switch to that hub, or every greenlet
of the thread stands still; in a thread without one only a native lock blocks that thread and nothing
else; in an asyncio task the event loop has to go on. So the waiter is chosen by where the wait happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sys
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

import gevent
import pykka
from gevent.hub import Waiter
from gevent.monkey import get_original

from actors.seconds import wait_seconds

ExcInfo: TypeAlias = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]
T = TypeVar("T")

new_native_lock: Callable[[], Any] = get_original("_thread", "allocate_lock")
_hub_of_this_thread: Callable[[], Any] = gevent._hub_local.get_hub_if_exists


class Signal:
    """A flag that is raised once, by any thread, and can be waited for anywhere.

    It has the part of `threading.Event` that Pykka uses, at a twentieth of its size.

    Args:
        raised: whether it is up from the beginning.
    """

    __slots__ = ("_callbacks", "_is_set")

    def __init__(self, raised: bool = False) -> None:
        self._is_set = raised
        self._callbacks: list[Callable[[], object]] | None = None

    def is_set(self) -> bool:
        """Tell whether the flag is raised."""
        return self._is_set

    def set(self) -> None:
        """Raise the flag and wake all that wait for it."""
        # Without a lock, as in `mailbox`. First the flag, then the look: in `on_set` it is the reverse.
        self._is_set = True
        callbacks = self._callbacks
        while callbacks:
            try:
                callback = callbacks.pop(0)
            except IndexError:  # it was taken back meanwhile
                break
            callback()
        self._callbacks = None

    def on_set(self, callback: Callable[[], object]) -> None:
        """Call `callback` when the flag is raised, in the raising thread; at once if it is up."""
        if not self._is_set:
            made: list[Callable[[], object]] = []
            self._callbacks = callbacks = made if self._callbacks is None else self._callbacks  # indivisible
            callbacks.append(callback)
            if not self.is_set() or not _removed(callback, callbacks):
                return
        callback()

    def forget(self, callback: Callable[[], object]) -> None:
        """Take a callback of `on_set` back, if it is still there."""
        callbacks = self._callbacks
        if callbacks is not None:
            _removed(callback, callbacks)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the flag is raised.

        Args:
            timeout: seconds; None waits for ever.

        Returns:
            whether the flag is raised.

        Raises:
            ValueError: the timeout is no number, or NaN.
        """
        if timeout is not None:
            timeout = wait_seconds(timeout)
        if not self._is_set:
            hub = _hub_of_this_thread()
            if hub is None:
                self._wait_in_thread(timeout)
            else:
                self._wait_in_greenlet(hub, timeout)
        return self._is_set

    def _wait_in_thread(self, timeout: float | None) -> None:
        lock = new_native_lock()
        lock.acquire()
        self.on_set(lock.release)
        try:
            lock.acquire(timeout=-1 if timeout is None else max(0.0, timeout))
        finally:
            self.forget(lock.release)

    def _wait_in_greenlet(self, hub: Any, timeout: float | None) -> None:
        # The async watcher may be sent from any thread; while it is started the hub does not take
        # an otherwise empty loop for a deadlock (LoopExit).
        wake = hub.loop.async_()
        waiter = Waiter(hub)
        wake.start(waiter.switch, None)
        self.on_set(wake.send)
        try:
            with gevent.Timeout(timeout, False):
                waiter.get()
        finally:
            self.forget(wake.send)
            wake.stop()
            wake.close()


def _removed(callback: Callable[[], object], callbacks: list[Callable[[], object]]) -> bool:
    """Take a callback from those to be called; whether it was there."""
    try:
        callbacks.remove(callback)
    except ValueError:
        return False
    return True


class GeventFuture(pykka.Future[T]):
    """A Pykka future for this library's actors."""

    _forgotten = False

    def __init__(self) -> None:
        super().__init__()
        self._done = Signal()
        self._value: Any = None
        self._exc_info: ExcInfo | None = None
        self._claimed = False
        self._hook: Callable[[float | None], Any] | None = None

    def done(self) -> bool:
        """Tell whether the result is there."""
        return self._done.is_set()

    def on_done(self, callback: Callable[[], object]) -> None:
        """Call `callback` once the result is there, in the thread that sets it."""
        self._done.on_set(callback)

    def get(self, *, timeout: float | None = None) -> Any:
        """Wait for the result and return it, or raise the exception set.

        Args:
            timeout: seconds; None waits for ever.

        Raises:
            pykka.Timeout: no result came in time. A result that comes later stays in the future.
            ValueError: the timeout is no number, or NaN.
        """
        if self._hook is not None and not self._done.is_set():
            self._run_hook(timeout)
        if not self._done.wait(timeout):
            raise pykka.Timeout(f"{timeout} seconds")
        if self._exc_info is not None:
            exc_type, exc_value, traceback = self._exc_info
            exception = exc_value if exc_value is not None else (exc_type or RuntimeError)()
            raise exception.with_traceback(traceback)
        return self._value

    def set(self, value: Any = None) -> None:
        """Set the result.

        Raises:
            queue.Full: there is a result already, as in Pykka's own future.
        """
        self._settle(value, None)

    def set_exception(self, exc_info: ExcInfo | None = None) -> None:
        """Set an exception as the result; None takes the one being handled.

        Raises:
            queue.Full: there is a result already.
        """
        self._settle(None, sys.exc_info() if exc_info is None else exc_info)

    def set_get_hook(self, func: Callable[[float | None], Any]) -> None:
        """Take the result from `func(timeout)` at the first `get`; Pykka's `map` and others use it."""
        was_claimed, self._claimed = self._claimed, True  # indivisible
        if was_claimed:
            raise queue.Full
        self._hook = func

    def _settle(self, value: Any, exc_info: Any) -> None:
        was_claimed, self._claimed = self._claimed, True  # indivisible
        if was_claimed:
            raise queue.Full
        self._value = value
        self._exc_info = exc_info
        if self._forgotten:
            self._exc_info = None
        self._done.set()

    def forget_error(self) -> None:
        """Keep no exception, neither one that is there nor one that comes: nobody asks for it any more.

        Its traceback refers to whoever has set it, and so to this future: a circle for the collector.
        """
        self._forgotten = True
        self._exc_info = None

    def _run_hook(self, timeout: float | None) -> None:
        assert self._hook is not None
        self._value = self._hook(timeout)
        self._done.set()

    def __await__(self) -> Generator[Any, None, T]:
        """Wait in an asyncio task without blocking its event loop."""
        loop = asyncio.get_running_loop()
        if self._hook is not None:
            yield from loop.run_in_executor(None, self.get).__await__()
        elif not self.done():
            yield from _asyncio_signal(self._done, loop).__await__()
        result: T = self.get()
        return result


class CutByExit(gevent.GreenletExit):
    """Raised where a turn waits for another actor when an exit signal ends the actor; let it pass."""


class Work(GeventFuture[T]):
    """The result of work that is done elsewhere for who waits: a thread's, say. Waiting for it is working."""


def waits_for_another(greenlet: Any) -> bool:
    """Tell whether a greenlet waits here, for somebody else, and not for work that is done for it.

    Args:
        greenlet: one of this thread that does not run.
    """
    # Nothing notes what a turn waits for: it would cost every wait, and is asked for at an actor's end.
    frame = greenlet.gr_frame
    while frame is not None and frame.f_code is not _WAIT:
        frame = frame.f_back
    if frame is None:
        return False
    caller = frame.f_back.f_back  # of `Signal.wait`
    return caller.f_code is not _GET or not isinstance(caller.f_locals["self"], Work)


_WAIT, _GET = Signal._wait_in_greenlet.__code__, GeventFuture.get.__code__


def _asyncio_signal(signal: Signal, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
    """An asyncio future that is done when `signal` is raised."""
    woken = loop.create_future()

    def wake() -> None:
        if not woken.done():
            woken.set_result(None)

    def wake_from_anywhere() -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody waits any more
            loop.call_soon_threadsafe(wake)

    signal.on_set(wake_from_anywhere)
    return woken


def try_set(future: pykka.Future[Any] | None, value: Any = None) -> None:
    """Set `future` to `value` unless it is None or has a result already."""
    if future is not None:
        with contextlib.suppress(queue.Full):
            future.set(value)


def try_set_exception(future: pykka.Future[Any] | None, exception: BaseException) -> None:
    """Set `future` to `exception` unless it is None or has a result already."""
    if future is not None:
        with contextlib.suppress(queue.Full):
            future.set_exception((type(exception), exception, exception.__traceback__))
