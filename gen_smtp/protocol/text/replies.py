"""Replies (RFC 5321 section 4.2) as octets on the wire, clean and bounded, and the protocol's own.

Those have gen_smtp's text where it has one, and the status codes of RFC 3463.
"""

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


class ParsedReply(NamedTuple):
    """A reply as a callback wrote it: its code, and the texts behind the code."""

    code: str
    texts: tuple[str, ...]


def parse_reply(message: str | Sequence[str]) -> ParsedReply | None:
    """Split ``"550 No"``, or several such texts, into code and texts; None without a code in front.

    Only the first text needs the code; one repeated in front of the others is dropped there.
    """
    texts = (message,) if isinstance(message, str) else tuple(message)
    matched = _CODE.match(texts[0]) if texts else None
    if matched is None:
        return None
    code = matched[1]
    repeated = (f"{code} ", f"{code}-")
    return ParsedReply(
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


# --- The protocol's own ---------------------------------------------------------------------------

# Any command
BAD_SYNTAX = StandardReply("500", "5.5.2", "Error: bad syntax")
LINE_TOO_LONG = StandardReply("500", "5.5.2", "Error: line too long")
NOT_UTF8 = StandardReply("501", "5.5.2", "Error: text is not valid UTF-8")
CONTROL_CHARACTERS = StandardReply("501", "5.5.2", "Error: control characters are not allowed")
NOT_IMPLEMENTED = StandardReply("502", "5.5.1", "Error: {verb} not implemented")
NOT_RECOGNIZED = StandardReply("500", "5.5.1", "Error: command not recognized : '{verb}'")
HTTP_REQUEST = StandardReply("421", "4.7.0", "Error: HTTP request to a mail server")
OK = StandardReply("250", "2.0.0", "Ok")
BYE = StandardReply("221", "2.0.0", "Bye")
TLS_REQUIRED = StandardReply("530", "5.7.0", "Must issue a STARTTLS command first")
AUTH_REQUIRED = StandardReply("530", "5.7.0", "Authentication required")
NOT_ACCEPTED = StandardReply("550", "5.0.0", "Error: refused")
INTERNAL_ERROR = StandardReply("451", "4.3.0", "Error: internal server error")
INTERNAL_ERROR_CLOSING = StandardReply("421", "4.3.0", "Error: internal server error")
TIMEOUT = StandardReply("421", "4.4.2", "Error: timeout exceeded")
TIMEOUT_BANNER = StandardReply("421", "4.4.2", "Error: timeout exceeded before the greeting")
TIMEOUT_DATA_BLOCK = StandardReply("421", "4.4.2", "Error: timeout exceeded, no more of the message has come")
TIMEOUT_MESSAGE = StandardReply("421", "4.4.2", "Error: timeout exceeded for the whole message")
TIMEOUT_RATE = StandardReply("421", "4.4.2", "Error: timeout exceeded, the message comes too slowly")
TIMEOUT_SESSION = StandardReply("421", "4.4.2", "Error: timeout exceeded for the whole session")
SHUTTING_DOWN = StandardReply("421", "4.3.2", "{hostname} Service shutting down")

# HELO, EHLO, LHLO
HELLO_SYNTAX = StandardReply("501", "", "Syntax: {verb} hostname")
HELLO_REFUSED = StandardReply("550", "", "Error: refused")
HELLO_FAILED = StandardReply("451", "", "Error: internal server error")
LHLO_IN_SMTP = StandardReply("500", "", "Error: SMTP should send HELO or EHLO instead of LHLO")
HELO_IN_LMTP = StandardReply("500", "", "Error: LMTP should replace HELO and EHLO with LHLO")

# Sequence
HELLO_FIRST = StandardReply("503", "5.5.1", "Error: send HELO/EHLO first")
EHLO_FIRST = StandardReply("503", "5.5.1", "Error: send EHLO first")
LHLO_FIRST = StandardReply("503", "5.5.1", "Error: send LHLO first")
NESTED_MAIL = StandardReply("503", "5.5.1", "Error: Nested MAIL command")
MAIL_FIRST = StandardReply("503", "5.5.1", "Error: need MAIL command")
RCPT_FIRST = StandardReply("503", "5.5.1", "Error: need RCPT command")
AUTH_IN_TRANSACTION = StandardReply("503", "5.5.1", "Error: AUTH not allowed during a mail transaction")
AUTH_TWICE = StandardReply("503", "5.5.1", "Error: already authenticated")

# MAIL and RCPT
MAIL_SYNTAX = StandardReply("501", "5.5.4", "Syntax: MAIL FROM:<address>")
RCPT_SYNTAX = StandardReply("501", "5.5.4", "Syntax: RCPT TO:<address>")
BAD_SENDER = StandardReply("501", "5.1.7", "Bad sender address syntax")
BAD_RECIPIENT = StandardReply("501", "5.1.3", "Bad recipient address syntax")
SENDER_OK = StandardReply("250", "2.1.0", "sender Ok")
RECIPIENT_OK = StandardReply("250", "2.1.5", "recipient Ok")
BAD_PARAMETER = StandardReply("501", "5.5.4", "Syntax error in parameters")
NOT_OFFERED = StandardReply("555", "5.5.4", "Unsupported option {keyword}")
UNSUPPORTED_OPTION = StandardReply("555", "5.5.4", "Unsupported option: {parameters}")
SIZE_TOO_LARGE = StandardReply("552", "5.3.4", "Estimated message length {size} exceeds limit of {limit}")
NEEDS_SMTPUTF8 = StandardReply("553", "5.6.7", "Error: this address needs the SMTPUTF8 parameter")
TOO_MANY_RECIPIENTS = StandardReply("452", "4.5.3", "Error: too many recipients")

# DATA
DATA_SYNTAX = StandardReply("501", "5.5.4", "Syntax: DATA")
ENTER_MAIL = StandardReply("354", "", "enter mail, end with line containing only '.'")
NO_STORAGE = StandardReply("452", "4.3.1", "Insufficient system storage")
MESSAGE_TOO_LARGE = StandardReply("552", "5.3.4", "Message too large")
TEXT_LINE_TOO_LONG = StandardReply("500", "5.6.0", "Error: text line too long")
BARE_NEWLINE = StandardReply("550", "5.6.0", "Bare newline detected: {what}")

# BDAT


def chunk_received(octets: int, *, status: bool) -> bytes:
    """The reply to a chunk, which many messages have many of; with a status code or without."""
    return b"250 %s%d octets received\r\n" % (b"2.0.0 " if status else b"", octets)


CHUNK_SYNTAX = StandardReply("501", "5.5.4", "Syntax: BDAT size [LAST]")
CHUNKING_NOT_OFFERED = StandardReply("502", "5.5.1", "Error: CHUNKING not offered")
CHUNKS_UNDER_WAY = StandardReply("503", "5.5.1", "Error: more of the message is due, or RSET")
BINARY_IN_DATA = StandardReply("503", "5.5.1", "Error: BODY=BINARYMIME needs BDAT")

# XCLIENT and XFORWARD, in Postfix's words
GREETING = StandardReply("220", "", "{hostname} ESMTP")
SPEAKER_IN_TRANSACTION = StandardReply("503", "5.5.1", "Error: MAIL transaction in progress")
SPEAKER_DENIED = StandardReply("550", "5.7.0", "Error: insufficient authorization")
ATTRIBUTES_SYNTAX = StandardReply("501", "5.5.4", "Syntax: {command} attribute=value...")
ATTRIBUTE_NAME = StandardReply("501", "5.5.4", "Bad {command} attribute name: {name}")
ATTRIBUTE_TWICE = StandardReply("501", "5.5.4", "Error: {name} twice")
ATTRIBUTE_VALUE = StandardReply("501", "5.5.4", "Bad {name} syntax: {value}")

# EXPN, HELP, ETRN
EXPN_SYNTAX = StandardReply("501", "5.5.4", "Syntax: EXPN list")
EXPN_OK = StandardReply("250", "2.1.5", "{name}")
HELP = StandardReply("214", "2.0.0", "Commands: {verbs}")
ETRN_SYNTAX = StandardReply("501", "5.5.4", "Syntax: ETRN domain")
ETRN_OK = StandardReply("250", "2.0.0", "OK, queuing for node {node} started")

# VRFY, STARTTLS
VRFY_SYNTAX = StandardReply("501", "5.5.4", "Syntax: VRFY username/address")
VRFY_OK = StandardReply("250", "2.1.5", "{address}")
STARTTLS_SYNTAX = StandardReply("501", "5.5.4", "Syntax error (no parameters allowed)")
TLS_ACTIVE = StandardReply("500", "5.5.1", "TLS already negotiated")
TLS_IN_CLEAR = StandardReply("554", "5.5.1", "Error: TLS on a listener without TLS")
TLS_NOT_OFFERED = StandardReply("502", "5.5.1", "Error: STARTTLS not offered")
TLS_GO_AHEAD = StandardReply("220", "2.0.0", "OK")
TLS_UNAVAILABLE = StandardReply("454", "4.7.0", "TLS not available due to temporary reason")

# AUTH
AUTH_NOT_OFFERED = StandardReply("502", "5.5.1", "Error: AUTH not implemented")
AUTH_MECHANISM = StandardReply("504", "5.5.4", "Unrecognized authentication type")
AUTH_ENCRYPTION = StandardReply("538", "5.7.11", "Encryption required for requested authentication mechanism")
AUTH_CANCELLED = StandardReply("501", "5.7.0", "Authentication cancelled")
AUTH_BASE64 = StandardReply("501", "5.5.2", "Error: not base64 of UTF-8 text")
AUTH_MALFORMED = StandardReply("501", "5.5.2", "Error: malformed authentication response")
AUTH_LINE_TOO_LONG = StandardReply("500", "5.5.6", "Error: line too long")
AUTH_OK = StandardReply("235", "2.7.0", "Authentication successful.")
AUTH_FAILED = StandardReply("535", "5.7.8", "Authentication failed.")
