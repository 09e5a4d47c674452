"""Work that would block the hub, and waits for other runtimes.

In an unpatched program only this library's own waits are cooperative: a `time.sleep` in one turn stops
every actor. Such work goes to a worker thread, and its caller waits in its turn.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import pykka
from gevent.threadpool import ThreadPool
from pykka.messages import ProxyCall

from actors.messages import TimerExpired
from actors.runtime import names
from actors.runtime.future import GeventFuture, new_native_lock, try_set, try_set_exception
from actors.runtime.hub import Hub
from actors.runtime.refs import GeventRef, ask_any
from actors.runtime.timers import Timer
from actors.runtime.turn import context_elsewhere

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
        if count < 1:
            raise ValueError(f"the number of worker threads must be at least 1, not {count}")
        self.count = count
        if self._pool is not None:
            Hub.current().run_soon(setattr, self._pool[1], "maxsize", count)

    def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        future: GeventFuture[T] = GeventFuture()
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


def set_workers(count: int | None = None, *, long: int | None = None) -> None:
    """Set how many worker threads there may be; further work waits for one.

    Args:
        count: for `run_blocking`, 10 unless set.
        long: for `run_long`, 100 unless set.

    Raises:
        ValueError: a number is less than 1.
    """
    if count is not None:
        _workers.set_count(count)
    if long is not None:
        _long_workers.set_count(long)


def run_blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that blocks in a worker thread, and wait for it without blocking any other actor.

    It sees the caller's contextvars. If the caller is killed meanwhile, a call that has begun goes on to its
    end, since a thread can't be killed, and its result is dropped; one that waits for a thread never begins.

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


def call(actor: pykka.ActorRef[Any] | str, message: Any, timeout: float | None = 5.0) -> Any:
    """Ask any Pykka actor, also a threaded one, and wait without blocking other actors.

    Args:
        actor: its reference or registered name.
        message: any object.
        timeout: seconds, 5 as in gen_server; None waits for ever.

    Raises:
        pykka.Timeout: no reply came in time.
        ActorDeadError: the actor is dead, died before it replied, or nobody has the name.
        CallingSelf: an actor calls itself in its own turn.
        Exception: what the actor raised.
    """
    ref = names.resolve(actor)
    if isinstance(ref, GeventRef):
        return ref.ask(message, timeout=timeout)
    return ask_any(ref, message).get(timeout=timeout)


def invoke(ref: pykka.ActorRef[Any], method: str, *args: Any, timeout: float | None = None) -> Any:
    """Have an actor run one of its methods in its turn, and wait for the result.

    Args:
        ref: the actor; its own turn, if that is where the caller is, will do.
        method: the method's name.
        args: its arguments.
        timeout: seconds; None waits for ever.

    Raises:
        pykka.Timeout: no result came in time.
        ActorDeadError: the actor is dead or died before it answered.
        Exception: what the method raised.
    """
    actor = ref.own_actor() if isinstance(ref, GeventRef) else None
    if actor is not None:
        return getattr(actor, method)(*args)
    return invoke_later(ref, method, *args).get(timeout=timeout)


def invoke_later(ref: pykka.ActorRef[Any], method: str, *args: Any) -> GeventFuture[Any]:
    """As `invoke`, without waiting: the future has the result."""
    return ask_any(ref, ProxyCall(attr_path=(method,), args=args, kwargs={}))


def send(actor: pykka.ActorRef[Any] | str, message: Any) -> None:
    """Erlang's `!`: send a message; to a dead actor it is lost silently.

    Raises:
        ActorDeadError: nobody has the name.
    """
    cast(names.resolve(actor), message)


def cast(actor: pykka.ActorRef[Any] | str, message: Any) -> None:
    """Send a message and forget it: to a dead actor or an unknown name it is lost silently."""
    ref = names.whereis(actor) if isinstance(actor, str) else actor
    if ref is not None:
        try:
            ref.tell(message)
        except pykka.ActorDeadError:
            return


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
    future: GeventFuture[T] = GeventFuture()
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


class TimerRef:
    """A message to be sent later; `cancel_timer` takes it. `seconds` is the time it was set to."""

    __slots__ = ("cancelled", "seconds", "timer")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.timer: Timer | None = None
        self.cancelled = False


def send_after(seconds: float, actor: pykka.ActorRef[Any] | str, message: Any) -> TimerRef:
    """Send a message after a while. A name is looked up then; if nobody is there the message is lost.

    Args:
        seconds: how long to wait, at least 0.
        actor: a reference or a name.
        message: any object.

    Raises:
        ValueError: `seconds` is negative.
    """
    return _set_timer(TimerRef(seconds), actor, message)


def start_timer(seconds: float, actor: pykka.ActorRef[Any] | str, message: Any) -> TimerRef:
    """As `send_after`, but what comes is `TimerExpired(timer, message)`, which says of which timer it is."""
    timer = TimerRef(seconds)
    return _set_timer(timer, actor, TimerExpired(timer, message))


def _set_timer(ref: TimerRef, actor: pykka.ActorRef[Any] | str, message: Any) -> TimerRef:
    if ref.seconds < 0:
        raise ValueError(f"a timer takes at least 0 seconds, not {ref.seconds}")
    hub = Hub.current()

    def start() -> None:
        if not ref.cancelled:
            ref.timer = hub.timers.call_later(ref.seconds, lambda: cast(actor, message))

    if hub.is_here():
        start()
    else:
        hub.run_soon(start)
    return ref


def cancel_timer(timer: TimerRef) -> float | None:
    """Take a message of `send_after` or `start_timer` back.

    Returns:
        the seconds that were left; None if it was sent or cancelled before.
    """
    hub = Hub.current()
    if hub.is_here():
        return _cancel(timer)
    left: GeventFuture[float | None] = GeventFuture()
    hub.run_soon(lambda: left.set(_cancel(timer)))
    value: float | None = left.get()
    return value


def _cancel(ref: TimerRef) -> float | None:
    if ref.cancelled:
        return None
    ref.cancelled = True
    return ref.timer.cancel() if ref.timer is not None else ref.seconds  # on its way to the hub
