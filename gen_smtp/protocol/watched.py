"""A connection with an onlooker: every line that is read and every reply that is queued is told to it.

Only connections that are watched are made so; the others don't know that there are any. The fast paths for
whole commands and messages are not for them: they would read past the onlooker.
"""

from dataclasses import replace
from typing import Protocol as Interface

from gen_smtp.protocol.config import ProtocolConfig
from gen_smtp.protocol.protocol import SpeakerProtocol
from gen_smtp.protocol.questions import Step
from gen_smtp.protocol.text.chunks import ChunkReader


class Onlooker(Interface):
    """What is told, in its order: a line when it is read, a reply when it is queued."""

    def hear_line(self, line: bytes, mechanisms: str) -> None:
        """A command line, with its line end.

        Args:
            line: it may be too long, and hold octets of any kind.
            mechanisms: the names of those that were announced for AUTH, in one text.
        """

    def hear_response(self, octets: int) -> None:
        """A line of an AUTH exchange: so many octets, which nobody else is to see."""

    def hear_body(self, octets: int) -> None:
        """Octets of a message or of a chunk."""

    def hear_cut_line(self, octets: int) -> None:
        """The end of a line so long that its beginning was thrown away; octets of all of it."""

    def drop(self, octets: int) -> None:
        """Octets that came and were never read."""

    def say(self, replies: bytes) -> None:
        """One reply or several."""

    def begin_tls(self) -> None:
        """A handshake of STARTTLS is done."""


class WatchedProtocol(SpeakerProtocol):
    """One connection that is watched.

    Args:
        config: as for `Protocol`.
        onlooker: is told.
        tls: as for `Protocol`.
    """

    __slots__ = ("_onlooker", "_unsent")

    def __init__(self, config: ProtocolConfig, onlooker: Onlooker, *, tls: bool = False) -> None:
        self._onlooker = onlooker
        self._unsent = b""
        super().__init__(replace(config, shortcuts=False), tls=tls)

    @property
    def unsent(self) -> bytes:
        """Replies to be sent. The verbs add to them, and the driver takes all of them at once."""
        return self._unsent

    @unsent.setter
    def unsent(self, replies: bytes) -> None:
        added = replies[len(self._unsent) :]
        self._unsent = replies
        if added:
            self._onlooker.say(added)

    def hear(self, data: bytes) -> Step:
        if self.closing or self.handshaking:
            self._onlooker.drop(len(data))
        self.feed(data)
        return self.next_step()

    def skip_to(self, offset: int) -> None:
        read, discarded = self.received[self.offset : offset], self.discarded
        super().skip_to(offset)
        if self._reads_body():
            self._onlooker.hear_body(len(read))
        elif self.mechanism is not None:
            self._onlooker.hear_response(len(read) + discarded)
        elif discarded:
            self._onlooker.hear_cut_line(len(read) + discarded)
        else:
            self._onlooker.hear_line(read, str(self.extensions.get("AUTH", "")))

    def _reads_body(self) -> bool:
        reader = self.reader
        return self.in_message and not (isinstance(reader, ChunkReader) and not reader.left)

    def forget_input(self) -> None:
        octets = len(self.received) - self.offset + self.discarded
        super().forget_input()
        if octets:
            self._onlooker.drop(octets)

    def tls_established(self) -> None:
        super().tls_established()
        self._onlooker.begin_tls()
