"""Handing a message on to the hosts of its recipients, with the standard library's SMTP client."""

from __future__ import annotations

import contextlib
import re
import smtplib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from gen_smtp.example.bounded_client import BoundedClient
from gen_smtp.smtp_util import separator_of

_BARE_NEWLINE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """A message and its envelope.

    Attributes:
        sender: the reverse-path, empty for the null path.
        recipients: the forward-paths.
        data: the message.
        smtputf8: whether its client declared SMTPUTF8 (RFC 6531 3.4).
    """

    sender: str
    recipients: Sequence[str]
    data: bytes
    smtputf8: bool = False


@dataclass(frozen=True, slots=True)
class RelayFailure:
    """Why a recipient did not get the message.

    Attributes:
        permanent: whether the next host said that it will not take it later either.
        reason: its reply, or what went wrong on the way there.
    """

    permanent: bool
    reason: str


def relay(
    mail: OutgoingMail, *, hostname: str, port: int = 25, timeout: float = 60.0, seconds: float = 300.0
) -> dict[str, RelayFailure]:
    """Send a message to the host behind the `@` of each recipient, once for each host. It blocks.

    Args:
        mail: the message.
        hostname: what this side calls itself in EHLO.
        port: the port of the next hosts.
        timeout: seconds that a host may be silent; `math.inf` is without end.
        seconds: what all hosts together may take; `math.inf` is without end.

    Returns:
        the recipients whose host did not take the message, and why; empty when all have it.
    """
    failures: dict[str, RelayFailure] = {}
    due = time.monotonic() + seconds
    data = separator_of(mail.data) + _with_crlf(mail.data)
    for host, recipients in _by_host(mail.recipients).items():
        part = OutgoingMail(mail.sender, recipients, data, mail.smtputf8)
        if not host:
            failures |= dict.fromkeys(recipients, RelayFailure(True, "the address names no host"))
            continue
        try:
            with contextlib.closing(
                BoundedClient(host, port, hostname=hostname, silence=timeout, due=due)
            ) as client:
                failures |= _send(part, client)
        except (OSError, ValueError) as error:  # smtplib's exceptions are OSErrors
            failures |= _failures_of(error, recipients)
    return failures


def _by_host(recipients: Sequence[str]) -> dict[str, list[str]]:
    """The recipients of each host, none of them twice."""
    hosts: dict[str, list[str]] = {}
    for recipient in dict.fromkeys(recipients):
        _, at, domain = recipient.rpartition("@")
        hosts.setdefault(_host(domain) if at else "", []).append(recipient)
    return hosts


def _host(domain: str) -> str:
    """A domain as a socket takes it: an address literal (RFC 5321 4.1.3) without its brackets."""
    if domain.startswith("["):
        return domain.strip("[]").removeprefix("IPv6:")
    return domain.lower()


def _with_crlf(data: bytes) -> bytes:
    """A message in which no CR or LF stands alone (RFC 5321 section 2.3.8), as it may with the session option
    `allow_bare_newlines`.

    A host that takes one for the end of a line would see the end of the message in CR.CR.
    """
    return _BARE_NEWLINE.sub(b"\r\n", data) if _BARE_NEWLINE.search(data) else data


def _send(mail: OutgoingMail, client: BoundedClient) -> dict[str, RelayFailure]:
    client.ehlo_or_helo_if_needed()
    refused = client.sendmail(mail.sender, mail.recipients, mail.data, _mail_options(mail, client))
    with contextlib.suppress(OSError):
        client.quit()  # the host has the message, however it says good-bye
    return {recipient: _failure(*reply) for recipient, reply in refused.items()}


def _mail_options(mail: OutgoingMail, client: smtplib.SMTP) -> list[str]:
    options = []
    if not mail.data.isascii() and client.has_extn("8bitmime"):
        options.append("BODY=8BITMIME")
    header = mail.data.partition(b"\r\n\r\n")[0]
    addresses = "".join((mail.sender, *mail.recipients))
    if mail.smtputf8 and not (addresses.isascii() and header.isascii()):
        options.append("SMTPUTF8")
    return options


def _failures_of(error: Exception, recipients: Sequence[str]) -> dict[str, RelayFailure]:
    match error:
        case smtplib.SMTPRecipientsRefused():
            return {recipient: _failure(*reply) for recipient, reply in error.recipients.items()}
        case smtplib.SMTPResponseException():
            failure = _failure(error.smtp_code, error.smtp_error)
        case smtplib.SMTPNotSupportedError() | ValueError():
            failure = RelayFailure(True, str(error))  # it can't be written in that host's language
        case _:
            failure = RelayFailure(False, str(error) or type(error).__name__)
    return dict.fromkeys(recipients, failure)


def _failure(code: int, reply: bytes | str) -> RelayFailure:
    text = reply.decode("ascii", "replace") if isinstance(reply, bytes) else reply
    return RelayFailure(500 <= code < 600, f"{code} {' '.join(text.split())}")
