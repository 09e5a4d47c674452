"""What clients do to the server, well and badly; each kind of visit is a function."""

from __future__ import annotations

import base64
import random
import socket
import ssl
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import Any

from benchmarks.soak.mails import MailMaker, SoakMail
from benchmarks.soak.server import PASSWORD, USER
from benchmarks.soak.smtp import Broken, Conversation, Delivery, Reply, connect, nothing

RECIPIENTS = tuple(f"box{number}@soak.example" for number in range(8))
LONGEST_PAUSE = 0.2
"""Seconds between two visits of a client, at most."""

GOING = 421
"""What a server says that is about to end, and then the client comes again."""

Report = Callable[[Sequence[Any]], object]
"""Takes a record: `["copy", name, digest, outcome, seconds]` or `["surprise", visit, reply]`."""


class Visitor:
    """A client that comes over and over, each time in another way.

    Args:
        name: no other client of this run has it.
        ports: the server's, by the name of the listener.
        chance: decides.
        lines: what bodies are made of.
        report: told of each attempt to send a message, and of replies that should not have come.

    Attributes:
        chance: decides.
        tls: for handshakes.
    """

    def __init__(
        self, name: str, ports: Mapping[str, int], chance: random.Random, lines: bytes, report: Report
    ) -> None:
        self.chance = chance
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE
        self._ports = ports
        self._report = report
        self._mails = MailMaker(chance, name, RECIPIENTS, lines)
        self._in_hand: SoakMail | None = None
        self._visit = ""

    def go(self) -> None:
        """One visit, and a pause."""
        visit = self.chance.choices(list(VISITS), list(VISITS.values()))[0]
        self._visit = visit.__name__
        try:
            visit(self)
        except Broken:
            pass  # killed, cut off or hung up on; the message in hand is for the next visit
        except Exception as error:  # nonsense from the server
            self._report(["surprise", self._visit, repr(error)])
        self.pause(LONGEST_PAUSE)

    def pause(self, longest: float) -> None:
        """Do nothing for up to so many seconds."""
        time.sleep(self.chance.uniform(0, longest))

    def address(self, listener: str) -> tuple[str, int]:
        """Where to go."""
        return "127.0.0.1", self._ports[listener]

    def source(self) -> str:
        """An address to come from, as one of many strangers."""
        return str(IPv4Address("127.1.0.0") + self.chance.randrange(1 << 20))

    def connected(self, listener: str, on_step: Callable[[], object] = nothing) -> Conversation:
        """A connection."""
        return connect(self.address(listener), on_step, self.source())

    @contextmanager
    def greeted(
        self, listener: str = "smtp", on_step: Callable[[], object] = nothing
    ) -> Generator[Conversation]:
        """A connection that has said hello, under TLS where the listener wants it."""
        conversation = self.connected(listener, on_step)
        try:
            if listener == "smtps":
                conversation.start_tls(self.tls)
            self.expect(conversation.reply(), 220)
            self.hello(conversation, listener)
            yield conversation
        finally:
            conversation.close()

    def hello(self, conversation: Conversation, listener: str = "smtp") -> None:
        """EHLO, or its likes."""
        verb = "LHLO" if listener == "lmtp" else self.chance.choice(("EHLO", "EHLO", "EHLO", "HELO"))
        verb = "EHLO" if listener == "smtps" else verb
        self.expect(conversation.command(f"{verb} client.example"), 250)

    def send_mails(self, conversation: Conversation, *, lmtp: bool = False) -> None:
        """Send some messages, with other commands in between."""
        for _ in range(self.chance.choice((1, 1, 1, 2, 5))):
            self.send_mail(conversation, lmtp=lmtp, pipelined=self.chance.random() < 0.5)
            if self.chance.random() < 0.2:
                self.expect(conversation.command("NOOP", "RSET", "VRFY <a@b.example>"), 252)
        self.expect(conversation.command("QUIT"), 221)

    def send_mail(
        self, conversation: Conversation, *, lmtp: bool = False, in_a_hurry: bool = True, **how: Any
    ) -> None:
        """Send the message in hand, or the next one; whatever happens is entered.

        Args:
            conversation: greeted.
            lmtp: whether it is LMTP.
            in_a_hurry: whether it is the server alone that takes the time.
            how: for `Delivery.run`.
        """
        mail = self._in_hand = self._in_hand or self._mails.make()
        delivery = Delivery(conversation, mail, lmtp=lmtp)
        try:
            delivery.run(**how)
        finally:
            for copy, outcome in zip(mail.copies(), delivery.outcomes, strict=True):
                self._report(["copy", copy, mail.digest, outcome, delivery.seconds if in_a_hurry else None])
        if delivery.refusal is not None:
            self.expect(delivery.refusal, 250)
        self._in_hand = None

    def cuts(self) -> list[int]:
        """Some places to cut the message in hand."""
        self._in_hand = self._in_hand or self._mails.make()
        return sorted(self.chance.randrange(len(self._in_hand.data)) for _ in range(8))

    def expect(self, reply: Reply, code: int) -> None:
        """Go on if a reply is the right one.

        Raises:
            Broken: it is not.
        """
        if reply.code == code:
            return
        if reply.code != GOING:
            self._report(["surprise", self._visit, f"{reply.code} {reply.text}"])
        raise Broken(f"{code} was to come, not {reply}")


