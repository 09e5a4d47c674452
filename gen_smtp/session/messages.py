"""What a session does with messages: takes them in, hands them to their callback, ends with one under way."""

from __future__ import annotations

import time
from functools import partial

from actors import events as actor_events
from actors.messages import Shutdown
from actors.net.transport import FEW_OCTETS, RECEIVE_OCTETS
from actors.runtime.refs import Stop
from gen_smtp import events
from gen_smtp.callbacks.behaviour import Module
from gen_smtp.protocol.questions import (
    ChunkComplete,
    ChunksStart,
    MessageAbandoned,
    MessageChunk,
    MessageComplete,
    MessageRejected,
    MessageStart,
)
from gen_smtp.protocol.transaction import Transaction
from gen_smtp.protocol.verdicts import ACCEPT, Accept, Decline, Fail, PerRecipient, Verdict
from gen_smtp.session import calling, clock
from gen_smtp.session.bodies import NO_ROOM, Body, MessageBody, Refusal
from gen_smtp.session.calling import ask
from gen_smtp.session.spooled import SpooledBody
from gen_smtp.session.state import RefusedMessage, SessionState
from gen_smtp.session.streamed import CALLBACK, StreamedBody

# -- what the protocol tells and asks -------------------------------------------------------------


def on_start(session: SessionState, notice: MessageStart | ChunksStart) -> bool:
    """DATA or BDAT was accepted: from now on the time for a message counts."""
    now = session.active_at = time.monotonic()
    alarm = session.alarm
    if alarm is None or alarm.due > now + session.context.options.sessionoptions.deadlines.soonest:
        session.set_alarm()
    session.appetite = RECEIVE_OCTETS
    return not session.protocol.received  # whether nothing of it came with its command


def on_chunks_start(session: SessionState, notice: ChunksStart) -> None:
    """BDAT: as for DATA; but a question may wait behind it, though nothing that the client sent does."""
    on_start(session, notice)


def on_chunk(session: SessionState, notice: MessageChunk | ChunkComplete) -> None:
    """A piece of the message."""
    session.octets += len(notice.data)
    body = session.body = session.body or _make_body(session)
    if not body.add(notice.data):
        assert body.refusal is not None
        session.rejection = body.refusal.cause


def on_chunk_complete(session: SessionState, question: ChunkComplete) -> bool:
    """The end of a chunk that is not the last. If it can't be kept, the client need not send the others."""
    if question.data:
        on_chunk(session, question)
    refusal = None if session.body is None else session.body.refusal
    return session.protocol.respond(ACCEPT if refusal is None else Decline(refusal.reply))


def on_abandoned(session: SessionState, notice: MessageAbandoned) -> None:
    """The client gave up a message of which chunks had come."""
    session.appetite = FEW_OCTETS
    calling.cut_message(session, "reset")
    _end_message(session)


def on_rejected(session: SessionState, notice: MessageRejected) -> None:
    """The message will be refused, when its end has come."""
    session.rejection = notice.cause
    _note_refused(session, 0 if session.body is None else session.body.size, notice.transaction)
    if session.body is not None:
        session.body.abort(notice.cause)


def on_complete(session: SessionState, question: MessageComplete) -> bool:
    """The end of a message: its callback decides. Returns whether all that the client sent is dealt with."""
    size = len(question.data)
    session.octets += size
    memory = session.context.memory
    verdict: Verdict | None
    if session.body is not None or session.streams or session.context.options.sessionoptions.spools:
        verdict, refusal, size = _deliver_body(session, question)
    elif memory.take(size):
        # In one piece, as most come: counted as a body, but none is made. It saves 4.6 % of a message over a
        # kept connection (docs/performance.md); test_message_memory.py has both.
        try:
            verdict = ask(session, "handle_DATA", question.sender, question.recipients, question.data)
        finally:
            memory.give_back(size)
    else:
        verdict, refusal = None, NO_ROOM
    transaction = session.protocol.transaction
    if verdict is None:
        session.rejection = refusal.cause
        _note_refused(session, size, transaction)
        return session.protocol.respond(Decline(refusal.reply))
    if type(verdict) is PerRecipient:
        verdict = _check_results(session, verdict)
    told_from = None
    if type(verdict) is Accept or _takes_message(verdict):
        session.messages += 1
        if actor_events.wanted(events.MessageTaken):
            told_from = len(session.protocol.unsent)
    else:
        _note_refused(session, size, transaction)
    session.appetite = FEW_OCTETS
    if session.mailbox.taken.next is not None and _is_told_to_end(session):
        session.protocol.shut_down()  # the message is answered while the server stops
    is_done = session.protocol.respond(verdict)
    if told_from is not None:
        assert transaction is not None  # its message was answered only now
        # The question's list of recipients was the callback's to change; this one was not.
        recipients = tuple(transaction.recipients)
        _tell_taken(session, question.sender, recipients, size, verdict, session.protocol.unsent[told_from:])
    if session.message_clock is not None:
        _end_message(session)
    return is_done


