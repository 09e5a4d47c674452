"""Pykka actors that run in turns on the hub. The only module that uses Pykka's private hooks.

An actor that has nothing to do is an object with a mailbox: no thread, no greenlet. A message, or the
readiness of a socket, schedules a turn; a pooled greenlet runs it in the actor's own contextvars context.
In its turn an actor may wait: the greenlet is its own until the turn is over, and it takes no other.
"""

from __future__ import annotations

import itertools
import os
import queue
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

import gevent
import pykka
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from actors import binding, events, links, names
from actors.errors import NO_REPLY, ActorDeadError, ActorExit, CallingSelf, StartError, shown
from actors.future import GeventFuture, Signal, try_set, try_set_exception
from actors.hub import Hub
from actors.mailbox import OPEN, Mailbox
from actors.messages import Exit
from actors.start_results import IGNORE, Continue
from actors.turn_context import current, running

A = TypeVar("A", bound="GeventActor")

MESSAGES_PER_TURN = 100
"""What an actor may handle before it queues behind the others (the BEAM's reductions)."""

_numbers = itertools.count(1)
_process = os.urandom(6).hex()


@dataclass(frozen=True, slots=True)
class Stop:
    """The poison pill of one actor: end with `reason` when your turn at it comes."""

    reason: Any = "normal"


@dataclass(frozen=True, slots=True)
class SystemCall:
    """Something to do with an actor in its turn, also while it is suspended (see `actors.sys`)."""

    run: Callable[[GeventActor], Any]


_CONTROL = (Stop, _ActorStop, SystemCall)
"""The messages that an actor's own `on_receive` never sees."""


class _StopFuture(GeventFuture[bool]):
    """What `stop` returns: True once the actor is gone, False if it was dead already."""

    def set_exception(self, exc_info: Any = None) -> None:
        if isinstance(exc_info[1], ActorDeadError):
            self.set(False)
        else:
            super().set_exception(exc_info)


class GeventRef(pykka.ActorRef[A]):
    """A reference to an actor of this library, for use in any thread, greenlet or asyncio task."""

    bonds: links.Bonds
    mailbox: Mailbox

    def __init__(self, actor: A) -> None:
        super().__init__(actor)
        self.bonds = actor.bonds
        self.mailbox = actor.mailbox

    @property
    def exit_reason(self) -> Any:
        """The actor's exit reason; None while it lives."""
        closed = self.mailbox.closed
        return None if closed is OPEN else closed

    def tell(self, message: Any) -> None:
        """Send a message.

        Raises:
            ActorDeadError: the actor is dead; its `reason` is the exit reason.
        """
        self.mailbox.put(Envelope(message))

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """Send a message and wait for the reply.

        Args:
            message: any object.
            block: False returns a future at once, which any thread, greenlet or asyncio task may wait for.
            timeout: seconds; None waits for ever.

        Raises:
            pykka.Timeout: no reply came in time.
            ActorDeadError: the actor is dead or died before it replied.
            CallingSelf: an actor asks itself in its own turn.
            Exception: what the actor raised.
        """
        if block and self._is_in_turn():
            raise CallingSelf(f"{self} asks itself and would wait for ever", "calling_self")
        future: GeventFuture[Any] = GeventFuture()
        self.mailbox.put(Envelope(message, reply_to=future))
        return future.get(timeout=timeout) if block else future

    def stop(self, *, block: bool = True, timeout: float | None = None, reason: Any = "normal") -> Any:
        """Give the actor the poison pill, behind the messages it has.

        Called by the actor itself, or by one that it owns, it does not wait: they would wait for each other.

        Args:
            block: wait until the actor is gone; False returns a future at once.
            timeout: seconds to wait; None waits for ever.
            reason: the exit reason.

        Returns:
            True if the actor is stopped by this, False if it was dead already.

        Raises:
            pykka.Timeout: it is not gone yet; it will end all the same.
            Exception: what its `on_stop` raised; it is gone then.
        """
        future = _StopFuture()
        self.mailbox.put(Envelope(Stop(reason), reply_to=future))
        if not block:
            return future
        return True if is_inside(self) else future.get(timeout=timeout)

    def kill(self) -> None:
        """End the actor at once with reason `killed`, even in the middle of a turn that waits.

        None of its hooks runs; its sockets are closed. A call it has in a worker thread goes on, its
        result is dropped. A turn that computes without waiting can't be cut.
        """
        actor = self._actor_weakref()
        hub = Hub.running()
        if actor is not None and hub is not None:
            hub.run_soon(actor._kill)

    def own_actor(self) -> A | None:
        """The actor itself, for itself in its turn; None for everybody else."""
        return self._actor_weakref() if self._is_in_turn() else None

    def _is_in_turn(self) -> bool:
        """Tell whether the caller is the actor in its turn, or a worker thread that the turn waits for."""
        if running.get() is not self:
            return False
        hub = Hub.running()
        actor = self._actor_weakref()
        return hub is None or not hub.is_here() or actor is None or actor._greenlet is gevent.getcurrent()


