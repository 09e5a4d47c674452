"""Waits of an actor in its turn: for a message that it picks, Erlang's `receive`, and for a while.

queue.tell((actors.current(), data))
_, number = actors.receive(lambda message: message[0] is queue, timeout=10)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from actors.errors import TimedOut
from actors.runtime.actor import GeventActor
from actors.runtime.future import CutByExit, Signal
from actors.runtime.mailbox import GONE, OPEN, Envelope, Mailbox
from actors.runtime.refs import acting
from actors.seconds import delay_seconds, wait_seconds


def receive(match: Callable[[Any], object], timeout: float | None = None) -> Any:
    """Wait for a message that matches, and take it out of the mailbox: Erlang's `receive ... after`.

    For an actor in its turn, or in a worker thread that its turn waits for. Messages that do not
    match stay in the mailbox, in their order, for the turns that follow. It takes what was sent by `send`,
    `cast`, `ref.tell` or a timer, a `Down`, and an `Exit` of another one than the parent; no requests.

    Args:
        match: tells of a message, the oldest first, whether it is the one. Each is shown to it once.
        timeout: seconds; 0 looks at what is there and does not wait; None waits for ever.

    Returns:
        the message.

    Raises:
        TimedOut: none came in time; or none can come, as the actor is ending for an exit signal.
        RuntimeError: the caller acts for no actor.
        ValueError: the timeout is no number, or NaN.
        Exception: what `match` raised; then nothing was taken.
    """
    limit = wait_seconds(timeout)
    ref = acting()
    if ref is None:
        raise RuntimeError("receive is for actors: outside any there is no mailbox to take a message from")
    actor = ref.actor()
    if not isinstance(actor, GeventActor):
        raise CutByExit  # it was killed meanwhile
    mailbox, ear = ref.mailbox, _Ear()
    due = None if limit is None else time.monotonic() + limit
    looking = _Looking(actor, match)
    listening = mailbox.listen(ear.wake)
    ref.bonds.on_set(ear.wake)
    try:
        while (found := ear.look(mailbox, looking)) is None:
            _go_on(actor)
            left = None if due is None else due - time.monotonic()
            if left is not None and left <= 0:
                raise TimedOut(f"no message that matches came in {timeout} seconds")
            ear.wait(left)
        return found.message
    finally:
        ref.bonds.forget(ear.wake)
        mailbox.end_listening(listening)


def sleep(seconds: float) -> None:
    """Wait for a while, in the caller's turn, thread or greenlet, without blocking any other actor.

    `time.sleep` on the hub would stop all of them. An exit signal ends the wait, as it ends `timer:sleep`.

    Args:
        seconds: how long, 0 or more; infinity is for ever.

    Raises:
        ValueError: it is negative, no number, or NaN.
    """
    Signal().wait(wait_seconds(delay_seconds(seconds)))


class _Ear:
    """Wakes who waits for messages: as often as one comes."""

    def __init__(self) -> None:
        self._heard = Signal()

    def wake(self) -> None:
        self._heard.set()

    def wait(self, seconds: float | None) -> None:
        self._heard.wait(seconds)

    def look(self, mailbox: Mailbox, looking: _Looking) -> Envelope | None:
        """Look at what has come; what comes from now on wakes."""
        self._heard = Signal()
        mailbox.scheduled = False  # who puts a message in does it first and then looks at this
        return looking.next_match()


class _Looking:
    """A look along a mailbox, which goes on where it has ended."""

    def __init__(self, actor: GeventActor, match: Callable[[Any], object]) -> None:
        self._actor = actor
        self._match = match
        self._behind = actor.mailbox.taken
        self._kept: Iterator[Envelope] = iter(actor.mailbox.kept_back())

    def next_match(self) -> Envelope | None:
        """The next message that matches, taken out; None if there is none yet."""
        for envelope in self._new():
            taken = Envelope(envelope.message, envelope.reply_to)
            message = taken.message
            if message is GONE or taken.reply_to is not None or self._actor.minds(message):
                continue
            if self._match(message):
                taken.message, envelope.message = envelope.message, GONE  # indivisible
                if taken.message is not GONE:  # it was taken back meanwhile
                    return taken
        return None

    def _new(self) -> Iterator[Envelope]:
        yield from self._kept
        while self._behind.next is not None:
            self._behind = self._behind.next
            yield self._behind


def _go_on(actor: GeventActor) -> None:
    """Wait on, unless the actor ends."""
    if actor.mailbox.closed is OPEN:
        return
    if actor.exit_reason is None or actor.mailbox.ended:
        raise CutByExit
    raise TimedOut("no message can come any more: the actor is ending for an exit signal")
