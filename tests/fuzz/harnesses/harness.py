"""Drives a protocol with a case, cut as one likes, and writes down what is heard of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gen_smtp.protocol import questions
from gen_smtp.protocol.protocol import Protocol, ProtocolConfig, SpeakerProtocol
from tests.fuzz.cases.case import Case, Cut
from tests.fuzz.cases.script import ACCEPT, Answer, answer_to, answer_to_hello, answer_to_lookup
from tests.fuzz.rules.transcript import Call, Intervention, Note, Transcript, Violation

MakeProtocol = Callable[..., Any]

CHALLENGE = "<1.2@mx.test>"
OCTETS_FOR_ONE, LONGEST_REPLY = 4, 600
"""Replies that wait to be sent may have so many octets for each one received, and so many besides."""


def drive(case: Case, cut: Cut, protocol: MakeProtocol | None = None) -> Transcript:
    """One session of the core; without a protocol with the one that sessions have."""
    if protocol is None:
        protocol = SpeakerProtocol if case.flags & {"xclient", "xforward"} else Protocol
    return _Driver(case, cut, protocol).run()


class _Driver:
    """The neighbours of the protocol: network, TLS and handler."""

    def __init__(self, case: Case, cut: Cut, protocol: MakeProtocol) -> None:
        config: ProtocolConfig = replace(case.config(), make_challenge=lambda host: CHALLENGE)
        self._case = case
        self._cut = cut
        self._protocol = protocol(config, tls="tls" in case.flags)
        self._lmtp = config.lmtp
        self._intervention = case.intervention
        self._heard = 0
        self._body: list[bytes] = []
        self._fed = 0
        self._recipients = 1
        self.transcript = Transcript()

    def run(self) -> Transcript:
        protocol, secret = self._protocol, self._case.secret
        pieces = self._cut(self._case.clear)
        if self._case.talks_early:
            self._work(protocol.hear(pieces.pop(0)))
        protocol.greet("ready")
        self._work(protocol.next_step())
        for piece in pieces:
            self._feed(piece)
        if secret is not None:
            if protocol.handshaking:
                protocol.tls_established()
                self._note("STARTTLS done")
                self._work(protocol.next_step())
            for piece in self._cut(secret):
                self._feed(piece)
        protocol.receive_eof()
        self._work(protocol.next_step())
        if not protocol.closing:
            raise Violation("end", "the client has hung up and the protocol is not closing")
        self.transcript.closed = True
        return self.transcript

    def _feed(self, piece: bytes) -> None:
        self._fed = len(piece)
        self._work(self._protocol.hear(piece))
        self.transcript.note_unread(self._protocol)

    def _work(self, step: questions.Step) -> None:
        """Deal with a step and all behind it."""
        while True:
            self._drain()
            match step:
                case questions.SEND:
                    pass
                case questions.Sentinel():
                    return
                case questions.MessageChunk(data):
                    self._body.append(data)
                case questions.ChunkComplete(data):
                    self._body.append(data)
                    self._protocol.respond(ACCEPT.verdict)
                case questions.Required():
                    self._protocol.respond(ACCEPT.verdict)
                case questions.MessageAbandoned():
                    self._body.clear()
                case questions.ChunksStart():
                    pass
                case questions.MessageRejected(cause):
                    self._body.clear()
                    self.transcript.causes.append(cause)
                case _:
                    self._hear(step)
                    self._drain()
            step = self._protocol.next_step()

    def _drain(self) -> None:
        octets = self._protocol.data_to_send()
        if not octets:
            return
        allowed = OCTETS_FOR_ONE * self._fed + LONGEST_REPLY * (self._recipients + 1)
        self.transcript.excess = max(self.transcript.excess, len(octets) - allowed)
        self.transcript.add_replies(octets)

    def _hear(self, step: Any) -> None:
        transaction = self._protocol.transaction
        if transaction is not None:
            self._recipients = max(self._recipients, len(transaction.recipients))
        answer = self._answer(step)
        if answer is None:
            self._note(type(step).__name__, *_fields(step))
            return
        self._count()
        if self._protocol.pending is None:
            return  # the intervention was the end
        if answer.verdict is None:
            self._protocol.fail()
        else:
            self._protocol.respond(answer.verdict)

    def _note(self, name: str, *args: Any) -> None:
        self.transcript.items.append(Note(name, args))
        self._count()

    def _call(self, name: str, args: tuple[Any, ...], answer: Answer) -> Answer:
        self.transcript.items.append(Call(name, args, answer))
        return answer

    def _answer(self, step: Any) -> Answer | None:
        """The handler's answer to a question; None if the step is none."""
        match step:
            case questions.Hello(verb, hostname, extensions):
                answer, _ = answer_to_hello(verb, hostname, extensions, self._case.flags)
                return self._call(verb, (hostname, *[extensions][: verb != "HELO"]), answer)
            case questions.StartTls():
                return self._call("STARTTLS", (), ACCEPT)
            case questions.XClient(fields):
                return self._call("XCLIENT", (fields,), answer_to("XCLIENT", str(fields)))
            case questions.FindKeys(mechanism, username):
                return self._call("AUTH_keys", (mechanism, username), answer_to_lookup(mechanism, username))
            case questions.Authenticate(_, username):
                return self._call("AUTH", _fields(step), answer_to("AUTH", username))
            case questions.MessageComplete(sender, recipients, rest):
                body = b"".join([*self._body, rest])
                self._body.clear()
                return self._call(
                    "DATA",
                    (sender, recipients, body, *self._parameters()),
                    answer_to_data(self._lmtp, recipients, body),
                )
            case questions.UnknownCommand(verb, arguments):
                return self._call("other", (verb, arguments), answer_to("other", f"{verb} {arguments}"))
        name = _ASKED_WITH_A_TEXT.get(type(step))
        if name is None:
            return None
        text, *_ = _fields(step)
        if not isinstance(text, str):
            raise Violation("values", f"{name} is given {text!r}")
        return self._call(name, (text,), answer_to(name, text))

    def _parameters(self) -> tuple[Any, Any]:
        transaction = self._protocol.transaction
        return transaction.mail_params, list(transaction.rcpt_params)

    def _count(self) -> None:
        """Something was heard: let the intervention happen if it is time."""
        self._heard += 1
        if self._intervention is None or self._intervention[1] != self._heard:
            return
        kind = self._intervention[0]
        self._drain()
        self.transcript.items.append(Intervention(kind))
        _INTERVENE[kind](self._protocol)
        self._drain()


def answer_to_data(lmtp: bool, recipients: list[str], body: bytes) -> Answer:
    """The handler's answer to a message."""
    return answer_to("DATA", body[:200].decode("latin-1"), recipients if lmtp else ())


_ASKED_WITH_A_TEXT = {
    questions.MailParameter: "MAIL_extension",
    questions.Mail: "MAIL",
    questions.RcptParameter: "RCPT_extension",
    questions.Rcpt: "RCPT",
    questions.Verify: "VRFY",
}
_INTERVENE: dict[str, Callable[[Any], object]] = {
    "shutdown": lambda protocol: protocol.shut_down(),
    "timeout": lambda protocol: protocol.time_out(),
    "drop": lambda protocol: protocol.drop_with("554 dropped"),
    "fail": lambda protocol: protocol.fail(),
}


def _fields(step: Any) -> tuple[Any, ...]:
    return tuple(getattr(step, name) for name in type(step).__slots__)
