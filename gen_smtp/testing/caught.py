"""A message that was caught, with all that is known of how it came."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass
from email.message import EmailMessage
from functools import cached_property

from actors import TlsInfo
from gen_smtp.callbacks.facts import Peername, Session
from gen_smtp.protocol.transaction import Parameters


@dataclass(frozen=True)
class CaughtMessage:
    """A message that a client has got its 250 for.

    Attributes:
        sender: the reverse-path, empty for the null path.
        recipients: the forward-paths that were accepted, in order.
        data: the message as it came, dots un-stuffed.
        helo: the name that the client gave in its hello.
        user: who has authenticated; None for nobody.
        tls: of the connection; None in clear.
        peername: the client's address.
        mail_params: the parameters of MAIL, by their keywords in upper case.
        rcpt_params: the parameters of RCPT, one dictionary for each recipient.
    """

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    helo: str | None
    user: str | None
    tls: TlsInfo | None
    peername: Peername
    mail_params: Parameters
    rcpt_params: tuple[Parameters, ...]

    @cached_property
    def message(self) -> EmailMessage:
        """The message, parsed by the standard library's `email` with its policy `SMTP`."""
        parsed = email.message_from_bytes(self.data, policy=email.policy.SMTP)
        assert isinstance(parsed, EmailMessage)  # the policy makes no other
        return parsed

    @property
    def subject(self) -> str:
        """The field Subject, decoded; empty without one."""
        return str(self.message["Subject"] or "")

    @property
    def text(self) -> str:
        """The body as plain text, decoded; empty without one."""
        return self._body("plain")

    @property
    def html(self) -> str:
        """The body as HTML, decoded; empty without one."""
        return self._body("html")

    @property
    def attachments(self) -> dict[str, bytes]:
        """What is attached, decoded, by the names of the files."""
        return {
            part.get_filename() or f"attachment-{number}": part.get_payload(decode=True) or b""  # type: ignore[misc]
            for number, part in enumerate(self.message.iter_attachments(), 1)
        }

    def _body(self, kind: str) -> str:
        part = self.message.get_body(preferencelist=(kind,))
        return "" if part is None else str(part.get_content())


def caught_from(session: Session, sender: str, recipients: list[str], data: bytes) -> CaughtMessage:
    """The record of a message, for the callback that has just got it."""
    transaction = session.transaction
    return CaughtMessage(
        sender,
        tuple(recipients),
        data,
        session.helo,
        session.user,
        session.tls,
        session.peername,
        {} if transaction is None else transaction.mail_params,
        () if transaction is None else tuple(transaction.rcpt_params),
    )
