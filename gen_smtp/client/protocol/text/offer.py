"""What a server offers: its reply to EHLO or LHLO (RFC 5321 section 4.1.1.1)."""

from __future__ import annotations

from collections.abc import Mapping

from gen_smtp.client.protocol.text.replies import Reply
from gen_smtp.protocol.text.command import ascii_upper

MOST_EXTENSIONS = 200
"""More than any server has; the lines behind are not looked at."""


class Offer:
    """The extensions that a server offers.

    Args:
        extensions: names in upper case, and what stands behind each.
        secure: whether they were announced inside TLS.
        verified: whether the server's certificate was checked.

    Attributes:
        extensions, secure, verified: as given.
        pipelining, eight_bit, smtputf8, dsn, chunking, binary, requiretls: whether it has the extension.
        size: the largest message in octets; None without a limit, or with one that it does not tell.
        most_recipients: what LIMITS says of the recipients of a message (RFC 9422); None for nothing.
    """

    __slots__ = (
        "binary",
        "chunking",
        "dsn",
        "eight_bit",
        "extensions",
        "has_size",
        "most_recipients",
        "pipelining",
        "requiretls",
        "secure",
        "size",
        "smtputf8",
        "verified",
    )

    def __init__(
        self, extensions: Mapping[str, str], *, secure: bool = False, verified: bool = False
    ) -> None:
        self.extensions = extensions
        self.secure = secure
        self.verified = verified
        self.pipelining = "PIPELINING" in extensions
        self.eight_bit = "8BITMIME" in extensions
        self.smtputf8 = "SMTPUTF8" in extensions
        self.dsn = "DSN" in extensions
        self.chunking = "CHUNKING" in extensions
        self.binary = self.chunking and "BINARYMIME" in extensions
        self.requiretls = "REQUIRETLS" in extensions
        self.has_size = "SIZE" in extensions
        self.size = _number(extensions.get("SIZE", "")) or None
        self.most_recipients = _limit(extensions.get("LIMITS", ""), "RCPTMAX")

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The mechanisms of AUTH, in upper case; also of servers that write `AUTH=`."""
        names = self.extensions.get("AUTH", "").split()
        return tuple(dict.fromkeys(map(ascii_upper, names)))


def read_offer(reply: Reply, *, secure: bool = False, verified: bool = False) -> Offer:
    """The offer in a reply to EHLO or LHLO."""
    extensions: dict[str, str] = {}
    for line in reply.lines[1 : 1 + MOST_EXTENSIONS]:
        name, _, rest = line.strip().partition(" ")
        name = ascii_upper(name)
        if name.startswith("AUTH="):  # as servers of before RFC 2554 write, beside "AUTH" or in its place
            name, rest = "AUTH", f"{name.removeprefix('AUTH=')} {rest} {extensions.get('AUTH', '')}"
        elif name == "AUTH":
            rest = f"{rest} {extensions.get('AUTH', '')}"
        if name:
            extensions[name] = rest.strip()
    return Offer(extensions, secure=secure, verified=verified)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None


def _limit(text: str, name: str) -> int | None:
    for limit in text.split():
        key, _, value = limit.partition("=")
        if ascii_upper(key) == name:
            return _number(value) or None
    return None
