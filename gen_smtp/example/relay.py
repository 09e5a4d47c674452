"""Handing a message on to the hosts of its recipients, with the standard library's SMTP client."""

from __future__ import annotations

import contextlib
import math
import smtplib
from collections.abc import Sequence
from dataclasses import dataclass


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
    mail: OutgoingMail, *, hostname: str, port: int = 25, timeout: float = 60.0
) -> dict[str, RelayFailure]:
    """Send a message to the host behind the `@` of each recipient, once for each host. It blocks.

    Args:
        mail: the message.
        hostname: what this side calls itself in EHLO.
        port: the port of the next hosts.
        timeout: seconds that a host may be silent; `math.inf` is without end.

    Returns:
        the recipients whose host did not take the message, and why; empty when all have it.
    """
    failures: dict[str, RelayFailure] = {}
    for host, recipients in _by_host(mail.recipients).items():
        part = OutgoingMail(mail.sender, recipients, mail.data, mail.smtputf8)
        if not host:
            failures |= dict.fromkeys(recipients, RelayFailure(True, "the address names no host"))
            continue
        try:
            failures |= _send(part, host, port, hostname, None if timeout == math.inf else timeout)
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


def _send(
    mail: OutgoingMail, host: str, port: int, hostname: str, timeout: float | None
) -> dict[str, RelayFailure]:
    with contextlib.closing(_connect(host, port, hostname, timeout)) as client:
        client.ehlo_or_helo_if_needed()
        refused = client.sendmail(mail.sender, mail.recipients, mail.data, _mail_options(mail, client))
        with contextlib.suppress(OSError):
            client.quit()  # the host has the message, however it says good-bye
    return {recipient: _failure(*reply) for recipient, reply in refused.items()}


def _connect(host: str, port: int, hostname: str, timeout: float | None) -> smtplib.SMTP:
    # timeout=None is smtplib's "without end", which its type information leaves out.
    return smtplib.SMTP(host, port, local_hostname=hostname, timeout=timeout)  # type: ignore[arg-type]


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
