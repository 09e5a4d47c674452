"""A session's clock: which of its deadlines is next, and which has struck.

Two deadlines are under way at any time: one that moves on with what the client does, and the final one,
first for the greeting, then for the whole session.
"""

from __future__ import annotations

import math
import time

from gen_smtp.options.deadlines import Deadlines, LingerClock, MessageClock
from gen_smtp.session.state import SessionState


def deadlines_of(session: SessionState) -> Deadlines:
    """How long everything may take but the time between two commands."""
    return session.context.options.sessionoptions.deadlines


def clock_of_message(session: SessionState) -> MessageClock:
    """The clock of the message under way, which most are too short to need."""
    if session.message_clock is None:
        session.message_clock = MessageClock(deadlines_of(session), session.active_at)
    return session.message_clock


# -- setting it -----------------------------------------------------------------------------------


def touch(session: SessionState) -> None:
    """The client got something done: its time starts anew, within what a message may take."""
    session.active_at = time.monotonic()
    session.fixed_due = None
    session.look_by(moving_due(session))


def count_piece(session: SessionState, octets: int) -> None:
    """A piece of a message has come, and not the last one."""
    clock_of_message(session).count(octets)
    if not session.holds_reading:
        touch(session)


def excuse(session: SessionState, seconds: float) -> None:
    """So long nobody read what the client sent."""
    if session.protocol.in_message:
        clock_of_message(session).excuse(seconds)
    touch(session)


def set_final(session: SessionState, name: str, due: float) -> None:
    """Set the deadline that nothing moves: `banner`, then `session`; `grace` once the server stops."""
    session.final = name
    session.set_final_due(due)


def end_with_message(session: SessionState) -> None:
    """The final deadline is over; the session ends with the message under way, which has its own."""
    if session.protocol.in_message:
        clock_of_message(session).ends_session = True


# -- reading it -----------------------------------------------------------------------------------


def moving_due(session: SessionState) -> float:
    """When the deadline that moves on with what the client does strikes."""
    if session.protocol.in_message or type(session.message_clock) is LingerClock:
        return clock_of_message(session).due(session.active_at)
    return session.active_at + session.context.options.sessionoptions.timeout


def alarm_due(session: SessionState) -> float:
    """When to look at the clock: the time between two commands may be shorter than any in a message.

    It counts again behind the message, and nobody says so.
    """
    return min(session.next_due(), time.monotonic() + session.context.options.sessionoptions.timeout)


def struck(session: SessionState) -> str:
    """The name of the moving deadline that has struck."""
    if session.protocol.in_message:
        return clock_of_message(session).struck(session.active_at)
    return "timeout"


def seconds_to_write(session: SessionState) -> float:
    """As the deadline `reply` has it; while the server stops, what is left of the grace."""
    seconds = deadlines_of(session).reply
    if session.final != "grace":
        return seconds
    left = session.final_due - time.monotonic()
    return 0.0 if left == math.inf else min(seconds, max(0.0, left))
