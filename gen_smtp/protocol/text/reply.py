"""Replies as octets on the wire (RFC 5321 section 4.2): one line or several, clean and bounded."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

MAX_REPLY_LINE = 512
"""Octets of a reply line with its CRLF (RFC 5321 section 4.5.3.1.5)."""
MAX_ECHO = 64
"""Characters of the client's own text that a reply repeats."""
MAX_TEXT = MAX_REPLY_LINE - len("250 \r\n")
"""Characters of a text that fit into a reply line."""

_UNSAFE = re.compile(r"[^ -~]")
_CODE = re.compile(r"([2-5][0-9][0-9])(?:[ -]|$)")
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?: |$)")


def sanitise(text: str) -> str:
    """``text`` with everything but printable ASCII replaced by ``?``; line ends behind it are dropped."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub("?", text.rstrip("\r\n"))


def echo(text: str) -> str:
    """What a reply may repeat of ``text`` from the client: clean, and at most MAX_ECHO characters."""
    return sanitise(text[:MAX_ECHO])


def encode_reply(code: str, texts: Sequence[str]) -> bytes:
    """A reply of one line per text, each cut to what fits in MAX_REPLY_LINE octets."""
    if len(texts) == 1:
        return f"{code} {sanitise(texts[0])[:MAX_TEXT]}\r\n".encode("ascii")
    *lines, last = [sanitise(text)[:MAX_TEXT] for text in texts] or [""]
    return "".join([*(f"{code}-{line}\r\n" for line in lines), f"{code} {last}\r\n"]).encode("ascii")


def encode_verbatim(texts: Iterable[str]) -> bytes:
    """Lines that are no reply (no code in front) as they are, but clean and bounded."""
    return "".join(f"{sanitise(text)[: MAX_REPLY_LINE - 2]}\r\n" for text in texts).encode("ascii")


class Message(NamedTuple):
    """A reply as a callback wrote it: its code, and the texts behind the code."""

    code: str
    texts: tuple[str, ...]


def parse_message(message: str | Sequence[str]) -> Message | None:
    """Split ``"550 No"``, or several such texts, into code and texts; None without a code in front.

    Only the first text needs the code; one repeated in front of the others is dropped there.
    """
    texts = (message,) if isinstance(message, str) else tuple(message)
    matched = _CODE.match(texts[0]) if texts else None
    if matched is None:
        return None
    code = matched[1]
    repeated = (f"{code} ", f"{code}-")
    return Message(
        code, tuple(text[4:] if text.startswith(repeated) or text == code else text for text in texts)
    )


def is_success(text: str) -> bool:
    """Whether a text is a whole positive reply: it begins with ``2dd`` and a space."""
    return text[3:4] == " " and text[0] == "2" and _CODE.match(text) is not None


def with_status(code: str, texts: Iterable[str]) -> tuple[str, ...]:
    """Every text with an enhanced status code in front (RFC 2034 section 4): its own, or X.0.0.

    Replies of class 3 have none.
    """
    if code[0] == "3":
        return tuple(texts)
    unspecified = f"{code[0]}.0.0 "
    return tuple(
        text if text[:1] == code[0] and _STATUS.match(text) else unspecified + text for text in texts
    )


class StandardReply:
    """A reply of the protocol itself, encoded once with and once without its enhanced status code.

    An empty ``status`` marks a reply that never carries one (greeting, EHLO, 334, 354: RFC 2034 section 4).
    """

    __slots__ = ("code", "enhanced", "plain", "status", "text")

    def __init__(self, code: str, status: str, text: str) -> None:
        self.code = code
        self.status = status
        self.text = text
        self.plain = encode_reply(code, (text,))
        self.enhanced = encode_reply(code, (f"{status} {text}",)) if status else self.plain

    def __call__(self, **values: object) -> "StandardReply":
        """The same reply with its ``{placeholders}`` filled in."""
        return StandardReply(self.code, self.status, self.text.format(**values))
