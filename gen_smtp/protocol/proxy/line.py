"""Version 1 of the PROXY protocol's header: a line of text (section 2.1)."""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address

from gen_smtp.protocol.proxy.header import ProxiedAddress, ProxiedFamily, ProxyHeader, ProxyHeaderError

LINE_START = b"PROXY "
LONGEST_LINE = 107
"""Octets of the line with its CRLF."""

_FIRST_LINE_END = re.compile(rb"\r(?!\Z)|\n|\Z")  # a CR that came last may yet be followed by an LF
_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: .*)?\r\n", re.DOTALL)
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")
_HIGHEST_PORT = 65535


def end_of_line(seen: bytes) -> int | None:
    """How long the line that `seen` begins with is; None until its CRLF has come.

    Raises ProxyHeaderError when there can be none.
    """
    line = seen[:LONGEST_LINE]
    found = _FIRST_LINE_END.search(line)
    assert found is not None
    end = found.start()
    if line[end : end + 2] == b"\r\n":
        return end + 2
    if end < len(line):
        raise ProxyHeaderError("a CR or LF alone")
    if len(line) == LONGEST_LINE:
        raise ProxyHeaderError(f"no CRLF in the first {LONGEST_LINE} octets")
    return None


def parse_line(line: bytes) -> ProxyHeader:
    """Read a whole line with its CRLF. Raises ProxyHeaderError."""
    if _UNKNOWN.fullmatch(line):
        return ProxyHeader(1)  # whatever else it says is to be ignored
    try:
        _, protocol, source, destination, source_port, destination_port = line[:-2].decode("ascii").split(" ")
        family, address = _FAMILIES[protocol]
        return ProxyHeader(
            1, family, address(source), _port(source_port), address(destination), _port(destination_port)
        )
    except (ValueError, KeyError):
        raise ProxyHeaderError("neither TCP4 nor TCP6 with two addresses and two ports") from None


def _ipv6(text: str) -> IPv6Address:
    # Like inet_ntop, which senders use, this knows the form ::ffff:192.0.2.1.
    address = IPv6Address(text)
    if address.scope_id is not None:
        raise ValueError(text)
    return address


def _port(text: str) -> int:
    if _PORT.fullmatch(text) is None or int(text) > _HIGHEST_PORT:
        raise ValueError(text)
    return int(text)


_FAMILIES: Mapping[str, tuple[ProxiedFamily, Callable[[str], ProxiedAddress]]] = {
    "TCP4": ("inet", IPv4Address),  # takes no number with leading zeros either
    "TCP6": ("inet6", _ipv6),
}
