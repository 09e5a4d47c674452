"""The one gevent hub that all actors live on, and the pool of greenlets that their turns run in.

In an unpatched program the hub has a daemon thread of its own, started at first use; where
`threading` is monkey-patched, the hub of the thread that starts the first actor serves. Readiness
callbacks, turns and timers run here one at a time and need no lock against each other.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any, ClassVar, Protocol, TypeVar

import gevent
import pykka
from gevent import GreenletExit
from gevent.hub import RawGreenlet, Waiter
from gevent.monkey import get_original, is_module_patched

from actors import events
from actors.runtime.future import GeventFuture, Signal, new_native_lock
from actors.runtime.mailbox import Mailbox
from actors.runtime.timers import Timers
from actors.runtime.watchdog import Watchdog

T = TypeVar("T")

thread_id: Callable[[], int] = get_original("_thread", "get_ident")
start_native_thread: Callable[..., int] = get_original("_thread", "start_new_thread")

IDLE_GREENLETS = 64

LONGEST_PAUSE_BETWEEN_CUTS = 1.0


class TurnGreenlet(RawGreenlet):
    """A greenlet that turns run in.

    Attributes:
        ref: the reference of the actor whose turn it is; None between turns.
    """

    __slots__ = ("ref",)

    def __init__(self, run: Callable[[], object], parent: Any) -> None:
        super().__init__(run, parent)
        self.ref: Any = None


class Resident(Protocol):
    """An actor, as far as its hub knows it."""

    mailbox: Mailbox
    turn_context: Context
    turn_greenlet: Any
    """The greenlet that its turn runs in; None between turns."""

    @property
    def owner(self) -> object:
        """The actor whose tree it is part of; None for the root of a tree."""

    @property
    def actor_ref(self) -> pykka.ActorRef[Any]:
        """Its reference."""

    def run_full_turn(self) -> None:
        """Look into the mailbox, and do all else that is to be done."""

    def on_ready(self) -> bool:
        """Do what the readiness of a socket brings; whether there is more to do."""

    def on_ready_too_soon(self) -> None:
        """A socket is ready, but another turn is under way or due, or there may be none for it."""

    def end_by(self, error: BaseException) -> None:
        """End for what escaped from a turn; nothing may escape from this."""

    def end_at_once(self) -> None:
        """Be killed; in the hub."""

    def leave_behind(self) -> None:
        """Be dead in a forked child."""


class _Start:
    """The start of a hub in a thread of its own.

    Attributes:
        claim: held by the thread that runs it.
        hub: the hub, when it runs.
    """

    __slots__ = ("claim", "hub")

    def __init__(self) -> None:
        self.claim = new_native_lock()
        self.hub = GeventFuture[Hub]()


@contextlib.contextmanager
def _no_collection() -> Generator[None]:
    """Have the collector rest, and so all finalisers that it would run, for the length of a `with` block."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Hub:
    """The hub and its ready actors. Use `Hub.current()`; there is one in a process.

    Args:
        gevent_hub: the hub of the thread that this runs in.

    Attributes:
        join_line: for watchers to call: puts an actor in line for a turn for its socket alone. On libev no
            code of Python runs for that: the line is looked at before the hub waits for sockets again.
        actors: all that live, in the order of starting. An idle actor has no greenlet that would hold it.
        instance: the process's hub; None until somebody needs it. `current` starts it.
        turns_begun, greenlets, idle: see `actors.runtime.watchdog.Watched`.
    """

    instance: ClassVar[Hub | None] = None
    _starting: ClassVar[_Start | None] = None
    _exiting: ClassVar[bool] = False

    def __init__(self, gevent_hub: Any) -> None:
        self.gevent_hub = gevent_hub
        self.loop: Any = gevent_hub.loop
        self.thread_id = thread_id()
        self.timers = Timers(self.loop, self.report)
        self.actors: dict[Resident, None] = {}
        self.watchdog = Watchdog(self)
        self._line: deque[Mailbox | Resident] = deque()
        self._woken = False
        self._later: list[Mailbox] = []
        self._poll: Any = None
        self.join_line: Callable[[Resident], object] = self._line.append
        self._before_wait: Any = None
        try:
            self._before_wait = self.loop.prepare(ref=False)
        except TypeError:  # gevent has no such watcher on libuv
            self.join_line = self._join_and_wake
        else:
            self._before_wait.start(self._run_ready)
        self._due = 0
        self.turns_begun = 0
        self.greenlets = 0
        self.idle: list[TurnGreenlet] = []
        self._end: Waiter | None = None
        self._ended = Signal()

    # -- coming to be -------------------------------------------------------------------------------

    @classmethod
    def current(cls) -> Hub:
        """The process's hub, started if need be.

        Raises:
            RuntimeError: the interpreter is exiting and the hub has ended.
        """
        return cls.instance or cls._start()

    @classmethod
    def running(cls) -> Hub | None:
        """The process's hub if it was started."""
        return cls.instance

    @classmethod
    def _start(cls) -> Hub:
        if cls._exiting:
            raise RuntimeError("no actor can be started any more: the interpreter is exiting")
        if not getattr(sys, "_is_gil_enabled", lambda: True)():
            raise RuntimeError("actors need the interpreter's lock: start Python with -X gil=1")
        atexit.register(cls._stop_at_exit)
        if is_module_patched("threading"):
            return cls._make()
        # No lock is held while the thread starts: a finaliser may want the hub here, or in that thread. All
        # that want it start a thread, so that nobody waits for one that never was. The first of these runs.
        made = _Start()
        cls._starting = start = made if cls._starting is None else cls._starting  # indivisible
        start_native_thread(cls._run_thread, (start,))
        hub: Hub = start.hub.get()
        return hub

    @classmethod
    def _make(cls, in_own_thread: bool = False) -> Hub:
        """Make the hub of this thread that of the process, unless there is one."""
        # A finaliser that wants the hub now can't be given any.
        with _no_collection():
            hub = cls(gevent.get_hub())
            hub._end = Waiter(hub.gevent_hub) if in_own_thread else None
            cls.instance = chosen = hub if cls.instance is None else cls.instance  # indivisible
            if chosen is not hub:
                hub._close_watchers()
            return chosen

    @classmethod
    def _run_thread(cls, start: _Start) -> None:
        if not start.claim.acquire(blocking=False):
            return
        # As threads of `threading` begin, for debuggers, coverage and profilers. This one is no such thread.
        # Where `threading` has none, the thread keeps what may have been set for it in another way.
        if threading.gettrace() is not None:
            sys.settrace(threading.gettrace())
        if threading.getprofile() is not None:
            sys.setprofile(threading.getprofile())
        threading.current_thread().name = "actors"  # in logs, instead of Dummy-1
        hub = cls._make(in_own_thread=True)
        keep_running = hub.loop.async_()
        keep_running.start(lambda: None)
        start.hub.set(hub)
        assert hub._end is not None
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

    def schedule(self, mailbox: Mailbox) -> None:
        """Give the owner of a mailbox a turn, after those that are waiting for theirs; from any thread.

        A mailbox that is in line already is not put in again: its owner's turn will see what there is to do.
        """
        # Without a lock. Two threads that come at the same time may both put it in: the second turn finds
        # nothing to do. No turn is lost: `due` goes down once the mailbox is out of the line, and before its
        # owner looks into it.
        if mailbox.due:
            return
        mailbox.due = True
        self._line.append(mailbox)
        if not self._woken:
            self._woken = True
            # As `run_soon`, without its call: 1.5 % of a connection (docs/performance.md); held equal by
            # test_an_actor_gets_its_turn_wherever_it_is_asked_for.
            if thread_id() == self.thread_id:
                self.loop.run_callback(self._run_ready)
            else:
                self.loop.run_callback_threadsafe(self._run_ready)

    def _join_and_wake(self, ready: Resident) -> None:
        """As `join_line`, where nothing looks at the line before the hub waits."""
        self._line.append(ready)
        if not self._woken:
            self._come_back()

    def _come_back(self) -> None:
        self._woken = True
        self.loop.run_callback(self._run_ready)

    def schedule_later(self, mailbox: Mailbox) -> None:
        """Give an actor that has just had a turn another one, once sockets were looked at; on this thread.

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

    def _run_ready(self) -> None:
        """Run the turns that are due. Those that become due meanwhile wait until sockets were looked at."""
        # The flag goes down before the line is read, so what is put in from another thread is always seen.
        self._woken = False
        self._due = len(self._line)
        if not self._due:
            return
        if self.watchdog.parked:
            self.watchdog.wake()
        while self._due:
            greenlet = self.idle.pop() if self.idle else self._another_greenlet()
            greenlet.switch()  # comes back when it has run out of turns, or when one waits
        if self._line and not self._woken:
            self._come_back()

    def _another_greenlet(self) -> TurnGreenlet:
        self.greenlets += 1
        return TurnGreenlet(self._run_turns, self.gevent_hub)

    def _run_turns(self) -> None:
        """The life of a pooled greenlet: turns, one after the other."""
        this = gevent.getcurrent()
        next_ready = self._line.popleft
        try:
            while True:
                while self._due:  # when a turn waits, another greenlet goes on with those that are left
                    self._due -= 1
                    self.turns_begun += 1
                    self._run_turn(next_ready(), this)
                if len(self.idle) >= IDLE_GREENLETS:
                    return
                self.idle.append(this)
                self.gevent_hub.switch()
        finally:
            self.greenlets -= 1

    def _run_turn(self, ready: Mailbox | Resident, greenlet: TurnGreenlet) -> None:
        """Run a turn in a greenlet, the actor's own until the turn is over. Nothing escapes from it.

        It is a full turn if a mailbox asked for it. Else it is one for a socket alone, as nearly every turn
        of a session is: the mailbox knows nothing of it, and is not asked but for what has come meanwhile.
        """
        actor: Resident | None
        is_full = isinstance(ready, Mailbox)
        if isinstance(ready, Mailbox):
            mailbox, actor = ready, ready.owner
            mailbox.due = False
            if actor is None or actor.turn_greenlet is not None:
                return  # a turn that waits looks at its end whether another is wanted
        else:
            actor = ready
            mailbox = actor.mailbox
            if actor.turn_greenlet is not None or mailbox.scheduled or mailbox.wanted is not None:
                actor.on_ready_too_soon()
                return
        actor.turn_greenlet = greenlet
        greenlet.ref = actor.actor_ref
        try:
            if is_full:
                actor.turn_context.run(actor.run_full_turn)
            elif actor.turn_context.run(actor.on_ready) or mailbox.scheduled:
                mailbox.rest(True)
        except BaseException as error:
            actor.turn_context.run(actor.end_by, error)
        finally:
            actor.turn_greenlet = greenlet.ref = None

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

    def cut_off(self, greenlet: Any, is_busy: Callable[[], bool], attempt: int = 1) -> None:
        """Throw into a greenlet that waits, again and again if it catches everything.

        Runs in the hub, which gets control back when the greenlet ends or waits again.

        Args:
            greenlet: what waits.
            is_busy: tells whether it still does what is to be cut.
            attempt: how often it was tried, with this time.
        """
        if not is_busy():
            return
        greenlet.throw(GreenletExit)
        if is_busy():
            pause = self.pause_between_cuts(attempt)
            self.timers.call_later(pause, lambda: self.cut_off(greenlet, is_busy, attempt + 1))

    @staticmethod
    def pause_between_cuts(attempt: int) -> float:
        """Seconds between one attempt to cut a greenlet off and the next."""
        return min(0.001 * 2.0**attempt, LONGEST_PAUSE_BETWEEN_CUTS)

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
        hub = cls.instance
        if hub is not None:
            with contextlib.suppress(Exception):
                _stop_all_trees(hub)
            hub._finish()
        cls._exiting = True
        cls.instance = None

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
        hub, cls.instance = cls.instance, None
        cls._starting = None
        if hub is not None:
            hub._close_watchers()  # in a monkey-patched child the loop goes on
            hub._line.clear()
            hub._later.clear()
            hub._due = 0  # nor has a turn that forked any behind it
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
    left = list(hub.actors)
    ends = [actor.actor_ref.actor_stopped for actor in left]
    for actor in left:
        hub.run_soon(actor.end_at_once)
    deadline = time.monotonic() + KILLED_WITHIN
    for end in ends:
        end.wait(max(0.0, deadline - time.monotonic()))


os.register_at_fork(after_in_child=Hub._forget_after_fork)


def _be_the_main_thread_after_fork() -> None:
    """In a child forked by a thread that is none of `threading`'s, such as the hub's or a worker thread.

    There it is the main thread. CPython 3.11's `threading` takes the stand-in that it has for such a thread
    as it is, which lacks the lock that its end asks for: a child of multiprocessing then ended with 1.
    """
    main: Any = threading.main_thread()
    stands_in = type(main).__name__ == "_DummyThread"
    if stands_in and hasattr(main, "_set_tstate_lock"):
        main.__class__ = threading._MainThread  # type: ignore[attr-defined]
        main._daemon = False
        main._set_tstate_lock()


os.register_at_fork(after_in_child=_be_the_main_thread_after_fork)
