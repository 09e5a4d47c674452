"""Puts a message together from the pieces it arrives in."""

from __future__ import annotations

from io import BytesIO

from gen_smtp.buffers import Buffers


class MessageBody:
    """The message under way, in memory; its octets are counted from their arrival until it is dropped.

    Args:
        buffers: counts the octets that all sessions of the server hold.

    Attributes:
        overflowed: whether there was no room for all of it; what had come is gone then.
    """

    __slots__ = ("_buffers", "_first", "_held", "_rest", "overflowed")

    def __init__(self, buffers: Buffers) -> None:
        self._buffers = buffers
        self._held = 0
        self._first: bytes | None = None
        self._rest: BytesIO | None = None
        self.overflowed = False

    def add(self, chunk: bytes) -> bool:
        """Add the next piece.

        Returns:
            whether there was room for it. If not, all that had come is thrown away, and so is what follows.
        """
        if self.overflowed or not self._buffers.take(len(chunk)):
            self.drop()
            self.overflowed = True
            return False
        self._held += len(chunk)
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

    def content(self) -> bytes:
        """The whole message. It stays counted until `drop`: whoever has it needs the memory too."""
        # BytesIO hands its buffer out without the copy that joining a list of pieces would be.
        return (self._first or b"") if self._rest is None else self._rest.getvalue()

    def drop(self) -> None:
        """Forget what has come so far, and give its octets back."""
        self._first = self._rest = None
        held, self._held = self._held, 0
        self._buffers.give_back(held)
