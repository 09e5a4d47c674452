"""A session that is over, with a client that is still writing its message.

Most clients write all of a message before they read, and TCP may forget what they have not read when a
connection is closed while more octets come. So the last word is sent, and behind it the end of the stream.
What still comes is read and thrown away, within bounds. The callback object is gone by then.
"""

from __future__ import annotations

import math
import time
from typing import NoReturn

from actors import ActorExit
from gen_smtp.options.deadlines import LingerClock
from gen_smtp.session import calling
from gen_smtp.session.clock import deadlines_of
from gen_smtp.session.state import SessionState

TO_HEAR_OF_TIME = 5.0
"""Seconds for a client whose message takes too long."""


def end_or_linger(session: SessionState, octets: int) -> None:
    """Everything to say is queued; so many octets have come."""
    if lingers(session):
        _throw_away(session, octets)
    elif session.reason == ("limit", "message_size"):
        calling.send_replies(session)
        _begin(session)
    else:
        calling.flush(session)


def cut_short(session: SessionState, deadline: str) -> None:
    """A deadline of the message under way has struck."""
    calling.say_out_of_time(session, deadline)
    if deadline == "data_block":  # nothing comes
        calling.flush(session)
    else:
        _begin(session, TO_HEAR_OF_TIME)


def _begin(session: SessionState, seconds: float = math.inf) -> None:
    """Say nothing more, and read on for so long, and no longer than a message may take."""
    now = time.monotonic()
    session.message_clock = LingerClock(deadlines_of(session), now)
    session.active_at, session.fixed_due = now, None
    session.final_due = min(session.final_due, now + seconds)
    session.transport.finish_sending()
    session.set_alarm()
    calling.leave_counter(session)
    calling.dismiss(session, session.reason)
    session.callback = None


def lingers(session: SessionState) -> bool:
    """Whether the session is over, and reads on."""
    return type(session.message_clock) is LingerClock


def _throw_away(session: SessionState, octets: int) -> None:
    """So much has come. Raises ActorExit if that is all that may."""
    clock = session.message_clock
    assert type(clock) is LingerClock
    clock.count(octets)
    session.active_at = time.monotonic()
    if clock.left < 0:
        end(session)


def end(session: SessionState) -> NoReturn:
    """Read no more. Raises ActorExit."""
    session.drain = True
    raise ActorExit(session.reason)
