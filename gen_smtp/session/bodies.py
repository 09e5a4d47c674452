"""Puts a message together from the pieces it arrives in."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple, Protocol

from gen_smtp.protocol.questions import MessageComplete
from gen_smtp.protocol.text.replies import NO_STORAGE, StandardReply
from gen_smtp.protocol.verdicts import Verdict
from gen_smtp.server.message_memory import MessageMemory


class Refusal(NamedTuple):
    """Why a message is refused, for its own sake or not, before a callback has seen it.

    Attributes:
        cause: as handle_error gets it.
        reply: as the client gets it.
    """

    cause: str
    reply: StandardReply


NO_ROOM = Refusal("no_storage", NO_STORAGE)

Ask = Callable[..., Verdict]
"""Calls a callback, by its name, for its verdict."""


class Body(Protocol):
    """What a session does with the message under way."""

    refusal: Refusal | None
    """Why it can't be taken: what has come is gone then."""

    @property
    def size(self) -> int:
        """Its octets."""

    def add(self, chunk: bytes) -> bool:
        """Take the next piece; False if the message can't be taken."""

    def deliver(self, ask: Ask, event: MessageComplete) -> Verdict | None:
        """Give the complete message to its callback; None if it can't be taken."""

    def abort(self, cause: str) -> None:
        """It will never be complete: keep nothing of it."""

    def join(self) -> None:
        """Wait until no callback has it any more."""

    def drop(self) -> None:
        """Let go of everything, in whatever state it is; never waits."""


class MessageBody:
    """The message under way, in memory; its octets are counted from their arrival until it is dropped.

    Args:
        memory: counts the octets that all sessions of the server hold.

    Attributes:
        refusal: why the message can't be taken.
    """

    refusal: Refusal | None = None
    held = 0
    _first: bytes | None = None
    _rest: BytesIO | None = None

    def __init__(self, memory: MessageMemory) -> None:
        self.memory = memory

    @property
    def size(self) -> int:
        """Its octets."""
        return self.held

    def add(self, chunk: bytes) -> bool:
        """Add the next piece.

        Returns:
            whether there was room for it. If not, all that had come is thrown away, and so is what follows.
        """
        if self.refusal is not None or not self.memory.take(len(chunk)):
            return self.refuse(NO_ROOM)
        self.held += len(chunk)
        if self._first is None:
            self._first = chunk  # most messages come in one piece
        else:
            self._append(self._first, chunk)
        return True

    def _append(self, first: bytes, chunk: bytes) -> None:
        if self._rest is None:
            self._rest = BytesIO()
            self._rest.write(first)
        self._rest.write(chunk)

    def refuse(self, refusal: Refusal) -> bool:
        """Throw away what has come. The first reason counts."""
        self.drop()
        self.refusal = self.refusal or refusal
        return False

    def deliver(self, ask: Ask, event: MessageComplete) -> Verdict | None:
        """Give it to handle_DATA; None if it can't be taken."""
        data = self.content()
        return None if data is None else ask("handle_DATA", event.sender, event.recipients, data)

    def content(self) -> bytes | None:
        """The whole message, None if it can't be taken.

        It stays counted until `drop`: the callback that has it needs the memory, too.
        """
        if self.refusal is not None:
            return None
        # BytesIO hands its buffer out without the copy that joining a list of pieces would be.
        return (self._first or b"") if self._rest is None else self._rest.getvalue()

    def abort(self, cause: str) -> None:
        """It will never be complete."""
        self.drop()

    def join(self) -> None:
        """No callback has it before it is complete."""

    def drop(self) -> None:
        """Forget what has come so far, and give its octets back."""
        self._first = self._rest = None
        held, self.held = self.held, 0
        self.memory.give_back(held)
