"""Pykka actors that run in turns on the hub. No other module uses Pykka's private hooks.

An actor that has nothing to do is an object with a mailbox: no thread, no greenlet. A message, or the
readiness of a socket, schedules a turn; a pooled greenlet runs it in the actor's own contextvars context.
In its turn an actor may wait: the greenlet is its own until the turn is over, and it takes no other.
"""

from __future__ import annotations

import contextlib
import os
import queue
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import gevent
import pykka
from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr, _ActorStop

from actors import events
from actors.errors import NO_REPLY, ActorDeadError, ActorExit, shown
from actors.log_text import text_of
from actors.messages import Exit
from actors.runtime import links, names
from actors.runtime.bonds import Bonds, Monitor
from actors.runtime.future import CutByExit, GeventFuture, try_set, try_set_exception, waits_for_another
from actors.runtime.hub import Hub
from actors.runtime.launch import IGNORE, Continue, launch, start_error
from actors.runtime.mailbox import GONE, OPEN, Envelope, Mailbox
from actors.runtime.refs import GeventRef, Stop, doing_for

MESSAGES_PER_TURN = 100
"""What an actor may handle before it queues behind the others (the BEAM's reductions)."""


@dataclass(frozen=True, slots=True)
class SystemCall:
    """Something to do with an actor in its turn, also while it is suspended (see `actors.sys`)."""

    run: Callable[[GeventActor], Any]


