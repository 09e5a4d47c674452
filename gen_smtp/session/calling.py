"""What a session does around its callback object: greets by it, calls it, contains it, and ends for it.

A callback that raises, or that returns what it may not, ends or answers this one session: never another, and
never with 250.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from actors import ActorExit, run_blocking, run_coroutine
from actors import events as actor_events
from actors.errors import OutOfTime
from actors.net.transport import FEW_OCTETS
from actors.runtime.hub import Hub
from gen_smtp import events
from gen_smtp.callbacks import watching
from gen_smtp.callbacks.behaviour import (
    Behaviour,
    Module,
    has_own,
    make_callback,
    make_successor,
)
from gen_smtp.callbacks.coroutines import own_loop
from gen_smtp.callbacks.mechanisms import DEFAULT, find_mechanisms
from gen_smtp.callbacks.results import (
    REPLY,
    Ignore,
    NoReply,
    Ok,
    Stop,
    WrongValue,
    accept_of,
    banner_of,
    end_of,
    ok,
    text_of,
    verdict_of,
)
from gen_smtp.callbacks.shown_value import shown_value, without_secrets
from gen_smtp.callbacks.tracebacks import let_go
from gen_smtp.callbacks.watching import EVERY, watches
from gen_smtp.options.deadlines import EXCEEDED
from gen_smtp.protocol.sasl.certificate import ClientCertificate
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.replies import StandardReply
from gen_smtp.protocol.verdicts import ACCEPT, Fail, Verdict
from gen_smtp.server.context import ListenerContext
from gen_smtp.session.clock import end_with_message, set_final, touch
from gen_smtp.session.state import SessionState

QUIT_SECONDS = 5.0
"""So long a client may say QUIT behind a message with which its session ends, if no grace says it."""

JUST_ANSWERED = 2.0
"""Behind a message that was answered no longer ago the client may be about to say QUIT."""

CLOSING = "Service not available, closing transmission channel"
"""RFC 5321 section 4.2.2's text, for a `stop` without a message while a command waits for its reply."""

MESSAGE_VERBS = ("DATA", "BDAT")
"""What a refusal of a message names."""

_OPTIONS = {"bare_newline": "allow_bare_newlines"}
"""Of a message that is refused for its form: the session option that says whether it is taken."""

# -- the callback object --------------------------------------------------------------------------


def open_callback(session: SessionState) -> None:
    """Make the callback object. If it can't be made, the session ends."""
    module = session.context.module
    try:
        _use(session, module, make_callback(module, session))
    except BaseException as error:
        fail(session, "the constructor", error)


def _use(session: SessionState, module: Module, callback: Any) -> None:
    session.module = module
    session.callback = callback
    # Whatever does not run on the hub itself; for most classes that is the class's own set.
    session.blocking = callback.blocking
    if callback.coroutines:
        session.blocking = callback.coroutines.union(callback.blocking)
    if watches:
        session.blocking = EVERY
    session.streams = type(callback).handle_DATA_stream is not Behaviour.handle_DATA_stream
    if type(callback).mechanisms is not DEFAULT or session.has_own_mechanisms:
        offer_mechanisms(session)


def offer_mechanisms(session: SessionState) -> None:
    """Have AUTH go by the mechanisms of the callback class, and by the certificate that the client has shown.

    A peer that speaks for others by XCLIENT has shown its own.
    """
    assert session.callback is not None
    session.has_own_mechanisms = True
    tls = session.tls if session.xclient is None else None
    facts = None if tls is None else tls.client_certificate
    certificate = None if facts is None else ClientCertificate.of(facts)
    session.protocol.use_mechanisms(find_mechanisms(type(session.callback).mechanisms), certificate)


def change_code(session: SessionState, module: Module, extra: Any) -> bool:
    """Between two commands: go on with another class; see `SmtpSession.change_code`."""
    session.context.module = module  # its listener may be gone, and with it who else would say so
    if session.callback is None or module is session.module:
        return False
    _use(session, module, make_successor(module, session.callback, extra))
    return True


# -- the greeting -----------------------------------------------------------------------------------


def begin(session: SessionState) -> None:
    """Count the client in, and receive it."""
    open_callback(session)
    counter = session.context.counter
    counter.present += 1
    session.counted = True
    receive_client(session, counter.present)


