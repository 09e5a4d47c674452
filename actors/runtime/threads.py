"""Work beside the turns: in worker threads, in greenlets, in an asyncio loop of another thread.

In an unpatched program only this library's own waits are cooperative: a `time.sleep` in one turn stops
every actor. Such work goes to a worker thread, and its caller waits in its turn.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from gevent import GreenletExit
from gevent.hub import RawGreenlet
from gevent.threadpool import ThreadPool

from actors.runtime.future import GeventFuture, Work, new_native_lock, try_set, try_set_exception
from actors.runtime.hub import Hub
from actors.runtime.refs import context_elsewhere

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_WORKERS = 10
DEFAULT_LONG_WORKERS = 100


class _Workers:
    """Worker threads, started as they are needed, up to a number; further work waits for one."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: tuple[Hub, ThreadPool] | None = None

    def set_count(self, count: int) -> None:
        self.count = count
        if self._pool is not None:
            Hub.current().run_soon(setattr, self._pool[1], "maxsize", count)

    def figures(self) -> tuple[int, int]:
        """How many threads there are, and for how many calls."""
        return (0, 0) if self._pool is None else (self._pool[1].size, len(self._pool[1]))

    def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        future: Work[T] = Work()
        context = context_elsewhere()
        claim = new_native_lock()

        def work() -> None:
            if not claim.acquire(False):
                return  # given up by its caller before it began
            try:
                result = context.run(function, *args, **kwargs)
            except BaseException as error:
                try_set_exception(future, error)
            else:
                try_set(future, result)

        def give() -> None:
            try:
                self._threads().spawn(work)
            except Exception as error:
                # Where the system starts no thread, RuntimeError, the pool has queued the work nevertheless:
                # a thread that runs already does it. Without one it must not be done later, when its caller
                # knows that it failed.
                runs_yet = isinstance(error, RuntimeError) and self._threads().size > 0
                if not runs_yet and claim.acquire(False):
                    try_set_exception(future, error)

        # Giving work to a pool whose threads are all busy waits: in a greenlet of the hub that may.
        hub = Hub.current()
        if hub.is_here():
            give()
        else:
            hub.spawn(give)
        try:
            value: T = future.get()
        finally:
            claim.acquire(False)  # of a caller that was killed: what has not begun never will
            future.forget_error()
        return value

    def _threads(self) -> ThreadPool:
        hub = Hub.current()
        if self._pool is None or self._pool[0] is not hub:
            self._pool = (hub, ThreadPool(self.count, hub=hub.gevent_hub))
        return self._pool[1]


_workers = _Workers(DEFAULT_WORKERS)
_long_workers = _Workers(DEFAULT_LONG_WORKERS)


def thread_figures() -> tuple[int, int]:
    """The worker threads that there are, and the calls that run in them or wait for one; on the hub."""
    figures = _workers.figures(), _long_workers.figures()
    return sum(threads for threads, _ in figures), sum(calls for _, calls in figures)


def set_workers(count: int | None = None, *, long: int | None = None) -> None:
    """Set how many worker threads there may be; further work waits for one.

    Args:
        count: for `run_blocking`, 10 unless set.
        long: for `run_long`, 100 unless set.

    Raises:
        ValueError: a number is none, or less than 1; then nothing was changed.
    """
    for each in (count, long):
        if each is not None and (not isinstance(each, int) or isinstance(each, bool) or each < 1):
            raise ValueError(f"the number of worker threads must be a whole number, at least 1, not {each!r}")
    if count is not None:
        _workers.set_count(count)
    if long is not None:
        _long_workers.set_count(long)


def run_blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that blocks in a worker thread, and wait for it without blocking any other actor.

    It sees the caller's contextvars. If the caller is killed meanwhile, a call that has begun goes on to its
    end, since a thread can't be killed, and its result is dropped. A call that waits for a thread never
    begins.

    Args:
        function: what to call.
        args, kwargs: its arguments.

    Returns:
        what it returns.

    Raises:
        RuntimeError: there is no worker thread, and the system starts none.
        BaseException: what it raises.
    """
    return _workers.run(function, *args, **kwargs)


def run_long(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As `run_blocking`, for what takes as long as others like, such as a client that sends slowly.

    It has worker threads of its own, so that however many of these wait, short work finds a thread.
    """
    return _long_workers.run(function, *args, **kwargs)


def spawn(function: Callable[..., T], *args: Any) -> GeventFuture[T]:
    """Run a function in a greenlet of the hub.

    The greenlet belongs to no actor; the returned future has its result or what it raised.
    """
    return Hub.current().spawn(function, *args)


def run_coroutine(coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """Run a coroutine in an asyncio event loop of another thread and wait without blocking other actors.

    Args:
        coroutine: the coroutine object.
        loop: an event loop that runs in a thread other than the hub's.

    Returns:
        what it returns.

    Raises:
        BaseException: what it raises.
    """
    future: Work[T] = Work()
    running = context_elsewhere().run(asyncio.run_coroutine_threadsafe, coroutine, loop)

    def settle(done: concurrent.futures.Future[T]) -> None:
        try:
            result = done.result()
        except BaseException as error:
            try_set_exception(future, error)
        else:
            try_set(future, result)

    running.add_done_callback(settle)
    try:
        value: T = future.get()
    except BaseException:
        running.cancel()
        raise
    return value


# -- beside an actor's turns --------------------------------------------------------------------------


class SideTask:
    """A function of an actor that begins at once, after the turn, and goes on beside its turns.

    It can wait for what the turns bring, as the reader of something that is still arriving does. If two
    things must not happen at the same time, the actor sees to that: it waits for the end of the one before
    the other.

    It runs in a copy of the caller's contextvars context: it is the same actor there, and what it sets is
    its own.

    Args:
        function: what to call.
        args: its arguments.

    Attributes:
        greenlet: in which it runs.
    """

    __slots__ = ("_outcome", "greenlet")

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        outcome = self._outcome = Work[Any]()
        context = context_elsewhere()

        def run() -> None:
            try:
                result = context.run(function, *args)
            except BaseException as error:
                try_set_exception(outcome, error)
            else:
                try_set(outcome, result)

        hub = Hub.current()
        self.greenlet = RawGreenlet(run, hub.gevent_hub)
        hub.run_soon(self.greenlet.switch)

    def done(self) -> bool:
        """Tell whether it has ended."""
        return self._outcome.done()

    def result(self) -> Any:
        """Wait for its end, in a turn, and return what it returned. To be called once.

        Raises:
            BaseException: what it raised; GreenletExit if it was cut off.
        """
        try:
            return self._outcome.get()
        finally:
            if self.done():
                self.forget()

    def forget(self) -> None:
        """Nobody will ask for the result any more: keep nothing of what it raised."""
        self._outcome.forget_error()

    def cut(self) -> None:
        """Cut it off where it waits; it may go on until it waits. Itself does not wait."""
        if not self.done():
            Hub.current().run_soon(self._cut)

    def _cut(self) -> None:
        if not self.done():
            Hub.current().cut_off(self.greenlet, lambda: not self.done() and not self.greenlet.dead)
            if self.greenlet.dead:  # it had not begun
                try_set_exception(self._outcome, GreenletExit())
