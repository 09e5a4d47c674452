"""References to actors of this library: how to send, ask, stop and kill from anywhere."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import gevent
import pykka

from actors.errors import ActorDeadError, CallingSelf
from actors.runtime.bonds import Bonds
from actors.runtime.future import GeventFuture, try_set_exception
from actors.runtime.hub import Hub
from actors.runtime.mailbox import OPEN, Envelope, Mailbox
from actors.runtime.turn import acting

if TYPE_CHECKING:
    from actors.runtime.actor import GeventActor

A = TypeVar("A", bound="GeventActor")

_process = os.urandom(6).hex()
"""In the names of the actors of this process."""
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Stop:
    """The poison pill of one actor: end with `reason` when your turn at it comes."""

    reason: Any = "normal"


class _StopFuture(GeventFuture[bool]):
    """What `stop` returns: True once the actor is gone, False if it was dead already."""

    def set_exception(self, exc_info: Any = None) -> None:
        if isinstance(exc_info[1], ActorDeadError):
            self.set(False)
        else:
            super().set_exception(exc_info)


class GeventRef(pykka.ActorRef[A]):
    """A reference to an actor of this library, for use in any thread, greenlet or asyncio task.

    Attributes:
        mailbox: the actor's.
        bonds_if_any: None as long as nobody has asked for its `bonds`.
    """

    __slots__ = ("_actor", "_name", "actor_class", "bonds_if_any", "mailbox")

    mailbox: Mailbox

    def __init__(self, actor: A) -> None:
        # All that Pykka's own constructor sets, in slots or as properties: there are thousands of references.
        self._actor: A | None = actor
        self._name: str | None = None
        self.actor_class = type(actor)
        self.bonds_if_any: Bonds | None = None
        self.mailbox = actor.mailbox

    def actor(self) -> A | None:
        """The actor itself, until its end; None behind it."""
        return self._actor

    def is_alive(self) -> bool:
        """Tell whether the actor lives. One that was not started yet does, as in Pykka."""
        return self.mailbox.closed is OPEN

    @property
    def bonds(self) -> Bonds:
        """The actor's links and monitors, and the signal of its end; for any thread."""
        bonds = self.bonds_if_any
        return self._make_bonds() if bonds is None else bonds

    def _make_bonds(self) -> Bonds:
        with Bonds.lock:
            if self.bonds_if_any is None:
                self.bonds_if_any = Bonds(ended=self.mailbox.closed is not OPEN)
            return self.bonds_if_any

    def last_bonds(self) -> Bonds | None:
        """At the actor's end, its mailbox closed: the bonds that have to hear of it, if there are any."""
        with Bonds.lock:  # one who makes them at this moment may have found the mailbox open
            return self.bonds_if_any

    def let_go(self) -> None:
        """The actor has ended: who has a reference to it must not hold all that it had."""
        self._actor = None

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """The actor's unique name, as Pykka has it: made when it is asked for, which it seldom is."""
        if self._name is None:
            name = f"urn:actor:{_process}:{next(_numbers)}"
            # CPython lets another thread run at calls and jumps back: two that ask at once get the same name.
            if self._name is None:
                self._name = name
        return self._name

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
        actor = self.actor()
        hub = Hub.running()
        if actor is not None and hub is not None:
            hub.run_soon(actor.end_at_once)

    def own_actor(self) -> A | None:
        """The actor itself, for itself in its turn; None for everybody else."""
        return self.actor() if self._is_in_turn() else None

    def _is_in_turn(self) -> bool:
        """Tell whether the caller is the actor in its turn, or a worker thread that the turn waits for."""
        if acting() is not self:
            return False
        hub = Hub.running()
        actor = self.actor()
        return hub is None or not hub.is_here() or actor is None or actor.is_in_turn_of(gevent.getcurrent())


def forget_after_fork() -> None:
    """In a forked child: its actors have other names than those of the parent process."""
    global _process
    _process = os.urandom(6).hex()


def is_inside(root: GeventRef[Any]) -> bool:
    """Tell whether the caller runs in a turn of `root` or of an actor in its tree."""
    ref = acting()
    while ref is not None and ref is not root:
        actor = ref.actor()
        ref = actor.owner if actor is not None else None
    return ref is root


def ask_any(ref: pykka.ActorRef[Any], message: Any) -> GeventFuture[Any]:
    """Ask any Pykka actor, threaded ones too, with a future that greenlets may wait for."""
    future: GeventFuture[Any] = GeventFuture()
    if ref.is_alive():
        # Pykka looks at an envelope for these two attributes only.
        ref.actor_inbox.put(Envelope(message, reply_to=future))  # type: ignore[arg-type]
    else:
        try_set_exception(future, ActorDeadError(f"{ref} is dead", getattr(ref, "exit_reason", "noproc")))
    return future
