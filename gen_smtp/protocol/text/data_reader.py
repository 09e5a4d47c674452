"""The body of a message after DATA (RFC 5321 sections 4.1.1.4 and 4.5.2), as a stream.

The end of the message is ``CRLF . CRLF`` on the raw octets and nothing else; it is searched before newlines
are mended, so no mode can move it (SMTP smuggling). What comes out does not depend on how the octets were
cut: the reader holds back the few octets that could still become the terminator, and a CR that could still
become a CRLF is always among them.
"""

import math

from gen_smtp.protocol.text.content import ContentJudge
from gen_smtp.protocol.text.whole import CRLF, STUFFED, TERMINATOR, BareNewlines

_PARTIAL_TERMINATORS = tuple(TERMINATOR[:length] for length in (4, 3, 2, 1))


class DataReader(ContentJudge):
    """Decodes one message, fed in pieces of any size.

    ``limit`` counts the message un-stuffed and with its last CRLF (RFC 1870 section 3). The rest of a message
    that is rejected is thrown away up to the true end; ``endless`` says that this is not in sight.
    """

    __slots__ = ("_held", "end", "finished")

    def __init__(self, mode: BareNewlines, limit: int | float, line_limit: int | float = math.inf) -> None:
        # A CRLF in front of the message stands for the one before its first line; it is not counted.
        super().__init__(mode, limit, line_limit, uncounted=len(CRLF))
        self.finished = False
        """The terminator was seen."""
        self.end = 0
        """Where it ended in what was fed last."""
        self._held: bytes | None = None
        """What could still become the terminator; None before the first octet has come."""

    def feed(self, data: bytes, start: int = 0) -> bytes:
        """Take in ``data`` from ``start`` on; return what is ready of the message, nothing if it is rejected.

        A piece is searched once for CRLF-dot: without one the message does not end and nothing is stuffed.
        Copied is only what is joined with held octets, or cut off from what is behind the terminator.
        """
        held = CRLF if self._held is None else self._held
        seam = held + data[start : start + len(TERMINATOR) - 1]
        if seam.startswith(TERMINATOR):
            self._finish(start - len(held))
            return self.judge(CRLF)
        dot = data.find(STUFFED, start) if data.find(b".", start) >= 0 else -1
        end = data.find(TERMINATOR, dot) if dot >= 0 else -1
        if end >= 0:
            self._finish(end)
            raw = held + data[start : end + len(CRLF)]
        else:
            raw = held + data[start:]
            self._held = next(filter(raw.endswith, _PARTIAL_TERMINATORS), b"")
            raw = raw[: len(raw) - len(self._held)]
        return self.judge(raw.replace(STUFFED, CRLF) if dot != end or STUFFED in seam else raw)

    def _finish(self, terminator: int) -> None:
        self.finished = True
        self.end = terminator + len(TERMINATOR)
        self._held = b""
