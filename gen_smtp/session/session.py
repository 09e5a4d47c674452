"""The actor of one SMTP connection: the hooks of an actor, and what each question and notice leads to.

The path of the octets, one way: readiness, a turn, `Protocol.hear`, then for each question its callback and
the verdict, and at the end one send for all replies.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import gevent

from actors import ActorExit
from actors import events as actor_events
from actors.messages import DEFAULT_GRACE
from actors.net.transport import TlsCutError, WriteTimeoutError
from actors.runtime.hub import Hub
from gen_smtp import events
from gen_smtp.callbacks.behaviour import Module, has_own
from gen_smtp.options.tls.context import ALPN_NAMES
from gen_smtp.protocol import questions
from gen_smtp.protocol.protocol import Protocol
from gen_smtp.protocol.questions import SEND
from gen_smtp.protocol.text.replies import SHUTTING_DOWN
from gen_smtp.protocol.verdicts import ACCEPT, Accept, Decline, Verdict
from gen_smtp.session import calling, clock, linger, logins, messages, proxied
from gen_smtp.session.calling import ask
from gen_smtp.session.state import SessionState
from gen_smtp.session.streamed import StreamedBody

STEPS_PER_TURN = 64
"""How many questions and notices of a client are dealt with before the others have their turn."""

LAST_WORD = 0.9
"""After so much of the grace a session ends by itself, in good order, before its server cuts it off."""


class SmtpSession(SessionState):
    """One SMTP or LMTP session: what the actor below asks of it."""

    application_protocols = frozenset(map(str.encode, ALPN_NAMES))

    __slots__ = ()

    # -- the start ----------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Give the greeting its time, before TLS or the callback take theirs; await a PROXY header.

        The alarm is set so early that most sessions, which are short, never set another.
        """
        options = self.context.options.sessionoptions
        self.final_due = self.active_at + options.deadlines.banner
        self.ring_at(self.active_at + min(options.timeout, options.deadlines.soonest))
        if self.context.by_client:
            proxied.start(self)
        if self.context.options.protocol == "ssl":
            super().on_start()

    def on_preface(self, data: bytes) -> tuple[int, bool]:
        return proxied.read_header(self, data)

    def listens_at(self) -> str:
        return self.context.address

    def tls_context(self) -> ssl.SSLContext | None:
        """TLS from the first octet on, for a listener with protocol ssl."""
        options = self.context.options
        return options.sessionoptions.tls_context() if options.protocol == "ssl" else None

    def on_connect(self) -> bytes:
        """Serve the client; one may have to wait for the greeting (RFC 5321 4.3.1).

        The wait is a deadline and nothing else. What comes meanwhile is the protocol's to refuse, before
        there is a callback object.
        """
        options = self.context.options.sessionoptions
        if options.greet_delay:
            self.set_deadline(options.greet_delay)
        elif options.refuse_early_talkers and (data := self.read_ahead()):
            return self.on_data(data)
        else:
            calling.begin(self)
        self.active_at = time.monotonic()
        replies, self.protocol.unsent = self.protocol.unsent, b""
        return replies

    # -- what the client sends ----------------------------------------------------------------------

    def on_data(self, data: bytes) -> bytes:
        """Work off what the client sent, until it has to send more or others have waited long enough."""
        protocol = self.protocol
        message = (protocol.transaction or protocol.reader) if protocol.in_message else None
        heard = protocol.hear(data)
        for left in _STEPS_LEFT:
            question = _QUESTIONS.get(type(heard))
            if question is not None:
                name, argument = question
                if protocol.respond(ask(self, name, argument(heard))):
                    break
            else:
                handle = _HANDLERS.get(type(heard))
                if handle is None:
                    if heard is SEND:
                        self._go_on_later(protocol)
                    break
                if handle(self, heard):
                    break
            if not left or self.mailbox.taken.next is not None:
                self._go_on_later(protocol)  # messages have their turn between two commands
                break
            heard = protocol.next_step()
        if message is not None and data and protocol.in_message:
            self._count_piece(message, len(data))
        if protocol.closing:
            linger.end_or_linger(self, len(data))
        replies = protocol.unsent
        if replies:
            protocol.unsent = b""
            self.active_at = time.monotonic()
        return replies

    def _count_piece(self, message: object, octets: int) -> None:
        """A piece has come, if what is under way is still the message, or the refused chunk, of before."""
        if message is (self.protocol.transaction or self.protocol.reader):
            clock.count_piece(self, octets)

    def on_continue(self) -> bytes:
        return self.on_data(b"")

    def on_eof(self) -> None:
        """The client has finished sending: work off the rest, and end."""
        if linger.lingers(self):
            linger.end(self)
        self.protocol.receive_eof()
        while True:  # until the protocol is closing, which ends the session
            self._answer(b"")
            gevent.sleep(0)  # whatever is left must not keep the other sessions waiting

    def _answer(self, data: bytes) -> None:
        replies = self.on_data(data)
        if replies:
            self.send(replies)

    def _go_on_later(self, protocol: Protocol) -> None:
        self.more = True
        if protocol.closing:  # there will be no later turn: handle what it still has to tell
            while (handle := _HANDLERS.get(type(heard := protocol.next_step()))) is not None:
                handle(self, heard)

    def on_lost(self, error: OSError) -> None:
        """The connection broke: what was not answered yet is not done."""
        if linger.lingers(self):
            linger.end(self)
        if isinstance(error, TlsCutError) and not self.protocol.in_message:
            self.on_eof()  # few say close_notify, and between two messages nothing can be cut short
        if self.protocol.in_message:
            self.reason = ("error_receiving_data", error)
        self.protocol.close()
        calling.cut_message(self, "closed")
        calling.notify_error(self, "ssl_error" if self.protocol.tls else "tcp_error", _cause(error))
        raise ActorExit(self.reason) from error

    def on_send_error(self, error: OSError) -> Any:
        if isinstance(error, WriteTimeoutError):
            calling.tell_exceeded(self, "reply")
        self.protocol.close()
        self.protocol.data_to_send()
        calling.notify_error(self, "send_error", _cause(error))
        return self.reason

    # -- TLS ----------------------------------------------------------------------------------------

    def on_tls(self) -> None:
        """The handshake of STARTTLS is done."""
        self.protocol.tls_established()
        if self.has_own_mechanisms:
            calling.offer_mechanisms(self)
        clock.touch(self)
        calling.notify(self, "handle_STARTTLS")
        calling.flush(self)

    def on_handshake_error(self, reason: str) -> None:
        if self.recorder is not None:
            self.recorder.note(f"the TLS handshake has failed: {reason}")
        calling.notify_error(self, "ssl_handshake_error", reason)

    # -- the clock ----------------------------------------------------------------------------------

    def moving_due(self) -> float:
        return clock.moving_due(self)

    def set_alarm(self) -> None:
        self.ring_at(clock.alarm_due(self))

    def handshake_seconds(self) -> float:
        return clock.deadlines_of(self).handshake

    def write_seconds(self) -> float:
        return clock.seconds_to_write(self)

    def may_cut_wait(self) -> bool:
        """An `init` that waits for too long is done with; any other callback may take its time.

        So may `terminate` and what is to be called at the end, which an exit signal can bring in no time.
        """
        if self.exit_reason is not None:
            return False
        return self.connected and not (self.served or self.protocol.closing)

    def on_handshake_timeout(self) -> None:
        is_final = self.final_due <= time.monotonic()
        calling.tell_exceeded(self, self.final if is_final else "handshake")

    def on_timeout(self) -> None:
        """The wait for the greeting is over; or a header, the client or its message takes too long."""
        if proxied.awaits_header(self):
            proxied.refuse_header(self, "timeout")
        if linger.lingers(self):
            linger.end(self)
        if self.callback is None:
            calling.begin(self)
            calling.flush(self)
        elif self.protocol.in_message:
            linger.cut_short(self, clock.struck(self))
        else:
            calling.exceed(self, clock.struck(self))

    def on_final_timeout(self) -> None:
        """The greeting, the session or the server's stop takes too long."""
        if linger.lingers(self):
            linger.end(self)
        if proxied.awaits_header(self):  # the greeting's time is shorter than the header's
            proxied.refuse_header(self, "timeout")
        calling.exceed(self, self.final)

    # -- messages of other actors -------------------------------------------------------------------

    def on_receive(self, message: Any) -> Any:
        """Whatever is no message of the system is the callback's; an `ask` is answered as in gen_smtp."""
        if not self.served or self.is_system_message(message):
            return super().on_receive(message)
        if self.is_asked:
            return self._answer_call(message)
        calling.notify(self, "handle_info", message)
        calling.flush(self)
        return None

    def _answer_call(self, message: Any) -> Any:
        """The answer to a call: `info` of an Erlang process, and to all else what gen_smtp's sessions say."""
        if isinstance(message, str) and type(message) is not str:
            # The terms of Erlang are loaded if somebody asks with one, and not before.
            from gen_smtp.cluster import session_facts

            if session_facts.asks_for_facts(message):
                return session_facts.term_of(self.info())
        return ("unknown_call", message)

    def is_in_turn_of(self, greenlet: Any) -> bool:
        """The reader of a message that streams is in the session's turn, too."""
        if super().is_in_turn_of(greenlet):
            return True
        return isinstance(self.body, StreamedBody) and self.body.runs_in(greenlet)

    def change_code(self, module: Module, extra: Any) -> bool:
        """Between two commands: go on with another class.

        Args:
            module: makes the callback objects of new sessions.
            extra: for its `code_change`.

        Returns:
            whether there was anything to change.

        Raises:
            Exception: what making the new object raises; the present one stays.
        """
        return messages.change_code(self, module, extra)

    # -- ends ---------------------------------------------------------------------------------------

    def on_shutdown(self, grace: float = DEFAULT_GRACE) -> None:
        """421 for a client between commands; one in a message may finish it and say QUIT within the grace."""
        if linger.lingers(self):
            linger.end(self)
        self.reason = "shutdown"
        if self.transport.shaking_hands and not self.served:
            raise ActorExit("shutdown")
        due = time.monotonic() + LAST_WORD * grace
        was_leaving = self.protocol.leaving  # a message was answered while the server stopped
        if grace > 0:
            calling.shut_down(self, SHUTTING_DOWN)  # of one that was not greeted yet the 421 is the greeting
        else:
            self.protocol.shut_down()
        if self.protocol.leaving and not was_leaving:
            due = min(due, self.active_at + calling.JUST_ANSWERED)
        clock.set_final(self, "grace", due)
        calling.flush(self)

    def on_exit(self, reason: Any, error: BaseException | None) -> None:
        """Close, then tell the callback, once, if its init had said ok."""
        self.close_connection()
        calling.cut_message(self, "shutdown" if reason == "shutdown" else "stopped")
        calling.dismiss(self, reason)
        super().on_exit(reason, error)

    def release(self) -> None:
        super().release()
        calling.leave_counter(self)
        if self.protocol.held:
            self.protocol.let_go(self.protocol.held)
        self.context.client_limits.leave(self.entered)
        if self.at_end:
            Hub.current().spawn(calling.run_at_end, self)  # killed: here nothing may wait
        self.callback = None
        calling.drop_body(self)

    def leave_behind(self) -> None:
        """Be dead in a forked child: it is the parent process that the session ends in."""
        self.at_end = None
        self.body = None  # threads of the parent process may hold its locks
        super().leave_behind()


