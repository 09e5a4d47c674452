"""Who the client is and what it has said, in the words in which the next host is told."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from gen_smtp.callbacks.facts import Session, Transaction
from gen_smtp.gen_smtp_client import Envelope, Recipient
from gen_smtp.protocol.parameters.values import RecipientParameters, SenderParameters

ADDED_OCTETS = 1024
"""Room in the size that is declared, for the Received field that is added."""

_READ = frozenset({"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "REQUIRETLS", "NOTIFY", "ORCPT", "AUTH"})
"""Parameters that the client makes of what the envelope says, and AUTH, which nobody trusts."""
_BODIES: dict[str, Literal["7BIT", "8BITMIME", "BINARYMIME"]] = {
    "7BIT": "7BIT",
    "8BITMIME": "8BITMIME",
    "BINARYMIME": "BINARYMIME",
}
_UNKNOWN = "[UNAVAILABLE]"


def envelope_of(transaction: Transaction) -> Envelope:
    """What MAIL has said. The recipients follow one by one."""
    sent = transaction.mail_params
    known = SenderParameters(sent)
    body, size = sent.get("BODY"), sent.get("SIZE")
    return Envelope(
        transaction.sender,
        (),
        smtputf8="SMTPUTF8" in sent,
        body=_BODIES.get(body.upper()) if isinstance(body, str) else None,
        size=int(size) + ADDED_OCTETS if isinstance(size, str) else None,
        ret=known.ret,
        envid=known.envid,
        require_tls=known.require_tls,
        parameters={name: value for name, value in sent.items() if name not in _READ},
    )


def recipient_of(address: str, transaction: Transaction) -> Recipient:
    """What the RCPT in question has said."""
    sent = transaction.asked_params
    if not sent:
        return Recipient(address)
    known = RecipientParameters(sent, transaction.mail_params)
    return Recipient(
        address,
        notify=known.notify,
        orcpt=f"{known.orcpt.kind};{known.orcpt.address}" if known.orcpt is not None else None,
        parameters={name: value for name, value in sent.items() if name not in _READ},
    )


def xforward_of(session: Session, reference: str) -> dict[str, str]:
    """The attributes of XFORWARD: whom the message comes from, as far as that is known here.

    A peer that has said so itself with XFORWARD is believed: it was allowed to.
    """
    told = session.xforward
    if told is not None:
        name, address, port, helo = told.name, told.address, told.port, told.helo
    else:
        name, address, port, helo = _name(session), session.peername, session.peer_port, session.helo
    return {
        "NAME": name or _UNKNOWN,
        "ADDR": _address(address),
        "PORT": str(port or _UNKNOWN),
        "PROTO": _protocol(session),
        "HELO": helo or _UNKNOWN,
        "IDENT": reference,
        "SOURCE": "REMOTE",
    }


def xclient_of(session: Session) -> dict[str, str]:
    """The attributes of XCLIENT: for whom this server speaks."""
    return {
        "NAME": _name(session) or _UNKNOWN,
        "ADDR": _address(session.peername),
        "PORT": str(session.peer_port or _UNKNOWN),
        "PROTO": _protocol(session),
        "HELO": session.helo or _UNKNOWN,
        "LOGIN": session.user or _UNKNOWN,
    }


def _name(session: Session) -> str | None:
    return session.xclient.name if session.xclient is not None else None


def _address(address: IPv4Address | IPv6Address | None) -> str:
    if address is None:
        return _UNKNOWN
    return f"IPV6:{address}" if isinstance(address, IPv6Address) else str(address)


def _protocol(session: Session) -> str:
    """Postfix knows SMTP and ESMTP alone."""
    return "SMTP" if session.transmission_type == "SMTP" else "ESMTP"
