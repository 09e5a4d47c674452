"""Received octets that are not dealt with yet, and the lines in them."""

import enum
from typing import Literal


class Overrun(enum.Enum):
    """A line that can't be handed out."""

    TOO_LONG = "too long"
    """Longer than allowed; thrown away up to its LF."""
    ENDLESS = "endless"
    """More was thrown away than a client in its right mind sends."""


class LineBuffer:
    """Hands out lines one at a time, or shows all octets; holds a constant amount of an overlong line.

    Octets stay in one ``bytes`` object with an offset, so a read full of pipelined commands and messages
    costs linear time.
    """

    __slots__ = ("discarded", "input", "offset")

    def __init__(self) -> None:
        self.input = b""
        """The unread octets and perhaps some before them; empty if there are none."""
        self.offset = 0
        """Where the unread octets begin."""
        self.discarded = 0
        """So many octets of an overlong line were thrown away, and its LF has not come."""

    def feed(self, data: bytes) -> None:
        """Append ``data``."""
        if self.offset == len(self.input):
            self.input = data
        else:
            self.input = self.input[self.offset :] + data
        self.offset = 0

    def skip_to(self, offset: int) -> None:
        """``input`` is dealt with up to ``offset``."""
        if offset == len(self.input):
            self.input, offset = b"", 0  # an idle session holds nothing
        self.offset = offset

    def forget_input(self) -> None:
        """Forget what is unread."""
        self.input = b""
        self.offset = self.discarded = 0

    def next_line(self, limit: int, discard_limit: int) -> bytes | Overrun | None:
        """The next line without its LF; None when there is no whole one yet.

        A line of more than ``limit`` octets with its LF is thrown away as it comes and reported once at its
        LF; one of more than ``discard_limit`` octets is reported as endless. How the octets were cut does not
        matter.
        """
        data, start = self.input, self.offset
        end = data.find(b"\n", start) + 1
        if not end:
            return self._await_line(limit, discard_limit)
        if end == len(data):  # as skip_to does: every command comes through here
            self.input, self.offset = b"", 0
        else:
            self.offset = end
        length = end - start + self.discarded
        self.discarded = 0
        if length <= limit:
            return data[start : end - 1]
        return Overrun.TOO_LONG if length <= discard_limit else Overrun.ENDLESS

    def _await_line(self, limit: int, discard_limit: int) -> Literal[Overrun.ENDLESS] | None:
        """Without an LF in sight: drop what can no longer become a line."""
        if self.offset:  # a client that waits here must not make us hold all that it sent before
            self.input, self.offset = self.input[self.offset :], 0
        length = len(self.input) + self.discarded
        if length <= limit - 1:
            return None
        self.forget_input()
        if length > max(limit, discard_limit):
            return Overrun.ENDLESS
        self.discarded = length
        return None
