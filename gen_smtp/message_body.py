"""Puts a message together from the pieces it arrives in."""

from __future__ import annotations

from io import BytesIO


class MessageBody:
    """The message under way; empty between messages."""

    __slots__ = ("_first", "_rest")

    def __init__(self) -> None:
        self._first: bytes | None = None
        self._rest: BytesIO | None = None

    def add(self, chunk: bytes) -> None:
        """Add the next piece."""
        if self._first is None:
            self._first = chunk  # most messages come in one piece
            return
        if self._rest is None:
            self._rest = BytesIO()
            self._rest.write(self._first)
        self._rest.write(chunk)

    def take(self) -> bytes:
        """The whole message; the body is empty afterwards."""
        # BytesIO hands its buffer out without the copy that joining a list of pieces would be.
        data = (self._first or b"") if self._rest is None else self._rest.getvalue()
        self.drop()
        return data

    def drop(self) -> None:
        """Forget what has come so far."""
        self._first = self._rest = None
