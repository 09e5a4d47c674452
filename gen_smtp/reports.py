"""Reports to senders: what has become of their mail (RFC 3461, 3464, 6533), with the `email` package.

report = delivery_report(
    [RecipientStatus("b@example.com", "failed", "5.1.1", diagnostic="550 5.1.1 No such user")],
    sender="a@example.org",
    reporting_mta="mx.example.com",
    original=data,
)
smtplib.SMTP(host).send_message(report, from_addr="", to_addrs=["a@example.org"])
"""

from __future__ import annotations

import email
import email.policy
import email.utils
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage, Message
from typing import Literal

from gen_smtp.protocol.parameters.dsn import OriginalRecipient, Ret
from gen_smtp.protocol.parameters.xtext import encode_utf8_address, encode_xtext

__all__ = ["Action", "OriginalRecipient", "RecipientStatus", "delivery_report", "is_wanted"]

Action = Literal["failed", "delayed", "delivered", "relayed", "expanded"]
"""What has become of the mail of a recipient (RFC 3464 section 2.3.3)."""

_WANTED: dict[Action, str] = {
    "failed": "FAILURE",
    "delayed": "DELAY",
    "delivered": "SUCCESS",
    "relayed": "SUCCESS",
    "expanded": "SUCCESS",
}
_SAID: dict[Action, str] = {
    "failed": "could not be delivered",
    "delayed": "could not be delivered yet; it will be tried again",
    "delivered": "was delivered",
    "relayed": "was handed on to a server that sends no reports",
    "expanded": "was handed on to a list of recipients",
}
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}", re.ASCII)
_POLICY = email.policy.SMTP.clone(refold_source="none")
"""Returns what came as it came."""
_LINE_ENDS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """What has become of the mail of one recipient.

    Attributes:
        recipient: to whom it was to go.
        action: what has become of it.
        status: the enhanced status code, such as `5.1.1` (RFC 3463).
        original: whom the sender has written to, `recipient_parameters[n].orcpt`.
        diagnostic: the reply of the next server, as in `550 5.1.1 No such user`; or what else went wrong.
        remote_mta: the next server's name.
        last_attempt: when it was last tried.
        will_retry_until: of delayed mail: until when it is tried.
    """

    recipient: str
    action: Action
    status: str
    original: OriginalRecipient | None = None
    diagnostic: str | None = None
    remote_mta: str | None = None
    last_attempt: datetime | None = None
    will_retry_until: datetime | None = None


def is_wanted(action: Action, notify: Collection[str] | None, sender: str) -> bool:
    """Tell whether the sender wants a report (RFC 3461 sections 4.1 and 5.2).

    Args:
        action: what has become of the mail of a recipient.
        notify: what the client has said with NOTIFY, `recipient_parameters[n].notify`; None for nothing: then
            a report of a failure is wanted, and one of a delay may be.
        sender: the reverse-path; nobody is told of mail from the null path.
    """
    if not sender:
        return False
    word = _WANTED[action]
    return word in notify if notify is not None else word != "SUCCESS"


def delivery_report(
    recipients: Sequence[RecipientStatus],
    *,
    sender: str,
    reporting_mta: str,
    original: bytes = b"",
    ret: Ret | None = None,
    envid: str | None = None,
    arrival: datetime | None = None,
    received_from: str | None = None,
    postmaster: str | None = None,
    utf8: bool = False,
) -> EmailMessage:
    """Make the message that tells a sender what has become of its mail: a `multipart/report`.

    It has a part for people, one for programs, and the message, or its header. Send it with the null
    reverse-path, to `sender`, with NOTIFY=NEVER where DSN is offered.

    Args:
        recipients: what has become of the mail of each of them; at least one.
        sender: the reverse-path of the mail, to whom the report goes.
        reporting_mta: this server's name.
        original: the mail; nothing of it is returned if it is empty.
        ret: what of it is returned, `sender_parameters.ret`: all of it (`"FULL"`), or its header (`"HDRS"`).
            None is all of it in a report of a failure, else the header.
        envid: the sender's own name for the transaction, `sender_parameters.envid`.
        arrival: when it came.
        received_from: from whom it came, the name of the hello.
        postmaster: whom the report is from; the default is `MAILER-DAEMON` at `reporting_mta`.
        utf8: the report may have UTF-8 in the part for programs (RFC 6533), since it goes where SMTPUTF8 is
            offered. Otherwise such addresses are written in ASCII.

    Raises:
        ValueError: there is no recipient, no sender or one that needs `utf8`, or a status that is none.
    """
    _check(recipients, sender, utf8=utf8)
    failed = any(each.action == "failed" for each in recipients)
    report = EmailMessage(policy=_POLICY.clone(utf8=utf8))
    report["From"] = f"Mail Delivery System <{postmaster or f'MAILER-DAEMON@{reporting_mta}'}>"
    report["To"] = sender
    report["Subject"] = "Undelivered mail returned to sender" if failed else "Delivery status of your mail"
    report["Date"] = email.utils.localtime()
    report["Message-ID"] = email.utils.make_msgid(domain=reporting_mta)
    report["Auto-Submitted"] = "auto-replied"
    report["MIME-Version"] = "1.0"
    report["Content-Type"] = 'multipart/report; report-type="delivery-status"'
    about = _about_message(reporting_mta, envid, arrival, received_from)
    report.attach(_text_part(recipients, reporting_mta))
    report.attach(_status_part([about, *(_about_recipient(each, utf8=utf8) for each in recipients)]))
    if original:
        whole = failed if ret is None else ret == "FULL"
        report.attach(_whole_part(original) if whole else _header_part(original))
    return report


