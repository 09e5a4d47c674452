"""A mail as a message of AMQP: the message is the body, and the envelope is in the headers.

Each header begins with `smtp-`. Programs in other languages read them as they are: texts, numbers, lists and
tables.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gen_smtp.callbacks.facts import Session
from gen_smtp.protocol.parameters.values import RecipientParameters, SenderParameters

CONTENT_TYPE = "message/rfc822"

LONGEST_ENVELOPE = 100_000
"""Octets of the recipients of one message. AMQP has all headers in one frame, of 131,072 octets as a rule;
a client with more recipients has its mail in several messages."""


FEW = 8
"""Recipients that fit in any case: a command line has 2,048 octets at most where nothing else is set, and one
with SMTPUTF8 and ORCPT not much more."""


class EnvelopeError(ValueError):
    """A message in the queue is no mail: something else has put it there."""


@dataclass(frozen=True, slots=True)
class QueuedRecipient:
    """A recipient of a mail in the queue.

    Attributes:
        address: the forward-path.
        parameters: of RCPT, by their keywords in upper case; True for a keyword alone.
        last: the last answer of the next hop; None if it was not tried yet.
    """

    address: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    last: str | None = None


@dataclass(frozen=True, slots=True)
class QueuedMail:
    """A mail in the queue.

    Attributes:
        message_id: the name by which a double is told.
        sender: the reverse-path.
        recipients: who is still to have it.
        data: the message.
        parameters: of MAIL, by their keywords in upper case; True for a keyword alone.
        client: what is known of the client: `address`, `port`, `helo`, `user`, `protocol`, `tls`, and
            `server`, the name of the server that took the mail.
        arrival: when, in whole seconds since the epoch.
        tries: how often its delivery was tried.
        delayed: its sender was told that it is late.
    """

    message_id: str
    sender: str
    recipients: tuple[QueuedRecipient, ...]
    data: bytes
    parameters: Mapping[str, Any] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)
    arrival: int = 0
    tries: int = 0
    delayed: bool = False

    @property
    def sender_parameters(self) -> SenderParameters:
        """The parameters of MAIL as values with types."""
        return SenderParameters(self.parameters)

    def recipient_parameters(self, recipient: QueuedRecipient) -> RecipientParameters:
        """The parameters of RCPT as values with types."""
        return RecipientParameters(recipient.parameters, self.parameters)

    def for_recipients(self, recipients: Sequence[QueuedRecipient]) -> QueuedMail:
        """The same mail for these recipients alone."""
        return replace(self, recipients=tuple(recipients))

    def headers(self) -> dict[str, Any]:
        """The envelope as headers of AMQP."""
        headers: dict[str, Any] = {
            "smtp-sender": self.sender,
            "smtp-recipients": [_table_of(each) for each in self.recipients],
            "smtp-arrival": self.arrival,
        }
        optional = {
            "smtp-parameters": dict(self.parameters),
            "smtp-client": dict(self.client),
            "smtp-tries": self.tries,
            "smtp-delayed": self.delayed,
        }
        return headers | {name: value for name, value in optional.items() if value}

    def parts(self) -> Iterator[QueuedMail]:
        """The mail in as many messages as its recipients need, as a rule in one."""
        if len(self.recipients) <= FEW:
            yield self
            return
        size, number = 0, 1
        part: list[QueuedRecipient] = []
        for recipient in self.recipients:
            octets = _octets_of(recipient)
            if part and size + octets > LONGEST_ENVELOPE:
                yield self._part(part, number)
                size, part, number = 0, [], number + 1
            part.append(recipient)
            size += octets
        yield self._part(part, number)

    def _part(self, recipients: Sequence[QueuedRecipient], number: int) -> QueuedMail:
        name = self.message_id if number == 1 else f"{self.message_id}.{number}"
        return replace(self, recipients=tuple(recipients), message_id=name)


def _table_of(recipient: QueuedRecipient) -> dict[str, Any]:
    table: dict[str, Any] = {"address": recipient.address}
    if recipient.parameters:
        table["parameters"] = dict(recipient.parameters)
    if recipient.last is not None:
        table["last"] = recipient.last
    return table


def _octets_of(recipient: QueuedRecipient) -> int:
    """At least as many octets as a recipient takes in the headers, with an answer yet to come."""
    texts = sum(len(str(text)) for pair in recipient.parameters.items() for text in pair)
    return 4 * (len(recipient.address) + texts) + 600


def mail_from_client(session: Session, hostname: str, message_id: str, data: bytes) -> QueuedMail:
    """The mail of the transaction that a client has ended, as it goes into the queue.

    Args:
        session: of the client; its transaction is open.
        hostname: the name of this server.
        message_id: a name of its own.
        data: the message.
    """
    transaction = session.transaction
    assert transaction is not None  # handle_DATA is asked inside of one
    pairs = zip(transaction.recipients, transaction.rcpt_params, strict=True)
    return QueuedMail(
        message_id,
        transaction.sender,
        tuple(QueuedRecipient(address, parameters) for address, parameters in pairs),
        data,
        parameters=transaction.mail_params,
        client=_facts_of(session, hostname),
        arrival=int(time.time()),
    )


def _facts_of(session: Session, hostname: str) -> dict[str, Any]:
    tls = session.tls
    facts = {
        "address": None if session.peername is None else str(session.peername),
        "port": session.peer_port,
        "helo": session.helo,
        "user": session.user,
        "protocol": session.transmission_type,
        "tls": None if tls is None else tls.version,
        "server": hostname,
    }
    return {name: value for name, value in facts.items() if value is not None}


def mail_of(properties: Any, body: bytes) -> QueuedMail:
    """The mail that a message of AMQP holds.

    Args:
        properties: pika's.
        body: the message.

    Raises:
        EnvelopeError: it holds none; says what is wrong.
    """
    headers = properties.headers or {}
    sender, recipients = headers.get("smtp-sender"), headers.get("smtp-recipients")
    if not isinstance(sender, str):
        raise EnvelopeError("the header smtp-sender is missing, or no text")
    if not (isinstance(recipients, list) and recipients):
        raise EnvelopeError("the header smtp-recipients is missing, or no list")
    return QueuedMail(
        str(properties.message_id or "-"),
        _without_line_ends(sender),
        tuple(map(_recipient_of, recipients)),
        body,
        parameters=_table(headers, "smtp-parameters"),
        client=_table(headers, "smtp-client"),
        arrival=_number(headers, "smtp-arrival") or int(properties.timestamp or time.time()),
        tries=_number(headers, "smtp-tries"),
        delayed=headers.get("smtp-delayed") is True,
    )


def _recipient_of(table: Any) -> QueuedRecipient:
    if isinstance(table, str):
        table = {"address": table}
    if not (isinstance(table, dict) and isinstance(table.get("address"), str) and table["address"]):
        raise EnvelopeError("a recipient in smtp-recipients is neither a text nor a table with an address")
    last = table.get("last")
    return QueuedRecipient(
        _without_line_ends(table["address"]),
        _table(table, "parameters"),
        last if isinstance(last, str) else None,
    )


def _without_line_ends(address: str) -> str:
    if not address.isprintable():
        raise EnvelopeError("an address has control characters")
    return address


def _table(headers: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = headers.get(name, {})
    if not isinstance(value, dict):
        raise EnvelopeError(f"the header {name} is no table")
    return value


def _number(headers: Mapping[str, Any], name: str) -> int:
    value = headers.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise EnvelopeError(f"the header {name} is no number")
    return int(value)
