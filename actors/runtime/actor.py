"""Pykka actors that run in turns on the hub. The only module that uses Pykka's private hooks.

An actor that has nothing to do is an object with a mailbox: no thread, no greenlet. A message, or the
readiness of a socket, schedules a turn; a pooled greenlet runs it in the actor's own contextvars context.
In its turn an actor may wait: the greenlet is its own until the turn is over, and it takes no other.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import gevent
import pykka
from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr, _ActorStop

from actors import events
from actors.errors import NO_REPLY, ActorDeadError, ActorExit, shown
from actors.log_text import text_of
from actors.messages import Exit
from actors.runtime import links, names, refs
from actors.runtime.bonds import Bonds
from actors.runtime.cutting import cut
from actors.runtime.future import GeventFuture, try_set, try_set_exception
from actors.runtime.hooks import Hooks
from actors.runtime.hub import Hub
from actors.runtime.launch import launch, start_error
from actors.runtime.mailbox import Envelope, Mailbox
from actors.runtime.refs import GeventRef, Stop
from actors.runtime.start_results import IGNORE, Continue
from actors.runtime.turn import context_of_new_actor

A = TypeVar("A", bound="GeventActor")

MESSAGES_PER_TURN = 100
"""What an actor may handle before it queues behind the others (the BEAM's reductions)."""


@dataclass(frozen=True, slots=True)
class SystemCall:
    """Something to do with an actor in its turn, also while it is suspended (see `actors.sys`)."""

    run: Callable[[GeventActor], Any]


_CONTROL = (Stop, _ActorStop, SystemCall)
"""The messages that an actor's own `on_receive` never sees."""

_OF_PROXIES = (ProxyCall, ProxyGetAttr, ProxySetAttr)
"""Nor these, which Pykka carries out."""

_SPECIAL = frozenset({*_CONTROL, *_OF_PROXIES, Exit})
"""All that may not be for `on_receive`: one look tells that nearly every message is."""


class GeventActor(Hooks):
    """An actor in turns on the hub. Write `on_start`, `on_receive`, `on_stop`, `on_failure` as in Pykka.

    Raise `ActorExit(reason)` to end with an exit reason of your own. An exception that escapes from the
    handling of a `tell` ends the actor with that exception as its reason; one raised for an `ask` goes
    to the asker, and the actor lives on.

    Attributes:
        actor_ref: its reference.
        exit_reason: why it ends; set before `on_stop` and `on_failure` run.
        parent: the actor that started it with `start_link`; None otherwise.
        owner: the actor whose tree it is part of; None for the root of a tree.
    """

    # Slots: there are thousands of actors, and CPython is slow at objects of more than 30 attributes.
    __slots__ = (
        "_gone",
        "_reply_to",
        "_started",
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
    """Of those who wait for the stop."""

    _stop_error: Exception | None = None
    """What a hook raised at the end, for who waits for the stop."""

    _last_reply: Any = NO_REPLY

    def __init__(self) -> None:
        self.mailbox = Mailbox()
        self.exit_reason: Any = None
        self.owner: GeventRef[Any] | None = None
        self.actor_ref: GeventRef[Any] = GeventRef(self)
        self.turn_greenlet: Any = None
        self._reply_to: pykka.Future[Any] | None = None
        self._started: GeventFuture[None] | bool = False
        self._gone = False

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

    def report_start_to(self, started: GeventFuture[None] | None) -> None:
        """Say, before it is started, who waits for the outcome of `on_start`."""
        self._started = started or False

    def _start_actor_loop(self) -> None:
        self.enter_hub()

    def enter_hub(self) -> None:
        """Begin to run: the first turn is due."""
        self.turn_context = context_of_new_actor()
        hub = Hub.current()
        hub.actors[self] = None
        if self._gone:  # killed by its name before it began
            hub.actors.pop(self, None)
            pykka.ActorRegistry.unregister(self.actor_ref)
            if isinstance(self._started, GeventFuture):
                try_set_exception(self._started, start_error(self, self.exit_reason))
        self.mailbox.begin(hub, self)

    @property
    def is_asked(self) -> bool:
        """Whether somebody waits for the reply to the message in hand."""
        return self._reply_to is not None

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

    def monitor(self, other: GeventRef[Any] | str) -> links.Monitor:
        """Have one `Down` sent here when the other ends. See `actors.monitor`."""
        return links.monitor(other, self.actor_ref)

    # -- turns --------------------------------------------------------------------------------------

    def is_in_turn_of(self, greenlet: Any) -> bool:
        """Tell whether this greenlet runs the actor's turn."""
        return self.turn_greenlet is greenlet

    def take_full_turn(self, greenlet: Any) -> None:
        """Run a turn that the mailbox was in line for. Nothing escapes from it."""
        if self._gone or self.turn_greenlet is not None:
            return  # a turn that waits looks at the end whether another is wanted
        self.turn_greenlet = greenlet
        greenlet.ref = self.actor_ref
        try:
            self.turn_context.run(self._turn_in_full, self.mailbox)
        except BaseException as error:
            self.turn_context.run(self.end_by, error)
        finally:
            self.turn_greenlet = greenlet.ref = None

    def end_by(self, error: BaseException) -> None:
        """End for what escaped from a turn."""
        try:
            if isinstance(error, ActorExit):
                self._end(error.reason)
            else:
                self._crash(error)
        except BaseException as second:
            self._crash(second)

    def _turn_in_full(self, mailbox: Mailbox) -> None:
        if self._started is not True and not self._initialise():
            return
        again = self._take_messages()
        if self._gone:
            return
        if mailbox.wanted is not None and mailbox.suspended:
            mailbox.rest(False)
            return
        again = self.on_turn() or again
        bonds = self.actor_ref.bonds_if_any
        mailbox.rest(again or (bonds is not None and bonds.signal is not None))

    def _take_messages(self) -> bool:
        """Handle the messages that wait, and an exit signal between two; whether some may be left."""
        ref, mailbox = self.actor_ref, self.mailbox
        for _ in range(MESSAGES_PER_TURN):
            bonds = ref.bonds_if_any
            if bonds is not None and bonds.signal is not None:
                self._end(bonds.signal.reason)
                return False
            if mailbox.waiting is None:
                return False
            envelope = mailbox.take()
            if envelope is None:
                return False
            self._handle(envelope)
            if self._gone:
                return False
        return True

    def _initialise(self) -> bool:
        """Run `on_start` in the first turn; whether the actor lives."""
        waiting = self._started
        try:
            result = self._checked_start()
        except ActorExit as exit_:
            self.start_outcome = exit_.__cause__
            self._fail_start(waiting, exit_.reason, None)
        except BaseException as error:
            self._fail_start(waiting, error, error)
        else:
            if result is IGNORE:
                self.start_outcome = IGNORE
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
            events.emit(events.ActorCrashed(text_of(self), error))
        self._depart(reason)

    def _handle(self, envelope: Envelope) -> None:
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
            if self._reply_to is not None:
                try_set(self._reply_to, response)
        self._reply_to = None

    def _receive(self, message: Any) -> Any:
        if type(message) not in _SPECIAL:
            return self.on_receive(message)
        if isinstance(message, _CONTROL):
            return self._obey(message)
        if isinstance(message, Exit) and message.ref is self.parent:
            raise ActorExit(message.reason)
        if isinstance(message, _OF_PROXIES):
            return self._handle_receive(message)
        return self.on_receive(message)

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
            self._stop_replies = (*self._stop_replies, self._reply_to)
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
        events.emit(events.ActorCrashed(text_of(self), error))
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
                events.emit(events.HookFailed(text_of(self), "on_exit", second))
        self._depart(reason)

    def _depart(self, reason: Any) -> None:
        """The end that nothing can stop: no hook that waits, no switch to another greenlet."""
        if self._gone:
            return
        self._gone = True
        self.exit_reason = reason
        if self._started is not True and self.parent is not None:
            links.spare(self.parent, self.actor_ref)
        try:
            self.release()
        except BaseException as error:
            self._tell_hook_failed("release", error)
        names.free(self.actor_ref)
        if self.in_registry:
            pykka.ActorRegistry.unregister(self.actor_ref)
        unread = self.mailbox.close(reason)
        bonds = self.actor_ref.last_bonds()
        if bonds is not None:
            bonds.set()
        Hub.current().actors.pop(self, None)
        self._answer_all(unread, bonds, reason)
        self.actor_ref.let_go()

    def _answer_all(self, unread: list[Envelope], bonds: Bonds | None, reason: Any) -> None:
        """Nobody who waits for this actor may wait for ever."""
        if self._last_reply is not NO_REPLY:
            try_set(self._reply_to, self._last_reply)
        if self._reply_to is not None:
            try_set_exception(self._reply_to, self._died(reason))
        for envelope in unread:
            if isinstance(envelope.message, Stop | _ActorStop):
                try_set(envelope.reply_to, True)
            else:
                self._drop_unread(envelope.message)
                try_set_exception(envelope.reply_to, self._died(reason))
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
        if isinstance(self._started, GeventFuture):
            if self.start_outcome is IGNORE:
                try_set(self._started, IGNORE)
            try_set_exception(self._started, start_error(self, reason))

    def _drop_unread(self, message: Any) -> None:
        try:
            self.on_unread(message)
        except BaseException as error:
            self._tell_hook_failed("on_unread", error)

    def _tell_hook_failed(self, hook: str, error: BaseException) -> None:
        """Tell of a hook that must not raise; the departure goes on whatever it raised, a kill too."""
        with contextlib.suppress(BaseException):
            events.emit(events.HookFailed(text_of(self), hook, error))

    def _died(self, reason: Any) -> ActorDeadError:
        ended = f"{text_of(self)} ended before it answered (exit reason: {shown(reason)})"
        return ActorDeadError(ended, reason)

    def end_at_once(self) -> None:
        """A kill: in the hub, whatever its turn is doing."""
        self._depart("killed")
        greenlet = self.turn_greenlet
        if greenlet is not None and greenlet is not gevent.getcurrent():
            cut(greenlet, lambda: self.turn_greenlet is greenlet)

    def leave_behind(self) -> None:
        """Be dead in a forked child, where the hub's thread does not exist."""
        self._gone = True
        self.mailbox.break_lock_after_fork()
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


def _forget_after_fork() -> None:
    """In a forked child: names, references and the registry speak of actors of the parent process."""
    refs.forget_after_fork()
    names.forget_after_fork()
    Bonds.forget_after_fork()
    pykka.ActorRegistry._actor_refs_lock = type(pykka.ActorRegistry._actor_refs_lock)()
    pykka.ActorRegistry._actor_refs[:] = [
        ref for ref in pykka.ActorRegistry._actor_refs if not isinstance(ref, GeventRef)
    ]


os.register_at_fork(after_in_child=_forget_after_fork)
