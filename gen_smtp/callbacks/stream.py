"""The message under way, as handle_DATA_stream reads it: a binary file that can only be read, once."""

from __future__ import annotations

import io
from collections.abc import Iterator

from actors.net.pipe import Pipe


class IncompleteMessage(EOFError):  # noqa: N818 - says what it is
    """The message will never be complete: the client is not told that it was taken, whatever is returned.

    Attributes:
        cause: `"closed"`, the client is gone; `"timeout"`, it was too slow; `"bare_newline"`,
            `"line_too_long"` or `"size_exceeded"`, the message is refused; `"reset"`, the client gave it up
            between two chunks (BDAT); `"shutdown"`, the server's grace is over; `"killed"` or `"stopped"`,
            so was the session.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(f"the message is incomplete ({cause})")
        self.cause = cause


class MessageStream(io.BufferedIOBase):
    """A message, un-stuffed, while it arrives. All that a binary file for reading can do, but to seek.

    A read waits for the client, in the thread or greenlet it is called in; while nobody reads, the client
    is held up. At the end of the whole message, and only there, reads return `b""`. One reader at a time.

    Args:
        pipe: brings it.
        size_hint: what the client declared.

    Attributes:
        size_hint: octets that the client declared with SIZE (RFC 1870); None if it did not. The message may
            be shorter or longer.

    Raises:
        IncompleteMessage: from every read, once the rest of the message can't come any more.
        ValueError: from a read after `close`, or after the callback has returned.
    """

    size_hint: int | None

    def __init__(self, pipe: Pipe, size_hint: int | None) -> None:
        self._pipe = pipe
        self._piece = b""
        self._at = 0
        self.size_hint = size_hint

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """So many octets, fewer only at the end of the message; all that is left for None or less than 0."""
        left = -1 if size is None or size < 0 else size
        first = self.read1(left)
        if not first or len(first) == left:
            return first
        whole = io.BytesIO()  # hands its buffer out without the copy that joining a list would be
        part = first
        while part:
            whole.write(part)
            left = left - len(part) if left > 0 else left
            part = self.read1(left)
        return whole.getvalue()

    def read1(self, size: int = -1, /) -> bytes:
        """What is there of the message, at most so many octets; waits only if there is nothing."""
        if size == 0:
            return b""
        piece = self._look()
        return self._take(len(piece) if size < 0 else size)

    def peek(self, size: int = 0, /) -> bytes:
        """What the next `read1` returns, without taking it; waits only if there is nothing."""
        return self._look()[self._at :]

    def readline(self, size: int | None = -1, /) -> bytes:
        """The next line with its end, at most so many octets of it; empty at the end of the message."""
        left = -1 if size is None or size < 0 else size
        parts: list[bytes] = []
        while left and (piece := self._look()):
            end = piece.find(b"\n", self._at) + 1
            length = (end or len(piece)) - self._at
            parts.append(self._take(length if left < 0 else min(length, left)))
            if end and self._at == end:
                break
            left = left - len(parts[-1]) if left > 0 else left
        return b"".join(parts)

    def chunks(self) -> Iterator[bytes]:
        """The message in pieces as they come, none of them empty: the cheapest way to read it."""
        while chunk := self.read1():
            yield chunk

    def close(self) -> None:
        """Read no more: what is left of the message is read away."""
        if not self.closed:
            self._piece, self._at = b"", 0
            self._pipe.close()
        super().close()

    def _look(self) -> bytes:
        """The piece at hand, the next one where it is used up."""
        if self._at == len(self._piece):
            self._piece, self._at = b"", 0  # let go of it while waiting
            self._piece = self._pipe.take()
        return self._piece

    def _take(self, size: int) -> bytes:
        """At most so many octets of the piece at hand, which must have been looked at."""
        start = self._at
        self._at = end = min(len(self._piece), start + size)
        return self._piece[start:end]
