"""Reverse-paths and forward-paths (RFC 5321 section 4.1.2, RFC 6531 section 3.3).

As in gen_smtp, brackets may be missing, and so may the domain (the handler's affair); whatever else is not a
mailbox is refused. Characters outside ASCII are taken here; whether they are allowed is the command's to say.

Whatever is taken is given in a form that may be sent to any other server.
"""

import ipaddress
import re
from typing import NamedTuple

MAX_PATH = 320
"""Characters of a path: 64 of local-part, ``@``, 255 of domain (RFC 5321 section 4.5.3.1)."""

_ATEXT_CHARACTERS = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff"
_ATEXT = rf"[{_ATEXT_CHARACTERS}]"
_LABEL = r"[A-Za-z0-9_\-\u0080-\U0010ffff]"
_DOT_STRING = rf"{_ATEXT}++(?:\.{_ATEXT}++)*"

# A path is read once, from left to right: what follows a repetition can't begin like another round of it, so
# there is one way to match, and nothing to go back to. Only single characters are repeated possessively: of a
# possessive group CPython 3.11.2, Debian 12's, keeps the octets of a round that has failed halfway.
_QUOTED_OR_DOMAIN = rf"""
      | "(?P<quoted>(?:[^"\\]|\\.)*)" )
    (?: @ (?: (?P<domain>{_LABEL}++(?:\.{_LABEL}++)*)\.? | \[(?P<literal>[^\]\[\\ ]*+)\] ) )?
    """
_MAILBOX = re.compile(rf"(?: (?P<words>{_DOT_STRING}) {_QUOTED_OR_DOMAIN}", re.VERBOSE)
_LENIENT_MAILBOX = re.compile(rf"(?: (?P<words>[.{_ATEXT_CHARACTERS}]++) {_QUOTED_OR_DOMAIN}", re.VERBOSE)
_SOURCE_ROUTE = re.compile(r'@[^:<>"\\ ]++:')
_IS_DOT_STRING = re.compile(_DOT_STRING)
_QUOTED_PAIR = re.compile(r"\\(.)")
_NEEDS_BACKSLASH = re.compile(r'(["\\])')


class ParsedPath(NamedTuple):
    """A path, and what follows it on the line (the parameters, with the space in front of them)."""

    address: str
    rest: str


def parse_path(text: str, *, lenient: bool = False) -> ParsedPath | None:
    """Read the path at the start of ``text``, which has no control characters; None if it is not one.

    Source routes are dropped (RFC 5321 appendix C), and so is a final dot of the domain. Quotes that a
    local-part does not need are dropped, the others kept with the fewest backslashes (RFC 5321 section
    4.1.2), so one mailbox has one spelling. ``<>`` is the empty address.

    Args:
        text: the path, and what follows it.
        lenient: take a local-part whose dots are not between words, as in ``ilo.@host``. Of such words
            quotes make an address: ``"ilo."@host``.
    """
    bracketed = text[:1] == "<"
    start = 1 if bracketed else 0
    if bracketed and text[1:2] == ">":
        return _finish("", text, 2)
    if bracketed and text[1:2] == "@":
        route = _SOURCE_ROUTE.match(text, 1)
        if route is None:
            return None
        start = route.end()
    matched = (_LENIENT_MAILBOX if lenient else _MAILBOX).match(text, start)
    if matched is None:
        return None
    end = matched.end()
    if bracketed:
        if text[end : end + 1] != ">":
            return None
        end += 1
    address = _normalise(matched)
    if address is None or len(address) > MAX_PATH:
        return None
    return _finish(address, text, end)


def without_final_dot(name: str) -> str:
    """The name of a host without the dot that says that it is a whole name: none is due in SMTP."""
    return name[:-1] if name[-1:] == "." and name[-2:-1] not in ("", ".") else name


def _finish(address: str, text: str, end: int) -> ParsedPath | None:
    rest = text[end:]
    return ParsedPath(address, rest) if not rest or rest[0] == " " else None


def _normalise(mailbox: re.Match[str]) -> str | None:
    domain, literal, quoted = mailbox["domain"], mailbox["literal"], mailbox["quoted"]
    if domain is not None and not _is_domain(domain):
        return None
    if literal is not None:
        if not _is_address_literal(literal):
            return None
        domain = f"[{literal}]"
    local_part = mailbox["words"] if quoted is None else _QUOTED_PAIR.sub(r"\1", quoted)
    if _IS_DOT_STRING.fullmatch(local_part) is None:
        local_part = '"' + _NEEDS_BACKSLASH.sub(r"\\\1", local_part) + '"'
    return local_part if domain is None else f"{local_part}@{domain}"


def _is_domain(domain: str) -> bool:
    return domain[0] != "-" and domain[-1] != "-" and ".-" not in domain and "-." not in domain


def _is_address_literal(literal: str) -> bool:
    """RFC 5321 section 4.1.3, without tags of standards to come."""
    try:
        if literal[:5].lower() == "ipv6:":
            ipaddress.IPv6Address(literal[5:])
            return "%" not in literal  # a zone means nothing to another host
        ipaddress.IPv4Address(literal)
    except ValueError:
        return False
    return True