class GeventActor(pykka.Actor):
    """An actor in turns on the hub. Write `on_start`, `on_receive`, `on_stop`, `on_failure` as in Pykka.

    Raise `ActorExit(reason)` to end with an exit reason of your own. An exception that escapes from the
    handling of a `tell` ends the actor with that exception as its reason; one raised for an `ask` goes
    to the asker, and the actor lives on.

    Attributes:
        actor_ref: its reference.
        exit_reason: why it ends; set before `on_stop` and `on_failure` run.
        parent: the actor that started it with `start_link`; None otherwise.
        owner: the actor whose tree it is part of; None for the root of a tree.
        mailbox: the messages that wait, for the runtime.
        turn_greenlet: in which its turn runs, for the runtime; None between turns.
        turn_context: the contextvars context of its turns, for the runtime.
    """

    in_registry: ClassVar[bool] = True
    """Whether Pykka's `ActorRegistry` knows it. That is a list: not for actors by the thousand."""

    start_timeout: ClassVar[float | None] = None
    """Seconds that `on_start` may take; then it is cut off and the start fails. None sets no limit."""

    vsn: ClassVar[Any] = None
    """The version of the class, for `code_change` of the next class."""

    # Slots: there are thousands of actors, and CPython is slow at objects of more than 30 attributes.
    __slots__ = (
        "_departed",
        "_reply_future",
        "_start_state",
        "actor_ref",
        "exit_reason",
        "mailbox",
        "owner",
        "turn_context",
        "turn_greenlet",
    )

    start_outcome: Any = None
    """Of a start that did not succeed: `IGNORE`, or the exception behind an `ActorExit`."""

    parent: GeventRef[Any] | None = None

    _stop_replies: tuple[pykka.Future[Any], ...] = ()
    """The futures of the callers that wait for the stop."""

    _stop_error: Exception | None = None
    """What a hook raised at the end, for the callers that wait for the stop."""

    _last_reply: Any = NO_REPLY

    actor_ref: GeventRef[Self]

    def __init__(self) -> None:
        self.mailbox = Mailbox()
        self.exit_reason: Any = None
        self.owner: GeventRef[Any] | None = None
        self.actor_ref = GeventRef(self)
        self.turn_greenlet: Any = None
        self._reply_future: pykka.Future[Any] | None = None
        # True once `on_start` has run; before, the future that waits for that, or False.
        self._start_state: GeventFuture[None] | bool = False
        self._departed = False

    # -- hooks, besides Pykka's `on_receive`, `on_stop` and `on_failure` ----------------------------

    def on_start(self) -> Any:
        """Hook: get ready; the starter waits for it.

        Returns:
            None; `IGNORE` to end at once without a fuss; or `Continue(term)`.
        """

    def handle_continue(self, term: Any) -> None:
        """Hook: go on after `on_start` returned `Continue(term)`. The starter waits no more."""

    def run_continue(self, term: Any) -> None:
        """Call `handle_continue`; a behaviour looks at what it returned."""
        self.handle_continue(term)

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

        It then goes on taking messages and raises `ActorExit(reason)` when it is ready. A caller that waits
        for the stop waits till then.
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

    def on_ready(self) -> bool:
        """Hook: the socket is ready whose watcher calls `Hub.join_line`. Tells if there is more to do."""
        return False

    def on_ready_too_soon(self) -> None:
        """Hook: the socket is ready, but a turn is under way or due, or none may be for it; in the hub."""

    def on_unread(self, message: Any) -> None:
        """Hook: a message that came too late to be handled; it must not wait or raise."""

    def on_gone(self, reason: Any) -> None:
        """Hook: the actor is no more, whatever ended it, and all that it was linked to know. As `release`."""

    def release(self) -> None:
        """Hook: let go of sockets and the like, whatever ended the actor. It must not wait or raise."""

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
        actor: GeventActor = cls(*args, **kwargs)
        ref: GeventRef[Any] = launch(actor)
        return ref

    @classmethod
    def start_link(cls, *args: Any, **kwargs: Any) -> GeventRef[Self]:
        """Start an actor linked to the calling actor, its parent.

        Called outside any actor it is bound to the calling greenlet or thread: when that ends, it stops.

        Returns:
            its reference; None if `on_start` returned `IGNORE`.

        Raises:
            StartError: `on_start` failed. A caller that traps exits gets the `Exit` too; others live on.
        """
        actor: GeventActor = cls(*args, **kwargs)
        ref: GeventRef[Any] = launch(actor, linked=True)
        return ref

    @staticmethod
    def _create_actor_inbox() -> Any:
        raise TypeError("an actor of this library makes its mailbox itself")

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return GeventFuture()

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """Pykka's unique name of the actor."""
        return self.actor_ref.actor_urn

    @property
    def actor_inbox(self) -> Any:  # type: ignore[override]
        """The mailbox, by Pykka's name for it."""
        return self.mailbox

    @property
    def actor_stopped(self) -> Any:  # type: ignore[override]
        """Raised when the actor has ended: the part of Pykka's `Event` that is used."""
        return self.actor_ref.bonds

    def _start_actor_loop(self) -> None:
        self.enter_hub()

    def enter_hub(self, started: GeventFuture[None] | None = None) -> None:
        """Begin to run: the first turn is due. `launch` does this, and what else a start may ask for.

        Args:
            started: waits for the outcome of `on_start`; None if nobody does.
        """
        self._start_state = started or False
        context = self.turn_context = copy_context()
        if doing_for.get() is not None:
            context.run(doing_for.set, None)  # what an actor starts elsewhere is another actor
        if self.in_registry:
            pykka.ActorRegistry.register(self.actor_ref)
        hub = Hub.instance or Hub.current()
        hub.actors[self] = None
        if self._departed:  # killed by its name before it began
            hub.actors.pop(self, None)
            pykka.ActorRegistry.unregister(self.actor_ref)
            try_set_exception(started, start_error(self, self.exit_reason))
        self.mailbox.begin(hub, self)

    @property
    def is_asked(self) -> bool:
        """Whether somebody waits for the reply to the message in hand."""
        return self._reply_future is not None

    def take_caller(self) -> pykka.Future[Any] | None:
        """Take over the reply to the message in hand: who takes it answers; None if nobody waits."""
        future, self._reply_future = self._reply_future, None
        return future

    # -- links and monitors -------------------------------------------------------------------------

    @property
    def trap_exits(self) -> bool:
        """Whether exit signals come as `Exit` messages instead of ending the actor."""
        return self.actor_ref.bonds.trap_exits

    @trap_exits.setter
    def trap_exits(self, trap: bool) -> None:
        self.actor_ref.bonds.trap_exits = trap

    def link(self, other: GeventRef[Any]) -> None:
        """Link to another actor: when either ends abnormally, so does the other. See `actors.link`."""
        links.link(self.actor_ref, other)

    def unlink(self, other: GeventRef[Any], *, flush: bool = False) -> None:
        """Undo `link`; with `flush`, also take the other's `Exit` out of the mailbox."""
        links.unlink(self.actor_ref, other, flush=flush)

    def monitor(self, other: GeventRef[Any] | str) -> Monitor:
        """Have one `Down` sent here when the other ends. See `actors.monitor`."""
        return links.monitor(other, self.actor_ref)

    # -- turns --------------------------------------------------------------------------------------

    def is_in_turn_of(self, greenlet: Any) -> bool:
        """Tell whether this greenlet runs the actor's turn."""
        return self.turn_greenlet is greenlet

    def end_by(self, error: BaseException) -> None:
        """End for what escaped from a turn."""
        try:
            if isinstance(error, ActorExit):
                self._end_in_order(error.reason)
            else:
                self._end_crashed(error)
        except BaseException as second:
            self._end_crashed(second)

    def run_full_turn(self) -> None:
        """Handle the messages that wait, and an exit signal between two; then what `on_turn` does."""
        if self._start_state is not True and not self._run_start():
            return
        mailbox = self.mailbox
        for _ in range(MESSAGES_PER_TURN):
            if mailbox.closed is not OPEN:
                mailbox.scheduled = False
                if self._is_signalled():  # else it was killed, and is gone in a moment
                    self._end_signalled()
                return
            # `take` says the same; the look spares its call. Held equal by
            # test_where_a_look_at_a_mailbox_finds_nothing_there_is_nothing.
            envelope = None if mailbox.taken.next is None else mailbox.take()
            if envelope is None:
                break
            self._handle_envelope(envelope)
            if self._departed:
                return
        if mailbox.wanted is not None and mailbox.wanted.suspends:
            mailbox.rest(False)
            return
        # Most actors have nothing to do besides.
        mailbox.rest(type(self).on_turn is not GeventActor.on_turn and self.on_turn())

    def _run_start(self) -> bool:
        """Run `on_start` in the first turn; whether the actor lives."""
        if self.mailbox.closed is not OPEN:
            self.mailbox.scheduled = False
            if self._is_signalled():
                self._depart(self.mailbox.closed)
            return False
        try:
            result = self.on_start()
            if not (result is None or result is IGNORE or isinstance(result, Continue)):
                raise TypeError(f"on_start may return None, IGNORE or Continue(term), not {result!r}")
        except ActorExit as exit_:
            self.start_outcome = exit_.__cause__
            self._depart(exit_.reason)
        except CutByExit:
            self._depart(self.mailbox.closed)
        except BaseException as error:
            if not isinstance(self._start_state, GeventFuture):
                events.emit(events.ActorCrashed(text_of(self), error))
            self._depart(error)
        else:
            if result is IGNORE:
                self.start_outcome = IGNORE
                self._depart("normal")
            elif self.mailbox.closed is not OPEN and self._is_signalled():
                self._end_signalled()
            else:
                waiting, self._start_state = self._start_state, True
                if isinstance(waiting, GeventFuture):
                    try_set(waiting)
                if isinstance(result, Continue):
                    self._continue_start(result.term)
        return not self._departed

    def _continue_start(self, term: Any) -> None:
        try:
            self.run_continue(term)
        except ActorExit as exit_:
            self._end_in_order(exit_.reason)

    def _is_signalled(self) -> bool:
        """Whether an exit signal was sent that the actor does not end for yet."""
        bonds = self.actor_ref.bonds_if_any
        return bonds is not None and bonds.signalled

    def must_end(self, error: BaseException) -> bool:
        """Tell whether a turn is over with what it raised: it was cut off, or the actor was killed."""
        return self._departed or isinstance(error, CutByExit)

    def _handle_envelope(self, envelope: Envelope) -> None:
        # The envelope stays the end of the mailbox's chain for a while; what was in it need not.
        message, envelope.message = envelope.message, GONE  # indivisible
        if message is GONE:
            return  # taken back in another thread
        reply_to = self._reply_future = envelope.reply_to
        envelope.reply_to = None
        try:
            handle = _HANDLERS.get(type(message))
            response = self.on_receive(message) if handle is None else handle(self, message)
        except ActorExit as exit_:
            self._last_reply = exit_.reply
            self._end_in_order(exit_.reason)
        except Exception as error:
            if reply_to is None or not _hears(reply_to, error):
                self._end_crashed(error)
        except CutByExit:
            self._end_signalled()  # which tells the asker
        except BaseException as error:
            # As it is, a SystemExit would end the asking program, and pass all its `except Exception`.
            death = self._death_error(error)
            death.__cause__ = error
            try_set_exception(reply_to, death)
            self._end_crashed(error)
        else:
            if self._reply_future is not None:
                try_set(self._reply_future, response)
        self._reply_future = None

    def _heed_exit(self, message: Exit) -> Any:
        if message.ref is self.parent:
            raise ActorExit(message.reason)
        return self.on_receive(message)

    def _heed_system_call(self, call: SystemCall) -> Any:
        return call.run(self)

    def _heed_stop(self, message: Stop | _ActorStop) -> None:
        self.mailbox.resume()  # winding up may take messages
        # A caller that waits for the stop hears when the actor is gone, not when it begins to go.
        if self._reply_future is not None:
            self._stop_replies = (*self._stop_replies, self._reply_future)
            self._reply_future = None
        self.on_stop_request(message.reason if isinstance(message, Stop) else "normal")

    def is_urgent(self, message: Any) -> bool:
        """Tell whether a message is acted on even while the actor is suspended."""
        if isinstance(message, Exit):
            return message.ref is self.parent
        return isinstance(message, Stop | _ActorStop | SystemCall)

    def minds(self, message: Any) -> bool:
        """Tell whether a message is for the actor's own machinery, and not for `actors.receive` to take."""
        return (type(message) in _HANDLERS and not isinstance(message, Exit)) or self.is_urgent(message)

    def stop(self, reason: Any = "normal") -> None:
        """Send itself the poison pill, behind the messages it has."""
        self.actor_ref.tell(Stop(reason))

    # -- ending -------------------------------------------------------------------------------------

    def _end_crashed(self, error: BaseException) -> None:
        if self._departed or self.exit_reason is not None:
            return
        if isinstance(error, CutByExit):
            self._end_signalled()
            return
        if isinstance(error, KeyboardInterrupt):
            Hub.current().interrupt(error)
        events.emit(events.ActorCrashed(text_of(self), error))
        self._end_in_order(error, error)

    def _end_signalled(self) -> None:
        """End in good order for the exit signal that has shut the mailbox."""
        self.actor_ref.bonds.signalled = False
        self._end_in_order(self.mailbox.closed)

    def _end_in_order(self, reason: Any, error: BaseException | None = None) -> None:
        """End in good order: the hooks, then the departure. What a hook raises is the reason then."""
        if self._departed or self.exit_reason is not None:
            return
        self.exit_reason = reason
        try:
            self.on_exit(reason, error)
        except BaseException as second:
            if isinstance(second, CutByExit):
                reason = self.mailbox.closed  # the signal came when the end had begun for something else
            elif not self._departed:
                if isinstance(second, Exception) and not _is_exit_for(second, reason):
                    self._stop_error = second
                reason = second.reason if isinstance(second, ActorExit) else second
                events.emit(events.HookFailed(text_of(self), "on_exit", second))
        self._depart(reason)

    def _depart(self, reason: Any) -> None:
        """The end that nothing can stop: no hook that waits, no switch to another greenlet."""
        if self._departed:
            return
        self._departed = True
        self.exit_reason = reason
        if self._start_state is not True and self.parent is not None:
            links.spare(self.parent, self.actor_ref)
        try:
            self.release()
        except BaseException as error:
            self._tell_hook_failed("release", error)
        unread = self.mailbox.close(reason)
        names.free(self.actor_ref)
        if self.in_registry:
            pykka.ActorRegistry.unregister(self.actor_ref)
        bonds = self.actor_ref.bonds_if_any
        if bonds is not None:
            bonds.set()
        Hub.current().actors.pop(self, None)
        self._answer_everybody(unread, bonds, reason)
        self.actor_ref.let_go()

    def _answer_everybody(self, unread: list[Envelope], bonds: Bonds | None, reason: Any) -> None:
        """Answer all callers that wait for this actor, and all that are bound to it."""
        if self._last_reply is not NO_REPLY:
            try_set(self._reply_future, self._last_reply)
        if self._reply_future is not None:
            try_set_exception(self._reply_future, self._death_error(reason))
        for envelope in unread:
            if isinstance(envelope.message, Stop | _ActorStop):
                try_set(envelope.reply_to, bool(self._stop_replies))  # False if something else has ended it
            else:
                self._drop_unread(envelope.message)
                try_set_exception(envelope.reply_to, self._death_error(reason))
        if bonds is not None:
            links.tell_of_end(self.actor_ref, bonds, reason)
        try:
            self.on_gone(reason)
        except BaseException as error:
            self._tell_hook_failed("on_gone", error)
        for reply_to in self._stop_replies:
            if self._stop_error is not None:
                try_set_exception(reply_to, self._stop_error)
            try_set(reply_to, True)
        if isinstance(self._start_state, GeventFuture):
            if self.start_outcome is IGNORE:
                try_set(self._start_state, IGNORE)
            try_set_exception(self._start_state, start_error(self, reason))

    def _drop_unread(self, message: Any) -> None:
        try:
            self.on_unread(message)
        except BaseException as error:
            self._tell_hook_failed("on_unread", error)

    def _tell_hook_failed(self, hook: str, error: BaseException) -> None:
        """Tell of a hook that must not raise; the departure goes on whatever it raised, a kill too."""
        with contextlib.suppress(BaseException):
            events.emit(events.HookFailed(text_of(self), hook, error))

    def _death_error(self, reason: Any) -> ActorDeadError:
        ended = f"{text_of(self)} ended before it answered (exit reason: {shown(reason)})"
        return ActorDeadError(ended, reason)

    def end_at_once(self) -> None:
        """A kill: in the hub, whatever its turn is doing."""
        self._depart("killed")
        greenlet = self.turn_greenlet
        if greenlet is not None and greenlet is not gevent.getcurrent():
            Hub.current().cut_off(greenlet, lambda: self.turn_greenlet is greenlet)

    def heed_signal(self) -> None:
        """An exit signal has shut the mailbox: end in order, as soon as no turn is under way; in the hub."""
        if self._departed or not self._is_signalled():
            return
        if self.turn_greenlet is None:
            self.mailbox.last_turn()
        else:
            self._cut_wait(self.turn_greenlet)

    def _cut_wait(self, greenlet: Any, attempt: int = 1) -> None:
        """Cut off a turn as soon as it waits for another actor, if it does so at all; in the hub."""
        if self.turn_greenlet is not greenlet or self._departed or not self._is_signalled():
            return
        if waits_for_another(greenlet):
            greenlet.throw(CutByExit)
        if self.turn_greenlet is greenlet:
            hub = Hub.current()
            pause = hub.pause_between_cuts(attempt)
            hub.timers.call_later(pause, lambda: self._cut_wait(greenlet, attempt + 1))

    def leave_behind(self) -> None:
        """Be dead in a forked child, where the hub's thread does not exist."""
        self._departed = True
        unread = self.mailbox.close("forked")
        bonds = self.actor_ref.bonds_if_any
        if bonds is not None:
            bonds.ended = True
            bonds.set()
        self.release()
        for envelope in unread:
            self.on_unread(envelope.message)
            try_set_exception(envelope.reply_to, ActorDeadError(f"{self} is in the parent process", "forked"))
        self.actor_ref.let_go()