def receive_client(session: SessionState, count: int) -> None:
    """Ask the callback whether to serve the client, then greet.

    Args:
        session: the session, with a new callback object.
        count: how many sessions the server has, this one included.
    """
    context = session.context
    options = context.options.sessionoptions.callbackoptions
    match run(session, "init", context.hostname, count, session.peername, options):
        case Ok(banner):
            _greet(session, banner)
        case Stop(reason, message):
            refuse_client(session, reason, message)
        case Ignore():
            refuse_client(session, "normal", None)
        case wrong:
            _fail_init(session, wrong, "init may return ok, ok(banner), stop or ignore")


def _usual_banner(context: ListenerContext) -> str:
    """For a callback that has none of its own."""
    return f"{context.hostname} {'LMTP' if context.config.lmtp else 'ESMTP'}"


def _greet(session: SessionState, given: Any) -> None:
    try:
        banner = _usual_banner(session.context) if given is None else banner_of(given)
    except WrongValue as error:
        _fail_init(session, Ok(given), str(error))
        return
    session.served = True
    session.appetite = FEW_OCTETS
    in_time = time.monotonic() < session.final_due
    session.fixed_due = None  # no alarm was set for later than the time between two commands
    session.final = "session"
    session.set_final_due(session.active_at + session.context.options.sessionoptions.deadlines.session)
    if not in_time:
        run_out_of(session, "banner")
    session.announce()  # before the banner: a client that has read it is in the list
    session.protocol.greet(banner)
    if session.protocol.closing:
        flush(session)


def refuse_client(session: SessionState, reason: Any, message: Any) -> None:
    """End the session instead of a greeting, with a last word or without one."""
    leave_counter(session)  # before the reply: a client that has read it may come again at once
    if message is not None:
        try:
            text = text_of(message, REPLY, "its code")
        except WrongValue as error:
            _fail_init(session, Stop(reason, message), str(error))
        else:
            session.protocol.refuse(text)
            tell_refused(session, "the connection", text if isinstance(text, str) else text[0])
    close(session, reason)


def _fail_init(session: SessionState, value: Any, allowed: str) -> None:
    """`init` has returned what it may not."""
    tell_wrong(session, "init", shown_value(value, "init", ()), allowed)
    leave_counter(session)
    session.protocol.fail()
    close(session, "normal")


# -- calling it -----------------------------------------------------------------------------------


def ask(session: SessionState, name: str, *args: Any) -> Verdict:
    """Call a callback for its verdict on a command."""
    session.commands += 1
    if name in session.blocking:
        result = run(session, name, *args)
    else:
        # As `run` and `call` do, without their calls: 7 % of a message over a kept connection
        # (docs/performance.md); test_calling.py holds both ways equal.
        try:
            result = getattr(session.callback, name)(*args)
        except BaseException as error:
            contain(session, name, error, args)
    if result is ok:
        return ACCEPT
    # As `judge` does, for an `ok` that says something; test_calling.py holds both ways equal.
    verdict = accept_of(name, result) if type(result) is Ok else None
    return judge(session, name, args, result) if verdict is None else verdict


def run(session: SessionState, name: str, *args: Any) -> Any:
    """Call a callback. If it raises, the session ends."""
    if name in session.blocking and (session.blocking is not EVERY or is_aside(session, name)):
        # RFC 2920 3.2: replies go in groups, but those that are ready don't wait for a worker thread.
        send_replies(session)
    try:
        return call(session, name, *args)
    except BaseException as error:  # a forgotten gevent.Timeout, too, ends this session alone
        contain(session, name, error, args)


def call(session: SessionState, name: str, *args: Any) -> Any:
    """Call a callback: in a worker thread, if it blocks; on an asyncio loop, if it is `async def`."""
    callback = getattr(session.callback, name)
    if name not in session.blocking:
        return callback(*args)
    if session.blocking is EVERY:
        call_it = callback if not is_aside(session, name) else partial(_call_aside, session, name, callback)
        return watching.run(session, name, partial(call_it, *args))
    return _call_aside(session, name, callback, *args)


def _call_aside(session: SessionState, name: str, callback: Callable[..., Any], *args: Any) -> Any:
    if is_coroutine(session, name):
        return run_coroutine(callback(*args), loop_of(session))
    return run_blocking(callback, *args)


def is_aside(session: SessionState, name: str) -> bool:
    """Whether a callback runs elsewhere than on the hub."""
    return session.callback is not None and (
        name in session.callback.blocking or name in session.callback.coroutines
    )


