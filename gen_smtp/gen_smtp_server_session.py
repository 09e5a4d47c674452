"""gen_smtp's `gen_smtp_server_session`: the behaviour of callback classes, and what callbacks return."""

from __future__ import annotations

from actors.otp.messaging import invoke
from actors.runtime import names
from gen_smtp.callbacks.async_behaviour import AsyncBehaviour
from gen_smtp.callbacks.async_stream import AsyncMessageStream
from gen_smtp.callbacks.behaviour import (
    AuthResult,
    Behaviour,
    BehaviourError,
    DataResult,
    ErrorResult,
    Extensions,
    HelloResult,
    InfoResult,
    InitResult,
    Module,
    NoticeResult,
    OtherResult,
    Verdict,
)
from gen_smtp.callbacks.facts import Peername, Session, SessionInfo, Transaction
from gen_smtp.callbacks.results import (
    Error,
    Greeting,
    Identified,
    Ignore,
    Message,
    Multiple,
    NoReply,
    Ok,
    Reply,
    Result,
    Stop,
    error,
    greeting,
    identified,
    ignore,
    multiple,
    noreply,
    ok,
    reply,
    stop,
)
from gen_smtp.callbacks.stream import IncompleteMessage, MessageStream
from gen_smtp.protocol.questions import ClientFacts, ForwardedFacts
from gen_smtp.session.session import SmtpSession

__all__ = [
    "AsyncBehaviour",
    "AsyncMessageStream",
    "AuthResult",
    "Behaviour",
    "BehaviourError",
    "ClientFacts",
    "DataResult",
    "Error",
    "ErrorResult",
    "Extensions",
    "ForwardedFacts",
    "Greeting",
    "HelloResult",
    "Identified",
    "Ignore",
    "IncompleteMessage",
    "InfoResult",
    "InitResult",
    "Message",
    "MessageStream",
    "Module",
    "Multiple",
    "NoReply",
    "NoticeResult",
    "Ok",
    "OtherResult",
    "Peername",
    "Reply",
    "Result",
    "Session",
    "SessionInfo",
    "SmtpSession",
    "Stop",
    "Transaction",
    "Verdict",
    "error",
    "greeting",
    "identified",
    "ignore",
    "info",
    "multiple",
    "noreply",
    "ok",
    "reply",
    "stop",
]


def info(session: names.Meant, timeout: float | None = 5.0) -> SessionInfo:
    """The facts of a session: who is connected, since when, and what was done so far.

    Args:
        session: its reference, as `gen_smtp_server.sessions` gives it, or its registered name; it may be on
            another node.
        timeout: seconds to wait for a session that is busy; None waits for ever.

    Raises:
        ActorDeadError: the session is gone.
        pykka.Timeout: it did not answer in time.
        TypeError: the reference is not a session's.
    """
    ref = names.resolve(session)
    if getattr(ref, "far", None) is not None:
        from gen_smtp.cluster import session_facts  # without a cluster nothing of it is loaded

        return session_facts.session_info(ref, timeout)
    if not issubclass(ref.actor_class, SmtpSession):
        raise TypeError(f"{ref} is not a session")
    return invoke(ref, timeout, SmtpSession.info)
