"""The driver of a connection: it runs scripts, sends what they ask, and matches replies to commands."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Mapping
from typing import TypeVar

from gen_smtp.client.hops import Hop
from gen_smtp.client.options import ClientOptions, Timeouts
from gen_smtp.client.protocol.errors import (
    DeliveryError,
    NetworkFailure,
    TemporaryFailure,
    UnexpectedResponse,
)
from gen_smtp.client.protocol.outcome import Outcome
from gen_smtp.client.protocol.steps import Ask, Script, Security, StartTls, Step, command
from gen_smtp.client.protocol.text.content import Message
from gen_smtp.client.protocol.text.envelope import Envelope
from gen_smtp.client.protocol.text.offer import Offer
from gen_smtp.client.protocol.text.replies import SERVICE_CLOSING, BadReplyError, Reply, ReplyReader
from gen_smtp.client.protocol.transaction import Rules, Transaction
from gen_smtp.client.routing.dane import is_vouched_for
from gen_smtp.client.stream import Stream

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


class Driver:
    """A connection, on the hub, in the hands of one greenlet at a time.

    Args:
        stream: connected.
        hop: the server, and what its certificate must be.
        options: the client's.

    Attributes:
        stream, options: as given.
        host: the server.
        reader: what has come from the server.
        seconds: which of the timeouts is for the reply to what.
        offer: what the server offers.
        security: how far the connection is to be trusted.
        alive: whether it can be used again: the server has not closed it, and said nothing out of place.
        left_open: whether a transaction was not ended.
        delivered: how many messages went over it.
    """

    __slots__ = (
        "_tlsa",
        "_trace",
        "alive",
        "delivered",
        "host",
        "left_open",
        "offer",
        "options",
        "reader",
        "seconds",
        "security",
        "stream",
    )

    def __init__(self, stream: Stream, hop: Hop, options: ClientOptions) -> None:
        self.stream = stream
        self.host = hop.host
        self._tlsa = hop.tlsa
        self.options = options
        self.reader = ReplyReader()
        self.seconds = _seconds_of(options.timeouts)
        self._trace = options.trace_fun
        self.offer = Offer({})
        self.security = Security()
        self.alive = True
        self.left_open = False
        self.delivered = 0

    @property
    def is_traced(self) -> bool:
        """Whether somebody looks on."""
        return self._trace is not None

    def begin_exchange(self) -> float:
        """Set the final deadline for what comes; the time now."""
        now = time.monotonic()
        self.stream.final = now + self.options.timeouts.exchange
        return now

    def transact(self, envelope: Envelope, message: Message, rules: Rules) -> Outcome:
        """Deliver a message by the general script."""
        self.begin_exchange()
        transaction = Transaction(envelope, message, self.offer, rules, left_open=self.left_open)
        return self.finish(transaction, self.run(transaction.run()))

    def finish(self, transaction: Transaction, outcome: Outcome) -> Outcome:
        """Note how a transaction has left the connection."""
        self.left_open = transaction.left_open
        self.delivered += 1
        if transaction.cut:
            self.abort()
        return outcome

    def ask(self, line: str) -> Reply:
        """Send one command, for its reply. Raises: DeliveryError."""
        (reply,) = self.run(_one(command(line)))
        return reply

    # -- the end --------------------------------------------------------------------------------------

    def abort(self) -> None:
        """Close at once."""
        self.alive = False
        self.stream.close()

    def quit(self) -> None:
        """Say QUIT and close. The server has `timeouts.quit` seconds for its answer."""
        if self.alive:
            self.stream.final = time.monotonic() + self.options.timeouts.quit
            with contextlib.suppress(DeliveryError):
                self.ask("QUIT")
        self.abort()

    # -- running scripts ------------------------------------------------------------------------------

    def look(self) -> None:
        """Look whether the server has said or done something meanwhile; then the connection is not alive."""
        if self.alive and (self.reader.pending or self.stream.receive_now() is not None):
            self.abort()

    def run(self, script: Script[T]) -> T:
        """Run a script. The connection is closed if it is of no use afterwards.

        Raises:
            DeliveryError: what the script makes of failures.
            BaseException: what a message's own iterator raises.
        """
        return self._pump(script, None)

    def resume(self, script: Script[T], given: list[Reply] | Exception) -> T:
        """Run a script whose first step was taken: its replies, or what went wrong. Raises as `run`."""
        next(script)
        return self._pump(script, given)

    def _pump(self, script: Script[T], given: list[Reply] | Exception | None) -> T:
        try:
            step = next(script) if given is None else self._answer(script, given)
            while True:
                step = self._answer(script, self.replies_to(step))
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

    def _answer(self, script: Script[T], given: list[Reply] | Exception) -> Step:
        if isinstance(given, Exception):
            self.abort()
            return script.throw(given)
        return script.send(given)

    def replies_to(self, step: Step) -> list[Reply] | Exception:
        """Take a step: the replies, or what went wrong."""
        try:
            return self._take(step)
        except Exception as error:
            return error
        except BaseException:  # the caller is killed, and the replies come all the same
            self.abort()
            raise

    def replies_read(self, step: Ask, *, more: bool = False) -> list[Reply] | DeliveryError:
        """The replies to a step that was sent before, or what went wrong; `more` says that others follow."""
        try:
            return self._read(step, more=more)
        except DeliveryError as failure:
            return failure

    def _take(self, step: Step) -> list[Reply]:
        if not self.alive:
            raise UnexpectedResponse("the connection is closed", self.host)
        if isinstance(step, StartTls):
            self.start_tls()
            return []
        try:
            self._write(step)
        except OSError as error:
            raise self.lost(error, self._last_words(step)) from error
        return self._read(step)

    def _write(self, step: Ask) -> None:
        if self._trace is not None:
            self._show("> ", step)
        block = self.seconds["block"]
        if step.octets:
            self.stream.send(step.octets, time.monotonic() + block)
        if step.body is not None:
            for piece in step.body:
                self.stream.send(piece, time.monotonic() + block)

    def _read(self, step: Ask, *, more: bool = False) -> list[Reply]:
        replies: list[Reply] = []
        try:
            for name in step.commands:
                reply = self._next_reply(name)
                replies.append(reply)
                if reply.code == SERVICE_CLOSING:
                    self.alive = False
                    break
        except (OSError, BadReplyError) as error:
            failure = self.lost(error, replies)
            failure.ended = step.ends
            raise failure from error
        if self._trace is not None:
            for reply in replies:
                self._trace("< %s", reply)
        if len(replies) < len(step.commands):
            closing = TemporaryFailure(replies[-1], self.host)
            closing.replies = replies
            raise closing
        if self.reader.pending and not more and step.commands != ("STARTTLS",):  # behind which all is dropped
            self.alive = False  # a reply too much: from here on none could be matched
        return replies

    def _next_reply(self, name: str) -> Reply:
        reader, stream = self.reader, self.stream
        reply = reader.take(name, self.host)
        if reply is None:
            due = time.monotonic() + self.seconds.get(name, self.seconds["hello"])
            while reply is None:
                reader.feed(stream.receive(due))
                reply = reader.take(name, self.host)
        return reply

    def _last_words(self, step: Ask) -> list[Reply]:
        """What a server has said before it has closed the connection in the middle of a step."""
        replies = []
        data = self.stream.receive_now()
        try:
            if data:
                self.reader.feed(data)
            for name in step.commands:
                reply = self.reader.take(name, self.host)
                if reply is None or reply.positive:
                    break
                replies.append(reply)
        except BadReplyError:
            pass
        return replies

    def lost(self, error: OSError | BadReplyError, replies: list[Reply]) -> DeliveryError:
        """The failure that an error of the network or of a reply is."""
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
        self.reader.clear()
        context = self.options.context
        name = self.options.server_name or name_in_certificates(self.host)
        try:
            self.stream.start_tls(context, name, time.monotonic() + self.seconds["hello"])
            if self._tlsa and not is_vouched_for(self.stream.certificate, self._tlsa):
                raise ssl.SSLCertVerificationError("no TLSA record is for the server's certificate")
        except OSError as error:
            self.abort()
            raise TemporaryFailure("tls_failed", self.host) from error
        self.security.secure = True
        self.security.verified = bool(self._tlsa) or context.verify_mode == ssl.CERT_REQUIRED


def _one(step: Ask) -> Script[list[Reply]]:
    return (yield step)


def _seconds_of(timeouts: Timeouts) -> Mapping[str, float]:
    """The seconds for each reply, and for `block`."""
    found = {name: float(getattr(timeouts, option)) for name, option in _SECONDS.items()}
    return found | {"hello": timeouts.hello, "block": timeouts.block}


def name_in_certificates(host: str) -> str | None:
    """A host as certificates have it; None for a unix socket."""
    if host.startswith("/") or host.startswith("@"):
        return None
    return host.strip("[]").removeprefix("IPv6:").rstrip(".") or None
