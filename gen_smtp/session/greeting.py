"""The start of a session: the callback's `init` says whether the client is greeted or refused."""

from __future__ import annotations

from typing import Any

from actors.net.transport import FEW_OCTETS
from gen_smtp.callbacks.results import Ignore, Ok, Stop
from gen_smtp.callbacks.shown_value import shown_value
from gen_smtp.callbacks.translate import REPLY, WrongValue, banner_of, text_of
from gen_smtp.server.context import ListenerContext
from gen_smtp.session import calling, clock
from gen_smtp.session.state import SessionState


def begin(session: SessionState) -> None:
    """Count the client in, and receive it."""
    calling.open_callback(session)
    session.counted = True
    receive_client(session, session.context.counter.enter())


def receive_client(session: SessionState, count: int) -> None:
    """Ask the callback whether to serve the client, then greet.

    Args:
        session: the session, with a new callback object.
        count: how many sessions the server has, this one included.
    """
    context = session.context
    options = context.options.sessionoptions.callbackoptions
    match calling.run(session, "init", context.hostname, count, session.peername, options):
        case Ok(banner):
            _greet(session, banner)
        case Stop(reason, message):
            refuse_client(session, reason, message)
        case Ignore():
            refuse_client(session, "normal", None)
        case wrong:
            _fail(session, wrong, "init may return ok, ok(banner), stop or ignore")


def _usual(context: ListenerContext) -> str:
    """The banner of a callback that has none of its own."""
    return f"{context.hostname} {'LMTP' if context.config.lmtp else 'ESMTP'}"


def _greet(session: SessionState, given: Any) -> None:
    try:
        banner = _usual(session.context) if given is None else banner_of(given)
    except WrongValue as error:
        _fail(session, Ok(given), str(error))
        return
    session.served = True
    session.appetite = FEW_OCTETS
    if not clock.greet_in_time(session):
        calling.run_out_of(session, "banner")
    session.announce()  # before the banner: a client that has read it is in the list
    session.protocol.greet(banner)
    calling.flush(session)


def refuse_client(session: SessionState, reason: Any, message: Any) -> None:
    """End the session instead of a greeting, with a last word or without one."""
    calling.leave_counter(session)  # before the reply: a client that has read it may come again at once
    if message is not None:
        try:
            text = text_of(message, REPLY, "its code")
        except WrongValue as error:
            _fail(session, Stop(reason, message), str(error))
        else:
            session.protocol.refuse(text)
            calling.tell_refused(session, "the connection", text if isinstance(text, str) else text[0])
    calling.close(session, reason)


def _fail(session: SessionState, value: Any, allowed: str) -> None:
    """`init` has returned what it may not."""
    calling.tell_wrong(session, "init", shown_value(value, "init", ()), allowed)
    calling.leave_counter(session)
    session.protocol.fail()
    calling.close(session, "normal")