def _cause(error: OSError) -> str:
    return error.strerror or str(error)


# -- what each question and notice leads to -------------------------------------------------------


def _on_hello(session: SmtpSession, question: questions.Hello) -> bool:
    if question.verb == "HELO":
        verdict = ask(session, "handle_HELO", question.hostname)
    else:
        verdict = ask(session, "handle_EHLO", question.hostname, question.extensions)
    return session.protocol.respond(verdict)


def _on_unknown(session: SmtpSession, question: questions.UnknownCommand) -> None:
    name, callback = f"handle_{question.verb}", session.callback
    assert callback is not None  # it was made before the client was greeted
    is_known = name in _KNOWN_OTHERS and (has_own(callback, name) or not has_own(callback, "handle_other"))
    verdict: Verdict
    if not is_known:
        verdict = ask(session, "handle_other", question.verb, question.arguments)
    elif name == "handle_ETRN" and not question.announced:
        verdict = Decline()  # the list of handle_EHLO is the one switch for an extension
    else:
        verdict = ask(session, name, question.arguments)
    session.protocol.respond(verdict)


def _on_required(session: SmtpSession, question: questions.Required) -> None:
    callback = session.callback
    is_asked = callback is not None and has_own(callback, "handle_required")
    verdict = ask(session, "handle_required", question.what, question.verb) if is_asked else ACCEPT
    session.protocol.respond(verdict)


