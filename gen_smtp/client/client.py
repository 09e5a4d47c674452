"""A client: it delivers messages to a relay or to mail exchangers, and keeps its connections."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from typing import IO, Any, Self

from actors import GeventFuture, spawn
from gen_smtp.client import pipelined
from gen_smtp.client.connection import Connection
from gen_smtp.client.hops import Hop, domain_hops, relay_hops
from gen_smtp.client.kept import KeptConnections
from gen_smtp.client.on_hub import on_hub
from gen_smtp.client.opening import open_first
from gen_smtp.client.options import ClientOptions, need_relay, read_client_options
from gen_smtp.client.protocol.errors import DeliveryError, PermanentFailure
from gen_smtp.client.protocol.outcome import Outcome, RecipientOutcome
from gen_smtp.client.protocol.text.content import READ_OCTETS, Message
from gen_smtp.client.protocol.text.envelope import Envelope, address_of
from gen_smtp.client.protocol.text.replies import SERVICE_CLOSING, own_reply

SPOOLED_IN_MEMORY = 1024 * 1024
"""Octets of a stream that goes to several hosts; the rest of it is in a temporary file."""


class Client:
    """Delivers messages, and keeps connections for the next ones.

    All methods may be called from any thread, greenlet or turn of an actor.

    Args:
        options: ClientOptions, a mapping or pairs of the same.

    Raises:
        OptionsError: an option is wrong.
    """

    def __init__(self, options: Any = ()) -> None:
        self._options = read_client_options(options)
        self._kept = KeptConnections(self._options)

    def deliver(self, envelope: Envelope, message: Message) -> Outcome:
        """Deliver a message, and wait for what becomes of it.

        Without a relay the recipients of each domain get it at the mail exchangers of that domain.

        Args:
            envelope: from whom it is and to whom it goes.
            message: its octets, or what gives them.

        Returns:
            what has become of it, for each recipient; whatever hosts and the network do is in there.

        Raises:
            BaseException: what the message's own iterator or function raises.
        """
        return on_hub(self._deliver, envelope, message)

    def submit(self, envelope: Envelope, message: Message) -> GeventFuture[Outcome]:
        """As `deliver`, without waiting: the future has the outcome. asyncio may await it."""
        return spawn(self._deliver, envelope, message)

    def connect(self) -> Connection:
        """A connection to the relay that belongs to the caller, who closes it.

        Raises:
            OptionsError: there is no relay.
            DeliveryError: there is no connection.
        """
        options = need_relay(self._options)
        return Connection(on_hub(lambda: open_first(relay_hops(options), options)))

    def close(self) -> None:
        """Close the connections that are kept, with QUIT."""
        on_hub(self._kept.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- on the hub -----------------------------------------------------------------------------------

    def _deliver(self, envelope: Envelope, message: Message) -> Outcome:
        if self._options.relay is not None:
            try:
                hops = relay_hops(self._options)
            except DeliveryError as failure:
                return _failed(envelope, failure)
            return _Delivery(self._kept, hops, self._options, envelope, message).run()
        return self._deliver_by_domain(envelope, message)

    def _deliver_by_domain(self, envelope: Envelope, message: Message) -> Outcome:
        numbers = _by_domain(envelope)
        is_stream = not isinstance(message, bytes | bytearray | memoryview | str) and not (
            callable(message) and not hasattr(message, "read")
        )
        if len(numbers) == 1 or not is_stream:
            return self._deliver_parts(envelope, message, numbers)
        with tempfile.SpooledTemporaryFile(SPOOLED_IN_MEMORY) as file:
            _copy(message, file)
            return self._deliver_parts(envelope, file, numbers)

    def _deliver_parts(self, envelope: Envelope, message: Message, numbers: dict[str, list[int]]) -> Outcome:
        found: dict[int, RecipientOutcome] = {}
        dsn = True
        for domain, those in numbers.items():
            part = replace(envelope, recipients=[envelope.recipients[number] for number in those])
            if isinstance(message, tempfile.SpooledTemporaryFile):
                message.seek(0)
            outcome = self._deliver_to_domain(domain, part, message)
            dsn = dsn and outcome.dsn
            found |= zip(those, outcome.recipients, strict=True)
        return Outcome(tuple(found[number] for number in sorted(found)), dsn)

    def _deliver_to_domain(self, domain: str, envelope: Envelope, message: Message) -> Outcome:
        if not domain:
            return _failed(envelope, PermanentFailure(own_reply(550, "5.1.3", "The address names no domain")))
        try:
            hops = domain_hops(domain, self._options)
        except DeliveryError as failure:
            return _failed(envelope, failure)
        return _Delivery(self._kept, hops, self._options, envelope, message).run()


class _Delivery:
    """One message on its way to the first of several hosts that takes it.

    Recipients that a host does not take for now, or that a lost connection leaves open, go on to the next.
    """

    def __init__(
        self,
        kept: KeptConnections,
        hops: Sequence[Hop],
        options: ClientOptions,
        envelope: Envelope,
        message: Message,
    ) -> None:
        self._kept = kept
        self._hops = [(hop, options.retries) for hop in hops]
        self._options = options
        self._envelope = envelope
        self._message = _Rewound(message)
        self._found: dict[int, RecipientOutcome] = {}
        self._dsn = False

    def run(self) -> Outcome:
        waiting = list(range(len(self._envelope.recipients)))
        while waiting and self._hops and self._message.can_be_sent:
            hop, retries = self._hops.pop(0)
            try:
                outcome, was_kept = self._try(hop, waiting)
            except DeliveryError as failure:
                outcome, was_kept = _failed(self._part(waiting), failure), False
            self._dsn = outcome.dsn
            self._found |= zip(waiting, outcome.recipients, strict=True)
            lost = [number for number in waiting if _is_lost(self._found[number])]
            if lost and was_kept:  # it had been closed meanwhile: that says nothing of the host
                self._hops.insert(0, (hop, retries))
            elif lost and retries:
                self._hops.append((hop, retries - 1))
            waiting = [number for number in waiting if _may_go_on(self._found[number])]
        return Outcome(tuple(self._found[number] for number in sorted(self._found)), self._dsn)

    def _try(self, hop: Hop, waiting: Sequence[int]) -> tuple[Outcome, bool]:
        driver = self._kept.take(hop)
        try:
            was_kept = driver.delivered > 0
            message = self._message.given()
            return pipelined.deliver(driver, self._part(waiting), message, self._options.rules), was_kept
        finally:
            self._kept.give_back(hop, driver)

    def _part(self, waiting: Sequence[int]) -> Envelope:
        if len(waiting) == len(self._envelope.recipients):
            return self._envelope
        return replace(self._envelope, recipients=[self._envelope.recipients[each] for each in waiting])


class _Rewound:
    """A message that may be sent more than once: a stream only if nothing of it was taken, or as a file."""

    def __init__(self, message: Any) -> None:
        self._message = message
        self._is_stream = not isinstance(message, bytes | bytearray | memoryview | str) and (
            hasattr(message, "read") or not callable(message)
        )
        seekable = getattr(message, "seekable", None)
        self._start = message.tell() if seekable is not None and seekable() else None
        self._begun = False

    @property
    def can_be_sent(self) -> bool:
        """Whether it is still whole."""
        return not self._begun or self._start is not None

    def given(self) -> Message:
        """The message, from its start."""
        if not self._is_stream:
            return self._message
        if self._start is not None:
            self._message.seek(self._start)
            return self._message
        return self._pieces()

    def _pieces(self) -> Any:
        self._begun = True
        if hasattr(self._message, "read"):
            while piece := self._message.read(READ_OCTETS):
                yield piece
        else:
            yield from self._message


def _copy(message: Any, file: IO[bytes]) -> None:
    if hasattr(message, "read"):
        while piece := message.read(READ_OCTETS):
            file.write(piece)
    else:
        for piece in message:
            file.write(piece)


def _is_lost(outcome: RecipientOutcome) -> bool:
    """Whether the connection was lost, or not to be had, before the message was sent."""
    if outcome.failure is not None:
        return not outcome.failure.permanent and not outcome.uncertain
    return outcome.reply is not None and outcome.reply.code == SERVICE_CLOSING


def _may_go_on(outcome: RecipientOutcome) -> bool:
    """Whether another host may be asked: what this one has said was not for good."""
    return outcome.temporary and not outcome.uncertain


def _by_domain(envelope: Envelope) -> dict[str, list[int]]:
    """The numbers of the recipients of each domain."""
    found: dict[str, list[int]] = {}
    for number, recipient in enumerate(envelope.recipients):
        _, at, domain = address_of(recipient).strip("<>").rpartition("@")
        found.setdefault(domain.lower() if at else "", []).append(number)
    return found


def _failed(envelope: Envelope, failure: DeliveryError) -> Outcome:
    """The same failure for all recipients; a reply of its own counts as the server's."""
    reply = failure.reply
    kept = None if reply is not None else failure
    return Outcome(tuple(RecipientOutcome(address_of(each), reply, kept) for each in envelope.recipients))
