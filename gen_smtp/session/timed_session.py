"""A session's clocks: which of its deadlines is next, and which has struck."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from typing import Any

from actors import Connection, GeventRef, SessionActor
from gen_smtp.options.deadlines import Deadlines, MessageClock


class TimedSession(SessionActor):
    """A connection that has so much time for each thing it does, and for all of them together.

    Two deadlines are under way at any time: one that moves on with what the client does, and the final one,
    first for the greeting, then for the whole session.

    Args:
        connection: the connection.
        server: the server.
        timeout: seconds between two commands.
        deadlines: seconds for everything else.

    Attributes:
        deadlines: the same.
    """

    __slots__ = ("_active_at", "_final", "_message_clock", "_timeout", "deadlines")

    def __init__(
        self, connection: Connection, server: GeventRef[Any], timeout: float, deadlines: Deadlines
    ) -> None:
        super().__init__(connection, server)
        self._active_at = time.monotonic()
        self._deadline = math.inf  # until it is greeted
        self._timeout = timeout
        self.deadlines = deadlines
        self._final = "banner"
        self._message_clock: MessageClock | None = None

    # -- hooks --------------------------------------------------------------------------------------

    @abstractmethod
    def on_exceeded(self, deadline: str) -> None:
        """Hook: a deadline of this name has struck. Ends the session, or sees to it that it ends."""

    @abstractmethod
    def is_in_message(self) -> bool:
        """Hook: whether a message is under way, from the 354 until it is answered."""

    @abstractmethod
    def tell_exceeded(self, deadline: str) -> None:
        """Hook: a deadline has struck, and the session ends for it."""

    # -- for subclasses -----------------------------------------------------------------------------

    def reply(self, data: bytes) -> None:
        """Send; the client got something done. Raises as `send` does."""
        self._active_at = time.monotonic()
        transport = self._transport
        if transport.secured is not None:
            self.send(data)
            return
        try:  # as send does for a connection in clear, without its calls
            sent = transport.socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._fail_sending(error)
        if sent != len(data):
            self._send_rest(memoryview(data)[sent:])

    def _touch(self) -> None:
        """The client got something done: its time starts anew, within what a message may take."""
        self._active_at = time.monotonic()
        self._deadline = None
        timer = self._timer
        if timer is None or timer.due > self.moving_due():
            self._set_timer()

    def moving_due(self) -> float:
        due = self._active_at + self._timeout
        return self._clock().due(self._active_at) if self.is_in_message() else due

    def _clock(self) -> MessageClock:
        """The clock of the message under way, which most are too short to need."""
        if self._message_clock is None:
            self._message_clock = MessageClock(self.deadlines, self._active_at)
        return self._message_clock

    def _start_message(self) -> None:
        """From now on the time for a message counts."""
        now = self._active_at = time.monotonic()
        timer = self._timer
        if timer is None or timer.due > now + self.deadlines.soonest:
            self._set_timer()

    def _set_timer(self) -> None:
        """The time between two commands may be shorter than any in a message, and counts again behind it."""
        self._ring_at(min(self._next_due(), time.monotonic() + self._timeout))

    def _count_piece(self, octets: int) -> None:
        """A piece of a message has come, and not the last one."""
        self._clock().count(octets)
        if not self.holds_reading:
            self._touch()

    def _is_greeted_in_time(self) -> bool:
        """The time for the greeting is over, the others count from now on; whether it was enough."""
        in_time = time.monotonic() < self.final_due
        self._deadline = None  # no timer was set for later than the time between two commands
        self.set_final("session", self._active_at + self.deadlines.session)
        return in_time

    def set_final(self, name: str, due: float) -> None:
        """Set the deadline that nothing moves: `banner`, then `session`; `grace` once the server stops."""
        self._final = name
        self.set_final_due(due)

    def end_with_message(self) -> None:
        """The final deadline is over; the session ends with the message under way, which has its own."""
        if self.is_in_message():
            self._clock().ends_session = True

    # -- what the connection asks -------------------------------------------------------------------

    def on_start(self) -> None:
        """Give the greeting its time, before TLS or the callback take theirs.

        The timer is set so early that most sessions, which are short, never set another.
        """
        self.final_due = self._active_at + self.deadlines.banner
        self._ring_at(self._active_at + min(self._timeout, self.deadlines.soonest))
        super().on_start()

    def handshake_seconds(self) -> float:
        return self.deadlines.handshake

    def write_seconds(self) -> float:
        """As the deadline `reply` has it; while the server stops, what is left of the grace."""
        seconds = self.deadlines.reply
        if self._final != "grace":
            return seconds
        left = self.final_due - time.monotonic()
        return 0.0 if left == math.inf else min(seconds, max(0.0, left))

    def on_handshake_timeout(self) -> None:
        self.tell_exceeded(self._final if self.final_due <= time.monotonic() else "handshake")

    def on_timeout(self) -> None:
        """The client was silent for too long, or its message takes too long."""
        self.on_exceeded(self._clock().struck(self._active_at) if self.is_in_message() else "timeout")

    def on_final_timeout(self) -> None:
        """The greeting, the session or the server's stop takes too long."""
        self.on_exceeded(self._final)