def _check(recipients: Sequence[RecipientStatus], sender: str, *, utf8: bool) -> None:
    if not sender:
        raise ValueError("nobody is told of mail from the null path (RFC 3461 section 5.2.1)")
    if not (utf8 or sender.isascii()):
        raise ValueError("a sender whose address is not ASCII can be told with utf8=True alone (RFC 6531)")
    if not recipients:
        raise ValueError("a report is about one recipient at least")
    for each in recipients:
        if _STATUS.fullmatch(each.status) is None:
            raise ValueError(f"a status is a code such as 5.1.1 (RFC 3463), not {each.status!r}")


# -- the part for people ----------------------------------------------------------------------------


def _text_part(recipients: Sequence[RecipientStatus], reporting_mta: str) -> EmailMessage:
    lines = [f"This is the mail server {reporting_mta}.", ""]
    for each in recipients:
        lines.append(f"Your mail to <{_one_line(each.recipient)}> {_SAID[each.action]}.")
        if each.diagnostic is not None:
            lines.append(f"    {_one_line(each.diagnostic)}")
    part = EmailMessage(policy=_POLICY)
    part.set_content("\n".join([*lines, ""]))
    del part["MIME-Version"]
    return part


# -- the part for programs --------------------------------------------------------------------------

Fields = list[tuple[str, str]]


def _about_message(
    reporting_mta: str, envid: str | None, arrival: datetime | None, received_from: str | None
) -> Fields:
    fields = [("Reporting-MTA", f"dns; {reporting_mta}")]
    if envid is not None:
        fields.insert(0, ("Original-Envelope-Id", _one_line(envid)))
    if received_from is not None:
        fields.append(("Received-From-MTA", f"dns; {_one_line(received_from)}"))
    if arrival is not None:
        fields.append(("Arrival-Date", _date(arrival)))
    return fields


def _about_recipient(status: RecipientStatus, *, utf8: bool) -> Fields:
    fields = []
    if status.original is not None:
        kind = status.original.kind
        fields.append(("Original-Recipient", _address(kind, status.original.address, utf8=utf8)))
    kind = "rfc822" if status.recipient.isascii() else "utf-8"
    fields.append(("Final-Recipient", _address(kind, status.recipient, utf8=utf8)))
    fields += [("Action", status.action), ("Status", status.status)]
    if status.remote_mta is not None:
        fields.append(("Remote-MTA", f"dns; {_one_line(status.remote_mta)}"))
    if status.diagnostic is not None:
        is_reply = status.diagnostic[:3].isdigit()
        text = _one_line(status.diagnostic)
        fields.append(("Diagnostic-Code", f"{'smtp' if is_reply else 'x-local'}; {_plain(text, utf8=utf8)}"))
    if status.last_attempt is not None:
        fields.append(("Last-Attempt-Date", _date(status.last_attempt)))
    if status.will_retry_until is not None:
        fields.append(("Will-Retry-Until", _date(status.will_retry_until)))
    return fields


def _address(kind: str, address: str, *, utf8: bool) -> str:
    """An address with its type (RFC 3464 section 2.3.1; RFC 6533 section 3 beyond ASCII)."""
    address = _one_line(address)
    if kind != "utf-8" or (utf8 and not address.isascii()):
        return f"{kind}; {_plain(address, utf8=utf8)}"
    return f"{kind}; {encode_xtext(encode_utf8_address(address))}"


def _plain(text: str, *, utf8: bool) -> str:
    return text if utf8 or text.isascii() else encode_utf8_address(text)


def _date(moment: datetime) -> str:
    return email.utils.format_datetime(moment.astimezone())


def _one_line(text: str) -> str:
    """Another server's words, or a client's, must not begin a field of their own."""
    return _LINE_ENDS.sub(" ", text)


def _status_part(groups: list[Fields]) -> EmailMessage:
    part = EmailMessage(policy=_POLICY)
    if all(value.isascii() for group in groups for _, value in group):
        part["Content-Type"] = "message/delivery-status"
        part.set_payload([_group(fields) for fields in groups])
        return part
    # The package knows no message/global-delivery-status (RFC 6533 section 4): to it, this is a message whose
    # header is the first group, and whose body has the others.
    first, *others = groups
    text = "\r\n".join("".join(f"{name}: {value}\r\n" for name, value in group) for group in others)
    message = _group(first)
    message.set_payload(text.encode().decode("ascii", "surrogateescape"))
    return _message_part("global-delivery-status", message)


def _group(fields: Fields) -> Message:
    group = Message(policy=email.policy.compat32)
    for name, value in fields:
        group[name] = value
    return group


# -- the mail itself --------------------------------------------------------------------------------


def _whole_part(original: bytes) -> EmailMessage:
    header = original.partition(b"\r\n\r\n")[0]
    return _message_part("rfc822" if header.isascii() else "global", _parsed(original))


def _header_part(original: bytes) -> EmailMessage:
    header = original.partition(b"\r\n\r\n")[0] + b"\r\n"
    if not header.isascii():
        return _message_part("global-headers", _parsed(header))
    part = EmailMessage(policy=_POLICY)
    part.set_content(header, "text", "rfc822-headers", cte="7bit")
    del part["MIME-Version"]
    return part


def _message_part(subtype: str, message: Message) -> EmailMessage:
    part = EmailMessage(policy=_POLICY)
    part["Content-Type"] = f"message/{subtype}"
    part["Content-Transfer-Encoding"] = "8bit"
    part.set_payload([message])
    return part


def _parsed(octets: bytes) -> Message:
    return email.message_from_bytes(octets, policy=email.policy.compat32)
