"""Version 2 of the PROXY protocol's header: a block of octets (section 2.2)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import Any, NamedTuple

from gen_smtp.protocol.proxy.header import (
    ProxiedAddress,
    ProxiedFamily,
    ProxiedTls,
    ProxyHeader,
    ProxyHeaderError,
)
from gen_smtp.protocol.text.command import has_control_characters, mask_control_characters

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LONGEST_BLOCK = 4096
"""Octets of a header that are taken; the specification wants it to fit into a TCP segment of 536."""

_FIXED = 16
"""Octets of the part that says how long the rest is."""
_LOCAL, _PROXY = 0, 1
_FAMILIES = 4
_PROTOCOLS = 3
_LONGEST_UNIQUE_ID = 128

_CLIENT_TLS = 0x01
_CLIENT_CERTIFICATE = 0x02 | 0x04  # of this connection, or of its TLS session


class _Layout(NamedTuple):
    """How the addresses of a family are written."""

    family: ProxiedFamily
    fields: Struct
    address: Callable[[bytes], ProxiedAddress]


def _path(octets: bytes) -> str:
    return mask_control_characters(octets.rstrip(b"\0").decode("utf-8", "backslashreplace"))


_LAYOUTS: Mapping[int, _Layout] = {
    0x11: _Layout("inet", Struct("!4s4sHH"), IPv4Address),
    0x21: _Layout("inet6", Struct("!16s16sHH"), IPv6Address),
    0x31: _Layout("unix", Struct("!108s108s"), _path),
}
"""By the octet of family and protocol. Any other valid one, of datagrams too, counts as unspecified."""


def end_of_block(seen: bytes) -> int | None:
    """How long the block that `seen` begins with is; None until all of it has come.

    Raises ProxyHeaderError when its fixed part is wrong.
    """
    if len(seen) < _FIXED:
        return None
    version, command = divmod(seen[12], 16)
    if version != 2:
        raise ProxyHeaderError(f"version {version}")
    if command > _PROXY:
        raise ProxyHeaderError(f"command {command}")
    length = int.from_bytes(seen[14:_FIXED])
    if _FIXED + length > LONGEST_BLOCK:
        raise ProxyHeaderError(f"more than {LONGEST_BLOCK} octets")
    if command != _LOCAL:
        _check_family(seen[13], length)
    return _FIXED + length if len(seen) >= _FIXED + length else None


def _check_family(octet: int, length: int) -> None:
    family, protocol = divmod(octet, 16)
    if family >= _FAMILIES or protocol >= _PROTOCOLS:
        raise ProxyHeaderError(f"family {family}, protocol {protocol}")
    layout = _LAYOUTS.get(octet)
    if layout is not None and length < layout.fields.size:
        raise ProxyHeaderError("too short for its addresses")


def parse_block(block: bytes) -> ProxyHeader:
    """Read a whole block. Raises ProxyHeaderError."""
    layout = None if block[12] & 0x0F == _LOCAL else _LAYOUTS.get(block[13])
    if layout is None:
        return ProxyHeader(2)  # the rest is to be skipped
    source, destination, *ports = layout.fields.unpack_from(block, _FIXED)
    source_port, destination_port = ports or (None, None)
    header = ProxyHeader(
        2, layout.family, layout.address(source), source_port, layout.address(destination), destination_port
    )
    return replace(header, **_facts_of(block, _FIXED + layout.fields.size))


# --- Type, length, value ---------------------------------------------------------------------------


def _facts_of(block: bytes, start: int) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for kind, at, value in _vectors(block, start):
        name, read = _VECTORS.get(kind, (None, None))
        if name is None or read is None:
            continue
        if name in facts:
            raise ProxyHeaderError(f"{name} twice")
        facts[name] = read(value)
        if kind == _CHECKSUM and facts[name] != crc32c(block[:at] + bytes(4) + block[at + 4 :]):
            raise ProxyHeaderError("a wrong checksum")
    facts.pop(_VECTORS[_CHECKSUM][0], None)
    return facts


def _vectors(octets: bytes, start: int) -> Iterator[tuple[int, int, bytes]]:
    """The type of each, where its value begins, and its value."""
    while start < len(octets):
        at = start + 3
        start = at + int.from_bytes(octets[at - 2 : at])
        if at > len(octets) or start > len(octets):
            raise ProxyHeaderError("a value that goes beyond the end")
        yield octets[at - 3], at, octets[at:start]


def _text(value: bytes) -> str:
    """UTF-8. It may be the client's own choice: what could forge a line in a log is refused."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise ProxyHeaderError("text that is not UTF-8") from None
    if has_control_characters(text):
        raise ProxyHeaderError("text with control characters")
    return text


def _checksum(value: bytes) -> int:
    if len(value) != 4:
        raise ProxyHeaderError("a checksum that is none")
    return int.from_bytes(value)


def _unique_id(value: bytes) -> bytes:
    if len(value) > _LONGEST_UNIQUE_ID:
        raise ProxyHeaderError(f"a unique id of more than {_LONGEST_UNIQUE_ID} octets")
    return value


def _tls(value: bytes) -> ProxiedTls | None:
    if len(value) < 5:
        raise ProxyHeaderError("too short for what it says of TLS")
    client, verify = value[0], int.from_bytes(value[1:5])
    facts: dict[str, Any] = {}
    for kind, _, text in _vectors(value, 5):
        name = _TLS_VECTORS.get(kind)
        if name is None:
            continue
        if name in facts:
            raise ProxyHeaderError(f"{name} twice")
        facts[name] = _text(text)
    if not client & _CLIENT_TLS:
        return None
    # HAProxy says 0, which is "good", of a client that has shown none as well.
    return ProxiedTls(verified=verify == 0 and bool(client & _CLIENT_CERTIFICATE), **facts)


_CHECKSUM = 0x03
_VECTORS: Mapping[int, tuple[str, Callable[[bytes], Any]]] = {
    0x01: ("alpn", bytes),
    0x02: ("authority", _text),
    _CHECKSUM: ("checksum", _checksum),
    0x05: ("unique_id", _unique_id),
    0x20: ("tls", _tls),
}
"""The types that are understood; all others are skipped."""
_TLS_VECTORS: Mapping[int, str] = {0x21: "version", 0x22: "common_name", 0x23: "cipher"}


# --- The checksum: CRC32c, Castagnoli's (RFC 4960 appendix B, RFC 3720 appendix B.4) --------------------

_POLYNOMIAL = 0x82F63B78  # with its bits reversed


def crc32c(data: bytes) -> int:
    """The checksum of some octets."""
    table = _table()
    checksum = 0xFFFFFFFF
    for octet in data:
        checksum = checksum >> 8 ^ table[(checksum ^ octet) & 0xFF]
    return checksum ^ 0xFFFFFFFF


@cache
def _table() -> tuple[int, ...]:
    return tuple(map(_entry, range(256)))


def _entry(octet: int) -> int:
    for _ in range(8):
        octet = octet >> 1 ^ (_POLYNOMIAL if octet & 1 else 0)
    return octet