def on_skipped(session: SessionState) -> None:
    """A chunk was refused and has been read away."""
    session.appetite = FEW_OCTETS
    _end_message(session)


def on_rejected_end(session: SessionState, cause: str) -> None:
    """The end of a message that was refused has come, and its reply is queued."""
    if isinstance(session.body, StreamedBody) and session.body.is_busy():
        calling.send_replies(session)  # the client need not wait for the reader to notice
    calling.cut_message(session, cause)
    calling.notify_error(session, "data_rejected", cause)
    _end_message(session)


# -- the body -------------------------------------------------------------------------------------


def _make_body(session: SessionState) -> Body:
    if session.streams:
        return StreamedBody(session)
    memory, options = session.context.memory, session.context.options.sessionoptions
    if not options.spools:
        return MessageBody(memory)
    on_wait, on_error = partial(clock.excuse, session), partial(_tell_disk_error, session)
    return SpooledBody(memory, options.spool_threshold, options.spool_directory, on_wait, on_error)


def _tell_disk_error(session: SessionState, error: OSError) -> None:
    actor_events.emit(events.SpoolFailed(session.actor_urn, session.peername, error))


def _deliver_body(session: SessionState, question: MessageComplete) -> tuple[Verdict | None, Refusal, int]:
    body = session.body = session.body or _make_body(session)
    body.add(question.data)
    verdict = body.deliver(partial(ask, session), question)
    size = body.size
    calling.drop_body(session)
    return verdict, body.refusal or NO_ROOM, size


def _check_results(session: SessionState, verdict: PerRecipient) -> Verdict:
    if session.context.config.lmtp:
        return verdict
    name = CALLBACK if session.streams else "handle_DATA"
    calling.tell_wrong(session, name, "multiple", "multiple is for LMTP")
    return Fail()


def _takes_message(verdict: Verdict) -> bool:
    return isinstance(verdict, PerRecipient) and any(isinstance(each, Accept) for each in verdict.results)


def _tell_taken(
    session: SessionState,
    sender: str,
    recipients: tuple[str, ...],
    size: int,
    verdict: Verdict,
    replies: bytes,
) -> None:
    results = verdict.results if isinstance(verdict, PerRecipient) else ()
    login = session.protocol.login
    actor_events.emit(
        events.MessageTaken(
            session.actor_urn,
            session.peername,
            sender,
            recipients,
            size,
            " ".join(replies.decode("ascii", "replace").split("\r\n")).strip(),
            calling.shown_tls(session),
            None if login is None else login.user,
            round(max(0.0, time.monotonic() - _began(session)), 3),
            session.protocol.helo,
            session.listens_at(),
            sum(not isinstance(each, Accept) for each in results),
        )
    )


def _note_refused(session: SessionState, size: int, transaction: Transaction | None) -> None:
    """A message will be refused: keep what is to be told of it, for its transaction ends before that."""
    if transaction is not None and actor_events.wanted(events.CommandRefused):
        session.refused_message = RefusedMessage(
            transaction.sender, tuple(transaction.recipients), size, _began(session)
        )


def _began(session: SessionState) -> float:
    """When the message under way did."""
    return session.active_at if session.message_clock is None else session.message_clock.began


def _is_told_to_end(session: SessionState) -> bool:
    """Whether somebody has begun to stop the session while a callback had its message."""
    return any(isinstance(message, Shutdown | Stop) for message in session.mailbox.waiting())


def _end_message(session: SessionState) -> None:
    """The message is answered; a session that is too old ends with it."""
    message_clock, session.message_clock = session.message_clock, None
    if message_clock is not None and message_clock.ends_session:
        calling.end_behind_message(session)


def change_code(session: SessionState, module: Module, extra: object) -> bool:
    """As `calling.change_code`; a message under way goes to the new object as that wants it."""
    changed = calling.change_code(session, module, extra)
    old = session.body
    if changed and session.streams and old is not None and not session.rejection:
        came = old.content() if isinstance(old, MessageBody) else None
        if came is not None:
            old.drop()
            session.body = StreamedBody(session)
            session.body.add(came)
    return changed
