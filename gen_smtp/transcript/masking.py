"""What of a dialogue may be shown: neither credentials, nor what may be some.

Shown are the commands that SMTP knows, but of AUTH the mechanism alone. A line of another kind may be part
of an exchange that the server has refused, or of such a message: its size is told, and its first word if that
looks like a verb. A reply that repeats anything of it is shown without its text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.command import NO_VERB, ascii_upper, parse_any_text, shown_verb
from gen_smtp.protocol.text.replies import StandardReply

SHOWN_VERBS = frozenset(
    {
        "HELO",
        "EHLO",
        "LHLO",
        "MAIL",
        "RCPT",
        "DATA",
        "BDAT",
        "RSET",
        "NOOP",
        "QUIT",
        "VRFY",
        "EXPN",
        "HELP",
        "ETRN",
        "STARTTLS",
        "XCLIENT",
        "XFORWARD",
    }
)
"""Commands whose arguments are shown."""

MECHANISMS = frozenset(
    {
        "ANONYMOUS",
        "CRAM-MD5",
        "DIGEST-MD5",
        "EXTERNAL",
        "GS2-KRB5",
        "GSSAPI",
        "KERBEROS_V4",
        "LOGIN",
        "NTLM",
        "OAUTHBEARER",
        "OTP",
        "PLAIN",
        "SCRAM-SHA-1",
        "SCRAM-SHA-1-PLUS",
        "SCRAM-SHA-256",
        "SCRAM-SHA-256-PLUS",
        "SECURID",
        "XOAUTH",
        "XOAUTH2",
    }
)
"""Names of mechanisms; any other word behind AUTH may be a part of the credentials."""

SHORTEST_HIDDEN = 3
"""Characters of a hidden word that a reply must not repeat; a shorter one tells nothing."""

_OWN_REPLIES = frozenset(
    octets
    for reply in vars(replies).values()
    if isinstance(reply, StandardReply)
    for octets in (reply.plain, reply.enhanced)
)
_LOGIN = re.compile(r"(?i)\bLOGIN=[^ ]*")
_STATUS = re.compile(r"([2-5][0-9][0-9])([ -])([245]\.[0-9]{1,3}\.[0-9]{1,3} )?")


class ShownLine(NamedTuple):
    """What may be shown of a command line.

    Attributes:
        text: that.
        hidden: words of the line that are not in it, in small letters.
        is_auth: it begins an exchange, or may be part of one that was refused.
    """

    text: str
    hidden: tuple[str, ...] = ()
    is_auth: bool = False


def shown_line(line: bytes, mechanisms: str, *, behind_auth: bool) -> ShownLine:
    """What may be shown of a command line.

    Args:
        line: without its LF.
        mechanisms: the names of those that were announced for AUTH, in one text.
        behind_auth: the last command that is known was AUTH.
    """
    command = parse_any_text(line)
    if command is None:
        return ShownLine(left_out(len(line)), (), behind_auth)
    verb, argument = command
    if verb == "AUTH":
        name, _, rest = argument.partition(" ")
        known = ascii_upper(name) in MECHANISMS.union(ascii_upper(mechanisms).split())
        hidden = rest.lstrip(" ") if known else argument
        shown = f"{verb} {name}" if known else verb
        return ShownLine(f"{shown} {left_out(len(hidden))}" if hidden else shown, _words(hidden), True)
    if verb in SHOWN_VERBS:
        text = line.rstrip(b"\r").decode("utf-8", "surrogateescape")
        return ShownLine(_LOGIN.sub("LOGIN=(left out)", text) if verb == "XCLIENT" else text)
    word = NO_VERB if behind_auth else shown_verb(line)
    if word == NO_VERB:
        hidden = f"{verb} {argument}".strip()
        return ShownLine(left_out(len(line.rstrip(b"\r"))), _words(hidden), behind_auth)
    shown = f"{word} {left_out(len(argument))}" if argument else word
    return ShownLine(shown, _words(argument), behind_auth)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in text.split() if len(word) >= SHORTEST_HIDDEN)


def shown_replies(octets: bytes, hidden: Sequence[str], *, is_auth: bool) -> list[str]:
    """The lines of replies as they may be shown.

    Args:
        octets: one reply or several.
        hidden: what was hidden of the command.
        is_auth: the command was part of an exchange of AUTH.
    """
    text = octets.decode("ascii", "replace")
    lines = text.removesuffix("\r\n").split("\r\n")
    if octets in _OWN_REPLIES:
        return lines
    if is_auth or any(word in text.lower() for word in hidden):
        return [_without_text(line) for line in lines]
    return lines


def _without_text(line: str) -> str:
    found = _STATUS.match(line)
    if found is None:
        return left_out(len(line))
    rest = line[found.end() :]
    return f"{found[0]}{left_out(len(rest))}" if rest else line


def left_out(octets: int) -> str:
    """Stands for so many octets."""
    return f"({octets} octets left out)"


def printable(text: str) -> str:
    """Text on one line, with escapes for what can't be printed."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # an octet that is no UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
