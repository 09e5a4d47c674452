"""The body of a message in chunks, as BDAT brings it (RFC 3030 section 2): so many octets, whatever they are.

What comes out does not depend on how the octets were cut, nor on where one chunk ends and the next begins: a
CR that could still become a CRLF is held back.
"""

import math
import re
from typing import NamedTuple

from gen_smtp.protocol.text.command import ascii_upper
from gen_smtp.protocol.text.content import DEFAULT_MAX_SIZE, DISCARD_FACTOR, ContentJudge
from gen_smtp.protocol.text.replies import CHUNK_SYNTAX
from gen_smtp.protocol.text.whole import BareNewlines

MAX_CHUNK_DIGITS = 20
"""As RFC 1870 section 3 has it for SIZE; RFC 3030 sets no bound."""

LEAST_SKIPPED = 512
"""A chunk that is refused counts for so many octets at least: its command and its reply are work, too."""
LEAST_LIMIT = 16384
"""A smaller limit of a message counts for so many octets when refused chunks are read away."""

_CR = b"\r"
_SIZE = re.compile(rf"[0-9]{{1,{MAX_CHUNK_DIGITS}}}(?=[ \t]|$)", re.ASCII)


class ChunkSize(NamedTuple):
    """What BDAT says.

    Attributes:
        octets: of the chunk, which follows the command.
        last: it is the last one of its message.
        well_formed: nothing else stands in the command.
    """

    octets: int
    last: bool
    well_formed: bool


def parse_chunk_size(argument: str) -> ChunkSize | None:
    """Read what stands behind BDAT; None if it can't be told how many octets follow."""
    matched = _SIZE.match(argument)
    if matched is None:
        return None
    rest = ascii_upper(argument[matched.end() :].strip(" \t"))
    return ChunkSize(int(matched[0]), rest == "LAST", rest in ("", "LAST"))


class ChunkReader(ContentJudge):
    """Takes in one message, chunk by chunk, in pieces of any size.

    ``limit`` is the greatest size of the message in octets. The rest of a chunk that breaks a rule is thrown
    away.
    """

    __slots__ = ("_held", "_received", "last", "left", "octets")

    def __init__(self, mode: BareNewlines, limit: int | float, line_limit: int | float = math.inf) -> None:
        super().__init__(mode, limit, line_limit)
        self.octets = 0
        """The size of the chunk under way, or of the one before if there is none."""
        self.left = 0
        """So many octets of it have not come yet; none between two chunks."""
        self.last = False
        """It is the last one of the message."""
        self._received = 0
        """Octets of the message that were announced so far."""
        self._held = b""
        """A CR at the end of what has come: a bare one, or the first half of a CRLF."""

    def begin(self, octets: int, *, last: bool) -> None:
        """A chunk follows. If the message gets too large by it, that is known before it comes."""
        self.octets = self.left = octets
        self.last = last
        self._received += octets
        if self._received > self.limit:
            self.reject("size_exceeded")

    def has_room(self, octets: int) -> bool:
        """Whether the message may have another chunk of so many octets."""
        return self._received + octets <= self.limit

    def take_several(self, content: bytes, announced: int, octets: int, left: int) -> bool:
        """Take in the ends of several chunks at once, if nothing in them needs mending or breaks a rule.

        Args:
            content: what has come of the chunk under way and of those behind it.
            announced: octets of the chunks that have begun in it.
            octets: the size of the last one of them.
            left: so many octets of that have not come yet.

        Returns:
            whether that was so; if not, nothing has happened.
        """
        if self._held or content.endswith(_CR) or not self.take_clean(content):
            return False
        self._received += announced
        self.octets, self.left = octets, left
        return True

    def feed(self, piece: bytes) -> bytes:
        """Take in ``piece``, which is no longer than what is left; return what is ready of the message."""
        self.left -= len(piece)
        if self._held:
            piece, self._held = self._held + piece, b""
        if piece.endswith(_CR) and (self.left or not self.last):
            piece, self._held = piece[:-1], _CR
        return self.judge(piece)


class SkippedChunks:
    """Chunks that are refused: their octets are read away. Those of one message stand in one such record.

    ``limit`` is the greatest size of a message in octets, ``replies`` how many the last chunk gets.
    ``counted`` says that the client was told already, so that what it had pipelined is no error.
    """

    __slots__ = ("_patience", "counted", "last", "left", "notify", "out_of_place", "refusal", "replies")

    def __init__(self, limit: int | float, replies: int, *, counted: bool = False) -> None:
        self._patience = DISCARD_FACTOR * max(LEAST_LIMIT, limit if limit < math.inf else DEFAULT_MAX_SIZE)
        self.replies = replies
        self.counted = counted
        self.refusal = CHUNK_SYNTAX
        """What the chunk under way is answered."""
        self.out_of_place = self.notify = False
        """Its command is out of place, and the driver is to be told."""
        self.left = 0
        """So many octets of it have not come yet; none if there is no chunk under way."""
        self.last = False
        """It is the last one of its message."""

    def begin(self, octets: int, *, last: bool) -> None:
        """A chunk follows."""
        self.left = octets
        self.last = last
        self._patience -= max(0, LEAST_SKIPPED - octets)

    def feed(self, octets: int) -> None:
        """So many octets were thrown away."""
        self.left -= octets
        self._patience -= octets

    @property
    def endless(self) -> bool:
        """Whether too much was thrown away: give up on this client."""
        return self._patience < 0
