"""The inbox of an actor: thread-safe, closeable, and the one place that asks for a turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import pykka

from actors.errors import ActorDeadError, shown
from actors.runtime.future import new_native_lock, try_set_exception

OPEN = object()


class Envelope:
    """A message, and the future for its reply, in the shape that Pykka's own actors take.

    Attributes:
        message: the message.
        reply_to: the future for the reply; None if nobody waits.
    """

    __slots__ = ("message", "reply_to")

    def __init__(self, message: Any, reply_to: pykka.Future[Any] | None = None) -> None:
        self.message = message
        self.reply_to = reply_to


class Filter:
    """What the owner takes of its messages while it does not take all.

    Attributes:
        wants: tells of a message whether the owner takes it; it must not wait.
        suspends: whether the owner is suspended, and does nothing else meanwhile.
        beneath: what holds when this one ends.
    """

    __slots__ = ("beneath", "suspends", "wants")

    def __init__(self, wants: Callable[[Any], bool], suspends: bool, beneath: Filter | None = None) -> None:
        self.wants = wants
        self.suspends = suspends
        self.beneath = beneath


class Scheduler(Protocol):
    """What gives actors their turns: the hub."""

    def schedule(self, mailbox: Mailbox) -> None:
        """Give the owner of a mailbox a turn; callable from any thread."""

    def schedule_later(self, mailbox: Mailbox) -> None:
        """Give an actor that has just had a turn another one, after others."""


class _Nobody:
    """Before an actor starts, and after its end."""

    def schedule(self, mailbox: Mailbox) -> None:
        """Give no turn."""

    schedule_later = schedule


_NOBODY = _Nobody()


class Mailbox:
    """The inbox of one actor.

    A message put into it schedules a turn of its owner unless one is scheduled; the first turn is
    scheduled by `begin`, when the owner starts. Closing it is final: what lies in it is handed back, and what
    comes later is refused. So no message can fall between an actor's last look and its end.
    """

    __slots__ = (
        "_lock",
        "_parked",
        "_scheduler",
        "closed",
        "due",
        "owner",
        "scheduled",
        "waiting",
        "wanted",
    )

    closed: Any
    """`OPEN`, or the exit reason of the owner."""

    owner: Any
    """The actor whose mailbox it is, from its start to its end; None before and behind."""

    due: bool
    """Whether it is in line for its owner's turn. The scheduler sets it, so that it is seldom there twice."""

    scheduled: bool
    """Whether a turn is due or under way in which the owner looks into its mailbox; or none will ever be."""

    waiting: deque[Envelope] | None
    """The messages; None when there is none."""

    wanted: Filter | None
    """What the owner takes while it is suspended, or selects; None when it takes all."""

    def __init__(self) -> None:
        self._lock = new_native_lock()
        # Made for the first message and dropped with the last: an empty deque takes 624 octets.
        self.waiting = None
        self.due = False
        self.scheduled = True  # an actor that is not started yet may be known by its name already
        self._scheduler: Scheduler = _NOBODY
        self.owner = None
        self.wanted = None
        self._parked: deque[Envelope] | None = None
        self.closed = OPEN

    def begin(self, scheduler: Scheduler, owner: Any) -> None:
        """The owner starts: its first turn is due.

        Args:
            scheduler: asked for turns.
            owner: whose turns they are.
        """
        with self._lock:
            if self.closed is not OPEN:
                return
            self._scheduler, self.owner = scheduler, owner
        scheduler.schedule(self)

    def put(self, envelope: Envelope) -> None:
        """Add a message and see to it that the owner gets a turn.

        Raises:
            ActorDeadError: the mailbox is closed, and nobody waits for a reply. A caller that waits gets the
                error as its reply.
        """
        with self._lock:
            closed = self.closed
            if closed is OPEN:
                if self.waiting is None:
                    self.waiting = deque()
                self.waiting.append(envelope)
                if self.scheduled:
                    return
                self.scheduled = True
                scheduler = self._scheduler
        if closed is OPEN:
            scheduler.schedule(self)
        else:
            refuse(envelope, closed)

    def wake(self) -> None:
        """Ask for a turn without a message."""
        with self._lock:
            if self.scheduled or self.closed is not OPEN:
                return
            self.scheduled = True
            scheduler = self._scheduler
        scheduler.schedule(self)

    def take(self) -> Envelope | None:
        """The oldest message, or None; for the owner in its turn.

        While the owner is suspended, the oldest that is urgent; while it selects, the oldest it wants.
        """
        with self._lock:
            while self.waiting is not None:  # `discard` may have emptied it, in another thread
                envelope = self.waiting.popleft()
                if not self.waiting:
                    self.waiting = None
                if self.wanted is None or self.wanted.wants(envelope.message):
                    return envelope
                self._parked = self._parked or deque()
                self._parked.append(envelope)
        return None

    @property
    def length(self) -> int:
        """How many messages wait, those too that the owner does not take for now."""
        return len(self.waiting or ()) + len(self._parked or ())

    @property
    def suspended(self) -> bool:
        """Whether the owner takes urgent messages only."""
        return self.wanted is not None and self.wanted.suspends

    def suspend(self, urgent: Callable[[Any], bool]) -> None:
        """Keep messages back from the owner, in order, until `resume`; for the owner in its turn.

        Args:
            urgent: tells of a message whether the owner takes it all the same; it must not wait.
        """
        if self.wanted is not None and self.wanted.suspends:
            self.wanted.wants = urgent
        else:
            self.wanted = Filter(urgent, suspends=True, beneath=self.wanted)

    def resume(self) -> None:
        """Let the owner have its messages again, those kept back first; for the owner in its turn."""
        with self._lock:
            if self.wanted is not None and self.wanted.suspends:
                self.wanted = self.wanted.beneath
            self._unpark()

    def select(self, wanted: Callable[[Any], bool] | None) -> None:
        """Erlang's selective receive: keep other messages back, in order, but give the owner its turns.

        For the owner in its turn. Being suspended goes before.

        Args:
            wanted: tells of a message whether the owner takes it now; it must not wait. None: all, from now
                on, those kept back first.
        """
        selection = None if wanted is None else Filter(wanted, suspends=False)
        with self._lock:
            if self.wanted is not None and self.wanted.suspends:
                self.wanted.beneath = selection
            else:
                self.wanted = selection
                self._unpark()

    def discard(self, unwanted: Callable[[Any], bool]) -> None:
        """Take out messages that nobody waits for a reply to.

        Args:
            unwanted: tells of a message whether it goes; it must not wait.
        """
        with self._lock:
            self.waiting = _without(self.waiting, unwanted)
            self._parked = _without(self._parked, unwanted)

    def _unpark(self) -> None:
        """Put the messages kept back before the others; the lock is held."""
        if self._parked is not None:
            self._parked.extend(self.waiting or ())
            self.waiting, self._parked = self._parked, None

    def rest(self, again: bool) -> None:
        """End the owner's turn; the next one is scheduled at once if it wants one or has messages.

        Args:
            again: whether the owner has more to do without a message.
        """
        with self._lock:
            if self.closed is not OPEN:
                return
            self.scheduled = again or self.waiting is not None
            if not self.scheduled:
                return
            scheduler = self._scheduler
        scheduler.schedule_later(self)

    def close(self, reason: Any) -> list[Envelope]:
        """Close for good.

        Args:
            reason: the owner's exit reason, for what comes too late.

        Returns:
            the messages that nobody will read, oldest first.
        """
        with self._lock:
            self.closed = reason
            self.scheduled = True  # so that nobody asks for a turn, or takes one past the mailbox
            self._unpark()
            unread, self.waiting = self.waiting, None
            # A reference to the dead must not hold all that they had.
            self._scheduler, self.owner = _NOBODY, None
        return list(unread or ())

    def break_lock_after_fork(self) -> None:
        """Replace the lock, which a thread that is not here any more may hold."""
        self._lock = new_native_lock()

    def empty(self) -> bool:
        """Tell whether no message waits."""
        return self.waiting is None

    def get(self) -> Envelope:
        """Part of Pykka's inbox interface: the oldest message.

        Raises:
            LookupError: there is none. Actors here run in turns, none blocks on its mailbox.
        """
        envelope = self.take()
        if envelope is None:
            raise LookupError("the mailbox is empty")
        return envelope


def _without(envelopes: deque[Envelope] | None, unwanted: Callable[[Any], bool]) -> deque[Envelope] | None:
    kept = deque(each for each in envelopes or () if each.reply_to is not None or not unwanted(each.message))
    return kept or None


def refuse(envelope: Envelope, reason: Any) -> None:
    """Answer a message that a dead actor will not read.

    Raises:
        ActorDeadError: nobody waits for a reply.
    """
    is_plain = isinstance(reason, str) and reason in ("normal", "noproc")
    why = shown("noproc" if is_plain else reason)
    error = ActorDeadError(f"the actor is dead (exit reason: {why})", reason)
    if envelope.reply_to is None:
        raise error
    try_set_exception(envelope.reply_to, error)
