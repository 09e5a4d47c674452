"""Attributes of a client that a peer tells of: `NAME=value` behind XCLIENT and XFORWARD.

Source: Postfix's XCLIENT_README and XFORWARD_README. Values are xtext (RFC 3461 section 4) of UTF-8.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, NamedTuple

from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.address import without_final_dot
from gen_smtp.protocol.text.command import ascii_upper, has_control_characters
from gen_smtp.protocol.text.replies import StandardReply, echo

LONGEST_NAME = 255
"""Characters of NAME, HELO and IDENT."""
LONGEST_PROTOCOL = 64
"""Characters of XFORWARD's PROTO."""

_UNAVAILABLE = "[UNAVAILABLE]"
_TEMPORARY = "[TEMPUNAVAIL]"
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-Fa-f]{2})+")
_HEXCHAR = re.compile(rb"\+(..)")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")
_HIGHEST_PORT = 65535
_SPECIAL = re.compile(r'[^!-~]|[<>()\\";@]')

Fields = dict[str, Any]
"""Fields of `ClientFacts` or `ForwardedFacts` and their new values."""


class Reader(NamedTuple):
    """How the value of an attribute is read.

    Attributes:
        fields: makes fields of the text. Raises ValueError.
        raw: whether a value counts as it is if it is no xtext of UTF-8.
    """

    fields: Callable[[str], Fields]
    raw: bool = False


class BadAttributesError(Exception):
    """The command is wrong; carries the reply."""

    def __init__(self, reply: StandardReply) -> None:
        super().__init__(reply.text)
        self.reply = reply


def read_attributes(command: str, argument: str, readers: Mapping[str, Reader]) -> Fields:
    """The fields that the attributes behind a command set.

    Args:
        command: its verb, for the reply.
        argument: the attributes.
        readers: those that there are, by their names in upper case.

    Raises:
        BadAttributesError: one is wrong, or there is none.
    """
    fields: Fields = {}
    seen: set[str] = set()
    for attribute in filter(None, argument.split(" ")):
        name, _, value = attribute.partition("=")
        name = ascii_upper(name)
        if not value:
            raise BadAttributesError(replies.ATTRIBUTES_SYNTAX(command=command))
        reader = readers.get(name)
        if reader is None:
            raise BadAttributesError(replies.ATTRIBUTE_NAME(command=command, name=echo(name)))
        if name in seen:
            raise BadAttributesError(replies.ATTRIBUTE_TWICE(name=name))
        seen.add(name)
        try:
            fields |= reader.fields(_text_of(value, raw=reader.raw))
        except ValueError:
            raise BadAttributesError(replies.ATTRIBUTE_VALUE(name=name, value=echo(value))) from None
    if not seen:
        raise BadAttributesError(replies.ATTRIBUTES_SYNTAX(command=command))
    return fields


def _text_of(value: str, *, raw: bool) -> str:
    """What a value says, without control characters. Raises ValueError."""
    try:
        text = _from_xtext(value)
    except ValueError:
        if not raw:
            raise
        text = value
    if has_control_characters(text):
        raise ValueError(value)
    return text


def _from_xtext(value: str) -> str:
    """RFC 3461 section 4. Raises ValueError."""
    if _XTEXT.fullmatch(value) is None:
        raise ValueError(value)
    return _HEXCHAR.sub(lambda found: bytes.fromhex(found[1].decode()), value.encode()).decode()


# --- Values: each function makes one of text, or raises ValueError -----------------------------------


def _is(value: str, word: str) -> bool:
    return ascii_upper(value) == word


def _host_name(value: str) -> str:
    if len(value) > LONGEST_NAME or _HOST_NAME.fullmatch(value) is None:
        raise ValueError(value)
    return value


def _name_or_why_not(value: str) -> Fields:
    if _is(value, _UNAVAILABLE):
        return {"name": None, "name_error": "permanent"}
    if _is(value, _TEMPORARY):
        return {"name": None, "name_error": "temporary"}
    return {"name": _host_name(value), "name_error": None}


def _address(value: str) -> IPv4Address | IPv6Address:
    """With `IPV6:` in front, or, as Dovecot 2.3 sends it, without."""
    if not ascii_upper(value).startswith("IPV6:"):
        address = ip_address(value)
    else:
        address = IPv6Address(value[len("IPV6:") :])
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise ValueError(value)  # it means nothing to another host
    return address


def _port(value: str) -> int:
    if _PORT.fullmatch(value) is None or int(value) > _HIGHEST_PORT:
        raise ValueError(value)
    return int(value)


def _one_of(*words: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        word = ascii_upper(value)
        if word not in words:
            raise ValueError(value)
        return word

    return read


def _hello(value: str) -> str:
    if len(value) > LONGEST_NAME:
        raise ValueError(value)
    return without_final_dot(value)


def _bland(longest: int) -> Callable[[str], str]:
    """Text with a `?` for what is special in the header of a message, as Postfix has it."""

    def read(value: str) -> str:
        if len(value) > longest:
            raise ValueError(value)
        return _SPECIAL.sub("?", value)

    return read


def _source(value: str) -> str:
    return _one_of("LOCAL", "REMOTE")(value).lower()


def _field(name: str, read: Callable[[str], Any], *, raw: bool = False) -> Reader:
    """An attribute that sets one field, or says that it is unavailable."""
    return Reader(lambda value: {name: None if _is(value, _UNAVAILABLE) else read(value)}, raw)


_OF_BOTH: Mapping[str, Reader] = {"ADDR": _field("address", _address), "PORT": _field("port", _port)}

XCLIENT: Mapping[str, Reader] = {
    "NAME": Reader(_name_or_why_not),
    **_OF_BOTH,
    "PROTO": _field("protocol", _one_of("SMTP", "ESMTP")),
    "HELO": _field("helo", _hello),
    # nginx sends it as it is, plus signs included; Postfix takes it so.
    "LOGIN": _field("login", str, raw=True),
    "DESTADDR": _field("destination", _address),
    "DESTPORT": _field("destination_port", _port),
}
"""Attributes of XCLIENT: fields of `ClientFacts`."""

XCLIENT_IN_LMTP: Mapping[str, Reader] = {
    **XCLIENT,
    "PROTO": _field("protocol", _one_of("SMTP", "ESMTP", "LMTP")),  # Dovecot's proxy says LMTP
}

XFORWARD: Mapping[str, Reader] = {
    # Values of Postfix before version 2.3, and of other programs, are no xtext.
    "NAME": _field("name", _host_name, raw=True),
    **_OF_BOTH,
    "PROTO": _field("protocol", _bland(LONGEST_PROTOCOL), raw=True),
    "HELO": _field("helo", _bland(LONGEST_NAME), raw=True),
    "IDENT": _field("ident", _bland(LONGEST_NAME), raw=True),
    "SOURCE": _field("source", _source),
}
"""Attributes of XFORWARD: fields of `ForwardedFacts`."""


def names_of(readers: Mapping[str, Reader]) -> str:
    """The attributes as EHLO announces them."""
    return " ".join(readers)
