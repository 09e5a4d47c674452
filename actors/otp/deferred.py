"""Replies that are given later, from anywhere: OTP's `gen_server:reply(From, Reply)`."""

from __future__ import annotations

from typing import Any

import pykka

from actors.errors import NO_REPLY, ActorDeadError, shown
from actors.runtime.actor import GeventActor
from actors.runtime.future import try_set, try_set_exception
from actors.runtime.refs import GeventRef, current


class From:
    """Who asked, for a reply that is given later. If the actor that was asked ends first, the asker hears it.

    Args:
        asked: the actor that was asked.
        future: what the asker waits for; None if nobody does.
    """

    __slots__ = ("_asked", "_future", "_last_reply")

    def __init__(self, asked: GeventRef[Any], future: pykka.Future[Any] | None) -> None:
        self._asked = asked
        self._future = future
        self._last_reply: Any = NO_REPLY
        if future is not None:
            asked.bonds.on_set(self._hear_end)

    def reply(self, value: Any) -> None:
        """Answer; the first answer counts."""
        try_set(self._settle(), value)

    def fail(self, error: BaseException) -> None:
        """Have the asker's wait raise an exception."""
        try_set_exception(self._settle(), error)

    def reply_at_end(self, value: Any) -> None:
        """Answer when the actor that was asked has ended."""
        self._last_reply = value

    def _settle(self) -> pykka.Future[Any] | None:
        future, self._future = self._future, None
        if future is not None:
            self._asked.bonds.forget(self._hear_end)
        return future

    def _hear_end(self) -> None:
        future, self._future = self._future, None
        if self._last_reply is not NO_REPLY:
            try_set(future, self._last_reply)
        reason = self._asked.exit_reason
        ended = f"{self._asked} ended before it answered (exit reason: {shown(reason)})"
        try_set_exception(future, ActorDeadError(ended, reason))


def defer_reply() -> From:
    """In an actor's turn: take over the reply to the message in hand, to give it later with `reply`.

        def on_receive(self, message):
            self.waiting.append(actors.defer_reply())  # what on_receive returns is no reply then

    Returns:
        who asked; for a message that nobody waits for, somebody whom a reply does not reach.

    Raises:
        RuntimeError: the caller is no actor in its turn.
    """
    ref = current()
    actor = None if ref is None else ref.own_actor()
    if ref is None or not isinstance(actor, GeventActor):
        raise RuntimeError("only an actor in its turn has a message in hand whose reply can be deferred")
    return From(ref, actor.take_caller())


def reply(caller: From, value: Any) -> None:
    """Answer somebody who asked; from any thread, greenlet or actor. A second answer is lost, as in OTP."""
    caller.reply(value)
