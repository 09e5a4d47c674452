"""Reports to senders of what the next hosts have not taken, or will send no report of."""

from __future__ import annotations

from collections.abc import Sequence

from gen_smtp.forward.forward_options import to_domain
from gen_smtp.gen_smtp_client import Client, ClientOptions, Envelope, Recipient, RecipientOutcome
from gen_smtp.protocol.parameters.values import RecipientParameters
from gen_smtp.reports import Action, RecipientStatus, delivery_report, is_wanted

Recipients = Sequence[tuple[RecipientOutcome, RecipientParameters]]
"""What became of recipients, and what their RCPT had said."""


def report_to_sender(
    action: Action,
    recipients: Recipients,
    *,
    sender: str,
    envid: str | None,
    header: bytes,
    hostname: str,
    options: ClientOptions,
) -> bool:
    """Send a report by the way that the mail goes; True if it has gone, or if nobody wants one.

    Args:
        action: what has become of the mail.
        recipients: of whom the report is.
        sender: the reverse-path; nobody is told about a message from the null path (RFC 5321 section 4.5.5).
        envid: the sender's name for the transaction.
        header: of the message, all that was kept of it.
        hostname: this server's name.
        options: how mail goes.
    """
    wanted = [pair for pair in recipients if is_wanted(action, pair[1].notify, sender)]
    if not wanted:
        return bool(sender)
    utf8 = not sender.isascii()
    report = delivery_report(
        [_status(action, *pair) for pair in wanted],
        sender=sender,
        reporting_mta=hostname,
        original=header,
        ret="HDRS",
        envid=envid,
        utf8=utf8,
    )
    if options.relay is None:
        options = to_domain(options, sender.rpartition("@")[2])
    envelope = Envelope("", [Recipient(sender, notify=frozenset({"NEVER"}))], smtputf8=utf8)
    with Client(options) as client:
        return client.deliver(envelope, report.as_bytes()).ok


def _status(action: Action, outcome: RecipientOutcome, asked: RecipientParameters) -> RecipientStatus:
    return RecipientStatus(
        outcome.address,
        action,
        f"5{outcome.enhanced[1:]}" if action == "failed" else outcome.enhanced,
        original=asked.orcpt,
        diagnostic=outcome.text,
        remote_mta=outcome.reply.host if outcome.reply is not None else None,
    )