def _is_exit_for(error: BaseException, reason: Any) -> bool:
    """Whether an exception is the exit that was asked for: to OTP's `stop` no failure."""
    try:
        return isinstance(error, ActorExit) and bool(error.reason == reason)
    except Exception:  # a reason's own method: nobody's end may hang on it
        return False


def _hears(asker: pykka.Future[Any], error: Exception) -> bool:
    """Have an asker hear an exception; False if it was answered before."""
    try:
        asker.set_exception((type(error), error, error.__traceback__))
    except queue.Full:
        return False
    return True


_HANDLERS: dict[type, Callable[[Any, Any], Any]] = {
    Exit: GeventActor._heed_exit,
    Stop: GeventActor._heed_stop,
    _ActorStop: GeventActor._heed_stop,
    SystemCall: GeventActor._heed_system_call,
    # What Pykka's proxies ask for, Pykka carries out.
    ProxyCall: GeventActor._handle_receive,
    ProxyGetAttr: GeventActor._handle_receive,
    ProxySetAttr: GeventActor._handle_receive,
}
"""Messages that are not, or not always, for an actor's own `on_receive`."""


def _forget_after_fork() -> None:
    """In a forked child: the registry speaks of actors of the parent process."""
    registry = pykka.ActorRegistry
    registry._actor_refs_lock = type(registry._actor_refs_lock)()
    registry._actor_refs[:] = [ref for ref in registry._actor_refs if not isinstance(ref, GeventRef)]


os.register_at_fork(after_in_child=_forget_after_fork)
