"""Both neighbours of the protocol: the client that sends and reads, and the driver that answers questions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from gen_smtp.protocol.protocol import Protocol, ProtocolConfig
from gen_smtp.protocol.questions import (
    CLOSED,
    NEED_DATA,
    PAUSED,
    SEND,
    Authenticate,
    Event,
    Hello,
    Mail,
    MailParameter,
    MessageChunk,
    MessageComplete,
    MessageRejected,
    Rcpt,
    RcptParameter,
    StartTls,
    UnknownCommand,
    Verify,
    XClient,
)
from gen_smtp.protocol.verdicts import ACCEPT, Accept, Reply, Verdict

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
        return Reply(f"500 Error: command not recognized : '{question.verb}'")
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
        self.protocol = Protocol(replace(config, make_challenge=make_challenge), tls=tls)
        self.answer = answer
        self.events: list[Event] = []
        self.end: Event = PAUSED
        self.protocol.greet("ready")
        self.sends(said)
        self.hears()
        self.events.clear()

    def sends(self, *pieces: bytes) -> Client:
        """Feed each piece and run until the protocol waits for more."""
        for piece in pieces:
            self.protocol.receive_data(piece)
            self.run()
        return self

    def run(self) -> None:
        """Take all events and answer the questions."""
        while True:
            event = self.protocol.next_event()
            if event is PAUSED and self.protocol.pending is not None:
                verdict = self.answer(self.events[-1])
                if isinstance(self.events[-1], XClient) and verdict == Accept():
                    self.protocol.greet("ready again")
                else:
                    self.protocol.respond(verdict)
            elif event is SEND:
                continue  # `hears` collects what all commands are answered
            elif event in (NEED_DATA, PAUSED, CLOSED):
                self.end = event
                return
            else:
                self.events.extend(_taken_apart(event))

    def hears(self) -> bytes:
        """All replies since the last call."""
        return self.protocol.data_to_send()

    def of_kind(self, *kinds: type[Any]) -> list[Event]:
        """The events of these kinds so far."""
        return [event for event in self.events if isinstance(event, kinds)]

    @property
    def message(self) -> bytes:
        """All chunks so far."""
        return b"".join(event.data for event in self.events if isinstance(event, MessageChunk))


def _taken_apart(event: Event) -> list[Event]:
    """A message's last piece as a chunk like the others: how they are cut must not matter."""
    if isinstance(event, MessageComplete) and event.data:
        return [MessageChunk(event.data), MessageComplete(event.sender, event.recipients)]
    return [event]


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
    assert normalise(by_octet.events) == normalise(whole.events)
    trailing = client(data + b"NOOP\r\n")
    assert trailing.hears() == (expected if closes else expected + noop)
    return whole


def octets(data: bytes) -> Iterable[bytes]:
    """``data`` octet by octet."""
    return (data[i : i + 1] for i in range(len(data)))


def normalise(events: Iterable[Event]) -> list[Event]:
    """Chunks joined, those of refused messages dropped: what must not depend on how the octets were cut."""
    normal: list[Event] = []
    for event in events:
        if isinstance(event, MessageChunk) and normal and isinstance(normal[-1], MessageChunk):
            normal[-1] = MessageChunk(normal[-1].data + event.data)
        elif isinstance(event, MessageRejected) and normal and isinstance(normal[-1], MessageChunk):
            normal[-1] = event
        else:
            normal.append(event)
    return normal
