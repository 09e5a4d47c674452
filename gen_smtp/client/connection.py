"""A connection to a server as its user has it: messages at once, or transactions step by step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Self

from actors import TlsInfo
from actors.runtime.hub import Hub
from gen_smtp.client import pipelined
from gen_smtp.client.driver import Driver
from gen_smtp.client.on_hub import on_hub
from gen_smtp.client.options import ClientOptions
from gen_smtp.client.protocol.hello import say_hello
from gen_smtp.client.protocol.outcome import Outcome
from gen_smtp.client.protocol.refusals import NO_CONVERSION
from gen_smtp.client.protocol.stepwise import is_utf8, say_mail, say_message, say_rcpt
from gen_smtp.client.protocol.text.content import EightBitError, Message
from gen_smtp.client.protocol.text.envelope import Envelope, Recipient
from gen_smtp.client.protocol.text.replies import Reply
from gen_smtp.client.protocol.transaction import Rules
from gen_smtp.protocol.parameters.xtext import encode_xtext


class Connection:
    """A connection to a server, for one user at a time.

    Made by `gen_smtp_client.open` and `Client.connect`. All methods may be called from any thread, greenlet
    or turn of an actor; they wait without blocking other actors.

    Args:
        driver: runs it, on the hub.

    Attributes:
        driver: as given; internal.
    """

    __slots__ = ("_accepted", "_envelope", "driver")

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self._envelope: Envelope | None = None
        self._accepted = 0

    @property
    def host(self) -> str:
        """The server, as the options or the domain name system name it."""
        return self.driver.host

    @property
    def options(self) -> ClientOptions:
        """The options that it was opened with."""
        return self.driver.options

    @property
    def extensions(self) -> Mapping[str, str]:
        """The extensions of the server: names in upper case, and what stands behind each."""
        return self.driver.offer.extensions

    @property
    def tls(self) -> TlsInfo | None:
        """What is known of TLS; None in clear."""
        return self.driver.stream.tls_info

    @property
    def alive(self) -> bool:
        """Whether it can be used: the server has not closed it, and said nothing out of place."""
        return self.driver.alive

    # -- delivering -----------------------------------------------------------------------------------

    def deliver(self, envelope: Envelope, message: Message) -> Outcome:
        """Deliver a message.

        Args:
            envelope: from whom it is and to whom it goes.
            message: its octets, or what gives them.

        Returns:
            what has become of it, for each recipient; also if the connection was lost.

        Raises:
            BaseException: what the message's own iterator or function raises. The connection is closed then.
        """
        return on_hub(self.deliver_here, envelope, message, self.driver.options.rules)

    def deliver_here(self, envelope: Envelope, message: Message, rules: Rules) -> Outcome:
        """The same on the hub, by other rules."""
        self.driver.look()
        return pipelined.deliver(self.driver, envelope, message, rules)

    def deliver_all(self, mails: Iterable[tuple[Envelope, Message]]) -> Iterator[Outcome]:
        """Deliver messages one after the other, as fast as the connection lets.

        The envelope of each goes with the message before it, where the server has PIPELINING. So a message is
        finished when the next one is there: `mails` should not wait for anything.

        Args:
            mails: envelopes and messages.

        Yields:
            what has become of each, in their order. After the connection is lost that is a failure for all
            that follow.

        Raises:
            BaseException: what `mails` or a message's own iterator raises. The connection is closed then.
        """
        outcomes = pipelined.in_turn(self.driver, mails, self.driver.options.rules)
        if Hub.current().is_here():
            yield from outcomes
            return
        try:
            while (outcome := on_hub(next, outcomes, None)) is not None:
                yield outcome
        finally:
            on_hub(outcomes.close)

    # -- step by step ---------------------------------------------------------------------------------

    def mail(self, envelope: Envelope) -> Reply:
        """Begin a transaction; the recipients of the envelope count for nothing.

        Returns:
            the server's reply, or the client's own if the server can't be given such a message.

        Raises:
            DeliveryError: the connection is lost.
        """
        return on_hub(self._mail, envelope)

    def rcpt(self, recipient: str | Recipient) -> Reply:
        """Name a recipient; returns and raises as `mail`."""
        return on_hub(self._rcpt, recipient)

    def data(self, message: Message) -> list[Reply]:
        """Give the message to the recipients that were accepted.

        Returns:
            one reply; by LMTP one for each recipient that was accepted, in their order, or a single one if
            the message was not taken at all.

        Raises:
            DeliveryError: the connection is lost. `ended` says whether the server may have the message.
            BaseException: what the message's own iterator or function raises.
        """
        return on_hub(self._data, message)

    def rset(self) -> Reply:
        """Give up the transaction; raises as `mail`."""
        return on_hub(self._command, "RSET")

    def xforward(self, attributes: Mapping[str, str]) -> Reply:
        """Say from whom the message is by Postfix's XFORWARD: names and plain values; raises as `mail`."""
        return on_hub(self._command, f"XFORWARD {_attributes(attributes)}")

    def xclient(self, attributes: Mapping[str, str]) -> Reply:
        """Say who the client is (Postfix's XCLIENT), and hello again; raises as `mail`."""
        return on_hub(self._xclient, attributes)

    def _mail(self, envelope: Envelope) -> Reply:
        self.driver.look()
        self.driver.begin_exchange()
        reply = self.driver.run(say_mail(envelope, self.driver.offer, left_open=self.driver.left_open))
        self.driver.left_open = self.driver.left_open or reply.host is not None
        self._envelope = envelope if reply.positive else None
        self._accepted = 0
        return reply

    def _rcpt(self, recipient: str | Recipient) -> Reply:
        utf8 = is_utf8(self._under_way(), self.driver.offer)
        reply = self.driver.run(say_rcpt(recipient, self.driver.offer, utf8=utf8))
        if reply.positive:
            self._accepted += 1
        return reply

    def _data(self, message: Message) -> list[Reply]:
        envelope = self._under_way()
        if not self._accepted:
            raise ValueError("no recipient was accepted: rcpt comes before data")
        script = say_message(envelope, message, self.driver.offer, self.driver.options.rules, self._accepted)
        try:
            replies = self.driver.run(script)
        except EightBitError:
            return [NO_CONVERSION]
        if replies[0].command == "message":
            self._envelope = None
            self.driver.left_open = False
            self.driver.delivered += 1
        return replies

    def _under_way(self) -> Envelope:
        if self._envelope is None:
            raise ValueError("no transaction is under way: mail comes first")
        return self._envelope

    def _command(self, line: str) -> Reply:
        reply = self.driver.ask(line)
        if line == "RSET" and reply.positive:
            self.driver.left_open = False
            self._envelope = None
        return reply

    def _xclient(self, attributes: Mapping[str, str]) -> Reply:
        reply = self._command(f"XCLIENT {_attributes(attributes)}")
        if reply.positive:
            self.driver.offer = self.driver.run(say_hello(self.options.hello, self.driver.security))
        return reply

    # -- the end --------------------------------------------------------------------------------------

    def close(self) -> None:
        """Say QUIT, and close."""
        if not self.driver.stream.closed:
            on_hub(self.driver.quit)

    def abort(self) -> None:
        """Close at once."""
        if not self.driver.stream.closed:
            on_hub(self.driver.abort)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "open" if self.alive else "closed"
        return f"<{state} connection to {self.host}>"


def _attributes(attributes: Mapping[str, str]) -> str:
    """As Postfix has them: values in xtext (RFC 3461 section 4)."""
    return " ".join(f"{name}={encode_xtext(value)}" for name, value in attributes.items())
