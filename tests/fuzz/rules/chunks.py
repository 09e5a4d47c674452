"""What must be true of BDAT and the octets behind it, by RFC 3030 section 2 and the docs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.fuzz.cases import values
from tests.fuzz.rules.framing import mended
from tests.fuzz.rules.hearing import HELLOS, End
from tests.fuzz.rules.messages import ENDLESS_FACTOR, MessageHearing

BETWEEN_CHUNKS = (*HELLOS, "BDAT", "NOOP", "RSET", "QUIT")
"""What may be said when a part of a message has come."""

_ARGUMENT = re.compile(r"([0-9]{1,20})(?: +(.*))?", re.DOTALL)
_LAST = re.compile("last", re.IGNORECASE | re.ASCII)
_LEAST_LIMIT, _LEAST_CHUNK = 16384, 512


@dataclass(slots=True)
class Refused:
    """Chunks of which one was refused: those behind it are refused, too.

    Attributes:
        replies: what the last one gets.
        counted: the client was told, and what it has sent ahead is no error of its own.
        octets: so many were thrown away.
    """

    replies: int
    counted: bool
    octets: int = 0


class ChunkHearing(MessageHearing):
    """Takes a BDAT and its octets.

    Attributes:
        chunks: what has come of a message; None if none is under way.
        in_chunk: the client has hung up inside a chunk.
    """

    chunks: bytes | None = None
    in_chunk = False
    _refused: Refused | None = None

    def is_in_message(self) -> bool:
        return super().is_in_message() or self.chunks is not None or self.in_chunk

    def forget_chunks(self, *, refused_too: bool = False) -> None:
        """The message under way will not be."""
        if self.chunks is not None:
            self.chunks = self.envelope = None
        if refused_too:
            self._refused = None

    def take_chunk(self, argument: str, *, is_text: bool) -> bool:
        """BDAT and its octets; False if the client has hung up inside them."""
        found = _ARGUMENT.fullmatch(argument)
        if found is None:
            self.take_reply("501")
            self.end_if(self.counts.count_reply("BDAT", "501"))
            self.closing = True
            self.take_notes()
            raise End
        rest = (found[2] or "").strip(" ")
        last = _LAST.fullmatch(rest) is not None
        codes = self._codes(argument, is_text=is_text, well_formed=last or not rest)
        size = int(found[1])
        octets = self.octets.take(size)
        if codes:
            return self._take_refused(codes, size, octets, last=last)
        return self._take_part(size, octets, last=last)

    def _codes(self, argument: str, *, is_text: bool, well_formed: bool) -> str:
        """Why the chunk is refused, whatever its octets; empty if it is not."""
        reasons = {
            "501": not is_text or values.has_control(argument) or not well_formed,
            "530": not self.is_allowed(),
            "503": self.envelope is None or not self.envelope.recipients,
            "502": "CHUNKING" not in self.offered,
            "452": self.chunks is None and "full" in self.case.flags,
        }
        return " ".join(code for code, holds in reasons.items() if holds)

    # -- refused whatever is in it ------------------------------------------------------------------

    def _take_refused(self, codes: str, size: int, octets: bytes, *, last: bool) -> bool:
        if self._refused is None or self.envelope is not None:
            replies = self.reply_count() if self.envelope is not None else 1
            self._refused = Refused(max(1, replies), counted=False)
        refused = self._refused
        self.chunks = self.envelope = None
        refused.octets += max(0, _LEAST_CHUNK - size) + len(octets)
        if refused.octets > ENDLESS_FACTOR * max(_LEAST_LIMIT, self.known_limit()):
            for _ in range(refused.replies if last else 1):
                self.take_reply(codes)
            raise End
        if len(octets) < size:
            self.in_chunk = True
            return False
        replies = [self.take_reply(codes) for _ in range(refused.replies if last else 1)]
        code = replies[0].code
        if not (refused.counted or (code in ("503", "530") and self.counts.excuses("BDAT"))):
            self.end_if(self.counts.count_reply("BDAT", code))
        refused.counted = True
        if last:
            self._refused = None
        self.take_notes()
        return True

    # -- a part of a message ------------------------------------------------------------------------

    def _take_part(self, size: int, octets: bytes, *, last: bool) -> bool:
        envelope = self.envelope
        assert envelope is not None
        message = (self.chunks or b"") + octets
        self.chunks, is_whole = message, len(octets) == size
        refusals = "552" if len(message) - len(octets) + size > self.limit else ""
        may_be_crlf = message.endswith(b"\r") and not (last and is_whole)
        judged = message[:-1] if may_be_crlf else message
        refusals = refusals or self.refusals(judged, ended=True, binary=envelope.binary)
        if refusals:
            count = self.reply_count() if last else 1
            self.check_patience(len(message), refusals, is_whole, count)
        if not is_whole:
            self.in_chunk = True
            return False
        if refusals:
            count = self.reply_count()
            self._refused = None if last else Refused(count, counted=True)
            replies = [self.take_reply(refusals) for _ in range(count if last else 1)]
            self.end_if_enough(len(message))
            self.chunks = self.envelope = None
            self.end_if(self.counts.count_reply("BDAT", replies[0].code))
        elif last:
            self.chunks = None
            self.take_handling(mended(message, "" if envelope.binary else self.mode))
            self.envelope = None
        else:
            self._refused = None
            self.take_reply("250")
        self.take_notes()
        return True
