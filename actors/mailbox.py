"""The inbox of an actor: thread-safe, closeable, and the one place that asks for a turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from actors.errors import ActorDeadError
from actors.future import new_native_lock, try_set_exception

if TYPE_CHECKING:
    from pykka._envelope import Envelope

OPEN = object()


class Mailbox:
    """The inbox of one actor.

    A message put into it schedules a turn of its owner unless one is scheduled; the first turn is
    scheduled by `rest`, when the owner starts. Closing it is final: what lies in it is handed back and
    whatever comes later is refused, so that no message can fall between an actor's last look and its end.

    Args:
        schedule: asks the hub for a turn of the owner; callable from any thread.
    """

    __slots__ = ("_lock", "_queue", "_schedule", "_scheduled", "closed")

    closed: Any
    """`OPEN`, or the exit reason of the owner."""

    def __init__(self, schedule: Callable[[], None]) -> None:
        self._lock = new_native_lock()
        # Made for the first message and dropped with the last: an empty deque takes 624 octets.
        self._queue: deque[Envelope[Any]] | None = None
        self._scheduled = True  # an actor that is not started yet may be known by its name already
        self._schedule = schedule
        self.closed = OPEN

    def put(self, envelope: Envelope[Any]) -> None:
        """Add a message and see to it that the owner gets a turn.

        Raises:
            ActorDeadError: the mailbox is closed and nobody waits for a reply; one who waits gets
                the error there.
        """
        with self._lock:
            closed = self.closed
            if closed is OPEN:
                if self._queue is None:
                    self._queue = deque()
                self._queue.append(envelope)
                if self._scheduled:
                    return
                self._scheduled = True
        if closed is OPEN:
            self._schedule()
        else:
            refuse(envelope, closed)

    def wake(self) -> None:
        """Ask for a turn without a message."""
        with self._lock:
            if self._scheduled or self.closed is not OPEN:
                return
            self._scheduled = True
        self._schedule()

    def take(self) -> Envelope[Any] | None:
        """The oldest message, or None; for the owner in its turn."""
        if self._queue is None:
            return None
        with self._lock:
            envelope = self._queue.popleft()
            if not self._queue:
                self._queue = None
        return envelope

    def rest(self, again: bool) -> None:
        """End the owner's turn; the next one is scheduled at once if it wants one or has messages.

        Args:
            again: whether the owner has more to do without a message.
        """
        with self._lock:
            if self.closed is not OPEN:
                return
            self._scheduled = again or self._queue is not None
            if not self._scheduled:
                return
        self._schedule()

    def close(self, reason: Any) -> list[Envelope[Any]]:
        """Close for good.

        Args:
            reason: the owner's exit reason, for those who come too late.

        Returns:
            the messages that nobody will read, oldest first.
        """
        with self._lock:
            self.closed = reason
            unread, self._queue = self._queue, None
            self._schedule = _no_turn  # a reference to the dead must not hold all that they had
        return list(unread or ())

    def break_lock_after_fork(self) -> None:
        """Replace the lock, which a thread that is not here any more may hold."""
        self._lock = new_native_lock()

    def empty(self) -> bool:
        """Tell whether no message waits."""
        return self._queue is None

    def get(self) -> Envelope[Any]:
        """Part of Pykka's inbox interface: the oldest message.

        Raises:
            LookupError: there is none. Actors here run in turns, none blocks on its mailbox.
        """
        envelope = self.take()
        if envelope is None:
            raise LookupError("the mailbox is empty")
        return envelope


def _no_turn() -> None:
    """What a closed mailbox asks for."""


def refuse(envelope: Envelope[Any], reason: Any) -> None:
    """Answer a message that a dead actor will not read.

    Raises:
        ActorDeadError: nobody waits for a reply.
    """
    shown = "noproc" if reason in ("normal", "noproc") else reason
    error = ActorDeadError(f"the actor is dead (exit reason: {shown!r})", reason)
    if envelope.reply_to is None:
        raise error
    try_set_exception(envelope.reply_to, error)