# -- those who do it right ---------------------------------------------------------------------------


def sends_mail(visitor: Visitor) -> None:
    """In clear."""
    with visitor.greeted() as conversation:
        visitor.send_mails(conversation)


def sends_after_starttls(visitor: Visitor) -> None:
    """TLS by STARTTLS, and a user with the right password."""
    with visitor.greeted() as conversation:
        visitor.expect(conversation.command("EHLO client.example"), 250)
        visitor.expect(conversation.command("STARTTLS"), 220)
        conversation.start_tls(visitor.tls)
        visitor.expect(conversation.command("EHLO client.example"), 250)
        _log_in(visitor, conversation)
        visitor.send_mails(conversation)


def sends_over_tls(visitor: Visitor) -> None:
    """TLS from the first octet."""
    with visitor.greeted("smtps") as conversation:
        if visitor.chance.random() < 0.5:
            _log_in(visitor, conversation)
        visitor.send_mails(conversation)


def _log_in(visitor: Visitor, conversation: Conversation) -> None:
    secret = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    visitor.expect(conversation.command(f"AUTH PLAIN {secret}"), 235)


def sends_by_lmtp(visitor: Visitor) -> None:
    """A reply for each recipient."""
    with visitor.greeted("lmtp") as conversation:
        visitor.send_mails(conversation, lmtp=True)


def sends_slowly(visitor: Visitor) -> None:
    """Piece by piece, with pauses."""
    with visitor.greeted(on_step=lambda: visitor.pause(0.5)) as conversation:
        visitor.send_mail(conversation, cuts=visitor.cuts(), in_a_hurry=False)


def sends_and_half_closes(visitor: Visitor) -> None:
    """The reply comes all the same."""
    with visitor.greeted() as conversation:
        visitor.send_mail(conversation, half_close=True)


# -- those who don't ---------------------------------------------------------------------------------


def drops(visitor: Visitor) -> None:
    """Breaks off at any step: by a RST, or by hanging up."""
    listener = visitor.chance.choice(("smtp", "smtps", "lmtp"))
    steps, how = iter(range(visitor.chance.randrange(1, 20))), visitor.chance.choice(("reset", "close"))
    conversations: list[Conversation] = []

    def on_step() -> None:
        if next(steps, None) is None:
            getattr(conversations[0], how)()
            raise Broken("dropped")

    conversations.append(visitor.connected(listener, on_step))
    conversation = conversations[0]
    try:
        if listener == "smtps":
            conversation.start_tls(visitor.tls)
        visitor.expect(conversation.reply(), 220)
        visitor.hello(conversation, listener)
        visitor.send_mail(conversation, lmtp=listener == "lmtp", cuts=visitor.cuts())
    finally:
        conversation.close()


