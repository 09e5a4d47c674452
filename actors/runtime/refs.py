"""References to actors: how to send, ask, stop and kill from anywhere, and what an actor is bound to.

The caller itself is known by a reference, too: `current` is the actor in whose turn it runs. The greenlet of
a turn says so while the turn lasts. What an actor has done for it elsewhere (in a worker thread, beside its
turns, in an asyncio loop) runs in a context that says so. What a turn starts by other means is outside, as
`spawn` makes another process in Erlang.
"""

from __future__ import annotations

import itertools
import os
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import gevent
import pykka

from actors.errors import ActorDeadError, CallingSelf
from actors.runtime.bonds import Bonds, Monitor, await_from_inside
from actors.runtime.future import GeventFuture, try_set, try_set_exception
from actors.runtime.hub import Hub, TurnGreenlet
from actors.runtime.mailbox import OPEN, Envelope, Mailbox, refuse
from actors.seconds import wait_seconds

A = TypeVar("A", bound=pykka.Actor)

_process = os.urandom(6).hex()
"""In the names of the actors of this process."""
_numbers = itertools.count(1)

doing_for: ContextVar[GeventRef[Any] | None] = ContextVar("actors.doing_for", default=None)
"""The actor that something is done for outside its turns."""


# -- references -------------------------------------------------------------------------------------


class Far(Protocol):
    """What carries links and monitors to an actor that lives elsewhere: it only queues them."""

    def linked(self, one: GeventRef[Any]) -> None:
        """An actor here is to be linked to it. Raises: ValueError, if it can't be."""

    def unlinked(self, one: GeventRef[Any]) -> None:
        """An actor here was unlinked from it."""

    def link_broken(self, one: GeventRef[Any], reason: Any) -> None:
        """An actor here that was linked to it has ended."""

    def watched(self, watching: Monitor) -> None:
        """It is monitored from here."""

    def unwatched(self, watching: Monitor) -> None:
        """A monitor of it has ended."""

    def send_exit(self, reason: Any, sender: GeventRef[Any] | None) -> None:
        """Send it an exit signal."""


class Referred(Protocol):
    """An actor, as far as its reference knows it."""

    mailbox: Mailbox
    owner: GeventRef[Any] | None

    def is_in_turn_of(self, greenlet: Any) -> bool:
        """Tell whether this greenlet runs the actor's turn."""

    def end_at_once(self) -> None:
        """Be killed; in the hub."""

    def heed_signal(self) -> None:
        """An exit signal has shut the mailbox; in the hub."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The poison pill of one actor: end with `reason` when your turn at it comes."""

    reason: Any = "normal"


class _StopFuture(GeventFuture[bool]):
    """What `stop` returns, once the actor is gone: True, or False if something else has ended it.

    Args:
        ref: the actor.
    """

    def __init__(self, ref: GeventRef[Any]) -> None:
        super().__init__()
        self._ref = ref

    def set_exception(self, exc_info: Any = None) -> None:
        if not isinstance(exc_info[1], ActorDeadError):
            super().set_exception(exc_info)
        elif self._ref.far is None:
            self._ref.bonds.on_set(partial(try_set, self, False))
        else:
            self.set(False)


