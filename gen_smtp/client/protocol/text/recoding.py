"""A message with octets of 8 bits as one of 7 bits, for a server without 8BITMIME (RFC 6152 section 3)."""

from __future__ import annotations

import base64
import quopri
from email.parser import BytesParser
from email.policy import compat32
from typing import Any

from gen_smtp.protocol.text.newlines import has_bare_newline

_POLICY = compat32.clone(linesep="\r\n", max_line_length=0)
_ENCODING = "Content-Transfer-Encoding"


def to_seven_bits(octets: bytes) -> bytes | None:
    """A message whose parts are encoded so that all octets have 7 bits; nothing else of it changes.

    Returns:
        the message; None if it can't be done: a header has octets of 8 bits, a part is signed, or the message
        is no MIME.
    """
    message = BytesParser(policy=_POLICY).parsebytes(octets)
    if message.get("MIME-Version") is None or not _recode(message):
        return None
    recoded = message.as_bytes(policy=_POLICY)
    if not recoded.isascii() or has_bare_newline(recoded):
        return None
    return recoded if recoded.endswith(b"\r\n") else recoded + b"\r\n"


def _recode(part: Any) -> bool:
    if not _is_ascii(part):
        if part.get_content_type() == "multipart/signed":
            return False  # another encoding breaks the signature (RFC 1847 section 2.1)
        if not part.is_multipart():
            return _encode(part)
    encoding = str(part.get(_ENCODING, "")).strip().lower()
    if part.is_multipart() and encoding in ("8bit", "binary"):
        part.replace_header(_ENCODING, "7bit")
    inner = part.get_payload()
    return all(_recode(each) for each in inner) if isinstance(inner, list) else True


def _is_ascii(part: Any) -> bool:
    return bool(part.as_bytes(policy=_POLICY).isascii())


def _encode(part: Any) -> bool:
    """Encode a part that has no others in it."""
    if not all(str(value).isascii() for _, value in part.raw_items()):
        return False
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return False
    if part.get_content_maintype() == "text":
        encoding, text = "quoted-printable", quopri.encodestring(payload.replace(b"\r\n", b"\n"))
    else:
        encoding, text = "base64", base64.encodebytes(payload)
    del part[_ENCODING]
    part[_ENCODING] = encoding
    part.set_payload(text.replace(b"\n", b"\r\n").decode("ascii"))
    return True
