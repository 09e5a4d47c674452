"""What looks on at one session, and writes down what it hears."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from actors import events as actor_events
from gen_smtp.events import TranscriptFailed
from gen_smtp.transcript.masking import left_out, printable, shown_line, shown_replies
from gen_smtp.transcript.sink import Entry, Sink, Speaker


@dataclass(frozen=True, slots=True)
class Transcript:
    """Where the dialogues of a listener go, and how much of them.

    Attributes:
        sink: takes them.
        name: of the sink, for events.
        line: characters of one line.
        session: characters of one session.
    """

    sink: Sink
    name: str
    line: int
    session: int | float


class Recorder:
    """Writes one session down, as the onlooker of its protocol.

    Args:
        transcript: where to.
        session: the session's tag.

    Attributes:
        silent: whether nothing is written: the client is none of those that are to be.
    """

    def __init__(self, transcript: Transcript, session: str) -> None:
        self.silent = False
        self._transcript = transcript
        self._session = session
        self._left = transcript.session
        self._body = 0
        self._hidden: tuple[str, ...] = ()
        self._is_auth = False

    # -- what the protocol tells --------------------------------------------------------------------

    def hear_line(self, line: bytes, mechanisms: str) -> None:
        """As the protocol's `Onlooker` has it."""
        self._end_body()
        text, self._hidden, self._is_auth = shown_line(
            line.removesuffix(b"\n"), mechanisms, behind_auth=self._is_auth
        )
        self._write("C", text if line.endswith(b"\r\n") else f"{text} (ended by LF alone)")

    def hear_response(self, octets: int) -> None:
        """As the protocol's `Onlooker` has it."""
        self._end_body()
        self._is_auth = True
        self._write("C", left_out(octets))

    def hear_body(self, octets: int) -> None:
        """As the protocol's `Onlooker` has it."""
        self._body += octets

    def hear_cut_line(self, octets: int) -> None:
        """As the protocol's `Onlooker` has it."""
        self._end_body()
        self._hidden, self._is_auth = (), True  # as its beginning may have said
        self._write("C", f"(a line of {octets} octets left out, which is too long)")

    def drop(self, octets: int) -> None:
        """As the protocol's `Onlooker` has it."""
        self._end_body()
        self._write("-", f"{octets} octets of the client are not read")

    def say(self, replies: bytes) -> None:
        """As the protocol's `Onlooker` has it."""
        self._end_body()
        for line in shown_replies(replies, self._hidden, is_auth=self._is_auth):
            self._write("S", line)

    def begin_tls(self) -> None:
        """As the protocol's `Onlooker` has it."""
        self.note("TLS has begun")

    # -- what else happens --------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """Something has happened, beside what was said."""
        self._end_body()
        self._write("-", text)

    def end(self, reason: Any) -> None:
        """The session ends."""
        shown = type(reason).__name__ if isinstance(reason, BaseException) else str(reason)
        self.note(f"the session ends: {shown}")

    def _end_body(self) -> None:
        if self._body:
            octets, self._body = self._body, 0
            self._write("C", f"({octets} octets of a message left out)")

    def _write(self, speaker: Speaker, text: str) -> None:
        if self.silent or self._left <= 0:
            return
        text = printable(text)
        longest = self._transcript.line
        if len(text) > longest:
            text = f"{text[:longest]}... ({len(text) - longest} characters more)"
        self._left -= len(text)
        try:
            self._give(speaker, text)
            if self._left <= 0:
                limit = self._transcript.session
                self._give("-", f"nothing more of this session is written: {limit} characters")
        except Exception as error:
            self._left = -math.inf
            actor_events.emit(TranscriptFailed(self._transcript.name, error))

    def _give(self, speaker: Speaker, text: str) -> None:
        self._transcript.sink.write(Entry(self._session, time.time(), speaker, text))
