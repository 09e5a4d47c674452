"""The header of the PROXY protocol: read whole and in pieces, and beside a reference of its own.

The reference is written from the specification (proxy-protocol.txt) with the socket library, and knows what
concerns addresses; of the values behind them it is only looked whether they may be shown.
"""

from __future__ import annotations

import re
import socket
import struct
import zlib
from collections.abc import Callable
from dataclasses import astuple
from typing import Any, NamedTuple

from gen_smtp.protocol.proxy.header import ProxyHeader, ProxyHeaderError
from gen_smtp.protocol.proxy.reader import ProxyHeaderReader
from tests.fuzz.cases.case import Cut, cut_by, octet_by_octet, whole
from tests.fuzz.cases.values import has_control
from tests.fuzz.rules.transcript import Violation

MakeReader = Callable[[], Any]

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_LINE = re.compile(rb"PROXY (TCP4|TCP6) (\S+) (\S+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})\r\n")
_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?\r\n")
_FAMILIES = {b"TCP4": socket.AF_INET, b"TCP6": socket.AF_INET6, 0x11: socket.AF_INET, 0x21: socket.AF_INET6}
_NAMES = {socket.AF_INET: "inet", socket.AF_INET6: "inet6"}
_LONGEST = 4096


class Outcome(NamedTuple):
    """What a reader made of some octets.

    Attributes:
        header: the header, the error's text, or None where more is to come.
        taken: how many octets are the header's.
    """

    header: ProxyHeader | str | None
    taken: int


class Addresses(NamedTuple):
    """What the reference reads: packed addresses and ports, None where the header has none."""

    family: str | None
    source: bytes
    source_port: int
    destination: bytes
    destination_port: int
    taken: int


_NOBODY = (None, b"", 0, b"", 0)


def read_header(octets: bytes, cut: Cut, make_reader: MakeReader = ProxyHeaderReader) -> Outcome:
    """Read as far as the header goes."""
    reader, taken = make_reader(), 0
    for piece in cut(octets):
        try:
            taken += reader.feed(piece)
        except ProxyHeaderError as error:
            return Outcome(str(error), 0)
        if reader.header is not None:
            return Outcome(reader.header, taken)
    return Outcome(None, taken)


def check_header(octets: bytes, make_reader: MakeReader = ProxyHeaderReader) -> None:
    """The rules for what a proxy may send first. Raises Violation."""
    cuts: list[Cut] = [whole, lambda octets: cut_by(zlib.crc32(octets), octets), octet_by_octet]
    outcome, *others = [read_header(octets, cut, make_reader) for cut in cuts]
    for other in others:
        if other != outcome:
            raise Violation("cuts", f"{outcome} or {other}, as it is cut")
    _check_beside_reference(octets, outcome)
    if isinstance(outcome.header, ProxyHeader):
        _check_texts(outcome.header)


def _check_beside_reference(octets: bytes, outcome: Outcome) -> None:
    expected = _read_line(octets) or _read_block(octets)
    header = outcome.header
    if isinstance(header, ProxyHeader):
        if header.family != "unix" and expected != _packed(header, outcome.taken):
            raise Violation("header", f"{outcome} of {octets!r}; the reference has {expected}")
    elif expected is not None and (header is None or _is_plain(octets, expected)):
        raise Violation("header", f"{outcome} of {octets!r}; the reference has {expected}")
    elif header is None and len(octets) >= _LONGEST:
        raise Violation("memory", f"{len(octets)} octets are no header yet")


def _packed(header: ProxyHeader, taken: int) -> Addresses:
    if header.family is None:
        return Addresses(*_NOBODY, taken)
    source: Any = header.source
    destination: Any = header.destination
    ports = header.source_port or 0, header.destination_port or 0
    return Addresses(header.family, source.packed, ports[0], destination.packed, ports[1], taken)


def _is_plain(octets: bytes, expected: Addresses) -> bool:
    """Whether nothing can be wrong with a header but what the reference reads: it has no other values."""
    size = {"inet": 28, "inet6": 52, None: 0}[expected.family]
    return octets.startswith(b"PROXY ") or expected.family is None or expected.taken == size


def _read_line(octets: bytes) -> Addresses | None:
    """Version 1, in the first 107 octets."""
    line = octets[:107]
    unknown = _UNKNOWN.match(line)
    if unknown is not None:
        return Addresses(*_NOBODY, unknown.end())
    found = _LINE.match(line)
    if found is None:
        return None
    family = _FAMILIES[found[1]]
    try:
        source, destination = (socket.inet_pton(family, found[n].decode("ascii")) for n in (2, 3))
    except (OSError, ValueError):
        return None
    ports = int(found[4]), int(found[5])
    if max(ports) > 65535:
        return None
    return Addresses(_NAMES[family], source, ports[0], destination, ports[1], found.end())


def _read_block(octets: bytes) -> Addresses | None:
    """Version 2; None for one that is not whole, or wrong, or of unix sockets."""
    if len(octets) < 16 or not octets.startswith(_SIGNATURE):
        return None
    command, kind, length = struct.unpack_from("!BBH", octets, 12)
    taken = 16 + length
    if command not in (0x20, 0x21) or taken > _LONGEST or taken > len(octets):
        return None
    if command == 0x20 or kind not in (0x11, 0x21, 0x31):
        good = command == 0x20 or (kind >> 4 < 4 and kind & 15 < 3)
        return Addresses(*_NOBODY, taken) if good else None
    if kind == 0x31:
        return None
    layout = struct.Struct("!4s4sHH" if kind == 0x11 else "!16s16sHH")
    if length < layout.size:
        return None
    source, destination, *ports = layout.unpack_from(octets, 16)
    return Addresses(_NAMES[_FAMILIES[kind]], source, ports[0], destination, ports[1], taken)


def _check_texts(header: ProxyHeader) -> None:
    for value in (*astuple(header), *(astuple(header.tls) if header.tls is not None else ())):
        if isinstance(value, str) and has_control(value):
            raise Violation("values", f"{value!r} in {header}")
