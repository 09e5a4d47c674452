"""Both neighbours of the protocol: the client that sends and reads, and the driver that answers questions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from gen_smtp.protocol.protocol import Protocol, ProtocolConfig, SpeakerProtocol
from gen_smtp.protocol.questions import (
    CLOSED,
    NEED_DATA,
    PAUSED,
    SEND,
    Authenticate,
    ChunkComplete,
    Hello,
    Mail,
    MailParameter,
    MessageChunk,
    MessageComplete,
    MessageRejected,
    Rcpt,
    RcptParameter,
    StartTls,
    Step,
    UnknownCommand,
    Verify,
    XClient,
)
from gen_smtp.protocol.verdicts import ACCEPT, Accept, Verdict, WholeReply

Answer = Callable[[Any], Verdict]
QUESTIONS = (
    Hello,
    StartTls,
    Authenticate,
    MailParameter,
    RcptParameter,
    Mail,
    Rcpt,
    MessageComplete,
    ChunkComplete,
    Verify,
    UnknownCommand,
    XClient,
)
CONFIG = ProtocolConfig("mx.example")
LMTP = ProtocolConfig("mx.example", lmtp=True)
EHLO = b"EHLO client\r\n"
MAIL = b"MAIL FROM:<a@b>\r\n"
RCPT = b"RCPT TO:<c@d>\r\n"
TO_MAIL = EHLO + MAIL
TO_RCPT = TO_MAIL + RCPT
TO_DATA = TO_RCPT + b"DATA\r\n"
ENTER_MAIL = b"354 enter mail, end with line containing only '.'\r\n"


def accept_all(question: Any) -> Verdict:
    """Accept everything; unknown commands as gen_smtp's example answers them."""
    if isinstance(question, UnknownCommand):
        return WholeReply(f"500 Error: command not recognized : '{question.verb}'")
    return ACCEPT


def answering(verdict: Verdict, kind: type[Any], fallback: Answer = accept_all) -> Answer:
    """``verdict`` for questions of one kind."""
    return lambda question: verdict if isinstance(question, kind) else fallback(question)


def announcing(*extensions: Any) -> Answer:
    """A handle_EHLO that returns these."""
    return lambda question: (
        Accept(extensions=extensions)
        if isinstance(question, Hello) and question.verb != "HELO"
        else accept_all(question)
    )


class Client:
    """A greeted connection whose questions are answered at once."""

    def __init__(
        self,
        config: ProtocolConfig = CONFIG,
        answer: Answer = accept_all,
        *,
        tls: bool = False,
        said: bytes = b"",
        make_challenge: Callable[[str], str] = lambda host: f"<1.2@{host}>",
    ) -> None:
        kind = SpeakerProtocol if config.xclient or config.xforward else Protocol
        self.protocol: Protocol = kind(replace(config, make_challenge=make_challenge), tls=tls)
        self.answer = answer
        self.steps: list[Step] = []
        self.end: Step = PAUSED
        self.protocol.greet("ready")
        self.sends(said)
        self.hears()
        self.steps.clear()

    def sends(self, *pieces: bytes) -> Client:
        """Feed each piece and run until the protocol waits for more."""
        for piece in pieces:
            self.run(self.protocol.hear(piece))
        return self

    def run(self, step: Step | None = None) -> None:
        """Take `step` and all behind it, and answer the questions."""
        step = step or self.protocol.next_step()
        while True:
            if step is PAUSED and self.protocol.pending is not None:
                verdict = self.answer(self.steps[-1])
                if isinstance(self.steps[-1], XClient) and verdict == Accept():
                    self.protocol.greet("ready again")
                else:
                    self.protocol.respond(verdict)
            elif step in (NEED_DATA, PAUSED, CLOSED):
                self.end = step
                return
            elif step is not SEND:  # `hears` collects what all commands are answered
                self.steps.extend(_taken_apart(step))
            step = self.protocol.next_step()

    def hears(self) -> bytes:
        """All replies since the last call."""
        return self.protocol.data_to_send()

    def of_kind(self, *kinds: type[Any]) -> list[Step]:
        """The steps of these kinds so far."""
        return [step for step in self.steps if isinstance(step, kinds)]

    @property
    def message(self) -> bytes:
        """All chunks so far."""
        return b"".join(step.data for step in self.steps if isinstance(step, MessageChunk))


def _taken_apart(step: Step) -> list[Step]:
    """A message's last piece as a chunk like the others: how they are cut must not matter."""
    if isinstance(step, MessageComplete) and step.data:
        return [MessageChunk(step.data), MessageComplete(step.sender, step.recipients)]
    if isinstance(step, ChunkComplete) and step.data:  # of several, if they came together
        return [MessageChunk(step.data), ChunkComplete(b"")]
    return [step]


def check(
    data: bytes,
    expected: bytes,
    config: ProtocolConfig = CONFIG,
    answer: Answer = accept_all,
    *,
    said: bytes = EHLO,
    tls: bool = False,
    closes: bool = False,
    noop: bytes = b"250 Ok\r\n",
) -> Client:
    """Feed ``data`` whole, octet by octet and with a command behind it: always the same replies."""

    def client(*pieces: bytes) -> Client:
        return Client(config, answer, tls=tls, said=said).sends(*pieces)

    whole = client(data)
    assert whole.hears() == expected
    assert (whole.end is CLOSED) == closes
    by_octet = client(*octets(data))
    assert by_octet.hears() == expected
    assert normalise(by_octet.steps) == normalise(whole.steps)
    trailing = client(data + b"NOOP\r\n")
    assert trailing.hears() == (expected if closes else expected + noop)
    return whole


def octets(data: bytes) -> Iterable[bytes]:
    """``data`` octet by octet."""
    return (data[i : i + 1] for i in range(len(data)))


def normalise(steps: Iterable[Step]) -> list[Step]:
    """Chunks joined, those of refused messages dropped: what must not depend on how the octets were cut."""
    normal: list[Step] = []
    for step in steps:
        if isinstance(step, ChunkComplete):
            continue  # one may stand for several chunks
        if isinstance(step, MessageChunk) and normal and isinstance(normal[-1], MessageChunk):
            normal[-1] = MessageChunk(normal[-1].data + step.data)
        elif isinstance(step, MessageRejected) and normal and isinstance(normal[-1], MessageChunk):
            normal[-1] = step
        else:
            normal.append(step)
    return normal
