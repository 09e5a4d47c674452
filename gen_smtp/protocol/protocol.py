"""The server's side of SMTP and LMTP as one object: octets in, events out, verdicts in, octets out."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from gen_smtp.protocol.config import ProtocolConfig
from gen_smtp.protocol.dialogue import Dialogue
from gen_smtp.protocol.questions import (
    CLOSED,
    NEED_DATA,
    PAUSED,
    SEND,
    Disconnected,
    Event,
    Hello,
    MessageComplete,
    Notice,
    Question,
    UnknownCommand,
    XClient,
)
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.data_reader import DataReader
from gen_smtp.protocol.text.replies import StandardReply, encode_reply
from gen_smtp.protocol.verbs.auth import read_response
from gen_smtp.protocol.verbs.data import complete_message, fail_message, read_message
from gen_smtp.protocol.verbs.plain import hear_plain_command, read_plain_command
from gen_smtp.protocol.verbs.table import read_command
from gen_smtp.protocol.verdicts import ACCEPT, Accept, NoReply, Reply, Results, Verdict

__all__ = ["LocalProtocolError", "Protocol", "ProtocolConfig"]

MAX_UNSENT = 512
"""Octets of replies that may be queued: commands that need nothing of the driver would come without end."""


class LocalProtocolError(Exception):
    """The program that drives the protocol used it out of turn: a verdict nobody waits for, and so on.

    Nothing that a client sends raises; it gets a reply instead.
    """


class Protocol(Dialogue):
    """One connection.

    Feed it with ``receive_data``, call ``next_event`` until it returns a sentinel, answer each question with
    ``respond``, and send what ``data_to_send`` gives. A verdict always precedes the next pipelined command.

    Args:
        config: what does not change from session to session.
        tls: the connection is inside TLS from the start.
    """

    __slots__ = ("_eof", "_greeted")

    def __init__(self, config: ProtocolConfig, *, tls: bool = False) -> None:
        super().__init__(config, tls=tls)
        self._greeted = False
        self._eof = False

    # --- The start -----------------------------------------------------------------------------

    def greet(self, banner: str | Sequence[str]) -> None:
        """Queue ``220 banner``, several texts as a multi-line greeting; commands are read from now on.

        A client that has sent something already is refused instead, if that is configured.
        It is the reply to XCLIENT as well: the client is greeted that is spoken for.
        Raises LocalProtocolError if the client was greeted or refused already.
        """
        if self._begins_again():
            self.respond(Accept(banner if isinstance(banner, str) else tuple(banner)))
            return
        self._start()
        if not (self._refuse_early_talker() or self.closing):
            self.out += _greeting(banner if isinstance(banner, str) else tuple(banner))

    def refuse(self, message: str | Sequence[str]) -> None:
        """Instead of the greeting: queue ``message`` as it is, and close. Raises as ``greet`` does."""
        if not self._begins_again():
            self._start()
        self.drop_with(message)

    def _refuse_early_talker(self) -> bool:
        """Before the greeting: 554 instead if the client did not wait for it (RFC 5321 section 4.3.1)."""
        if not (self.config.refuse_early_talkers and self.input):
            return False
        self.end_at_limit("refuse_early_talkers", "")
        return True

    def _begins_again(self) -> bool:
        return type(self.pending) is XClient

    def _start(self) -> None:
        if self._greeted:
            raise LocalProtocolError("the client was greeted already")
        self._greeted = True
        self._go_on()

    def _go_on(self) -> None:
        """What comes of the client is read, unless this is the end."""
        if self.halted is not CLOSED:
            self.halted = None

    # --- Input and output ----------------------------------------------------------------------

    def receive_data(self, data: bytes) -> None:
        """Take in what the client sent. During a TLS handshake it is dropped: it was sent in clear."""
        if not (self.halted is CLOSED or self.handshaking):
            self.feed(data)

    def hear(self, data: bytes) -> Event:
        """``receive_data`` and then ``next_event``: all that a client sending command by command needs."""
        if not (self.input or self.discarded or self.halted or self._events):
            if self.reader is not None:
                content = self.reader.take_whole(data)
                if content is not None:
                    return complete_message(self, content)
            elif self.mechanism is None:
                heard = hear_plain_command(self, data)
                if type(heard) is not bool:
                    return heard
                if not heard:
                    self.input = data  # as receive_data does
                    read_command(self)
                return self.next_event()
        self.receive_data(data)
        return self.next_event()

    def receive_eof(self) -> None:
        """The client has hung up: Disconnected comes after what its complete commands bring."""
        self._eof = True

    def data_to_send(self) -> bytes:
        """All replies queued since the last call."""
        out, self.out = self.out, b""
        return out

    def next_event(self) -> Event:
        """The next event, or why there is none: NEED_DATA, PAUSED, CLOSED, SEND."""
        while self._events is None:
            if self.halted is None:
                read: Notice | Question | bool = False
                if self.input:
                    if self.reader is not None:
                        read = self._read_message(self.reader)
                    elif self.mechanism is not None:
                        read = read_response(self, self.mechanism)
                    else:  # the fast path, or the general way
                        read = read_plain_command(self) or read_command(self)
                if type(read) is not bool:
                    return read
                if not read:
                    if not self._eof:
                        return NEED_DATA
                    self._disconnect()
                elif len(self.out) >= MAX_UNSENT:
                    return SEND
            elif self.halted is CLOSED or self.pending is not None:
                return self.halted
            elif not self._refuse_early_talker():
                if not self._eof:
                    return PAUSED
                self._disconnect()
        return self._next_of(self._events)

    def _next_of(self, events: list[Notice | Question]) -> Event:
        event = events.pop(0)
        if not events:
            self._events = None
        return event

    def _read_message(self, reader: DataReader) -> MessageComplete | bool:
        read = read_message(self, reader)
        if self.shutting_down:
            self._end_if_due()  # a refused message ends without a verdict
        return read

    def _disconnect(self) -> None:
        self.notify(Disconnected(self.in_message))
        self.close()

    # --- Verdicts ------------------------------------------------------------------------------

    def respond(self, verdict: Verdict) -> bool:
        """Carry out the verdict on the question that was handed out last.

        True: nothing that the client sent waits, ``next_event`` would give NEED_DATA, or Disconnected.

        Raises LocalProtocolError when no question waits, or when it can't be answered so: Results are for
        MessageComplete in LMTP, Reply and NoReply for UnknownCommand.
        """
        question = self.pending
        if question is None:
            raise LocalProtocolError("no event waits for a verdict")
        if verdict is not ACCEPT and (verdict.close or type(verdict) is not Accept):
            self._heed(verdict, question)
        self.pending = self.halted = None
        self.resolve(self, question, verdict)
        if self.close_when_answered or self.shutting_down:
            self._end_if_due()
        return not (self.input or self.halted or self._events)

    def _heed(self, verdict: Verdict, question: Question) -> None:
        """See whether the verdict may answer the question, and whether it wants the connection closed."""
        if verdict.close:
            self.close_when_answered = True
        answers = _ANSWERS_ONLY.get(type(verdict))
        if answers is not None and not isinstance(question, answers):
            raise LocalProtocolError(f"{verdict!r} does not answer {question!r}")
        if isinstance(verdict, Results):
            if not self.config.lmtp:
                raise LocalProtocolError("Results are for LMTP")
            if any(each.close for each in verdict.results):
                self.close_when_answered = True

    def _end_if_due(self) -> None:
        """Close as a verdict or ``shut_down`` wanted, once the whole command is answered."""
        if self.pending is not None:
            return
        if self.close_when_answered:
            self.close()
        elif self.shutting_down and self._is_between_commands():
            self._say_goodbye(self.shutting_down)

    def tls_established(self) -> None:
        """The handshake is done: all that the client said before is forgotten (RFC 3207 section 4.2).

        Raises LocalProtocolError when no handshake was due.
        """
        if not self.handshaking:
            raise LocalProtocolError("no TLS handshake is under way")
        self.handshaking = False
        self._go_on()
        self.tls = True
        self.forget_client()
        if self.shutting_down:
            self._say_goodbye(self.shutting_down)

    # --- Facts ---------------------------------------------------------------------------------

    def transmission_type(self) -> str:
        """The registered word behind ``with`` in a Received field: ``SMTP``, ``ESMTPSA``, ``UTF8LMTPS`` ...

        They are those of RFC 3848 and RFC 6531 section 4.3.
        """
        transaction = self.transaction
        in_utf8 = transaction is not None and "SMTPUTF8" in transaction.mail_params
        if self.config.lmtp:
            base = "UTF8LMTP" if in_utf8 else "LMTP"
        elif not self.extensions:  # after HELO; its only type knows neither TLS nor AUTH
            return "SMTP"
        else:
            base = "UTF8SMTP" if in_utf8 else "ESMTP"
        return f"{base}{'S' if self.tls else ''}{'A' if self.user is not None else ''}"

    # --- Ends ----------------------------------------------------------------------------------

    def shut_down(self, reply: StandardReply = replies.SHUTTING_DOWN) -> bool:
        """Close with 421, ``reply``, now if the client is between commands.

        False: a message, a verdict or a handshake is under way; the 421 follows by itself when that is over.
        """
        if self.closing:
            return True
        self.shutting_down = reply
        if not self._is_between_commands():
            return False
        self._say_goodbye(reply)
        return True

    def time_out(self, reply: StandardReply = replies.TIMEOUT) -> None:
        """Close with 421, ``reply`` (without a word in the middle of a TLS handshake)."""
        if not (self.closing or self.handshaking):
            self.send(reply)
        self.close()

    def fail(self) -> None:
        """Close after a crash: 451 for the question that waits (in LMTP one per recipient), else 421."""
        if self.pending is not None:
            if isinstance(self.pending, MessageComplete):
                fail_message(self)
            else:
                is_hello = isinstance(self.pending, Hello)
                self.send(replies.HELLO_FAILED if is_hello else replies.INTERNAL_ERROR)
        elif not (self.closing or self.handshaking):
            self.send(replies.INTERNAL_ERROR_CLOSING)
        self.close()

    def drop_with(self, message: str | Sequence[str]) -> None:
        """Queue ``message`` as it is (but clean), and close."""
        if not (self.closing or self.handshaking):
            self.send_verbatim(message)
        self.close()

    def _is_between_commands(self) -> bool:
        return self.pending is None and not self.in_message and not self.handshaking

    def _say_goodbye(self, reply: StandardReply) -> None:
        if not self.closing:
            self.send(reply(hostname=self.config.hostname))
        self.close()


@lru_cache(maxsize=16)
def _greeting(banner: str | tuple[str, ...]) -> bytes:
    """Most servers have one, for all clients."""
    return encode_reply("220", (banner,) if isinstance(banner, str) else banner)


_ANSWERS_ONLY: Mapping[type[Verdict], type[Question]] = {
    Results: MessageComplete,
    Reply: UnknownCommand,
    NoReply: UnknownCommand,
}
"""Verdicts that are for one kind of question alone."""