class GeventRef(pykka.ActorRef[A]):
    """A reference to an actor of this library, for use in any thread, greenlet or asyncio task.

    Attributes:
        mailbox: the actor's.
        bonds_if_any: None as long as nobody has asked for its `bonds`.
    """

    __slots__ = ("_actor", "_name", "actor_class", "bonds_if_any", "mailbox")

    mailbox: Mailbox

    far: Far | None = None
    """For an actor that lives elsewhere: what its links and monitors go through."""

    def __init__(self, actor: Referred) -> None:
        # All that Pykka's own constructor sets, in slots or as properties: there are thousands of references.
        self._actor: Any = actor
        self._name: str | None = None
        self.actor_class: type[Any] = type(actor)
        self.bonds_if_any: Bonds | None = None
        self.mailbox = actor.mailbox

    def actor(self) -> A | None:
        """The actor itself, until its end; None behind it."""
        actor: A | None = self._actor
        return actor

    def is_alive(self) -> bool:
        """Tell whether the actor lives. An actor that was not started yet does, as in Pykka.

        It does not any more for who has sent it a signal that ends it, though it may take a moment to end.
        """
        return self.mailbox.closed is OPEN

    @property
    def bonds(self) -> Bonds:
        """The actor's links and monitors, and the signal of its end; for any thread."""
        bonds = self.bonds_if_any
        return self._make_bonds() if bonds is None else bonds

    def _make_bonds(self) -> Bonds:
        made = Bonds()
        self.bonds_if_any = bonds = made if self.bonds_if_any is None else self.bonds_if_any  # indivisible
        # The actor closes its mailbox first and then looks whether there are bonds that must hear of its end.
        if self.mailbox.ended:
            bonds.ended = True
            bonds.set()
        return bonds

    def let_go(self) -> None:
        """The actor has ended: its references must not hold all that it had."""
        self._actor = None

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """The actor's unique name, as Pykka has it: made when it is asked for, which it seldom is."""
        name = self._name
        return self._make_name() if name is None else name

    def is_named(self, urn: str) -> bool:
        """Whether that is the actor's unique name; one that was never asked for needs not be made."""
        return self._name == urn

    def _make_name(self) -> str:
        made = f"urn:actor:{_process}:{next(_numbers)}"
        self._name = name = made if self._name is None else self._name  # indivisible
        return name

    @property
    def actor_stopped(self) -> Any:  # type: ignore[override]
        """Raised when the actor has ended: the part of Pykka's `Event` that is used."""
        return self.bonds

    @property
    def actor_inbox(self) -> Any:  # type: ignore[override]
        """The mailbox, by Pykka's name for it."""
        return self.mailbox

    @property
    def _actor_weakref(self) -> Any:  # type: ignore[override]
        return self.actor

    @property
    def exit_reason(self) -> Any:
        """The actor's exit reason; None while it lives. A failure in its end may still make it another."""
        closed = self.mailbox.closed
        return None if closed is OPEN else closed

    def tell(self, message: Any) -> None:
        """Send a message.

        Raises:
            ActorDeadError: the actor is dead; its `reason` is the exit reason.
        """
        self.mailbox.put(Envelope(message))

    def cast(self, message: Any) -> None:
        """Send a message and forget it; as in Erlang, one to a dead actor is lost."""
        try:
            self.mailbox.put(Envelope(message))
        except ActorDeadError:
            return

    def post(self, message: Any) -> Envelope | None:
        """As `cast`, for what may have to be taken back.

        Returns:
            what was put into the mailbox, if anything was.
        """
        envelope = Envelope(message)
        try:
            self.mailbox.put(envelope)
        except ActorDeadError:
            return None
        return envelope

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """Send a message and wait for the reply.

        Args:
            message: any object.
            block: False returns a future at once, which any thread, greenlet or asyncio task may wait for.
            timeout: seconds; None waits for ever.

        Raises:
            pykka.Timeout: no reply came in time.
            ActorDeadError: the actor is dead or died before it replied; or it waits for the end of a tree
                that the caller is part of, and would never answer.
            CallingSelf: an actor asks itself in its own turn.
            ValueError: the timeout is no number, or NaN.
            Exception: what the actor raised.
        """
        if timeout is not None:
            wait_seconds(timeout)
        if block and self._is_in_turn():
            raise CallingSelf(f"{self} asks itself and would wait for ever", "calling_self")
        future: GeventFuture[Any] = GeventFuture()
        envelope, mailbox = Envelope(message, reply_to=future), self.mailbox
        if mailbox.closed is OPEN or mailbox.ended:
            mailbox.put(envelope)
        else:  # it is `noproc` to its asker when it is gone, so that a link to it tells first, as in OTP
            self.bonds.on_set(partial(refuse, envelope, mailbox.closed))
        if not block:
            return future
        if is_inside(self):
            return await_from_inside(future, acting(), self, envelope, timeout)
        return future.get(timeout=timeout)

    def stop(self, *, block: bool = True, timeout: float | None = None, reason: Any = "normal") -> Any:
        """Give the actor the poison pill, behind the messages it has.

        Called by the actor itself, or by an actor that it owns, it does not wait: the two would wait for each
        other.

        Args:
            block: wait until the actor is gone; False returns a future at once.
            timeout: seconds to wait; None waits for ever.
            reason: the exit reason.

        Returns:
            True if the actor is stopped by this, False if it was dead already.

        Raises:
            pykka.Timeout: it is not gone yet; it will end all the same.
            ValueError: the timeout is no number, or NaN.
            Exception: what its `on_stop` raised; it is gone then.
        """
        wait_seconds(timeout)
        future = _StopFuture(self)
        self.mailbox.put(Envelope(Stop(reason), reply_to=future))
        if not block:
            return future
        return True if is_inside(self) else future.get(timeout=timeout)

    def kill(self) -> None:
        """End the actor at once with reason `killed`, even in the middle of a turn that waits.

        None of its hooks runs; its sockets are closed. A call it has in a worker thread goes on, its
        result is dropped. A turn that computes without waiting can't be cut.
        """
        actor: Referred | None = self._actor
        hub = Hub.running()
        if actor is not None and hub is not None:
            # What is sent behind this must not reach the actor, though it is killed in the hub.
            self.mailbox.shut("killed")
            hub.run_soon(actor.end_at_once)

    def signal_exit(self, reason: Any) -> None:
        """End the actor in order, as an exit signal does if exits are not trapped; from any thread.

        Args:
            reason: the exit reason.
        """
        if not self.mailbox.shut(reason):
            return
        self.bonds.signalled = True
        self.mailbox.last_turn()
        actor: Referred | None = self._actor
        hub = Hub.running()
        if actor is not None and hub is not None:
            hub.run_soon(actor.heed_signal)

    def own_actor(self) -> A | None:
        """The actor itself, for itself in its turn; None for everybody else."""
        return self.actor() if self._is_in_turn() else None

    def _is_in_turn(self) -> bool:
        """Tell whether the caller is the actor in its turn, or a worker thread that the turn waits for."""
        if acting() is not self:
            return False
        hub = Hub.running()
        actor: Referred | None = self._actor
        return hub is None or not hub.is_here() or actor is None or actor.is_in_turn_of(gevent.getcurrent())


