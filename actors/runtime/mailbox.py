"""The inbox of an actor: for any thread, closeable, and the one place that asks for a turn.

There is no lock. A message may be sent by a finaliser, which the collector runs in the middle of anything, so
also of `Mailbox.put` in the same thread, which would then wait for itself. What must not be divided is one
statement in one line, marked as indivisible: without a call, a loop or an object that is made. Only there
does CPython let go of the interpreter's lock, or run the handler of a signal, a finaliser or a debugger. Nor
does such a statement drop the last reference to anything. test_indivisible.py looks at what each was compiled
to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pykka

from actors.errors import ActorDeadError, shown
from actors.runtime.future import try_set_exception

OPEN = object()

GONE = object()
"""In place of a message that was handled or taken back."""


class Envelope:
    """A message, and the future for its reply, in the shape that Pykka's own actors take.

    Attributes:
        message: the message; `GONE` once it was handled or taken back.
        reply_to: the future for the reply; None if nobody waits.
        next: the next one in the mailbox, None for the last.
    """

    __slots__ = ("message", "next", "reply_to")

    def __init__(self, message: Any, reply_to: pykka.Future[Any] | None = None) -> None:
        self.message = message
        self.reply_to = reply_to
        self.next: Envelope | None = None


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


class Listening:
    """Gives turns as the scheduler that it stands before, and tells who listens of each that is wanted.

    Args:
        scheduler: what gives turns.
        wake: called in any thread.
    """

    __slots__ = ("scheduler", "wake")

    def __init__(self, scheduler: Any, wake: Callable[[], object]) -> None:
        self.scheduler = scheduler
        self.wake = wake

    def schedule(self, mailbox: Mailbox) -> None:
        """Tell who listens, and ask for the turn: it comes when the one that listens is over."""
        self.wake()
        self.scheduler.schedule(mailbox)

    def schedule_later(self, mailbox: Mailbox) -> None:
        """A turn is over; a side task listens."""
        self.scheduler.schedule_later(mailbox)


_END: Any = Envelope(GONE)
"""Stands for the chain of a mailbox that is closed: what is put behind it was not put anywhere."""


class Mailbox:
    """The inbox of one actor.

    A message put into it schedules a turn of its owner unless one is scheduled; the first turn is
    scheduled by `begin`, when the owner starts. Closing it is final: what lies in it is handed back, and what
    comes later is refused. So no message can fall between an actor's last look and its end.

    The messages are a chain, each with a reference to the next. Anybody appends to it. The owner alone goes
    along it.
    """

    __slots__ = (
        "_kept_back",
        "_last",
        "_scheduler",
        "closed",
        "due",
        "next",
        "owner",
        "scheduled",
        "taken",
        "wanted",
    )

    message = GONE
    reply_to = None
    next: Envelope | None
    """As in an envelope: a mailbox that has had no message yet is the beginning of its own chain."""

    closed: Any
    """`OPEN`, or the exit reason of the owner, from the moment that it is sent a signal that ends it."""

    owner: Any
    """The actor whose mailbox it is, from its start to its end; None before and behind."""

    due: bool
    """Whether it is in line for its owner's turn. The scheduler sets it, so that it is seldom there twice."""

    scheduled: bool
    """Whether a turn is due or under way in which the owner looks into its mailbox; or none will ever be."""

    taken: Any
    """What the owner has taken last. Its `next` is what waits: None if nothing does."""

    wanted: Filter | None
    """What the owner takes while it is suspended, or selects; None when it takes all."""

    def __init__(self) -> None:
        self.next = None
        self.taken = self._last = self
        self.due = False
        self.scheduled = True  # an actor that is not started yet may be known by its name already
        self._scheduler: Scheduler = _NOBODY
        self.owner = None
        self.wanted = None
        self._kept_back: deque[Envelope] | None = None
        self.closed = OPEN

    def begin(self, scheduler: Scheduler, owner: Any) -> None:
        """The owner starts: its first turn is due.

        Args:
            scheduler: asked for turns.
            owner: whose turns they are.
        """
        self._scheduler, self.owner = scheduler, owner
        if self.taken is _END:
            self._scheduler, self.owner = _NOBODY, None
        else:
            scheduler.schedule(self)

    def put(self, envelope: Any) -> None:
        """Add a message and see to it that the owner gets a turn.

        Args:
            envelope: an `Envelope` that is in no mailbox, or what looks so to Pykka.

        Raises:
            ActorDeadError: the mailbox is closed, and nobody waits for a reply. A caller that waits gets the
                error as its reply.
        """
        closed, self._last.next, self._last = self.closed, envelope, envelope  # indivisible
        if closed is not OPEN:
            self._seal()
            refuse(envelope, closed)
        elif not self.scheduled:
            self.scheduled = True
            self._scheduler.schedule(self)

    def shut(self, why: Any) -> bool:
        """A signal that ends the owner is sent: take nothing that comes behind it; from any thread.

        What lies there is handed back by `close`, when the owner ends.

        Args:
            why: the exit reason.

        Returns:
            whether it was open; if not, another signal, or the owner's own end, came first.
        """
        was, self.closed, self._last = self.closed, why if self.closed is OPEN else self.closed, _END  # fmt: skip # noqa: E501 - indivisible
        return was is OPEN

    @property
    def ended(self) -> bool:
        """Whether the owner has ended: it has closed the mailbox itself."""
        return self.taken is _END

    def last_turn(self) -> None:
        """As `wake`, for a mailbox that is shut."""
        if not self.scheduled:
            self.scheduled = True
            self._scheduler.schedule(self)

    def wake(self) -> None:
        """Ask for a turn without a message."""
        if not self.scheduled and self.closed is OPEN:
            self.scheduled = True
            self._scheduler.schedule(self)

    def take(self) -> Envelope | None:
        """The oldest message, or None; for the owner in its turn.

        While the owner is suspended, the oldest that is urgent; while it selects, the oldest it wants.
        """
        while (envelope := self.taken.next) is not None:
            self.taken = envelope
            if envelope.message is GONE:
                continue
            if self.wanted is None or self.wanted.wants(envelope.message):
                return envelope  # type: ignore[no-any-return]
            if self._kept_back is None:
                self._kept_back = deque()
            self._kept_back.append(envelope)
        return None

    def waiting(self) -> list[Any]:
        """The messages that wait, without those kept back, at this moment."""
        return [each.message for each in _behind(self.taken)]

    @property
    def length(self) -> int:
        """How many messages wait, those too that the owner does not take for now."""
        return len(self.waiting()) + len(self._kept_back or ())

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
        if self.wanted is not None and self.wanted.suspends:
            self.wanted = self.wanted.beneath
        self._put_back()

    def select(self, wanted: Callable[[Any], bool] | None) -> None:
        """Erlang's selective receive: keep other messages back, in order, but give the owner its turns.

        For the owner in its turn. Being suspended goes before.

        Args:
            wanted: tells of a message whether the owner takes it now; it must not wait. None: all, from now
                on, those kept back first.
        """
        selection = None if wanted is None else Filter(wanted, suspends=False)
        if self.wanted is not None and self.wanted.suspends:
            self.wanted.beneath = selection
        else:
            self.wanted = selection
            self._put_back()

    def kept_back(self) -> list[Envelope]:
        """The messages that the owner did not take, by its filter, at this moment."""
        return list(self._kept_back or ())

    def listen(self, wake: Callable[[], object]) -> Listening:
        """Have the owner told of what comes while `scheduled` is False, until `end_listening`."""
        made = self._scheduler = Listening(self._scheduler, wake)
        return made

    def end_listening(self, listening: Listening) -> None:
        """Undo `listen`. A turn follows, for what was not taken."""
        listening.wake = _silent
        while isinstance(self._scheduler, Listening) and self._scheduler.wake is _silent:
            self._scheduler = self._scheduler.scheduler
        self.scheduled = True
        self._scheduler.schedule(self)

    def discard(self, unwanted: Callable[[Any], bool]) -> None:
        """Take out messages that nobody waits for a reply to; from any thread.

        Args:
            unwanted: tells of a message whether it goes; it must not wait.
        """
        # Where they are now, and where they may be put back meanwhile.
        for envelope in [*(self._kept_back or ()), *_behind(self.taken)]:
            if envelope.reply_to is None and unwanted(envelope.message):
                envelope.message = GONE

    def _put_back(self) -> None:
        """Put the messages kept back before the others."""
        kept, self._kept_back = self._kept_back, None
        if kept is None:
            return
        first: Any = Envelope(GONE)
        before = first
        for envelope in kept:
            before.next = before = envelope
        # What was taken last stays in the chain: the next message may be appended to it at any moment.
        if self.taken is not before:
            if self.taken is not self:
                self.taken.message = GONE
            before.next = self.taken
        self.taken = first

    def rest(self, again: bool) -> None:
        """End the owner's turn; the next one is scheduled at once if it wants one or has messages.

        Args:
            again: whether the owner has more to do without a message.
        """
        if self.taken is _END:
            return
        # First this, then the look: who puts a message in does it the other way round.
        self.scheduled = False
        if again or self.taken.next is not None or self.closed is not OPEN:
            self.scheduled = True
            self._scheduler.schedule_later(self)

    def close(self, reason: Any) -> list[Envelope]:
        """Close for good; for the owner at its end.

        Args:
            reason: the owner's exit reason, for what comes too late.

        Returns:
            the messages that nobody will read, oldest first.
        """
        self._put_back()
        self.closed, self._last = reason, _END  # indivisible
        self.scheduled = True  # so that nobody asks for a turn, or takes one past the mailbox
        unread = [] if self.taken is _END else list(_behind(self.taken))
        # A reference to the dead must not hold all that they had.
        self.taken, self.next = _END, None
        self._scheduler, self.owner = _NOBODY, None
        return unread

    def _seal(self) -> None:
        """Hold nothing of what came too late."""
        self._last, _END.next = _END, None

    def empty(self) -> bool:
        """Tell whether no message waits."""
        return next(_behind(self.taken), None) is None

    def get(self) -> Envelope:
        """Part of Pykka's inbox interface: the oldest message.

        Raises:
            LookupError: there is none. Actors here run in turns, none blocks on its mailbox.
        """
        envelope = self.take()
        if envelope is None:
            raise LookupError("the mailbox is empty")
        return envelope


def _silent() -> None:
    """Wake nobody any more."""


def _behind(envelope: Any) -> Iterator[Envelope]:
    """The messages of a chain that come after one of its envelopes, without those that are gone."""
    while (envelope := envelope.next) is not None:
        if envelope.message is not GONE:
            yield envelope


def refuse(envelope: Envelope, reason: Any) -> None:
    """Answer a message that a dead actor will not read.

    Raises:
        ActorDeadError: nobody waits for a reply.
    """
    is_plain = isinstance(reason, str) and reason in ("normal", "noproc")
    why = shown("noproc" if is_plain else reason)
    error = ActorDeadError(f"the actor is dead (exit reason: {why})", "noproc")
    if envelope.reply_to is None:
        raise error
    try_set_exception(envelope.reply_to, error)
