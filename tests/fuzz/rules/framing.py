"""The reference: which of a client's octets are command lines and which are a message.

Written from RFC 5321 and the project's contract for the wire, and simply: it sees all octets at once and
shares nothing with the core.
"""

from __future__ import annotations

import enum
import re


class Overlong(enum.Enum):
    """A line that is no command."""

    LONG = "long"
    ENDLESS = "endless"


Line = bytes | Overlong | None


class Octets:
    """What a client sends, and how much of it was accounted for."""

    def __init__(self, clear: bytes, secret: bytes | None) -> None:
        self._rest = clear + (secret or b"")
        self._secret = secret

    def begin_tls(self) -> bool:
        """STARTTLS: whatever else was sent in clear is nothing (RFC 3207 section 4.2); whether TLS follows.

        What was to be sent inside TLS, but was not as an earlier STARTTLS failed, is followed by none.
        """
        follows = self._secret is not None and len(self._rest) >= len(self._secret)
        self._rest = (self._secret or b"") if follows else b""
        return follows

    def begin_a_handshake(self) -> bool:
        """Whether a TLS record comes next: 22 is a handshake, 3 the version (RFC 8446 section 5.1)."""
        return self._rest.startswith(bytes([22, 3]))

    def begins_auth(self) -> bool:
        """Whether an AUTH comes next, which may be as long as a response to a challenge."""
        return self._rest[:5].upper() in (b"AUTH ", b"AUTH\t")

    def asks_for_a_page(self, longest: int, endless: int) -> bool:
        """Whether an HTTP request line comes next (RFC 9112 section 3); of a long one the end is enough."""
        line, newline, _ = self._rest.partition(b"\n")
        if not newline or len(line) >= max(longest, endless):
            return False
        found = re.fullmatch(rb"(.*)[ \t]HTTP/\d\.\d\r?", line, re.DOTALL)
        if found is None:
            return False
        return len(line) >= longest or len(re.split(rb"[ \t]", found[1].lstrip(b" \t"))) > 1

    def begins_endless_chunk(self, longest: int) -> bool:
        """Whether a BDAT comes next that is too long to be read: nobody can know how many octets follow."""
        line = self._rest.partition(b"\n")[0]
        is_long = len(line) >= longest
        return is_long and re.match(rb"[ \t]*BDAT[ \t]", line, re.IGNORECASE) is not None

    def line(self, longest: int, endless: int) -> Line:
        """Take one line, without its LF; None if the client has not finished it."""
        end = self._rest.find(b"\n") + 1
        length = end or len(self._rest)
        if length > max(longest, endless):
            self._rest = b""
            return Overlong.ENDLESS
        if not end:
            return None
        line, self._rest = self._rest[: end - 1], self._rest[end:]
        return Overlong.LONG if length > longest else line

    def take(self, count: int) -> bytes:
        """Take so many octets, fewer if there are no more."""
        octets, self._rest = self._rest[:count], self._rest[count:]
        return octets

    def message(self) -> tuple[bytes, bool]:
        """The message that begins here, its dots un-stuffed, and whether its end was sent.

        Taken if so. The end is CRLF.CRLF (RFC 5321 section 4.1.1.4), the CRLF before the message counting.
        """
        stream = b"\r\n" + self._rest
        end = stream.find(b"\r\n.\r\n")
        if end < 0:
            return unstuffed(stream[2:]), False
        self._rest = stream[end + 5 :]
        return unstuffed(stream[2 : end + 2]), True


def unstuffed(message: bytes) -> bytes:
    """Without the first dot of each line (RFC 5321 section 4.5.2); a line begins behind a CRLF."""
    return b"\r\n".join(line[1:] if line[:1] == b"." else line for line in message.split(b"\r\n"))


def has_bare_newline(message: bytes) -> bool:
    """Whether there is a CR or an LF that is not part of a CRLF."""
    return any(octet in line for line in message.split(b"\r\n") for octet in b"\r\n")


def mended(message: bytes, mode: str) -> bytes:
    """The message as the handler is to have it."""
    if mode == "fix":
        return re.sub(rb"\r\n|\r|\n", b"\r\n", message)
    if mode == "strip":
        return re.sub(rb"(\r\n)|\r|\n", lambda found: found[1] or b"", message)
    return message


_IN_UTF8 = {"MAIL", "RCPT", "VRFY", "AUTH", "DATA", "STARTTLS", "XCLIENT", "XFORWARD", "BDAT", "EXPN", "ETRN"}
"""Verbs whose argument is UTF-8 whatever the server's options are."""


def split(line: bytes, *, lenient: bool = False) -> tuple[str, str] | None:
    """Verb in capitals and the rest of a command line; None if it is not UTF-8.

    With lenience the rest may be no UTF-8 for most verbs. Each octet at fault is a letter here.
    """
    text = line.rstrip(b"\r").strip(b" \t").decode("utf-8", "surrogateescape")
    parts = re.split(r'("(?:[^"\\]|\\.)*"?)', text)  # those with odd numbers are quoted
    text = "".join(part if number % 2 else part.replace("\t", " ") for number, part in enumerate(parts))
    verb, _, rest = text.partition(" ")
    verb = "".join(chr(ord(c) - 32) if "a" <= c <= "z" else c for c in verb)
    at_fault = {each for each in text if "\udc80" <= each <= "\udcff"}
    if at_fault and (not lenient or verb in _IN_UTF8 or at_fault & {*verb}):
        return None
    return verb, "".join("x" if each in at_fault else each for each in rest).strip(" ")
