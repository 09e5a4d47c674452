"""The fast path of a transaction: one recipient, no parameters, a message in memory, and PIPELINING.

Most mail is so. MAIL, RCPT and DATA go at once, behind the message before if there is one (RFC 2920 section
3.1), and all replies are seen at one look. docs/client.md says what it saves. test_plain.py holds it equal to
the general script, `transaction`, which does all else.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from gen_smtp.client.protocol.text.content import END, MOST_COPIED, stuffed, with_crlf
from gen_smtp.client.protocol.text.envelope import Envelope
from gen_smtp.client.protocol.text.offer import Offer
from gen_smtp.client.protocol.text.replies import LONGEST_LINE
from gen_smtp.client.protocol.transaction import Rules, plain_path
from gen_smtp.protocol.text.newlines import has_bare_newline

_ENVELOPE = rb"2[0-9]{2} [^\n]*\n2[0-9]{2} [^\n]*\n354 [^\n]*\n"
ENVELOPE_TAKEN = re.compile(_ENVELOPE)
"""The replies to MAIL, RCPT and DATA."""
MESSAGE_AND_ENVELOPE_TAKEN = re.compile(rb"(2[0-9]{2} [^\n]*\n)" + _ENVELOPE)
"""The reply to the message before, and these."""


_DOT_AT_START = re.compile(rb"\n(?=\.)")
"""A dot that has to be stuffed. What begins with one character, `re` looks for with memchr."""
_DOT = ord(".")
_LINES = {ENVELOPE_TAKEN: 3, MESSAGE_AND_ENVELOPE_TAKEN: 4}


class PlainMail(NamedTuple):
    """A message of the usual kind.

    Attributes:
        head: MAIL, RCPT and DATA.
        body: the message, with its end.
        recipient: as it was given.
    """

    head: bytes
    body: bytes
    recipient: str


def plain_mail(envelope: Envelope, message: Any, offer: Offer, rules: Rules) -> PlainMail | None:
    """A message as it goes the short way; None for one that does not."""
    if type(message) is not bytes or len(message) > MOST_COPIED or not message.isascii():
        return None
    recipients = envelope.recipients
    if len(recipients) != 1 or not offer.pipelining or (offer.chunking and rules.chunking == "if_available"):
        return None
    recipient = recipients[0]
    if type(recipient) is not str or _says_more(envelope):
        return None
    sender, path = plain_path(envelope.sender), plain_path(recipient)
    if sender is None or path is None or path == "<>" or not (sender + path).isascii():
        return None
    size = ""
    if (
        has_bare_newline(message)
        or _DOT_AT_START.search(message)
        or message[-2:] != b"\r\n"
        or message[0] == _DOT
    ):
        message = with_crlf(message)
        body = stuffed(message) + END
    else:
        body = message + END
    if offer.has_size:
        if offer.size is not None and len(message) > offer.size:
            return None
        size = f" SIZE={len(message)}"
    head = f"MAIL FROM:{sender}{size}\r\nRCPT TO:{path}\r\nDATA\r\n".encode()
    return PlainMail(head, body, recipient)


def _says_more(envelope: Envelope) -> bool:
    """Whether there is more to say than from whom and to whom."""
    return bool(
        envelope.body == "BINARYMIME"
        or envelope.ret
        or envelope.envid
        or envelope.require_tls
        or envelope.parameters
    )


def all_taken(pattern: re.Pattern[bytes], data: bytes) -> re.Match[bytes] | None:
    """Whether these are the replies that a pattern has, all of them one line, and nothing else."""
    return pattern.fullmatch(data) if len(data) <= LONGEST_LINE else None


def may_be_taken(pattern: re.Pattern[bytes], data: bytes) -> bool:
    """Whether these replies can still become those that a pattern has, when more has come."""
    is_begun = data[:1] in (b"", b"2") and len(data) <= LONGEST_LINE
    return is_begun and data.count(b"\n") < _LINES[pattern]
