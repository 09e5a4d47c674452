"""The trace fields that servers put in front of a message (RFC 5321 section 4.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv6Address

from gen_smtp.callbacks.facts import Session
from gen_smtp.protocol.text.command import mask_control_characters
from gen_smtp.smtp_util import rfc5322_timestamp

_NOT_OF_A_NAME = re.compile(r"[^A-Za-z0-9._:\[\]-]")
_LONGEST_NAME = 255


def delivery_fields(
    session: Session, hostname: str, reference: str, sender: str, recipients: Sequence[str]
) -> bytes:
    """What a server that delivers puts in front: Return-Path, a Delivered-To for each recipient, Received.

    Args:
        session: whom the message came from, and how.
        hostname: this server's name.
        reference: the name of this copy of the message.
        sender: the reverse-path.
        recipients: the recipients of this copy.
    """
    lines = [
        f"Return-Path: <{_one_line(sender)}>",
        *(f"Delivered-To: {_one_line(recipient)}" for recipient in recipients),
    ]
    return _joined(lines) + received_field(session, hostname, reference, recipients)


def received_field(session: Session, hostname: str, reference: str, recipients: Sequence[str]) -> bytes:
    """What every server puts in front (RFC 5321 section 4.4), each line with its CRLF.

    Args:
        session: whom the message came from, and how.
        hostname: this server's name.
        reference: the name that the message has here.
        recipients: its recipients. One alone is named, of several none: each would learn of the others
            (section 7.2).
    """
    lines = [
        f"Received: from {_client(session)}",
        f"\tby {hostname} with {session.transmission_type}{_tls(session)}",
        f"\tid {reference}",
    ]
    if len(recipients) == 1:
        lines.append(f"\tfor <{_one_line(recipients[0])}>")
    lines[-1] += ";"
    lines.append(f"\t{rfc5322_timestamp()}")
    return _joined(lines)


def _joined(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode()


def _client(session: Session) -> str:
    """The name the client gave, and the address that it has.

    With XCLIENT a proxy tells that name, and may say its own in the hello that follows, as Dovecot does.
    """
    told = session.xclient.helo if session.xclient is not None else None
    name = _NOT_OF_A_NAME.sub("?", (told or session.helo or "")[:_LONGEST_NAME]) or "unknown"
    peer = session.peername
    if peer is None:
        return name  # on a unix socket there is no address
    return f"{name} ([{'IPv6:' if isinstance(peer, IPv6Address) else ''}{peer}])"


def _tls(session: Session) -> str:
    tls = session.tls
    return "" if tls is None else f" ({tls.version}, {tls.cipher})"


def _one_line(address: str) -> str:
    """An address has no control characters when it comes from the protocol; here none may come by any way."""
    return mask_control_characters(address)
