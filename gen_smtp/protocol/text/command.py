"""Command lines and their parameters (RFC 5321 sections 2.4 and 4.1.1)."""

import re
from typing import Literal, NamedTuple

ParameterValue = str | Literal[True]
"""The text behind ``=`` as sent; ``True`` for a keyword alone."""

# Beyond those of ASCII: C1, which terminals obey; line and paragraph separators, at which much software ends
# a line; and what turns the direction of writing, with which a log line can be made to read otherwise.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_ASCII_UPPER = {lower: lower - 32 for lower in range(ord("a"), ord("z") + 1)}
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-]*+")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
MAX_SIZE_DIGITS = 20
"""RFC 1870 section 3."""


class Command(NamedTuple):
    """A verb in upper case and what follows it, as sent."""

    verb: str
    argument: str


class Parameter(NamedTuple):
    """One parameter of MAIL or RCPT, its keyword in upper case."""

    keyword: str
    value: ParameterValue

    def __str__(self) -> str:
        return self.keyword if self.value is True else f"{self.keyword}={self.value}"


NO_VERB = "..."
"""Stands for what is in a command's place and is no verb."""
# What has been a verb anywhere: a short word of letters in one case, also behind "X-". A line of base64 is
# hardly one: it has letters of both cases, digits and "=".
_VERB = re.compile(rb"(?:[Xx]-)?(?:[A-Z]{1,12}|[A-Z]?[a-z]{1,12})")
_STRAY_OCTET = re.compile(r"[\ud800-\udfff]")
_HTTP_REQUEST = re.compile(rb"[ \t]*+[^ \t]++[ \t].*[ \t]HTTP/[0-9]\.[0-9]\r?", re.DOTALL)
HTTP_TAIL = len(" HTTP/1.1\r")
"""So many octets in front of the LF tell the end of an HTTP request line from that of any other."""
_HTTP_TAIL = re.compile(rb"[ \t]HTTP/[0-9]\.[0-9]\r?\Z")
_BDAT = re.compile(rb"[ \t]*+[Bb][Dd][Aa][Tt][ \t]")
_TAB_OR_QUOTED = re.compile(r'\t|"(?:[^"\\]|\\.)*"?')


def parse_command(line: bytes) -> Command | None:
    """Split a line into verb and argument; an empty line has an empty verb. None: it is not UTF-8.

    Removed are, as in gen_smtp, CRs at the end, then spaces and tabs at both ends. A tab is as good as a
    space, as to all common servers, but in a quoted string, where it is a control character and stays.
    """
    try:
        return _split(line.decode())
    except UnicodeDecodeError:
        return None


def _split(line: str) -> Command:
    text = line.rstrip("\r").strip(" \t")
    if "\t" in text:
        text = _TAB_OR_QUOTED.sub(lambda found: " " if found[0] == "\t" else found[0], text)
    verb, _, argument = text.partition(" ")
    return Command(ascii_upper(verb), argument.lstrip(" "))


def parse_any_text(line: bytes) -> Command | None:
    """The same with what is not UTF-8 as ``surrogateescape`` has it; None if the verb is not UTF-8."""
    verb, argument = _split(line.decode("utf-8", "surrogateescape"))
    return None if has_stray_octets(verb) else Command(verb, argument)


def has_stray_octets(text: str) -> bool:
    """Whether octets that are no UTF-8 have been made text by ``surrogateescape``."""
    return not text.isascii() and _STRAY_OCTET.search(text) is not None


def is_http_request(line: bytes) -> bool:
    """Whether a line is ``METHOD target HTTP/x.y`` (RFC 9112 section 3), as no mail client's command is."""
    return ends_http_request(line) and _HTTP_REQUEST.fullmatch(line) is not None


def ends_http_request(octets: bytes) -> bool:
    """Whether a line that is too long to be kept, and has this end, is one."""
    return b"HTTP/" in octets[-HTTP_TAIL:] and _HTTP_TAIL.search(octets) is not None


def begins_with_bdat(line: bytes) -> bool:
    """Whether a line, of which there may be only the beginning, is a BDAT (RFC 3030 section 2)."""
    return _BDAT.match(line) is not None


def shown_verb(line: bytes) -> str:
    """The verb of a command line that is not known, as a log, an event or a reply may show it.

    ``NO_VERB`` stands for what is no word: it may be a line of credentials, behind an AUTH that was refused,
    or of a message, behind such a DATA.
    """
    word = line.rstrip(b"\r").strip(b" \t").replace(b"\t", b" ").partition(b" ")[0]
    return word.decode("ascii").upper() if _VERB.fullmatch(word) else NO_VERB


def ascii_upper(text: str) -> str:
    """Upper-case a-z alone: ``str.upper`` makes ``RSET`` of a ``r\u017fet`` too."""
    return text.upper() if text.isascii() else text.translate(_ASCII_UPPER)


def has_control_characters(text: str) -> bool:
    """Whether there are control characters in ``text``, those of Unicode too."""
    return not text.isprintable() and _CONTROL.search(text) is not None


def mask_control_characters(text: str) -> str:
    """``text`` with a ``?`` for each control character."""
    return _CONTROL.sub("?", text)


def parse_parameters(text: str) -> list[Parameter] | None:
    """The parameters in ``text``, which one or more spaces divide.

    RFC 5321 section 4.1.2 has one space; many a client sends more, and all common servers take them. None if
    one has no keyword as that section wants it.
    """
    parameters: list[Parameter] = []
    for part in filter(None, text.split(" ")):
        keyword, equals, value = part.partition("=")
        if _KEYWORD.fullmatch(keyword) is None:
            return None
        parameters.append(Parameter(keyword.upper(), value if equals else True))
    return parameters


def is_size(value: ParameterValue) -> bool:
    """Whether a SIZE value is 1 to 20 ASCII digits (RFC 1870 section 3), so that ``int`` may see it."""
    return isinstance(value, str) and len(value) <= MAX_SIZE_DIGITS and value.isascii() and value.isdigit()


def is_xtext(value: ParameterValue) -> bool:
    """Whether the value of ``AUTH=`` is xtext (RFC 3461 section 4); ``<>`` is, too."""
    return isinstance(value, str) and _XTEXT.fullmatch(value) is not None