def _on_start_tls(session: SmtpSession, question: questions.StartTls) -> None:
    session.protocol.respond(Accept())
    session.skip_received()  # in clear, as what the protocol has dropped, and no part of TLS
    calling.flush(session)
    context = session.context.options.sessionoptions.tls_context()
    assert context is not None  # the protocol offers STARTTLS only with a certificate
    session.start_tls(context)


def _on_reset(session: SmtpSession, notice: questions.Reset) -> None:
    calling.notify(session, "handle_RSET")


def _on_out_of_order(session: SmtpSession, notice: questions.OutOfOrder) -> None:
    calling.notify_error(session, "out_of_order", notice.verb)


def _on_refused(session: SmtpSession, notice: questions.Refused) -> None:
    calling.tell_refused(session, notice.verb, notice.reply, notice.argument)
    if notice.verb in calling.MESSAGE_VERBS:
        cause, session.rejection = session.rejection, None
        if cause is not None:
            messages.on_rejected_end(session, cause)
        elif notice.verb == "BDAT" and session.protocol.transaction is None:
            messages.on_skipped(session)


def _on_limit(session: SmtpSession, notice: questions.AtLimit) -> None:
    session.reason = ("limit", notice.limit)
    actor_events.emit(events.LimitReached(session.actor_urn, session.peername, notice.limit))


