"""Messages as people send them, and some as nobody should; what goes in must come out, byte for byte."""

from __future__ import annotations

import base64
import random
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8

SENDER = "ann@sender.example"
RECIPIENT = "bob@recipient.example"
UTF8_SENDER = "jörg.müller@bücher.example"
UTF8_RECIPIENT = "δοκιμή@παράδειγμα.example"

_HEADERS = b"From: <ann@sender.example>\r\nTo: <bob@recipient.example>\r\nSubject: %s\r\n\r\n"


def with_attachments() -> bytes:
    """Plain text, HTML, a picture and a forwarded message."""
    message = EmailMessage()
    message["From"] = f"Ann <{SENDER}>"
    message["To"] = f"Bob <{RECIPIENT}>"
    message["Subject"] = "Überraschung: the pictures you asked for"
    message["Message-ID"] = "<20260101.4711@sender.example>"
    message.set_content("Hello Bob,\n\n.\n..hidden dots\n-- \nAnn\n")
    message.add_alternative("<p>Hello <b>Bob</b>,</p>", subtype="html")
    picture = random.Random(1).randbytes(70_000)
    message.add_attachment(picture, maintype="image", subtype="png", filename="größe.png")
    inner = EmailMessage()
    inner["Subject"] = "forwarded"
    inner.set_content("the one inside\n")
    message.add_attachment(inner)
    return message.as_bytes(policy=SMTP)


def with_utf8_headers() -> bytes:
    """Headers in UTF-8 (RFC 6532), as goes with addresses in UTF-8."""
    message = EmailMessage()
    message["From"] = UTF8_SENDER
    message["To"] = UTF8_RECIPIENT
    message["Subject"] = "Grüße, 日本語"
    message.set_content("žluťoučký kůň\n", cte="8bit")
    return message.as_bytes(policy=SMTPUTF8.clone(cte_type="8bit"))


def _with_body(subject: bytes, body: bytes) -> bytes:
    return _HEADERS % subject + body


def _five_mebibytes() -> bytes:
    encoded = base64.encodebytes(random.Random(5).randbytes(4 * 1024 * 1024)).replace(b"\n", b"\r\n")
    assert len(encoded) > 5 * 1024 * 1024
    return _with_body(b"five mebibytes", encoded)


MESSAGES = {
    "attachments": with_attachments(),
    "utf-8 headers": with_utf8_headers(),
    "8-bit": _with_body(b"latin", b"".join(b"%c\r\n" % octet for octet in range(128, 256))),
    "dots": _with_body(b"dots", b".\r\n..\r\n...\r\n.x\r\n\r\n.\r\n.\r\n"),
    "dots first": b".\r\n.\r\n..\r\n",
    "long lines": _with_body(b"long", b"." + b"x" * 998 + b"\r\n" + b"y" * 200_000 + b"\r\n"),
    "NUL": _with_body(b"nul", b"a\0b\0\r\n\0\r\n\x1a\x7f\x1b[0m\r\n"),
    "blank line": b"\r\n",
    "5 MiB": _five_mebibytes(),
}
"""By name; each ends with CRLF, which every client can send as it is."""


def stuff(message: bytes) -> bytes:
    """The message as it goes over the wire, with its end (RFC 5321 section 4.5.2)."""
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    return (b"." if stuffed.startswith(b".") else b"") + stuffed + b".\r\n"
