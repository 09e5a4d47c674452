"""AUTH: the callback's word on credentials, what is told of it, and mechanisms that have a fault."""

from __future__ import annotations

from actors import events as actor_events
from gen_smtp import events
from gen_smtp.callbacks.shown_value import without_secrets
from gen_smtp.protocol import questions
from gen_smtp.protocol.verdicts import ACCEPT, Accept, Decline, Fail, Identified, Verdict
from gen_smtp.session import calling
from gen_smtp.session.state import SessionState

_KEYS = "handle_AUTH_keys"


def on_authenticate(session: SessionState, question: questions.Authenticate) -> None:
    """Have the callback judge the credentials."""
    verdict, user = _judged(session, question)
    if isinstance(verdict, Accept):
        _tell(session, events.Authenticated, question.mechanism, user)
    else:
        _tell(session, events.AuthenticationFailed, question.mechanism, question.username)
    session.protocol.respond(verdict)


def _judged(session: SessionState, question: questions.Authenticate) -> tuple[Verdict, str]:
    """The verdict, and who the client is if it is taken.

    Nobody may act as another user, unless the callback class has said that it looks at that (RFC 4616 2).
    """
    mechanism, user = question.mechanism, question.username
    if not _may_act(session, user, question.authzid):
        return Decline(), user
    verdict = calling.ask(session, "handle_AUTH", mechanism, user, question.credential)
    if isinstance(verdict, Identified):
        user = verdict.user
        if not _may_act(session, user, question.authzid):
            return Decline(), user
    return verdict, user


def _may_act(session: SessionState, user: str, authzid: str | None) -> bool:
    assert session.callback is not None
    return authzid in (None, user) or session.callback.takes_authzid


def on_find_keys(session: SessionState, question: questions.FindKeys) -> None:
    """Ask the callback what is kept of a password."""
    verdict = calling.ask(session, _KEYS, question.mechanism, question.username)
    if verdict is ACCEPT:
        calling.tell_wrong(session, _KEYS, "ok", "ok takes a value here: the keys of the user")
        verdict = Fail()
    elif isinstance(verdict, Decline) and verdict.message is not None:
        _tell(session, events.AuthenticationFailed, question.mechanism, question.username)
    session.protocol.respond(verdict)


def on_login_failed(session: SessionState, notice: questions.LoginFailed) -> None:
    """The exchange itself has shown that the credentials are wrong."""
    _tell(session, events.AuthenticationFailed, notice.mechanism, notice.username)


def _tell(
    session: SessionState,
    kind: type[events.Authenticated] | type[events.AuthenticationFailed],
    mechanism: str,
    username: str,
) -> None:
    if actor_events.wanted(kind):
        actor_events.emit(kind(session.actor_urn, session.peername, mechanism, username))


def on_step_failed(session: SessionState, question: questions.StepFailed) -> None:
    """End the session for a mechanism of the callback class, as for a callback that raises."""
    error = question.error
    if session.must_end(error):
        raise error  # killed in the middle of it
    secret = without_secrets(error, "handle_AUTH", (question.mechanism, "", question.response or ""))
    calling.fail(session, f"the mechanism {question.mechanism}", secret)
