"""What was heard of a server in one session, in order: replies, calls of its handler, and notices."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from tests.fuzz.cases.script import Answer


class Violation(AssertionError):  # noqa: N818 - of a rule
    """The server broke a rule.

    Attributes:
        rule: its name.
    """

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(f"{rule}: {what}")
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, of one line or several; ``texts`` are without the code."""

    code: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """The handler was asked, and what it said."""

    name: str
    args: tuple[Any, ...]
    answer: Answer


@dataclass(frozen=True, slots=True)
class Note:
    """The handler or the driver was told something."""

    name: str
    args: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Intervention:
    """Something other than the client happened to the server."""

    kind: str


Item = Reply | Call | Note | Intervention


@dataclass(slots=True)
class Transcript:
    """A session from its greeting to its end.

    Attributes:
        items: what was heard, in order.
        causes: why messages were refused, as it was told before their ends.
        closed: the server has closed the connection.
        most_unread: the most octets of a client that were kept from one piece to the next, where a command
            and where a response to AUTH was to come, by the name of the limit; of the greater of two.
        excess: by how many octets the replies to one piece were more than its commands can account for.
    """

    items: list[Item] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    closed: bool = False
    most_unread: dict[str, int] = field(default_factory=dict)
    excess: int = 0

    def add_replies(self, octets: bytes) -> None:
        """What was sent, which must be whole replies."""
        self.items.extend(parse_replies(octets))

    def note_unread(self, protocol: Any) -> None:
        """What the protocol has in memory, dealt with or not, while it waits for more."""
        name, end = ("line", 0) if protocol.mechanism is None else ("authline", 2)
        if protocol.mechanism is None and protocol.received[:5].upper() in (b"AUTH ", b"AUTH\t"):
            name, end = "line authline", 2  # it may have an initial response
        kept = len(protocol.received) - end
        self.most_unread[name] = max(self.most_unread.get(name, 0), kept)

    def replies(self) -> list[Reply]:
        """The replies alone."""
        return [item for item in self.items if isinstance(item, Reply)]


MAX_REPLY_LINE = 512
_LINE = re.compile(rb"([2-5][0-9][0-9])([ -])([ -~]*)\r\n")


def parse_replies(octets: bytes) -> list[Reply]:
    """Whole replies (RFC 5321 sections 4.2 and 4.5.3.1.5).

    Raises Violation for anything else, such as a control character or a line end that is no CRLF.
    """
    replies: list[Reply] = []
    code = ""
    texts: list[str] = []
    position = 0
    while position < len(octets):
        end = octets.find(b"\n", position) + 1 or len(octets)
        line = octets[position:end]
        matched = _LINE.fullmatch(line)
        if matched is None or len(line) > MAX_REPLY_LINE:
            raise Violation("reply form", f"{line[:100]!r} ({len(line)} octets)")
        if texts and matched[1].decode() != code:
            raise Violation("reply form", f"{line!r} goes on a reply that began with {code}")
        code = matched[1].decode()
        texts.append(matched[3].decode())
        if matched[2] == b" ":
            replies.append(Reply(code, tuple(texts)))
            texts = []
        position = end
    if texts:
        raise Violation("reply form", f"a {code} without its last line")
    return replies
