"""A message as the API shows it: Mailpit's names."""

from __future__ import annotations

import email.utils
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any

from gen_smtp.catch.store import Kept

SNIPPET_CHARACTERS = 250


def summary(kept: Kept, *, read: bool) -> dict[str, Any]:
    """What a list shows of a message."""
    message = kept.caught.message
    return {
        "ID": kept.id,
        "MessageID": str(message["Message-ID"] or "").strip("<>"),
        "Read": read,
        "From": (addresses(message, "From") or [_address("", kept.caught.sender)])[0],
        "To": addresses(message, "To"),
        "Cc": addresses(message, "Cc"),
        "Bcc": _blind(kept),
        "ReplyTo": addresses(message, "Reply-To"),
        "Subject": kept.caught.subject,
        "Created": _time(kept.created),
        "Username": kept.caught.user or "",
        "Tags": [],
        "Size": len(kept.caught.data),
        "Attachments": len(kept.caught.attachments),
        "Snippet": " ".join(kept.caught.text.split())[:SNIPPET_CHARACTERS],
    }


def whole(kept: Kept, *, read: bool = True) -> dict[str, Any]:
    """All of a message."""
    message = kept.caught.message
    date = message["Date"]
    shown = summary(kept, read=read)
    for name in ("Read", "Created", "Snippet"):
        del shown[name]
    return {
        **shown,
        "ReturnPath": kept.caught.sender,
        "Date": _time(kept.created if date is None or date.datetime is None else date.datetime.timestamp()),
        "Text": kept.caught.text,
        "HTML": kept.caught.html,
        "Inline": [],
        "Attachments": [_attachment(number, part) for number, part in parts(message)],
        "Envelope": {"Sender": kept.caught.sender, "Recipients": list(kept.caught.recipients)},
        "Helo": kept.caught.helo or "",
        "TLS": None if kept.caught.tls is None else kept.caught.tls.version,
    }


def headers(kept: Kept) -> dict[str, list[str]]:
    """The fields of a message, each with all its values."""
    found: dict[str, list[str]] = {}
    for name, value in kept.caught.message.items():
        found.setdefault(name, []).append(str(value))
    return found


def parts(message: EmailMessage) -> list[tuple[str, EmailMessage]]:
    """The attachments, each with the number that the API calls it by."""
    attached = [each for each in message.iter_attachments() if isinstance(each, EmailMessage)]
    return [(str(number), each) for number, each in enumerate(attached, 1)]


def content_of(part: EmailMessage) -> bytes:
    """The decoded octets of an attachment."""
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else part.as_bytes()


def addresses(message: EmailMessage, name: str) -> list[dict[str, str]]:
    """The addresses of a field."""
    found: list[dict[str, str]] = []
    for value in message.get_all(name, []):
        known = getattr(value, "addresses", None)
        if known is None:
            known = [Address(*each) for each in email.utils.getaddresses([str(value)])]
        found += [_address(each.display_name, each.addr_spec) for each in known]
    return found


def _blind(kept: Kept) -> list[dict[str, str]]:
    """The recipients that no field names."""
    message = kept.caught.message
    named = {each["Address"].lower() for name in ("To", "Cc") for each in addresses(message, name)}
    return [_address("", each) for each in kept.caught.recipients if each.lower() not in named]


def _attachment(number: str, part: EmailMessage) -> dict[str, Any]:
    return {
        "PartID": number,
        "FileName": part.get_filename() or "",
        "ContentType": part.get_content_type(),
        "ContentID": str(part["Content-ID"] or "").strip("<>"),
        "Size": len(content_of(part)),
    }


def _address(name: str, address: str) -> dict[str, str]:
    return {"Name": name, "Address": address}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
