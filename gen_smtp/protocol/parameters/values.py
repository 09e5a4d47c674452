"""The parameters of a transaction as values with types, read when they are asked for."""

from collections.abc import Mapping
from typing import Any

from gen_smtp.protocol.parameters import table
from gen_smtp.protocol.parameters.deliver_by import DeliverBy
from gen_smtp.protocol.parameters.dsn import Notify, OriginalRecipient, Ret
from gen_smtp.protocol.parameters.future_release import Hold
from gen_smtp.protocol.parameters.marks import ValidSince
from gen_smtp.protocol.parameters.reading import Given
from gen_smtp.protocol.text.command import ParameterValue
from gen_smtp.protocol.text.replies import StandardReply

Sent = Mapping[str, ParameterValue]
"""Parameters as they were sent."""


def _value(known: table.Table, keyword: str, sent: Sent, mail: Sent) -> Any:
    """The value of a parameter; None if it was not sent, or if it says nothing that can be read."""
    value = sent.get(keyword)
    if value is None:
        return None
    read = known[keyword].read(Given(keyword, value, "", mail))
    return None if isinstance(read, StandardReply) else read


class SenderParameters:
    """What MAIL has said besides the sender. None is not said, or says nothing that can be read.

    Args:
        sent: its parameters.
    """

    __slots__ = ("_sent",)

    def __init__(self, sent: Sent) -> None:
        self._sent = sent

    def _value(self, keyword: str) -> Any:
        return _value(table.MAIL, keyword, self._sent, self._sent)

    @property
    def ret(self) -> Ret | None:
        """DSN: how much of the message a report returns (RFC 3461)."""
        value: Ret | None = self._value("RET")
        return value

    @property
    def envid(self) -> str | None:
        """DSN: the sender's own name for the transaction, for reports, decoded (RFC 3461)."""
        value: str | None = self._value("ENVID")
        return value

    @property
    def deliver_by(self) -> DeliverBy | None:
        """DELIVERBY: until when the message is to be delivered (RFC 2852)."""
        value: DeliverBy | None = self._value("BY")
        return value

    @property
    def hold(self) -> Hold | None:
        """FUTURERELEASE: how long the message is to wait (RFC 4865)."""
        value: Hold | None = self._value("HOLDFOR") or self._value("HOLDUNTIL")
        return value

    @property
    def priority(self) -> int | None:
        """MT-PRIORITY: from -9 to 9 (RFC 6710)."""
        value: int | None = self._value("MT-PRIORITY")
        return value

    @property
    def require_tls(self) -> bool:
        """REQUIRETLS: the message may go on in verified TLS alone (RFC 8689)."""
        return self._value("REQUIRETLS") is True

    def __repr__(self) -> str:
        return f"SenderParameters({dict(self._sent)!r})"


class RecipientParameters:
    """What a RCPT has said besides the recipient. None is not said, or says nothing that can be read.

    Args:
        sent: its parameters.
        mail: those of the MAIL of its transaction.
    """

    __slots__ = ("_mail", "_sent")

    def __init__(self, sent: Sent, mail: Sent) -> None:
        self._sent = sent
        self._mail = mail

    def _value(self, keyword: str) -> Any:
        return _value(table.RCPT, keyword, self._sent, self._mail)

    @property
    def notify(self) -> Notify | None:
        """DSN: what a report is wanted for (RFC 3461); None is what the server likes."""
        value: Notify | None = self._value("NOTIFY")
        return value

    @property
    def orcpt(self) -> OriginalRecipient | None:
        """DSN: whom the sender has written to, decoded (RFC 3461, RFC 6533)."""
        value: OriginalRecipient | None = self._value("ORCPT")
        return value

    @property
    def valid_since(self) -> ValidSince | None:
        """RRVS: since when the recipient must have had the address (RFC 7293)."""
        value: ValidSince | None = self._value("RRVS")
        return value

    def __repr__(self) -> str:
        return f"RecipientParameters({dict(self._sent)!r})"
