"""Replies of a server (RFC 5321 section 4.2), read within bounds."""

from __future__ import annotations

import re

from gen_smtp.protocol.text.command import mask_control_characters

LONGEST_LINE = 4096
"""Octets. RFC 5321 section 4.5.3.1.5 allows 512; many a server writes more."""
LONGEST_REPLY = 65536
"""Octets of all lines of a reply."""

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\n]*?))?\r?\n")
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:[ \t]+|$)")
_SHOWN = 200
SERVICE_CLOSING = 421


class BadReplyError(Exception):
    """What came is no reply."""


class Reply:
    """A server's reply to a command, or what the client says in a server's place.

    Args:
        code: of three digits.
        octets: the lines as they came.
        command: what it answers: a verb, `"greeting"`, or `"message"` for the end of a message.
        host: who said it; None if the client itself did.

    Attributes:
        code, command, host: as given.
    """

    __slots__ = ("_octets", "code", "command", "host")

    def __init__(self, code: int, octets: bytes, command: str = "", host: str | None = None) -> None:
        self.code = code
        self._octets = octets
        self.command = command
        self.host = host

    @property
    def lines(self) -> tuple[str, ...]:
        """The text of each line behind its code, without control characters."""
        lines = self._octets.decode("utf-8", "replace").splitlines()
        return tuple(mask_control_characters(line[4:]) for line in lines)

    @property
    def enhanced(self) -> str | None:
        """The enhanced status code (RFC 3463), such as `"5.1.1"`; None without one."""
        found = _ENHANCED.match(self.lines[0]) if self._octets else None
        return None if found is None else found[1]

    @property
    def text(self) -> str:
        """All lines as one, without the codes."""
        return " ".join(filter(None, (_ENHANCED.sub("", line, count=1).strip() for line in self.lines)))

    @property
    def receipt(self) -> str:
        """What stands behind the code: gen_smtp's receipt."""
        return " ".join(self.lines)

    @property
    def positive(self) -> bool:
        """Whether it says yes: 2yz, or 354."""
        return self.code < 400

    @property
    def temporary(self) -> bool:
        """Whether it says "not now": 4yz."""
        return 400 <= self.code < 500

    @property
    def permanent(self) -> bool:
        """Whether it says no: 5yz."""
        return self.code >= 500

    def __str__(self) -> str:
        return f"{self.code} {self.receipt}".rstrip()

    def __repr__(self) -> str:
        return f"<Reply {self} to {self.command} of {self.host or 'the client itself'}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Reply):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[int, bytes, str, str | None]:
        return self.code, self._octets, self.command, self.host


def own_reply(code: int, enhanced: str, text: str, command: str = "") -> Reply:
    """What the client says in a server's place, of a message that it does not give to the server."""
    return Reply(code, f"{code} {enhanced} {text}\r\n".encode(), command)


class ReplyReader:
    """Takes in what a server sends, in pieces of any size, and gives its replies."""

    __slots__ = ("_at", "_begun", "_code", "_data", "_octets")

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._begun: list[bytes] = []
        self._code = b""
        self._octets = 0

    def feed(self, data: bytes) -> None:
        """Take in a piece."""
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0

    @property
    def pending(self) -> bool:
        """Whether something has come that was not given as a reply yet."""
        return self._at < len(self._data) or bool(self._begun)

    def clear(self) -> None:
        """Throw away what has come."""
        self._data, self._at, self._begun, self._octets = b"", 0, [], 0

    def take(self, command: str, host: str | None) -> Reply | None:
        """The next reply; None if it is not there yet.

        Raises:
            BadReplyError: what came is none, or too long.
        """
        data, start = self._data, self._at
        if not self._begun:
            # The fast path: the first line is the only one.
            end = data.find(b"\n", start) + 1
            if end and data[start + 3 : start + 4] == b" " and end - start <= LONGEST_LINE:
                digits = data[start : start + 3]
                if digits.isdigit() and 200 <= int(digits) < 600:
                    self._at = end
                    return Reply(int(digits), data[start:end], command, host)
        return self._take_lines(command, host)

    def _take_lines(self, command: str, host: str | None) -> Reply | None:
        while True:
            line = self._take_line()
            if line is None:
                return None
            if self._begun and line[1] != self._code:
                raise BadReplyError(f"lines of one reply have different codes: {_shown(line[0])}")
            self._code = line[1]
            self._begun.append(line[0])
            self._octets += len(line[0])
            if self._octets > LONGEST_REPLY:
                raise BadReplyError(f"a reply has more than {LONGEST_REPLY} octets")
            if line[2] != b"-":
                octets = b"".join(self._begun)
                self._begun, self._octets = [], 0
                return Reply(int(self._code), octets, command, host)

    def _take_line(self) -> re.Match[bytes] | None:
        end = self._data.find(b"\n", self._at) + 1
        if (end or len(self._data)) - self._at > LONGEST_LINE:
            raise BadReplyError(f"a line of a reply has more than {LONGEST_LINE} octets")
        if not end:
            return None
        found = _LINE.fullmatch(self._data, self._at, end)
        if found is None:
            raise BadReplyError(f"not a reply of SMTP: {_shown(self._data[self._at : end])}")
        self._at = end
        return found


def _shown(octets: bytes) -> str:
    return mask_control_characters(octets[:_SHOWN].decode("utf-8", "replace").rstrip("\r\n"))