class GeventActor(pykka.Actor):
    """An actor in turns on the hub. Write `on_start`, `on_receive`, `on_stop`, `on_failure` as in Pykka.

    Raise `ActorExit(reason)` to end with an exit reason of your own. An exception that escapes from the
    handling of a `tell` ends the actor with that exception as its reason; one raised for an `ask` goes
    to the asker, and the actor lives on.

    Attributes:
        exit_reason: why it ends; set before `on_stop` and `on_failure` run.
        parent: the actor that started it with `start_link`; None otherwise.
        owner: the actor whose tree it is part of; None for the root of a tree.
    """

    in_registry: ClassVar[bool] = True
    """Whether Pykka's `ActorRegistry` knows it. That is a list: not for actors by the thousand."""

    start_timeout: ClassVar[float | None] = None
    """Seconds that `on_start` may take; then it is cut off and the start fails. None sets no limit."""

    vsn: ClassVar[Any] = None
    """The version of the class, for `code_change` of the one that follows it."""

    _outcome: Any = None
    """Of a start that did not succeed: `IGNORE`, or the exception behind an `ActorExit`."""

    _stop_error: Exception | None = None
    """What a hook raised at the end, for who waits for the stop."""

    _last_reply: Any = NO_REPLY

    def __init__(self) -> None:
        self.actor_urn = f"urn:actor:{_process}:{next(_numbers)}"
        self.bonds = links.Bonds()
        self.mailbox = Mailbox(self._schedule)
        self.actor_inbox = self.mailbox
        self.actor_stopped = Signal()  # type: ignore[assignment]  # the part of Event that is used
        self.exit_reason: Any = None
        self.parent: GeventRef[Any] | None = None
        self.owner: GeventRef[Any] | None = None
        self._actor_ref: GeventRef[Any] = GeventRef(self)
        self._greenlet: Any = None
        self._reply_to: pykka.Future[Any] | None = None
        self._stop_replies: list[pykka.Future[Any]] | None = None
        self._started: GeventFuture[None] | bool = False
        self._gone = False

    @property
    def actor_ref(self) -> GeventRef[Any]:
        """The actor's reference."""
        return self._actor_ref

    # -- starting -----------------------------------------------------------------------------------

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> GeventRef[Self]:
        """Start an actor and wait until its `on_start` has run.

        Args:
            args, kwargs: for the constructor, which runs in the calling thread.

        Returns:
            its reference; None if `on_start` returned `IGNORE`.

        Raises:
            StartError: `on_start` failed; its `reason` says why.
        """
        return launch(cls(*args, **kwargs))

    @classmethod
    def start_link(cls, *args: Any, **kwargs: Any) -> GeventRef[Self]:
        """Start an actor linked to the calling actor, its parent.

        Called outside any actor it is bound to the calling greenlet or thread: when that ends, it stops.

        Returns:
            its reference; None if `on_start` returned `IGNORE`.

        Raises:
            StartError: `on_start` failed. A caller that traps exits gets the `Exit` too; others live on.
        """
        return launch(cls(*args, **kwargs), linked=True)

    @staticmethod
    def _create_actor_inbox() -> Any:
        raise TypeError("an actor of this library makes its mailbox itself")

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return GeventFuture()

    def _start_actor_loop(self) -> None:
        context = copy_context()
        context.run(running.set, self._actor_ref)
        self._run_in_context = context.run
        hub = Hub.current()
        self._schedule_turn: Callable[[GeventActor], None] = hub.schedule
        hub.actors[self] = None
        if self._gone:  # killed by its name before it began
            hub.actors.pop(self, None)
            pykka.ActorRegistry.unregister(self._actor_ref)
            if isinstance(self._started, GeventFuture):
                try_set_exception(self._started, _start_error(self, self.exit_reason))
        self.mailbox.rest(again=True)

    # -- hooks --------------------------------------------------------------------------------------

    def on_start(self) -> Any:
        """Hook: get ready; the starter waits for it.

        Returns:
            None; `IGNORE` to end at once without a fuss; or `Continue(term)`.
        """

    def handle_continue(self, term: Any) -> None:
        """Hook: go on after `on_start` returned `Continue(term)`. The starter waits no more."""

    @classmethod
    def code_change(cls, old_vsn: Any, state: dict[str, Any], extra: Any) -> dict[str, Any]:
        """Hook: the attributes of an actor that becomes one of this class (see `actors.sys.change_code`).

        Args:
            old_vsn: the old class's `vsn`.
            state: a copy of the attributes that the actor has of its own, to be changed or not.
            extra: what the caller of `change_code` said.
        """
        return state

    def on_stop_request(self, reason: Any) -> None:
        """Hook: the poison pill has come. An actor that must wind up first overrides this.

        It then goes on taking messages and raises `ActorExit(reason)` when it is ready; whoever waits for
        the stop waits till then.
        """
        raise ActorExit(reason)

    def on_exit(self, reason: Any, error: BaseException | None) -> None:
        """Hook: the actor ends; it may still wait here. Not run for a kill or a failed `on_start`.

        Args:
            reason: the exit reason.
            error: the exception, if that is why.
        """
        if error is None:
            self.on_stop()
        else:
            self.on_failure(type(error), error, error.__traceback__)

    def on_turn(self) -> bool:
        """Hook: the messages of a turn are done. Returns whether there is more to do without a message."""
        return False

    def on_unread(self, message: Any) -> None:
        """Hook: a message that came too late to be handled; it must not wait or raise."""

    def release(self) -> None:
        """Hook: let go of sockets and the like, whatever ended the actor. It must not wait or raise."""

    @property
    def is_asked(self) -> bool:
        """Whether somebody waits for the reply to the message in hand."""
        return self._reply_to is not None

    # -- links and monitors -------------------------------------------------------------------------

    @property
    def trap_exits(self) -> bool:
        """Whether exit signals come as `Exit` messages instead of ending the actor."""
        return self.bonds.trap_exits

    @trap_exits.setter
    def trap_exits(self, trap: bool) -> None:
        self.bonds.trap_exits = trap

    def link(self, other: GeventRef[Any]) -> None:
        """Link to another actor: when either ends abnormally, so does the other. See `actors.links.link`."""
        links.link(self.actor_ref, other)

    def unlink(self, other: GeventRef[Any], *, flush: bool = False) -> None:
        """Undo `link`; with `flush`, also take the other's `Exit` out of the mailbox."""
        links.unlink(self.actor_ref, other, flush=flush)

    def monitor(self, other: GeventRef[Any] | str) -> links.Monitor:
        """Have one `Down` sent here when the other ends. See `actors.links.monitor`."""
        return links.monitor(other, self.actor_ref)

    # -- turns --------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        self._schedule_turn(self)

    def take_turn(self, greenlet: Any) -> None:
        """Run one turn; for the hub. Nothing escapes from it."""
        if self._gone:
            return
        self._greenlet = greenlet
        try:
            self._run_in_context(self._turn)
        except BaseException as error:
            self._crash(error)
        finally:
            self._greenlet = None

    def _turn(self) -> None:
        if self._started is not True and not self._initialise():
            return
        bonds, mailbox = self.bonds, self.mailbox
        again = False
        for _ in range(MESSAGES_PER_TURN):
            if bonds.signal is not None:
                self._end(bonds.signal.reason)
                return
            envelope = mailbox.take()
            if envelope is None:
                break
            self._handle(envelope)
            if self._gone:
                return
        else:
            again = True
        if mailbox.suspended:
            mailbox.rest(False)
            return
        try:
            again = self.on_turn() or again
        except ActorExit as exit_:
            self._end(exit_.reason)
        except BaseException as error:
            self._crash(error)
        else:
            mailbox.rest(again)

    def _initialise(self) -> bool:
        """Run `on_start` in the first turn; whether the actor lives."""
        waiting = self._started
        try:
            result = self._checked_start()
        except ActorExit as exit_:
            self._outcome = exit_.__cause__
            self._fail_start(waiting, exit_.reason, None)
        except BaseException as error:
            self._fail_start(waiting, error, error)
        else:
            if result is IGNORE:
                self._outcome = IGNORE
                self._fail_start(waiting, "normal", None)
            else:
                self._begin(waiting, result)
        return not self._gone

    def _checked_start(self) -> Any:
        result = self.on_start()
        if result is None or result is IGNORE or isinstance(result, Continue):
            return result
        raise TypeError(f"on_start may return None, IGNORE or Continue(term), not {result!r}")

    def _begin(self, waiting: Any, result: Any) -> None:
        self._started = True
        if isinstance(waiting, GeventFuture):
            try_set(waiting)
        if isinstance(result, Continue):
            try:
                self.handle_continue(result.term)
            except ActorExit as exit_:
                self._end(exit_.reason)

    def _fail_start(self, waiting: Any, reason: Any, error: BaseException | None) -> None:
        if not isinstance(waiting, GeventFuture) and error is not None:
            events.emit(events.ActorCrashed(str(self), error))
        self._depart(reason)

    def _handle(self, envelope: Envelope[Any]) -> None:
        reply_to = self._reply_to = envelope.reply_to
        try:
            response = self._receive(envelope.message)
        except ActorExit as exit_:
            self._last_reply = exit_.reply
            self._end(exit_.reason)
        except Exception as error:
            if reply_to is None:
                self._crash(error)
            else:
                try_set_exception(reply_to, error)
        except BaseException as error:
            try_set_exception(reply_to, error)
            self._crash(error)
        else:
            try_set(self._reply_to, response)
        self._reply_to = None

    def _receive(self, message: Any) -> Any:
        if isinstance(message, _CONTROL):
            return self._obey(message)
        if isinstance(message, Exit) and message.ref is self.parent:
            raise ActorExit(message.reason)
        return self._handle_receive(message)

    def _obey(self, message: Any) -> Any:
        if isinstance(message, SystemCall):
            return message.run(self)
        self._note_stop_request(message.reason if isinstance(message, Stop) else "normal")
        return None

    def is_urgent(self, message: Any) -> bool:
        """Tell whether a message is acted on even while the actor is suspended."""
        return isinstance(message, _CONTROL) or (isinstance(message, Exit) and message.ref is self.parent)

    def _note_stop_request(self, reason: Any) -> None:
        self.mailbox.resume()  # winding up may take messages
        # Whoever waits for the stop hears when the actor is gone, not when it begins to go.
        if self._reply_to is not None:
            self._stop_replies = [*(self._stop_replies or ()), self._reply_to]
            self._reply_to = None
        self.on_stop_request(reason)

    def stop(self, reason: Any = "normal") -> None:
        """Send itself the poison pill, behind the messages it has."""
        self.actor_ref.tell(Stop(reason))

    # -- ending -------------------------------------------------------------------------------------

    def _crash(self, error: BaseException) -> None:
        if self._gone or self.exit_reason is not None:
            return
        if isinstance(error, KeyboardInterrupt):
            Hub.current().interrupt(error)
        events.emit(events.ActorCrashed(str(self), error))
        self._end(error, error)

    def _end(self, reason: Any, error: BaseException | None = None) -> None:
        """End in good order: the hooks, then the departure."""
        if self._gone or self.exit_reason is not None:
            return
        self.exit_reason = reason
        try:
            self.on_exit(reason, error)
        except BaseException as second:
            if not self._gone:
                self._stop_error = second if isinstance(second, Exception) else None
                events.emit(events.HookFailed(str(self), "on_exit", second))
        self._depart(reason)

    def _depart(self, reason: Any) -> None:
        """The end that nothing can stop: no hook that waits, no switch to another greenlet."""
        if self._gone:
            return
        self._gone = True
        self.exit_reason = reason
        if self._started is not True and self.parent is not None:
            links.spare(self.parent, self._actor_ref)
        try:
            self.release()
        except Exception as error:
            events.emit(events.HookFailed(str(self), "release", error))
        names.free(self._actor_ref)
        if self.in_registry:
            pykka.ActorRegistry.unregister(self._actor_ref)
        unread = self.mailbox.close(reason)
        self.actor_stopped.set()
        Hub.current().actors.pop(self, None)
        self._answer_all(unread, reason)

    def _answer_all(self, unread: list[Envelope[Any]], reason: Any) -> None:
        """Nobody who waits for this actor may wait for ever."""
        if self._last_reply is not NO_REPLY:
            try_set(self._reply_to, self._last_reply)
        died = ActorDeadError(f"{self} ended before it answered (exit reason: {shown(reason)})", reason)
        try_set_exception(self._reply_to, died)
        for envelope in unread:
            if isinstance(envelope.message, Stop | _ActorStop):
                try_set(envelope.reply_to, True)
            else:
                self.on_unread(envelope.message)
                try_set_exception(envelope.reply_to, died)
        links.tell_of_end(self._actor_ref, reason)
        for reply_to in self._stop_replies or ():
            if self._stop_error is not None:
                try_set_exception(reply_to, self._stop_error)
            try_set(reply_to, True)
        if isinstance(self._started, GeventFuture):
            if self._outcome is IGNORE:
                try_set(self._started, IGNORE)
            try_set_exception(self._started, _start_error(self, reason))

    def _kill(self) -> None:
        """Runs in the hub."""
        self._depart("killed")
        self._cut_turn(1)

    def _cut_turn(self, attempt: int) -> None:
        """Throw into a turn that waits, again and again for one that catches everything."""
        greenlet = self._greenlet
        if greenlet is None or greenlet is gevent.getcurrent():
            return
        greenlet.throw(gevent.GreenletExit)
        if self._greenlet is greenlet:
            Hub.current().timers.call_later(min(0.001 * 2**attempt, 1.0), lambda: self._cut_turn(attempt + 1))

    def leave_behind(self) -> None:
        """Be dead in a forked child, where the hub's thread does not exist."""
        self._gone = True
        self.mailbox.break_lock_after_fork()
        unread = self.mailbox.close("forked")
        self.bonds.ended = True
        self.actor_stopped.set()
        self.release()
        for envelope in unread:
            self.on_unread(envelope.message)
            try_set_exception(envelope.reply_to, ActorDeadError(f"{self} is in the parent process", "forked"))


