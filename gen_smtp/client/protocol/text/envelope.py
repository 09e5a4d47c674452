"""The envelope of a message as the client is given it, and the addresses and parameters that it becomes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gen_smtp.client.protocol.text.offer import Offer
from gen_smtp.protocol.parameters.xtext import encode_utf8_address, encode_xtext
from gen_smtp.protocol.text.address import parse_path
from gen_smtp.protocol.text.command import ParameterValue

Body = Literal["7BIT", "8BITMIME", "BINARYMIME"]
NO_PARAMETERS: Mapping[str, ParameterValue] = {}

_PLAIN_ADDRESS = re.compile(r"[^\x00-\x20\x7f-\xff<>()\\\",;:\[\]]*")
_VALUE = re.compile(r"[!-<>-~]+")

OFFERED_AS: Mapping[str, str] = {
    "RET": "DSN",
    "ENVID": "DSN",
    "NOTIFY": "DSN",
    "ORCPT": "DSN",
    "BY": "DELIVERBY",
    "HOLDFOR": "FUTURERELEASE",
    "HOLDUNTIL": "FUTURERELEASE",
}
"""The extensions that parameters belong to, if they are not called alike."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """A recipient, and what its RCPT says besides the address.

    Attributes:
        address: the forward-path, with or without angle brackets.
        notify: what the sender wants reports of (RFC 3461): `"SUCCESS"`, `"FAILURE"`, `"DELAY"`, or `"NEVER"`
            alone; None says nothing.
        orcpt: the original recipient, decoded: `"rfc822;me@example.com"`.
        parameters: others, as they are sent; each goes to servers that have its extension.
    """

    address: str
    notify: frozenset[str] | None = None
    orcpt: str | None = None
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Envelope:
    """From whom a message is, to whom it goes, and how.

    Attributes:
        sender: the reverse-path, with or without angle brackets; empty for the null path.
        recipients: addresses, or `Recipient` where there is more to say.
        smtputf8: whether the sender's client declared SMTPUTF8. A sender or a recipient outside ASCII needs
            it anyhow, a header does if this is True.
        body: what the octets of the message are; None has the client look at them.
        size: octets of a message that comes as a stream, for SIZE (RFC 1870); None if that is not known.
        ret: how much of the message a report returns (RFC 3461): `"FULL"` or `"HDRS"`.
        envid: the sender's name for the transaction (RFC 3461), decoded.
        require_tls: the message goes on in verified TLS, or not at all (RFC 8689).
        parameters: other parameters of MAIL as they are sent; each goes to servers that have its extension.
    """

    sender: str
    recipients: Sequence[str | Recipient]
    smtputf8: bool = False
    body: Body | None = None
    size: int | None = None
    ret: Literal["FULL", "HDRS"] | None = None
    envid: str | None = None
    require_tls: bool = False
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)


def address_of(recipient: str | Recipient) -> str:
    """The address of a recipient as it was given."""
    return recipient if isinstance(recipient, str) else recipient.address


def path_of(address: str) -> str | None:
    """An address as it stands in a command, with brackets; None if it is none."""
    bare = address[1:-1] if address[:1] == "<" and address[-1:] == ">" else address
    if _PLAIN_ADDRESS.fullmatch(bare) is not None:
        return f"<{bare}>"
    parsed = parse_path(f"<{bare}>", lenient=True)
    return None if parsed is None or parsed.rest or not bare.isprintable() else f"<{parsed.address}>"


def mail_parameters(envelope: Envelope, offer: Offer) -> list[str]:
    """The parameters of MAIL that do not depend on the octets of the message."""
    found = []
    if offer.dsn:
        if envelope.ret is not None:
            found.append(f"RET={envelope.ret}")
        if envelope.envid:
            found.append(f"ENVID={encode_xtext(envelope.envid)}")
    if envelope.require_tls:
        found.append("REQUIRETLS")
    return found + _others(envelope.parameters, offer)


def rcpt_parameters(recipient: Recipient, offer: Offer, *, utf8: bool) -> list[str]:
    """The parameters of RCPT. `utf8` says whether the transaction is one of SMTPUTF8."""
    found = []
    if offer.dsn:
        if recipient.notify:
            found.append(f"NOTIFY={','.join(sorted(recipient.notify))}")
        if recipient.orcpt:
            found.append(f"ORCPT={_orcpt(recipient.orcpt, utf8=utf8)}")
    return found + _others(recipient.parameters, offer)


def _orcpt(orcpt: str, *, utf8: bool) -> str:
    """The original recipient in xtext (RFC 3461 section 4.2, RFC 6533 section 3)."""
    kind, _, address = orcpt.partition(";")
    if address.isascii():
        if kind.lower() == "utf-8":
            address = encode_utf8_address(address)
        return f"{kind};{encode_xtext(address)}"
    return f"utf-8;{encode_xtext(encode_utf8_address(address))}"


def _others(parameters: Mapping[str, ParameterValue], offer: Offer) -> list[str]:
    found = []
    for name, value in parameters.items():
        key = name.upper()
        if OFFERED_AS.get(key, key) not in offer.extensions:
            continue
        if value is True:
            found.append(key)
        elif _VALUE.fullmatch(value) is not None:
            found.append(f"{key}={value}")
    return found
