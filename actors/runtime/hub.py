"""The one gevent hub that all actors live on, and the pool of greenlets their turns run in.

In an unpatched program the hub has a daemon thread of its own, started at first use; where
`threading` is monkey-patched, the hub of the thread that starts the first actor serves. Whatever runs
here (readiness callbacks, turns, timers) runs one at a time and needs no lock against the others.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import repeat
from operator import length_hint
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, cast

import gevent
from gevent.hub import Waiter
from gevent.monkey import get_original, is_module_patched

from actors import events
from actors.runtime.future import GeventFuture, Signal, new_native_lock
from actors.runtime.timers import Timers
from actors.runtime.turn import TurnGreenlet
from actors.runtime.watchdog import Watchdog

if TYPE_CHECKING:
    from actors.runtime.actor import GeventActor
    from actors.runtime.mailbox import Mailbox

T = TypeVar("T")

thread_id: Callable[[], int] = get_original("_thread", "get_ident")
start_native_thread: Callable[..., int] = get_original("_thread", "start_new_thread")

IDLE_GREENLETS = 64


class Ready(Protocol):
    """Who can be in line for a turn."""

    def take_turn(self, greenlet: Any) -> None:
        """Run the turn, in this greenlet; nothing may escape from it."""


class Hub:
    """The hub and its ready actors. Use `Hub.current()`; there is one in a process.

    Args:
        gevent_hub: the hub of the thread that this runs in.

    Attributes:
        join_line: for watchers to call: puts its argument in line for a turn, by its `take_turn`. On libev no
            code of Python runs for that: the line is looked at before the hub waits for sockets again.
    """

    _current: ClassVar[Hub | None] = None
    _starting: ClassVar[Any] = new_native_lock()
    _exiting: ClassVar[bool] = False

    def __init__(self, gevent_hub: Any) -> None:
        self.gevent_hub = gevent_hub
        self.loop: Any = gevent_hub.loop
        self.thread_id = thread_id()
        self.timers = Timers(self.loop, self.report)
        # All that live, in the order of starting: an idle actor has no greenlet that would hold it.
        self.actors: dict[GeventActor, None] = {}
        self.watchdog = Watchdog(self)
        self._line: deque[Ready] = deque()
        self._woken = False
        self._later: list[Mailbox] = []
        self._poll: Any = None
        self.join_line: Callable[[Ready], object] = self._line.append
        self._before_wait: Any = None
        try:
            self._before_wait = self.loop.prepare(ref=False)
        except TypeError:  # gevent has no such watcher on libuv
            self.join_line = self._join_and_wake
        else:
            self._before_wait.start(self._look_at_line)
        self._batch = repeat(None, 0)
        self._turns_granted = 0
        self._greenlets = 0
        self._idle: list[Any] = []
        self._end: Waiter | None = None
        self._ended = Signal()

    # -- coming to be -------------------------------------------------------------------------------

    @classmethod
    def current(cls) -> Hub:
        """The process's hub, started if need be.

        Raises:
            RuntimeError: the interpreter is exiting and the hub has ended.
        """
        if cls._current is None:
            with cls._starting:
                if cls._current is None:
                    cls._current = cls._start()
        return cls._current

    @classmethod
    def running(cls) -> Hub | None:
        """The process's hub if it was started."""
        return cls._current

    @classmethod
    def _start(cls) -> Hub:
        if cls._exiting:
            raise RuntimeError("no actor can be started any more: the interpreter is exiting")
        atexit.register(cls._stop_at_exit)
        if is_module_patched("threading"):
            return cls(gevent.get_hub())
        started = GeventFuture[Hub]()
        start_native_thread(cls._run_thread, (started,))
        hub: Hub = started.get()
        return hub

    @classmethod
    def _run_thread(cls, started: GeventFuture[Hub]) -> None:
        # As threads of `threading` begin, for debuggers, coverage and profilers. This one is no such thread.
        sys.settrace(cast(Any, threading.gettrace()))
        sys.setprofile(cast(Any, threading.getprofile()))
        threading.current_thread().name = "actors"  # in logs, instead of Dummy-1
        hub = cls(gevent.get_hub())
        keep_running = hub.loop.async_()
        keep_running.start(lambda: None)
        hub._end = Waiter(hub.gevent_hub)
        started.set(hub)
        hub._end.get()
        keep_running.stop()
        keep_running.close()
        hub._close_watchers()
        hub.gevent_hub.destroy(destroy_loop=True)
        hub._ended.set()

    # -- turns --------------------------------------------------------------------------------------

    def is_here(self) -> bool:
        """Tell whether the caller is on the hub's thread."""
        return thread_id() == self.thread_id

    def run_soon(self, function: Callable[..., object], *args: Any) -> None:
        """Call `function` in the hub, from any thread. It must not wait, and must not raise."""
        if thread_id() == self.thread_id:
            self.loop.run_callback(function, *args)
        else:
            self.loop.run_callback_threadsafe(function, *args)

    @property
    def turns_begun(self) -> int:
        """How many turns were begun so far."""
        return self._turns_granted - length_hint(self._batch)

    @property
    def turns_under_way(self) -> int:
        """How many turns are not over, those that wait among them."""
        return self._greenlets - len(self._idle)

    def schedule(self, mailbox: Mailbox) -> None:
        """Give the owner of a mailbox a turn, after those that are waiting for theirs; from any thread.

        One that is in line for a turn already will see in it what there is to do.
        """
        # No lock: CPython lets another thread run at calls and jumps back, of which there is none in between.
        if mailbox.due:
            return
        mailbox.due = True
        self._line.append(mailbox)
        # The flag goes down before the line is read, so whoever is put in here is always seen.
        if not self._woken:
            self._wake()

    def _wake(self) -> None:
        self._woken = True
        self.run_soon(self._run_ready)

    def _join_and_wake(self, ready: Ready) -> None:
        self._line.append(ready)
        if not self._woken:
            self._wake()

    def schedule_later(self, mailbox: Mailbox) -> None:
        """Give one that has just had a turn another one, once sockets were looked at; on this thread.

        gevent runs callbacks that callbacks ask for fifty times over before it looks at a socket again: one
        client that always has more to do would have all others wait for fifty of its turns.
        """
        if mailbox.due:
            return
        mailbox.due = True
        self._later.append(mailbox)
        if self._poll is None:
            self._poll = self.loop.timer(0)
            self._poll.start(self._run_later)

    def _run_later(self) -> None:
        self._poll.close()
        self._poll = None
        self._line.extend(self._later)
        self._later.clear()
        self._run_ready()

    def _look_at_line(self) -> None:
        if self._line:
            self._run_ready()

    def _run_ready(self) -> None:
        """Run the turns that are due. Those that become due meanwhile wait until sockets were looked at."""
        self._woken = False
        if self.watchdog.parked:
            self.watchdog.wake()
        due = len(self._line)
        self._turns_granted += due
        batch = self._batch = repeat(None, due)
        while length_hint(batch):
            greenlet = self._idle.pop() if self._idle else self._another_greenlet()
            greenlet.switch()  # comes back when it has run out of turns, or when one waits
        if self._line and not self._woken:
            self._wake()

    def _another_greenlet(self) -> TurnGreenlet:
        self._greenlets += 1
        return TurnGreenlet(self._run_turns, self.gevent_hub)

    def _run_turns(self) -> None:
        """The life of a pooled greenlet: turns, one after the other."""
        this = gevent.getcurrent()
        next_ready = self._line.popleft
        try:
            while True:
                for _ in self._batch:  # shared: when a turn waits, another greenlet goes on with it
                    next_ready().take_turn(this)
                if len(self._idle) >= IDLE_GREENLETS:
                    return
                self._idle.append(this)
                self.gevent_hub.switch()
        finally:
            self._greenlets -= 1

    def spawn(self, function: Callable[..., T], *args: Any) -> GeventFuture[T]:
        """Run `function` in a greenlet of the hub, from any thread; the future has its result."""
        future = GeventFuture[T]()

        def run() -> None:
            try:
                result = function(*args)
            except BaseException:
                future.set_exception()
            else:
                future.set(result)

        self.run_soon(gevent.spawn, run)
        return future

    def report(self, error: BaseException) -> None:
        """Log an exception that has no actor to end."""
        events.emit(events.HookFailed("the hub", "a callback", error))

    def interrupt(self, error: BaseException) -> None:
        """Raise Ctrl-C in the main greenlet when it hit a turn: where threading is patched.

        Elsewhere Ctrl-C goes to the main thread; here it was raised by the actor itself.
        """
        if self._end is None:
            self.run_soon(self.gevent_hub.handle_system_error, type(error), error)

    # -- going away ---------------------------------------------------------------------------------

    @classmethod
    def _stop_at_exit(cls) -> None:
        """End the actors and then the hub, before the interpreter takes the thread's world apart.

        A daemon thread that runs greenlets into the interpreter's end crashes it more often than not.
        """
        hub = cls._current
        if hub is not None:
            with contextlib.suppress(Exception):
                _stop_all_trees(hub)
            hub._finish()
        cls._exiting = True
        cls._current = None

    def _close_watchers(self) -> None:
        self.timers.close()
        if self._before_wait is not None:
            self._before_wait.stop()
            self._before_wait.close()

    def _finish(self) -> None:
        self.watchdog.stop()
        if self._end is not None and not self.is_here():
            self.loop.run_callback_threadsafe(self._end.switch, None)
            self._ended.wait(timeout=5.0)

    @classmethod
    def _forget_after_fork(cls) -> None:
        """Leave the parent's actors behind in a forked child: dead, and their sockets closed here."""
        hub, cls._current = cls._current, None
        cls._starting = new_native_lock()
        Signal._lock = new_native_lock()
        if hub is not None:
            hub._close_watchers()  # in a monkey-patched child the loop goes on
            hub._line.clear()
            hub._later.clear()
            deque(hub._batch, maxlen=0)  # nor has a turn that forked any behind it
            for actor in hub.actors:
                actor.leave_behind()
            hub.actors.clear()


GRACE_AT_EXIT = 5.0
KILLED_WITHIN = 1.0


def _stop_all_trees(hub: Hub) -> None:
    """Stop every tree, the latest first; at interpreter exit nobody waits long."""
    roots = [actor.actor_ref for actor in list(hub.actors) if actor.owner is None]
    stops = [ref.stop(block=False) for ref in reversed(roots)]
    deadline = time.monotonic() + GRACE_AT_EXIT
    for stop in stops:
        with contextlib.suppress(Exception):
            stop.get(timeout=max(0.0, deadline - time.monotonic()))
    left = [actor.actor_ref for actor in list(hub.actors)]
    for ref in left:
        ref.kill()
    deadline = time.monotonic() + KILLED_WITHIN
    for ref in left:
        ref.actor_stopped.wait(max(0.0, deadline - time.monotonic()))


os.register_at_fork(after_in_child=Hub._forget_after_fork)
