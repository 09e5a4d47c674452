"""xtext, in which values stand that may have any characters (RFC 3461 section 4), and what RFC 6533 adds.

Beyond ASCII an address is written in UTF-8, or with ``\\x{HEX}`` for each character that is not ASCII.
"""

import re

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_UNITEXT = re.compile(r"(?:[!-*,-<>-\[\]-~\u0080-\U0010ffff]|\\x\{[0-9A-F]{2,6}\})*")
_HEXCHAR = re.compile(r"\+([0-9A-F]{2})")
_EMBEDDED = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_QCHAR = re.compile(r"[!-*,-<>-\[\]-~]")
_UNSAFE = re.compile(r"[^!-*,-<>-~]")
_HIGHEST = 0x10FFFF


def decode_xtext(text: str) -> str | None:
    """What xtext stands for, if it is printable ASCII; else None."""
    if _XTEXT.fullmatch(text) is None:
        return None
    decoded = _HEXCHAR.sub(lambda found: chr(int(found[1], 16)), text)
    return decoded if decoded.isascii() and decoded.isprintable() else None


def encode_xtext(text: str) -> str:
    """ASCII text as xtext."""
    return _UNSAFE.sub(lambda found: f"+{ord(found[0]):02X}", text)


def decode_utf8_address(text: str, *, utf8: bool) -> str | None:
    """The address that ``utf-8-addr-xtext`` or ``utf-8-addr-unitext`` stands for (RFC 6533 section 3).

    ``utf8`` says whether characters outside ASCII may stand there as they are.
    """
    if not text.isascii():
        plain = text if utf8 and _UNITEXT.fullmatch(text) is not None else None
    else:
        plain = decode_xtext(text)
    if plain is None or _has_odd_backslash(plain):
        return None
    codes = [int(found, 16) for found in _EMBEDDED.findall(plain)]
    if any(code > _HIGHEST or 0xD800 <= code <= 0xDFFF for code in codes):
        return None
    decoded = _EMBEDDED.sub(lambda found: chr(int(found[1], 16)), plain)
    return decoded if decoded.isprintable() else None


def encode_utf8_address(address: str) -> str:
    """An address in ASCII, as ``utf-8-addr-xtext`` has it before it becomes xtext (RFC 6533 section 3)."""
    return "".join(each if _QCHAR.fullmatch(each) else f"\\x{{{ord(each):02X}}}" for each in address)


def _has_odd_backslash(text: str) -> bool:
    """Whether a backslash is no part of an embedded character."""
    return "\\" in _EMBEDDED.sub("", text)
