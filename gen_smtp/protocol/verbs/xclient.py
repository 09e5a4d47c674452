"""XCLIENT: an authorised peer says for whom it speaks (Postfix's XCLIENT_README)."""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from gen_smtp.protocol.dialogue import Dialogue, Login
from gen_smtp.protocol.questions import XClient
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.address import without_final_dot
from gen_smtp.protocol.text.command import ascii_upper, has_control_characters
from gen_smtp.protocol.text.replies import StandardReply, echo
from gen_smtp.protocol.verdicts import Accept, Verdict

LONGEST_NAME = 255
"""Characters of NAME and HELO."""

_UNAVAILABLE = "[UNAVAILABLE]"
_TEMPORARY = "[TEMPUNAVAIL]"
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-Fa-f]{2})+")
_HEXCHAR = re.compile(rb"\+(..)")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")
_HIGHEST_PORT = 65535

Fields = dict[str, Any]
"""Fields of `ClientFacts` and their new values."""


class _BadAttributes(Exception):  # noqa: N818 - a signal within this module
    """The command is wrong; carries the reply."""

    def __init__(self, reply: StandardReply) -> None:
        super().__init__(reply.text)
        self.reply = reply


def run_xclient(dialogue: Dialogue, argument: str) -> XClient | None:
    """Ask the driver, if the peer may say this, now and so."""
    if dialogue.transaction is not None:
        dialogue.refuse_out_of_order(replies.XCLIENT_IN_TRANSACTION, "XCLIENT")
    elif not dialogue.config.xclient:
        dialogue.refuse_command(replies.XCLIENT_DENIED, "XCLIENT")
    else:
        try:
            fields = parse_attributes(argument)
        except _BadAttributes as bad:
            dialogue.refuse_command(bad.reply, "XCLIENT")
        else:
            dialogue.forget_client()
            dialogue.counter = None  # those were the faults of somebody else
            name = fields.get("login")
            dialogue.login = None if name is None else Login(name)
            return dialogue.ask(XClient(fields), _resolve)
    return None


def _resolve(dialogue: Dialogue, question: XClient, verdict: Verdict) -> StandardReply | None:
    if isinstance(verdict, Accept):
        return replies.GREETING(hostname=dialogue.config.hostname)
    dialogue.login = None
    dialogue.decline(verdict, "XCLIENT", replies.XCLIENT_DENIED)
    return None


def parse_attributes(argument: str) -> Fields:
    """The fields of ``ClientFacts`` that the attributes behind XCLIENT set."""
    fields: Fields = {}
    seen: set[str] = set()
    for attribute in filter(None, argument.split(" ")):
        name, _, value = attribute.partition("=")
        name = ascii_upper(name)
        if not value:
            raise _BadAttributes(replies.XCLIENT_SYNTAX)
        read = _ATTRIBUTES.get(name)
        if read is None:
            raise _BadAttributes(replies.XCLIENT_ATTRIBUTE(name=echo(name)))
        if name in seen:
            raise _BadAttributes(replies.XCLIENT_TWICE(name=name))
        seen.add(name)
        try:
            fields |= read(_from_xtext(value))
        except ValueError:
            raise _BadAttributes(replies.XCLIENT_VALUE(name=name, value=echo(value))) from None
    if not seen:
        raise _BadAttributes(replies.XCLIENT_SYNTAX)
    return fields


def _from_xtext(value: str) -> str:
    """RFC 3461 section 4, of UTF-8 text without control characters. Raises ValueError."""
    if _XTEXT.fullmatch(value) is None:
        raise ValueError(value)
    octets = _HEXCHAR.sub(lambda found: bytes.fromhex(found[1].decode()), value.encode())
    text = octets.decode()
    if has_control_characters(text):
        raise ValueError(value)
    return text


def _is(value: str, word: str) -> bool:
    return ascii_upper(value) == word


def _name(value: str) -> Fields:
    if _is(value, _UNAVAILABLE):
        return {"name": None, "name_error": "permanent"}
    if _is(value, _TEMPORARY):
        return {"name": None, "name_error": "temporary"}
    if len(value) > LONGEST_NAME or _HOST_NAME.fullmatch(value) is None:
        raise ValueError(value)
    return {"name": value, "name_error": None}


def _address(value: str) -> IPv4Address | IPv6Address:
    if not ascii_upper(value).startswith("IPV6:"):
        return IPv4Address(value)
    address = IPv6Address(value[len("IPV6:") :])
    if address.scope_id is not None:
        raise ValueError(value)
    return address


def _port(value: str) -> int:
    if _PORT.fullmatch(value) is None or int(value) > _HIGHEST_PORT:
        raise ValueError(value)
    return int(value)


def _protocol(value: str) -> str:
    protocol = ascii_upper(value)
    if protocol not in ("SMTP", "ESMTP"):
        raise ValueError(value)
    return protocol


def _helo(value: str) -> str:
    if len(value) > LONGEST_NAME:
        raise ValueError(value)
    return without_final_dot(value)


def _field(name: str, read: Callable[[str], Any]) -> Callable[[str], Fields]:
    """An attribute that sets one field, or says that it is unavailable."""
    return lambda value: {name: None if _is(value, _UNAVAILABLE) else read(value)}


_ATTRIBUTES: Mapping[str, Callable[[str], Fields]] = {
    "NAME": _name,
    "ADDR": _field("address", _address),
    "PORT": _field("port", _port),
    "PROTO": _field("protocol", _protocol),
    "HELO": _field("helo", _helo),
    "LOGIN": _field("login", str),
    "DESTADDR": _field("destination", _address),
    "DESTPORT": _field("destination_port", _port),
}

ATTRIBUTES = " ".join(_ATTRIBUTES)
"""As EHLO announces them."""
