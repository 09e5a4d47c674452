"""DSN: which reports a sender wants, and what they are to say (RFC 3461; RFC 6533 for ORCPT in UTF-8)."""

import re
from dataclasses import dataclass
from typing import Literal

from gen_smtp.protocol.parameters.reading import Family, Given, bad
from gen_smtp.protocol.parameters.xtext import decode_utf8_address, decode_xtext
from gen_smtp.protocol.text.command import ascii_upper
from gen_smtp.protocol.text.replies import StandardReply

Ret = Literal["FULL", "HDRS"]
"""How much of the message a report returns: all of it, or its header."""

Notify = frozenset[Literal["NEVER", "SUCCESS", "FAILURE", "DELAY"]]
"""What a report is wanted for; NEVER stands alone."""

MAX_ENVID = 100
"""Characters (RFC 3461 section 4.4)."""
MAX_ORCPT = 500
"""Characters (RFC 3461 section 4.2)."""

_EVENTS: tuple[Literal["SUCCESS", "FAILURE", "DELAY"], ...] = ("SUCCESS", "FAILURE", "DELAY")
_TYPE = re.compile(r"[A-Za-z0-9!#$%&'*/?^_`{|}~.\-]+")


@dataclass(frozen=True, slots=True)
class OriginalRecipient:
    """Whom the sender has written to, whatever has become of the address since.

    Attributes:
        kind: the type of the address, in lower case, such as `rfc822` or `utf-8`.
        address: decoded.
    """

    kind: str
    address: str


def read_ret(given: Given) -> Ret | StandardReply:
    """RET: how much of the message a report returns."""
    match ascii_upper(given.text):
        case "FULL":
            return "FULL"
        case "HDRS":
            return "HDRS"
    return bad(given, "FULL or HDRS")


def read_envid(given: Given) -> str | StandardReply:
    """ENVID: the sender's own name for the transaction, decoded."""
    decoded = decode_xtext(given.text) if len(given.text) <= MAX_ENVID else None
    return decoded or bad(given, f"up to {MAX_ENVID} characters of xtext that stand for printable ones")


def read_notify(given: Given) -> Notify | StandardReply:
    """NOTIFY: what a report is wanted for."""
    words = ascii_upper(given.text).split(",")
    if words == ["NEVER"]:
        return frozenset({"NEVER"})
    wanted: Notify = frozenset(each for each in _EVENTS if each in words)
    if wanted == set(words):
        return wanted
    return bad(given, "NEVER, or some of SUCCESS,FAILURE,DELAY")


def read_orcpt(given: Given) -> OriginalRecipient | StandardReply:
    """ORCPT: whom the sender has written to, decoded."""
    kind, semicolon, encoded = given.text.partition(";")
    address: str | None = None
    if semicolon and len(given.text) <= MAX_ORCPT and _TYPE.fullmatch(kind) is not None:
        if kind.lower() == "utf-8":
            address = decode_utf8_address(encoded, utf8="SMTPUTF8" in given.mail)
        else:
            address = decode_xtext(encoded)
    if not address:
        return bad(given, "a type, such as rfc822, a semicolon, and an address in xtext")
    return OriginalRecipient(kind.lower(), address)


MAIL: Family = {"RET": read_ret, "ENVID": read_envid}
RCPT: Family = {"NOTIFY": read_notify, "ORCPT": read_orcpt}