def stays_silent(visitor: Visitor) -> None:
    """Says nothing at all for a while."""
    conversation = visitor.connected(visitor.chance.choice(("smtp", "smtps")))
    visitor.pause(8.0)
    visitor.chance.choice((conversation.reset, conversation.close))()


def breaks_the_handshake(visitor: Visitor) -> None:
    """The beginning of a handshake, or what looks like it, and no more."""
    conversation = visitor.connected("smtps")
    try:
        conversation.send(b"\x16\x03\x01" + visitor.chance.randbytes(visitor.chance.randrange(200)))
        visitor.pause(1.0)
    finally:
        visitor.chance.choice((conversation.reset, conversation.close))()


def talks_nonsense(visitor: Visitor) -> None:
    """Octets, lines of any length, commands that are none, until the server has had enough."""
    conversation = visitor.connected(visitor.chance.choice(("smtp", "lmtp")))
    try:
        for _ in range(30):
            size = visitor.chance.choice((3, 30, 3000, 100_000))
            conversation.send(visitor.chance.randbytes(size) + b"\r\n")
    finally:
        conversation.reset()


def never_reads(visitor: Visitor) -> None:
    """Commands without end, and no look at the replies."""
    conversation = visitor.connected("smtp")
    try:
        for _ in range(200):
            conversation.send(b"EHLO client.example\r\nRSET\r\n" * 50)
        visitor.pause(3.0)
    finally:
        conversation.reset()


def guesses_passwords(visitor: Visitor) -> None:
    """One after the other, until the server hangs up."""
    with visitor.greeted("smtps") as conversation:
        while True:
            guess = base64.b64encode(f"\0{USER}\0{visitor.chance.random()}".encode()).decode()
            visitor.expect(conversation.command(f"AUTH PLAIN {guess}"), 535)


def sends_bare_newlines(visitor: Visitor) -> None:
    """A message that must be refused."""
    with visitor.greeted() as conversation:
        visitor.expect(
            conversation.command("MAIL FROM:<a@b.example>", f"RCPT TO:<{RECIPIENTS[0]}>", "DATA"), 354
        )
        conversation.send(b"Subject: smuggled\n.\nMAIL FROM:<x@y.example>\r\n.\r\n")
        visitor.expect(conversation.reply(), 550)


def sends_half_a_big_message(visitor: Visitor) -> None:
    """As much as the server will hold in memory, and no end."""
    with visitor.greeted() as conversation:
        visitor.expect(
            conversation.command("MAIL FROM:<a@b.example>", f"RCPT TO:<{RECIPIENTS[0]}>", "DATA"), 354
        )
        for _ in range(visitor.chance.randrange(1, 80)):
            conversation.send(b"x" * 998 + b"\r\n" + b"y" * 64_000 + b"\r\n")
        conversation.reset()


def comes_too_often(visitor: Visitor) -> None:
    """Many connections at a time from one address, opened and closed."""
    connections = []
    try:
        for _ in range(20):
            connections.append(socket.create_connection(visitor.address("smtp"), 5, ("127.0.0.99", 0)))
    except OSError as error:
        raise Broken(str(error)) from error
    finally:
        for connection in connections:
            connection.close()


VISITS: dict[Callable[[Visitor], None], int] = {
    sends_mail: 30,
    sends_after_starttls: 10,
    sends_over_tls: 10,
    sends_by_lmtp: 15,
    sends_slowly: 4,
    sends_and_half_closes: 5,
    drops: 20,
    stays_silent: 2,
    breaks_the_handshake: 3,
    talks_nonsense: 3,
    never_reads: 1,
    guesses_passwords: 2,
    sends_bare_newlines: 3,
    sends_half_a_big_message: 1,
    comes_too_often: 1,
}
"""All kinds of visits, and how often each comes beside the others."""