def _on_withheld(session: SmtpSession, notice: questions.Withheld) -> None:
    warned = session.context.warned
    if notice.name not in warned:
        warned.add(notice.name)
        actor_events.emit(
            events.ExtensionWithheld(session.actor_urn, session.peername, notice.name, notice.option)
        )


def _on_quit(session: SmtpSession, notice: questions.Quit) -> None:
    session.said_quit = True  # 221 is queued and the protocol is closing


def _on_disconnected(session: SmtpSession, notice: questions.Disconnected) -> None:
    if notice.in_message:
        session.reason = ("error_receiving_data", "closed")
        calling.cut_message(session, "closed")
    calling.notify_error(session, "ssl_closed" if session.protocol.tls else "tcp_closed", "closed")


_QUESTIONS: dict[type, tuple[str, Callable[[Any], str]]] = {
    questions.MailParameter: ("handle_MAIL_extension", attrgetter("parameter")),
    questions.Mail: ("handle_MAIL", attrgetter("reverse_path")),
    questions.RcptParameter: ("handle_RCPT_extension", attrgetter("parameter")),
    questions.Rcpt: ("handle_RCPT", attrgetter("forward_path")),
    questions.Verify: ("handle_VRFY", attrgetter("address")),
}
"""Questions whose verdict is the callback's and needs nothing else: the callback and its one argument."""

_KNOWN_OTHERS = frozenset({"handle_EXPN", "handle_HELP", "handle_ETRN"})
"""Callbacks for commands of the callback's alone that SMTP knows."""

_HANDLERS: dict[type, Callable[[SmtpSession, Any], bool | None]] = {
    questions.Hello: _on_hello,
    questions.UnknownCommand: _on_unknown,
    questions.Required: _on_required,
    questions.StartTls: _on_start_tls,
    questions.Authenticate: logins.on_authenticate,
    questions.FindKeys: logins.on_find_keys,
    questions.StepFailed: logins.on_step_failed,
    questions.MessageComplete: messages.on_complete,
    questions.MessageStart: messages.on_start,
    questions.ChunksStart: messages.on_chunks_start,
    questions.ChunkComplete: messages.on_chunk_complete,
    questions.MessageAbandoned: messages.on_abandoned,
    questions.MessageChunk: messages.on_chunk,
    questions.MessageRejected: messages.on_rejected,
    questions.Reset: _on_reset,
    questions.Forwarded: proxied.on_forwarded,
    questions.OutOfOrder: _on_out_of_order,
    questions.Refused: _on_refused,
    questions.AtLimit: _on_limit,
    questions.LoginFailed: logins.on_login_failed,
    questions.Withheld: _on_withheld,
    questions.XClient: proxied.on_xclient,
    questions.Quit: _on_quit,
    questions.Disconnected: _on_disconnected,
}
"""All others; the sentinels are in neither table. True: all that the client sent is dealt with."""

_STEPS_LEFT = range(STEPS_PER_TURN - 1, -1, -1)