def is_coroutine(session: SessionState, name: str) -> bool:
    """Whether a callback of the session's object is `async def`."""
    return session.callback is not None and name in session.callback.coroutines


def loop_of(session: SessionState) -> asyncio.AbstractEventLoop:
    """The asyncio loop that the session's callbacks run on."""
    return session.context.loop or own_loop()


def judge(session: SessionState, name: str, args: tuple[Any, ...], result: Any) -> Verdict:
    """What a callback's result means for the command."""
    kind = type(result)
    if kind is Stop and result.message is None:
        result = Stop(result.reason, f"421 {session.context.hostname} {CLOSING}")
    try:
        verdict = verdict_of(name, result)
    except WrongValue as error:
        tell_wrong(session, name, shown_value(result, name, args), str(error))
        return Fail()
    if kind is Stop:
        session.reason = result.reason
    elif kind is NoReply:
        touch(session)  # no reply will do it
    return verdict


def notify(session: SessionState, name: str, *args: Any) -> None:
    """Call a callback that gives no verdict; its `stop` ends the session."""
    result = run(session, name, *args)
    try:
        end = end_of(name, result)
    except WrongValue as error:
        tell_wrong(session, name, shown_value(result, name, args), str(error))
        return
    if end is not None:
        if end.message is not None:
            session.protocol.drop_with(end.message)
        close(session, end.reason)


def notify_error(session: SessionState, error_class: str, detail: Any) -> None:
    """handle_error, after the reply; skipped for a class that has none of its own."""
    if session.served and session.callback is not None and has_own(session.callback, "handle_error"):
        send_replies(session)
        notify(session, "handle_error", error_class, detail)


def terminate(session: SessionState, reason: Any) -> None:
    """Tell the callback object that the session ends, or goes on with another."""
    try:
        call(session, "terminate", reason)
    except BaseException as error:  # the session ends for its first reason
        if session.must_end(error):
            raise
        tell_crash(session, "terminate", error)


def dismiss(session: SessionState, reason: Any) -> None:
    """The session is over for its callback object: tell it so, if its init had said ok."""
    if session.served:
        session.served = False
        terminate(session, reason)
    run_at_end(session)


def run_at_end(session: SessionState) -> None:
    """Call what is to be called at the end, the last one first."""
    functions = session.at_end
    while functions:
        function, args = functions.pop()
        try:
            function(*args)
        except BaseException as error:
            tell_crash(session, "a function of at_end", error)


# -- what it did wrong ----------------------------------------------------------------------------


def contain(session: SessionState, name: str, error: BaseException, args: tuple[Any, ...] = ()) -> NoReturn:
    """End the session for what a callback raised; it is being handled."""
    if session.must_end(error):
        raise error  # killed in the middle of it
    fail(session, name, without_secrets(error, name, args))


def fail(session: SessionState, name: str, error: BaseException) -> NoReturn:
    """451 for the command in hand, 421 before the greeting; never 250."""
    if isinstance(error, OutOfTime) and not session.served:
        run_out_of(session, "banner")
    if isinstance(error, KeyboardInterrupt):
        Hub.current().interrupt(error)
    tell_crash(session, name, error)
    leave_counter(session)
    session.protocol.fail()
    close(session, error)


def tell_crash(session: SessionState, name: str, error: BaseException) -> None:
    """A callback has raised. Who hears of it now has its traceback, and nobody later."""
    actor_events.emit(events.CallbackCrashed(session.actor_urn, session.peername, name, error))
    let_go(error)


def tell_wrong(session: SessionState, name: str, shown: str, allowed: str) -> None:
    """A callback has returned what it may not."""
    actor_events.emit(events.WrongCallbackValue(session.actor_urn, session.peername, name, shown, allowed))


def tell_refused(session: SessionState, verb: str, reply: str, argument: str = "") -> None:
    """The client was answered 4yz or 5yz."""
    session.refused += 1
    if actor_events.wanted(events.CommandRefused):
        protocol, transaction = session.protocol, session.protocol.transaction
        facts: dict[str, Any] = {"sender": None if transaction is None else transaction.sender}
        if verb in MESSAGE_VERBS:
            facts |= _facts_of_message(session)
        actor_events.emit(
            events.CommandRefused(
                session.actor_urn,
                session.peername,
                verb,
                reply,
                argument,
                helo=protocol.helo,
                tls=shown_tls(session),
                user=protocol.user,
                listener=session.listens_at(),
                **facts,
            )
        )