def launch(
    actor: A,
    *,
    name: str | None = None,
    linked: bool = False,
    owner: GeventRef[Any] | None = None,
    wait: bool = True,
    start_timeout: float | None = None,
) -> GeventRef[A]:
    """Start an actor that was made but not started.

    Args:
        actor: the actor.
        name: a local name to register it under before it runs.
        linked: link it to the calling actor, its parent; outside any actor, bind it to the caller's thread.
        owner: the actor whose tree it is part of.
        wait: wait for `on_start`, and raise what it raised.
        start_timeout: seconds that `on_start` may take; by default the class's `start_timeout`.

    Returns:
        its reference; None if `on_start` returned `IGNORE`.

    Raises:
        AlreadyStarted: the name is taken.
        StartError: `on_start` failed, or took too long (reason `timeout`).
    """
    ref = actor.actor_ref
    actor.owner = owner
    started: GeventFuture[None] | None = GeventFuture() if wait else None
    actor._started = started or False
    if name is not None:
        names.register(name, ref)
    if actor.in_registry:
        pykka.ActorRegistry.register(ref)
    caller = current()
    if linked and caller is not None:
        actor.parent = caller
        links.link(caller, ref)
    actor._start_actor_loop()
    limit = actor.start_timeout if start_timeout is None else start_timeout
    if started is not None and _await_start(actor, started, limit) is IGNORE:
        return None  # type: ignore[return-value]  # rare; every other caller is spared to ask
    if linked and caller is None:
        binding.on_caller_end(lambda: ref.stop(block=False))
    return ref