def is_inside(root: GeventRef[Any]) -> bool:
    """Tell whether the caller runs in a turn of `root` or of an actor in its tree."""
    ref = acting()
    while ref is not None and ref is not root:
        actor = ref.actor()
        ref = actor.owner if actor is not None else None
    return ref is root


def ask_any(ref: pykka.ActorRef[Any], message: Any) -> GeventFuture[Any]:
    """Ask any Pykka actor, threaded ones too, with a future that greenlets may wait for."""
    if isinstance(ref, GeventRef):
        asked: GeventFuture[Any] = ref.ask(message, block=False)
        return asked
    future: GeventFuture[Any] = GeventFuture()
    if ref.is_alive():
        # Pykka looks at an envelope for these two attributes only.
        ref.actor_inbox.put(Envelope(message, reply_to=future))  # type: ignore[arg-type]
    else:
        try_set_exception(future, ActorDeadError(f"{ref} is dead", "noproc"))
    return future


# -- the caller -------------------------------------------------------------------------------------


def acting() -> GeventRef[Any] | None:
    """The actor that the caller acts for; it may have ended meanwhile."""
    greenlet = gevent.getcurrent()
    if type(greenlet) is TurnGreenlet:
        ref: GeventRef[Any] | None = greenlet.ref
        return ref
    return doing_for.get()


def current() -> GeventRef[Any] | None:
    """The actor in whose turn the caller runs (Erlang's `self()`), None outside any actor."""
    ref = acting()
    return None if ref is None or ref.mailbox.owner is None else ref


def context_elsewhere() -> Context:
    """A copy of the caller's context, for what is done elsewhere for the same actor."""
    context = copy_context()
    context.run(doing_for.set, acting())
    return context


def _forget_after_fork() -> None:
    """In a forked child: its actors have other names."""
    global _process
    _process = os.urandom(6).hex()


os.register_at_fork(after_in_child=_forget_after_fork)
