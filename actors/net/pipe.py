"""Octets on their way from the hub to a reader that may wait: in a thread, a greenlet or a turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from actors.runtime.future import Signal

FULL = 262144
"""Octets that make a pipe full, unless it is told another number."""

PIECE = 64
"""What a piece takes in memory besides its octets: very small ones count, too."""


class Pipe:
    """A bounded pipe. The writer is on the hub and never waits; it is told when to stop and when to go on.

    There is no lock: a finaliser may close it in the middle of anything (see `actors.runtime.mailbox`). The
    writer changes something and then looks for the reader. The reader says that it waits, or that it closes
    the pipe, and then looks what there is.

    Args:
        on_room: called once for each time the pipe was full, when no more than half of that is left or nobody
            will read it; in any thread. It must not wait, nor use the pipe.
        full: octets; each piece counts for `PIECE` more than it has.
    """

    __slots__ = (
        "_chunks",
        "_closed",
        "_ended",
        "_full_at",
        "_held",
        "_is_full",
        "_make_error",
        "_on_room",
        "_waiting",
    )

    def __init__(self, on_room: Callable[[], object], full: int = FULL) -> None:
        self._on_room = on_room
        self._full_at = full
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._is_full = False
        self._ended = False
        self._closed = False
        self._make_error: Callable[[], BaseException] | None = None
        self._waiting: Signal | None = None

    # -- the writer ---------------------------------------------------------------------------------

    def put(self, chunk: bytes) -> bool:
        """Hand over a piece; where nobody reads it is thrown away.

        Returns:
            whether there is room for more. If not, `on_room` tells when there is.
        """
        size = PIECE + len(chunk)
        self._held += size  # indivisible
        self._chunks.append(chunk)
        if self._closed or self._make_error is not None:
            self._empty()
            return True
        self._is_full = is_full = self._held >= self._full_at
        self._wake_reader()
        # If it was read between the count and the note, nobody else tells that there is room.
        return not is_full or (self._is_low() and self._was_full())

    def finish(self) -> None:
        """That was all: the end comes behind what is in the pipe."""
        self._ended = True
        self._wake_reader()

    def abort(self, make_error: Callable[[], BaseException]) -> None:
        """The rest will never come: the reader gets an error at its next look, and nothing before it.

        Args:
            make_error: makes it, anew for each look: one that is raised again would hold all that it met.
        """
        self._make_error = make_error if self._make_error is None else self._make_error  # indivisible
        self._empty()
        self._wake_reader()

    @property
    def aborted(self) -> bool:
        """Whether the rest will never come."""
        return self._make_error is not None

    # -- the reader ---------------------------------------------------------------------------------

    def take(self) -> bytes:
        """The oldest piece; waits for one. Empty at the end.

        Raises:
            ValueError: the pipe is closed.
            BaseException: what it was aborted with.
        """
        while True:
            self.check()
            ended = self._ended  # looked at first: the last piece comes before the end
            try:
                chunk = self._chunks.popleft()
            except IndexError:
                if ended:
                    return b""
            else:
                return self._count_out(chunk)
            made = Signal()
            self._waiting = waiting = made if self._waiting is None else self._waiting  # indivisible
            if not (self._chunks or self._ended or self._closed or self.aborted):
                waiting.wait()

    def check(self) -> None:
        """Raise what the pipe was aborted with, if it was; ValueError if it is closed."""
        if self._make_error is not None:
            raise self._make_error()
        if self._closed:
            raise ValueError("read of a closed pipe")

    def close(self) -> None:
        """Nobody reads any more: what is in the pipe, and what comes yet, is thrown away."""
        self._closed = True
        self._empty()
        self._on_room = _nobody  # who is asked for no more is not to be held
        self._wake_reader()

    def _count_out(self, chunk: bytes) -> bytes:
        size = PIECE + len(chunk)
        self._held -= size  # indivisible
        if self._is_low() and self._was_full():
            self._on_room()
        return chunk

    def _empty(self) -> None:
        self._chunks.clear()
        self._held = 0
        if self._was_full():
            self._on_room()

    def _is_low(self) -> bool:
        return self._held <= self._full_at // 2

    def _was_full(self) -> bool:
        """Take the note that it is full: True for one alone of those that ask."""
        was_full, self._is_full = self._is_full, False  # indivisible
        return was_full

    def _wake_reader(self) -> None:
        waiting, self._waiting = self._waiting, None  # indivisible
        if waiting is not None:
            waiting.set()


def _nobody() -> None:
    """Nobody waits for room in a pipe that is closed."""