def _await_start(actor: GeventActor, started: GeventFuture[None], limit: float | None) -> Any:
    """Wait for `on_start`, and cut it off when its time is over."""
    try:
        return started.get(timeout=limit)
    except pykka.Timeout:
        error = _start_error(actor, "timeout")
        try:
            started.set_exception((StartError, error, None))
        except queue.Full:
            return started.get()  # it was done in the nick of time
    if actor.parent is not None:
        links.spare(actor.parent, actor.actor_ref)
    actor.actor_ref.kill()
    actor.actor_ref.actor_stopped.wait()
    raise error


def adopt(ref: GeventRef[Any], parent: GeventRef[Any]) -> None:
    """Make an actor, however it was started, a child of another: linked to it and part of its tree.

    Raises:
        TypeError: `ref` is no actor of this library.
    """
    links.link(parent, ref)
    actor = ref._actor_weakref()
    if actor is not None:
        actor.parent = actor.owner = parent


def is_inside(root: GeventRef[Any]) -> bool:
    """Tell whether the caller runs in a turn of `root` or of an actor in its tree."""
    ref = running.get()
    while ref is not None and ref is not root:
        actor = ref._actor_weakref()
        ref = actor.owner if actor is not None else None
    return ref is root


def ask_any(ref: pykka.ActorRef[Any], message: Any) -> GeventFuture[Any]:
    """Ask any Pykka actor, threaded ones too, with a future that greenlets may wait for."""
    future: GeventFuture[Any] = GeventFuture()
    if ref.is_alive():
        ref.actor_inbox.put(Envelope(message, reply_to=future))
    else:
        try_set_exception(future, ActorDeadError(f"{ref} is dead", getattr(ref, "exit_reason", "noproc")))
    return future


def _start_error(actor: GeventActor, reason: Any) -> StartError:
    if isinstance(reason, StartError):
        return reason
    error = StartError(f"{type(actor).__name__} could not be started: {shown(reason)}")
    error.reason = reason
    cause = reason if isinstance(reason, BaseException) else actor._outcome
    if isinstance(cause, BaseException):
        error.__cause__ = cause
    return error


def _forget_after_fork() -> None:
    """In a forked child: names, references and the registry speak of actors of the parent process."""
    global _process
    _process = os.urandom(6).hex()
    names.forget_after_fork()
    links.forget_after_fork()
    pykka.ActorRegistry._actor_refs_lock = type(pykka.ActorRegistry._actor_refs_lock)()
    pykka.ActorRegistry._actor_refs[:] = [
        ref for ref in pykka.ActorRegistry._actor_refs if not isinstance(ref, GeventRef)
    ]


os.register_at_fork(after_in_child=_forget_after_fork)
