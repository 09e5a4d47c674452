"""The server's side of SMTP and LMTP as one object: octets in, steps out, verdicts in, octets out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from gen_smtp.protocol.config import ProtocolConfig
from gen_smtp.protocol.dialogue import Dialogue
from gen_smtp.protocol.questions import (
    LEAVING,
    NEED_DATA,
    SEND,
    Authenticate,
    Disconnected,
    FindKeys,
    Hello,
    MessageComplete,
    Question,
    Sentinel,
    Step,
    UnknownCommand,
    XClient,
)
from gen_smtp.protocol.sasl.certificate import ClientCertificate
from gen_smtp.protocol.sasl.table import Mechanisms
from gen_smtp.protocol.speaker import SpeakerDialogue
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.chunks import ChunkReader
from gen_smtp.protocol.text.data_reader import DataReader
from gen_smtp.protocol.text.replies import StandardReply, encode_reply
from gen_smtp.protocol.text.whole import BareNewlines
from gen_smtp.protocol.verbs.auth import read_response
from gen_smtp.protocol.verbs.bdat import read_chunk, run_next
from gen_smtp.protocol.verbs.data import fail_message, faults_of, hear_message, read_message
from gen_smtp.protocol.verbs.last_command import read_last_command
from gen_smtp.protocol.verbs.plain import read_plain
from gen_smtp.protocol.verbs.table import read_command
from gen_smtp.protocol.verdicts import (
    ACCEPT,
    Accept,
    Found,
    Identified,
    PerRecipient,
    Silence,
    Verdict,
    WholeReply,
)

__all__ = ["LocalProtocolError", "Protocol", "ProtocolConfig", "SpeakerProtocol"]

MAX_UNSENT = 512
"""Octets of replies that may be queued: commands that need nothing of the driver would come without end."""


class LocalProtocolError(Exception):
    """The program that drives the protocol used it out of turn: a verdict nobody waits for, and so on.

    Nothing that a client sends raises; it gets a reply instead.
    """


class Protocol(Dialogue):
    """One connection.

    The members named here are its *door*: the program that drives it, the driver, uses no others.

    * ``greet``, or ``refuse`` instead.
    * ``hear`` takes in what the client sent and gives the first step that comes of it, ``next_step`` those
      behind it: each is a question, a notice, or the reason why there is neither (see ``questions``).
    * ``respond`` answers the question that was handed out. Nothing is read before that: a verdict always
      precedes the next pipelined command.
    * ``unsent`` has the replies to be sent; the driver sets it to ``b""`` when it takes them, as
      ``data_to_send`` does.
    * ``tls_established`` after a handshake; ``receive_eof`` once the client sends no more.
    * ``shut_down``, ``time_out``, ``fail``, ``drop_with`` and ``close`` end it, each in its way. After
      ``shut_down``, ``leaving`` says that the client may say QUIT, and ``say_goodbye`` ends that.
    * ``let_go`` is due at the session's end, of the octets that are still ``held``.
    * Facts, for the driver to read alone: ``closing``, everything to send is queued and nothing more will be
      read; ``received``, empty when all that has come is dealt with; ``pending``, the question that waits;
      ``in_message``, from the 354 or the first BDAT until the message is answered, and while refused chunks
      come; ``transaction``, a new object for each; ``reader``, what takes such octets in; ``helo``,
      ``login``, ``user``, ``authzid``, ``tls``, ``handshaking``, and the method ``transmission_type``;
      ``forwarded``, what XFORWARD has said.
    * ``use_mechanisms`` says by which mechanisms AUTH can be done, and ``take_bare_newlines`` what becomes of
      bare newlines, if not what the configuration says.

    Args:
        config: what does not change from session to session.
        tls: the connection is inside TLS from the start.
    """

    __slots__ = ()

    # --- The start -----------------------------------------------------------------------------

    def greet(self, banner: str | Sequence[str]) -> None:
        """Queue ``220 banner``, several texts as a multi-line greeting; commands are read from now on.

        Nothing is queued for a client that was refused already because it did not wait.
        It is the reply to XCLIENT as well: the client is greeted that is spoken for.
        Raises LocalProtocolError if the client was greeted or refused already.
        """
        texts = banner if isinstance(banner, str) else tuple(banner)
        if type(self.pending) is XClient:
            self.respond(Accept(texts))
            return
        if self.greeted:
            raise LocalProtocolError("the client was greeted already")
        self.greeted = True
        if not self.closing:
            self.halted = None
            self.unsent += _greeting(texts)

    def refuse(self, message: str | Sequence[str]) -> None:
        """Instead of the greeting: queue ``message`` as it is, and close. Raises as ``greet`` does."""
        if self.greeted and type(self.pending) is not XClient:
            raise LocalProtocolError("the client was greeted already")
        self.greeted = True
        self.drop_with(message)

    # --- Steps ---------------------------------------------------------------------------------

    def hear(self, data: bytes) -> Step:
        """Take in what the client sent, and give the first step that comes of it.

        What comes during a TLS handshake is dropped: it was sent in clear (RFC 3207 section 4.2).
        """
        if not (self.received or self.halted or self.queued):
            # The fast path: nothing else waits, as with a client that sends command by command. It saves 5 %
            # of a message over a kept connection (docs/performance.md). test_hear.py holds the two equal.
            if self.in_message:
                complete = hear_message(self, data)
                if complete is not None:
                    return complete
            elif self.mechanism is None:
                self.received = data
                return read_plain(self) or self.next_step()
        self.feed(data)
        return self.next_step()

    def next_step(self) -> Step:
        """What is to be done next: a question, a notice, or why there is neither now."""
        while self.queued is None:
            step: Step | None = NEED_DATA
            if self.halted is not None:
                step = self._wait(self.halted)
            elif self.received:
                if self.in_message:
                    step = self._read_message()
                elif self.mechanism is not None:
                    step = read_response(self, self.mechanism)
                else:
                    ran = read_plain(self)
                    step = read_command(self) if ran is False else ran
            if step is None:  # something was dealt with that brings no step, or a queued one
                if len(self.unsent) >= MAX_UNSENT:
                    return SEND
            elif step is NEED_DATA and self.hung_up:
                self._disconnect()
            else:
                return step
        step = self.queued.pop(0)
        if not self.queued:
            self.queued = None
        return step

    def _wait(self, halted: Sentinel) -> Step | None:
        """Nothing is read now, or a last command.

        A client that is not greeted yet may be gone, or have lost its patience.
        """
        if halted is LEAVING:
            return read_last_command(self)
        if self.closing or self.pending is not None:
            return halted
        if self.config.refuse_early_talkers and self.received:
            # 554 instead of the greeting, which the client has to wait for (RFC 5321 section 4.3.1).
            self.end_at_limit("refuse_early_talkers", "")
        elif self.hung_up:
            self._disconnect()
        else:
            return halted
        return None

    def _read_message(self) -> Step | None:
        reader = self.reader
        if reader is None or isinstance(reader, DataReader):
            step = read_message(self, reader)
        elif reader.left:
            step = read_chunk(self, reader)
        elif isinstance(reader, ChunkReader):
            ran = run_next(self, reader)
            step = read_command(self) if ran is False else ran
        else:  # of a message that was refused before this one
            self.reader = None
            step = read_message(self, None)
        if self.ending:
            self._end_if_due()  # a rejected message ends without a verdict
        return step

    def receive_eof(self) -> None:
        """The client has hung up: Disconnected comes after what its complete commands bring."""
        self.hung_up = True

    def _disconnect(self) -> None:
        self.tell(Disconnected(self.in_message))
        self.close()

    def data_to_send(self) -> bytes:
        """All replies queued since the last call."""
        unsent, self.unsent = self.unsent, b""
        return unsent

    # --- Verdicts ------------------------------------------------------------------------------

    def respond(self, verdict: Verdict) -> bool:
        """Carry out the verdict on the question that was handed out last.

        True: nothing that the client sent waits, ``next_step`` would give NEED_DATA, or Disconnected.

        Raises LocalProtocolError when no question waits, or when it can't be answered so: PerRecipient is for
        MessageComplete in LMTP, WholeReply and Silence are for UnknownCommand.
        """
        question = self.pending
        if question is None:
            raise LocalProtocolError("no question waits for a verdict")
        if verdict is not ACCEPT and (
            type(verdict) is not Accept or verdict.close or verdict.max_size is not None
        ):
            self._heed(verdict, question)
        self.pending = self.halted = None
        outcome = self.resolve(self, question, verdict)
        if isinstance(outcome, StandardReply):
            if verdict is ACCEPT:  # as nearly every verdict is: it has no text to look at
                self.unsent += outcome.enhanced if self.status_codes else outcome.plain
            elif isinstance(verdict, Accept):
                self.accept(verdict, outcome)
        elif outcome is not None:
            self.tell(outcome)
        if self.ending:
            self._end_if_due(is_taken=type(question) is MessageComplete and _takes(verdict))
        return not (self.received or self.halted or self.queued)

    def _heed(self, verdict: Verdict, question: Question) -> None:
        """See whether the verdict may answer the question, and whether it wants the connection closed."""
        if isinstance(verdict, Accept) and verdict.max_size is not None and not verdict.max_size > 0:
            raise ValueError(f"max_size must be a positive number of octets, not {verdict.max_size!r}")
        if verdict.close:
            self.ending = True
        answers = _ANSWERS_ONLY.get(type(verdict))
        if answers is not None and not isinstance(question, answers):
            raise LocalProtocolError(f"{verdict!r} does not answer {question!r}")
        if isinstance(verdict, PerRecipient):
            if not self.config.lmtp:
                raise LocalProtocolError("PerRecipient are for LMTP")
            if any(each.close for each in verdict.results):
                self.ending = True

    def _end_if_due(self, *, is_taken: bool = False) -> None:
        """Close as a verdict or ``shut_down`` wanted, once the whole command is answered."""
        if self.pending is not None:
            return
        if self.ending is True:
            self.close()
        elif self.ending and self._is_between_commands():
            if is_taken:
                self._take_leave()
            else:
                self.say_goodbye()

    def tls_established(self) -> None:
        """The handshake is done: all that the client said before is forgotten (RFC 3207 section 4.2).

        Raises LocalProtocolError when no handshake was due.
        """
        if not self.handshaking:
            raise LocalProtocolError("no TLS handshake is under way")
        self.handshaking = False
        if not self.closing:
            self.halted = None
        self.tls = True
        self.forget_client()
        if self.ending:
            self._end_if_due()

    # --- Facts ---------------------------------------------------------------------------------

    @property
    def user(self) -> str | None:
        """The user name that AUTH accepted, or an XCLIENT gave."""
        return None if self.login is None else self.login.user

    @property
    def authzid(self) -> str | None:
        """Whom the client acts as, or wants to while its credentials are looked at; None: it does not say."""
        if isinstance(self.pending, Authenticate):
            return self.pending.authzid
        return None if self.login is None else self.login.authzid

    def use_mechanisms(self, mechanisms: Mechanisms, certificate: ClientCertificate | None) -> None:
        """Let AUTH use these mechanisms, and the certificate that the client has shown."""
        config = _with_mechanisms(self.config, mechanisms)
        self.config = config if certificate is None else replace(config, certificate=certificate)

    def take_bare_newlines(self, mode: BareNewlines) -> None:
        """Do with the bare newlines of this client's messages as ``allow_bare_newlines`` has it."""
        if self.config.allow_bare_newlines != mode:
            self.config = replace(self.config, allow_bare_newlines=mode)

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
        return f"{base}{'S' if self.tls else ''}{'A' if self.login is not None else ''}"

    # --- Ends ----------------------------------------------------------------------------------

    def shut_down(
        self, reply: StandardReply = replies.SHUTTING_DOWN, *, behind_message: bool = False
    ) -> bool:
        """Close with 421, ``reply``, now if the client is between commands.

        Behind a message that is taken the client may say QUIT: the 421 waits for any other command, or for
        ``say_goodbye``. So it is if the last one was taken a moment ago, as ``behind_message`` says.

        False: a message, a verdict or a handshake is under way, or the client may say QUIT.
        """
        if self.closing:
            return True
        if self.ending is not True:
            self.ending = reply
        if self.leaving or not self._is_between_commands():
            return False
        if behind_message and self.halted is None:
            self._take_leave()
            return False
        self.say_goodbye()
        return True

    @property
    def leaving(self) -> bool:
        """The last message is taken, and the client may say QUIT."""
        return self.halted is LEAVING

    def _take_leave(self) -> None:
        if not self.closing:
            self.halted = LEAVING

    def time_out(self, reply: StandardReply = replies.TIMEOUT) -> None:
        """Close with 421, ``reply`` (without a word in the middle of a TLS handshake).

        A message that is at fault already gets the reply to that: a 421 has the client send it again.
        """
        faults = faults_of(self) if self.in_message else []
        if not (self.closing or self.handshaking):
            for last in faults or [reply]:
                self.send(last)
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


class SpeakerProtocol(SpeakerDialogue, Protocol):
    """One connection whose peer may use XCLIENT or XFORWARD."""

    __slots__ = ()


@lru_cache(maxsize=64)
def _with_mechanisms(config: ProtocolConfig, mechanisms: Mechanisms) -> ProtocolConfig:
    """What all sessions have in common that can use the same mechanisms, and have shown no certificate."""
    return replace(config, mechanisms=mechanisms, certificate=None)


@lru_cache(maxsize=16)
def _greeting(banner: str | tuple[str, ...]) -> bytes:
    """Most servers have one, for all clients."""
    return encode_reply("220", (banner,) if isinstance(banner, str) else banner)


def _takes(verdict: Verdict) -> bool:
    """Whether a message is taken, in LMTP for any of its recipients."""
    verdicts = verdict.results if isinstance(verdict, PerRecipient) else (verdict,)
    return any(isinstance(each, Accept) for each in verdicts)


_ANSWERS_ONLY: Mapping[type[Verdict], type[Question]] = {
    Identified: Authenticate,
    Found: FindKeys,
    PerRecipient: MessageComplete,
    WholeReply: UnknownCommand,
    Silence: UnknownCommand,
}
"""Verdicts that are for one kind of question alone."""
