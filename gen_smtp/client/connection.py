"""One connection to a server. It runs scripts, sends what they ask, and matches replies to commands."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Mapping
from typing import Self, TypeVar

from actors import TlsInfo
from gen_smtp.client.on_hub import on_hub
from gen_smtp.client.options import ClientOptions, Timeouts
from gen_smtp.client.protocol.errors import (
    DeliveryError,
    NetworkFailure,
    TemporaryFailure,
    UnexpectedResponse,
)
from gen_smtp.client.protocol.hello import say_hello
from gen_smtp.client.protocol.outcome import Outcome
from gen_smtp.client.protocol.refusals import NO_CONVERSION
from gen_smtp.client.protocol.steps import Ask, Script, Security, StartTls, Step, command
from gen_smtp.client.protocol.stepwise import is_utf8, say_mail, say_message, say_rcpt
from gen_smtp.client.protocol.text.content import EightBitError, Message
from gen_smtp.client.protocol.text.envelope import Envelope, Recipient
from gen_smtp.client.protocol.text.offer import Offer
from gen_smtp.client.protocol.text.replies import SERVICE_CLOSING, BadReplyError, Reply, ReplyReader
from gen_smtp.client.protocol.transaction import Rules, Transaction
from gen_smtp.client.stream import Stream
from gen_smtp.protocol.parameters.xtext import encode_xtext

T = TypeVar("T")

_SECONDS: Mapping[str, str] = {
    "greeting": "greeting",
    "MAIL": "mail",
    "RCPT": "rcpt",
    "DATA": "data",
    "BDAT": "final",
    "message": "final",
    "QUIT": "quit",
}
"""Which of the timeouts is for the reply to what; all others have that for a hello."""
_SHOWN = 500


class Connection:
    """A connection to a server, for one user at a time.

    Made by `gen_smtp_client.open` and `Client.connect`. All methods may be called from any thread, greenlet
    or turn of an actor; they wait without blocking other actors.

    Args:
        stream: connected.
        host: the server, for messages.
        options: the client's.

    Attributes:
        host, options: as given.
        offer: what the server offers.
        security: how far the connection is to be trusted.
        alive: whether it can be used again: the server has not closed it, and said nothing out of place.
        delivered: how many messages went over it.
    """

    __slots__ = (
        "_accepted",
        "_envelope",
        "_left_open",
        "_reader",
        "_rules",
        "_seconds",
        "_stream",
        "_trace",
        "alive",
        "delivered",
        "host",
        "offer",
        "options",
        "security",
    )

    def __init__(self, stream: Stream, host: str, options: ClientOptions) -> None:
        self._stream = stream
        self.options = options
        self._rules: Rules = options.rules
        self._seconds = _seconds_of(options.timeouts)
        self._trace = options.trace_fun
        self._reader = ReplyReader()
        self._left_open = False
        self._envelope: Envelope | None = None
        self._accepted = 0
        self.host = host
        self.offer = Offer({})
        self.security = Security()
        self.alive = True
        self.delivered = 0

    @property
    def extensions(self) -> Mapping[str, str]:
        """The extensions of the server: names in upper case, and what stands behind each."""
        return self.offer.extensions

    @property
    def tls(self) -> TlsInfo | None:
        """What is known of TLS; None in clear."""
        return self._stream.tls_info

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
        return on_hub(self.deliver_here, envelope, message, self._rules)

    def deliver_here(self, envelope: Envelope, message: Message, rules: Rules) -> Outcome:
        """The same on the hub, by other rules."""
        self.look()
        transaction = Transaction(envelope, message, self.offer, rules, left_open=self._left_open)
        self._stream.final = time.monotonic() + self.options.timeouts.exchange
        outcome = self.run(transaction.run())
        self._left_open = transaction.left_open
        self.delivered += 1
        if transaction.cut:
            self.abort()
        return outcome

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
        self.look()
        self._stream.final = time.monotonic() + self.options.timeouts.exchange
        reply = self.run(say_mail(envelope, self.offer, left_open=self._left_open))
        self._left_open = self._left_open or reply.host is not None
        self._envelope = envelope if reply.positive else None
        self._accepted = 0
        return reply

    def _rcpt(self, recipient: str | Recipient) -> Reply:
        utf8 = is_utf8(self._under_way(), self.offer)
        reply = self.run(say_rcpt(recipient, self.offer, utf8=utf8))
        if reply.positive:
            self._accepted += 1
        return reply

    def _data(self, message: Message) -> list[Reply]:
        envelope = self._under_way()
        if not self._accepted:
            raise ValueError("no recipient was accepted: rcpt comes before data")
        script = say_message(envelope, message, self.offer, self._rules, self._accepted)
        try:
            replies = self.run(script)
        except EightBitError:
            return [NO_CONVERSION]
        if replies[0].command == "message":
            self._envelope, self._left_open = None, False
            self.delivered += 1
        return replies

    def _under_way(self) -> Envelope:
        if self._envelope is None:
            raise ValueError("no transaction is under way: mail comes first")
        return self._envelope

    def _command(self, line: str) -> Reply:
        (reply,) = self.run(_one(command(line)))
        if line == "RSET" and reply.positive:
            self._left_open, self._envelope = False, None
        return reply

    def _xclient(self, attributes: Mapping[str, str]) -> Reply:
        reply = self._command(f"XCLIENT {_attributes(attributes)}")
        if reply.positive:
            self.offer = self.run(say_hello(self.options.hello, self.security))
        return reply

    # -- the end --------------------------------------------------------------------------------------

    def close(self) -> None:
        """Say QUIT, and close."""
        if not self._stream.closed:
            on_hub(self.quit)

    def abort(self) -> None:
        """Close at once."""
        self.alive = False
        if not self._stream.closed:
            on_hub(self._stream.close)

    def quit(self) -> None:
        """Say QUIT and close, on the hub. The server has `timeouts.quit` seconds for its answer."""
        if self.alive:
            self._stream.final = time.monotonic() + self.options.timeouts.quit
            with contextlib.suppress(DeliveryError):
                self.run(_one(command("QUIT")))
        self.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "open" if self.alive else "closed"
        return f"<{state} connection to {self.host}>"

    # -- running scripts ------------------------------------------------------------------------------

    def look(self) -> None:
        """Look whether the server has said or done something meanwhile; then the connection is not alive."""
        if self.alive and (self._reader.pending or self._stream.receive_now() is not None):
            self.abort()

    def run(self, script: Script[T]) -> T:
        """Run a script, on the hub. The connection is closed if it is of no use afterwards.

        Raises:
            DeliveryError: what the script makes of failures.
            BaseException: what a message's own iterator raises.
        """
        try:
            step = next(script)
            while True:
                try:
                    replies = self._take(step)
                except Exception as error:
                    self.abort()
                    step = script.throw(error)
                else:
                    step = script.send(replies)
        except StopIteration as ended:
            result: T = ended.value
            return result
        except DeliveryError as failure:
            if isinstance(failure, NetworkFailure | UnexpectedResponse):
                self.abort()
            raise
        except BaseException:
            self.abort()
            raise

    def _take(self, step: Step) -> list[Reply]:
        if not self.alive:
            raise UnexpectedResponse("the connection is closed", self.host)
        if isinstance(step, StartTls):
            self.start_tls()
            return []
        try:
            self._write(step)
        except OSError as error:
            raise self._lost(error, self._last_words(step)) from error
        return self._read(step)

    def _write(self, step: Ask) -> None:
        if self._trace is not None:
            self._show("> ", step)
        block = self._seconds["block"]
        if step.octets:
            self._stream.send(step.octets, time.monotonic() + block)
        if step.body is not None:
            for piece in step.body:
                self._stream.send(piece, time.monotonic() + block)

    def _read(self, step: Ask) -> list[Reply]:
        replies: list[Reply] = []
        try:
            for name in step.commands:
                reply = self._next_reply(name)
                replies.append(reply)
                if reply.code == SERVICE_CLOSING:
                    self.alive = False
                    break
        except (OSError, BadReplyError) as error:
            failure = self._lost(error, replies)
            failure.ended = step.ends
            raise failure from error
        if self._trace is not None:
            for reply in replies:
                self._trace("< %s", reply)
        if len(replies) < len(step.commands):
            closing = TemporaryFailure(replies[-1], self.host)
            closing.replies = replies
            raise closing
        if self._reader.pending and step.commands != ("STARTTLS",):  # behind that all is thrown away
            self.alive = False  # a reply too much: from here on none could be matched
        return replies

    def _next_reply(self, name: str) -> Reply:
        reader, stream = self._reader, self._stream
        reply = reader.take(name, self.host)
        if reply is None:
            due = time.monotonic() + self._seconds.get(name, self._seconds["hello"])
            while reply is None:
                reader.feed(stream.receive(due))
                reply = reader.take(name, self.host)
        return reply

    def _last_words(self, step: Ask) -> list[Reply]:
        """What a server has said before it has closed the connection in the middle of a step."""
        replies = []
        data = self._stream.receive_now()
        try:
            if data:
                self._reader.feed(data)
            for name in step.commands:
                reply = self._reader.take(name, self.host)
                if reply is None or reply.positive:
                    break
                replies.append(reply)
        except BadReplyError:
            pass
        return replies

    def _lost(self, error: OSError | BadReplyError, replies: list[Reply]) -> DeliveryError:
        failure: DeliveryError
        if isinstance(error, OSError):
            failure = NetworkFailure(error, self.host)
        else:
            failure = UnexpectedResponse(str(error), self.host)
        failure.replies = replies
        return failure

    def _show(self, mark: str, step: Ask) -> None:
        assert self._trace is not None
        if step.shown is not None:
            self._trace("%s%s", mark, step.shown)
        elif "message" in step.commands:
            self._trace("%sthe message", mark)
        else:
            for line in step.octets.decode("utf-8", "replace").splitlines():
                self._trace("%s%s", mark, line[:_SHOWN])

    # -- TLS ------------------------------------------------------------------------------------------

    def start_tls(self) -> None:
        """Agree on TLS. What has come in clear is thrown away (RFC 3207 section 4.2).

        Raises:
            TemporaryFailure: `"tls_failed"`; its cause says why.
        """
        self._reader.clear()
        context = self.options.context
        name = self.options.server_name or name_in_certificates(self.host)
        try:
            self._stream.start_tls(context, name, time.monotonic() + self._seconds["hello"])
        except OSError as error:
            self.abort()
            raise TemporaryFailure("tls_failed", self.host) from error
        self.security.secure = True
        self.security.verified = context.verify_mode == ssl.CERT_REQUIRED


def _one(step: Ask) -> Script[list[Reply]]:
    return (yield step)


def _attributes(attributes: Mapping[str, str]) -> str:
    """As Postfix has them: values in xtext (RFC 3461 section 4)."""
    return " ".join(f"{name}={encode_xtext(value)}" for name, value in attributes.items())


def _seconds_of(timeouts: Timeouts) -> Mapping[str, float]:
    """The seconds for each reply, and for `block`."""
    found = {name: float(getattr(timeouts, option)) for name, option in _SECONDS.items()}
    return found | {"hello": timeouts.hello, "block": timeouts.block}


def name_in_certificates(host: str) -> str | None:
    """A host as certificates have it; None for a unix socket."""
    if host.startswith("/") or host.startswith("@"):
        return None
    return host.strip("[]").removeprefix("IPv6:").rstrip(".") or None
