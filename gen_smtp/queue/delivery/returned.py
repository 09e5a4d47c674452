"""Reports to senders about mail from the queue, as mails for the queue."""

from __future__ import annotations

import email.policy
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gen_smtp.queue.envelope import QueuedMail, QueuedRecipient
from gen_smtp.reports import Action, RecipientStatus, delivery_report, is_wanted

MOST_RETURNED = 256 * 1024
"""Octets of a message that a report returns as a whole; of a larger one it returns the header."""

_STATUS = re.compile(r"(?:^|\s)([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s|$)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fate:
    """What has become of the mail of a recipient.

    Attributes:
        recipient: who was to have it.
        action: what has become of it, in the words of RFC 3464.
        text: the reply of the next hop, or what else went wrong.
        status: RFC 3463's code; empty if it is to be found in the text.
        host: the next hop's name.
    """

    recipient: QueuedRecipient
    action: Action
    text: str
    status: str = ""
    host: str | None = None


def report_on(
    mail: QueuedMail, fates: Sequence[Fate], hostname: str, until: float | None = None
) -> QueuedMail | None:
    """The report that a sender wants; None if it wants none.

    Args:
        mail: what the report is about.
        fates: what has become of it.
        hostname: the name of this server.
        until: for mail that is late: how long it is tried, in seconds since the epoch.
    """
    wanted = [
        each
        for each in fates
        if is_wanted(each.action, mail.recipient_parameters(each.recipient).notify, mail.sender)
    ]
    if not wanted:
        return None
    known = mail.sender_parameters
    utf8 = "SMTPUTF8" in mail.parameters or not mail.sender.isascii()
    report = delivery_report(
        [_status(mail, each, until) for each in wanted],
        sender=mail.sender,
        reporting_mta=hostname,
        original=mail.data,
        ret="HDRS" if len(mail.data) > MOST_RETURNED else known.ret,
        envid=known.envid,
        arrival=datetime.fromtimestamp(mail.arrival, UTC),
        received_from=mail.client.get("helo"),
        utf8=utf8,
    )
    return QueuedMail(
        # The same for each try to make it, so that doubles are told.
        f"{mail.message_id}.{wanted[0].action}{mail.tries}",
        "",
        (QueuedRecipient(mail.sender, {"NOTIFY": "NEVER"}),),
        report.as_bytes(policy=email.policy.SMTP.clone(refold_source="none", utf8=utf8)),
        parameters={"SMTPUTF8": True} if utf8 else {},
        client={"server": hostname},
        arrival=int(time.time()),
    )


def _status(mail: QueuedMail, fate: Fate, until: float | None) -> RecipientStatus:
    known = mail.recipient_parameters(fate.recipient)
    late = fate.action == "delayed"
    return RecipientStatus(
        fate.recipient.address,
        fate.action,
        fate.status or status_in(fate.text, fate.action),
        original=known.orcpt,
        diagnostic=fate.text or None,
        remote_mta=fate.host,
        last_attempt=datetime.now(UTC),
        will_retry_until=datetime.fromtimestamp(until, UTC) if late and until is not None else None,
    )


def status_in(text: str, action: Action) -> str:
    """The status code that a reply has, or the plain one of its kind."""
    found = _STATUS.search(text[:80])
    if found is not None:
        return found[1]
    return {"failed": "5.0.0", "delayed": "4.0.0"}.get(action, "2.0.0")