def _facts_of_message(session: SessionState) -> dict[str, Any]:
    """What is told of a message that is refused."""
    facts: dict[str, Any] = {"option": _OPTIONS.get(session.rejection or "", "")}
    message = session.refused_message
    if message is not None:
        session.refused_message = None
        seconds = round(max(0.0, time.monotonic() - message.began), 3)
        facts |= {"sender": message.sender, "recipients": message.recipients}
        facts |= {"size": message.size, "seconds": seconds}
    return facts


def shown_tls(session: SessionState) -> str | None:
    """The version of TLS, `"proxied"` where it ends at a proxy; None in clear."""
    tls = session.tls
    return tls.version if tls is not None else "proxied" if session.protocol.tls else None


# -- sending and closing --------------------------------------------------------------------------


def send_replies(session: SessionState) -> None:
    """Send what is queued; the client got something done."""
    replies = session.protocol.data_to_send()
    if replies:
        session.active_at = time.monotonic()
        session.send(replies)


def flush(session: SessionState) -> None:
    """Send what is queued; end the session if that was all."""
    if not session.protocol.closing:
        send_replies(session)
        return
    replies = session.protocol.data_to_send()
    if replies:
        session.send_last(replies)
    session.drain = session.unread or not session.said_quit
    raise ActorExit(session.reason)  # which closes the connection before anything else


def close(session: SessionState, reason: Any) -> NoReturn:
    """Send what is queued and end."""
    session.reason = reason
    session.protocol.close()
    flush(session)
    raise ActorExit(reason)  # flush has done so


def exceed(session: SessionState, deadline: str) -> None:
    """A deadline has struck: end, but let a message be finished for which only the session is too old."""
    protocol = session.protocol
    if protocol.leaving:  # it was the time to say QUIT, and nothing is exceeded
        protocol.say_goodbye()
        flush(session)
    elif deadline == "session" and not shut_down(session, replies.TIMEOUT_SESSION):
        tell_exceeded(session, deadline)
        if protocol.in_message:
            end_with_message(session)
        else:
            end_behind_message(session)
    else:
        run_out_of(session, deadline)


def shut_down(session: SessionState, reply: StandardReply) -> bool:
    """421 for a client between commands, unless it was told a moment ago that its message was taken.

    What comes at once behind a 250 is the reply to QUIT for many clients, and a 421 a reason to send the
    message again. Returns whether the session is to end at once.
    """
    is_behind_message = (
        session.messages > 0
        and session.protocol.transaction is None
        and time.monotonic() - session.active_at < JUST_ANSWERED
    )
    return session.protocol.shut_down(reply, behind_message=is_behind_message)


def end_behind_message(session: SessionState) -> None:
    """The session is too old, and its message is answered: the client may say QUIT before it ends."""
    if session.final != "grace":
        set_final(session, "session", time.monotonic() + QUIT_SECONDS)
    notify_error(session, "timeout", "timeout")


def run_out_of(session: SessionState, deadline: str) -> None:
    """A deadline has struck: end the session."""
    say_out_of_time(session, deadline)
    flush(session)


def say_out_of_time(session: SessionState, deadline: str) -> None:
    """A deadline has struck: say the last word, to the client and to the callback."""
    tell_exceeded(session, deadline)
    if not session.served:
        leave_counter(session)
    session.protocol.time_out(EXCEEDED[deadline])
    send_replies(session)
    cut_message(session, "shutdown" if deadline == "grace" else "timeout")
    notify_error(session, "timeout", "timeout")


def tell_exceeded(session: SessionState, deadline: str) -> None:
    """A deadline has struck, and the session ends for it."""
    if actor_events.wanted(events.DeadlineExceeded):
        actor_events.emit(events.DeadlineExceeded(session.actor_urn, session.peername, deadline))


def cut_message(session: SessionState, cause: str) -> None:
    """A message under way will never be complete. Returns when no callback has it any more."""
    body = session.body
    if body is not None:
        body.abort(cause)
        body.join()
        drop_body(session)


def drop_body(session: SessionState) -> None:
    """Let go of the message under way; never waits."""
    body, session.body = session.body, None
    if body is not None:
        body.drop()


def leave_counter(session: SessionState) -> None:
    """The session is no longer one of those that `init` hears the number of."""
    if session.counted:
        session.counted = False
        session.context.counter.present -= 1
