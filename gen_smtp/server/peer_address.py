"""The address of a connection's other end."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any


def peer_address(peer: Any) -> IPv4Address | IPv6Address | None:
    """The address of a peer as the system gives it; None on a unix socket."""
    return address_of(peer[0]) if isinstance(peer, tuple) else None


@lru_cache(maxsize=1024)
def address_of(text: str) -> IPv4Address | IPv6Address:
    """Most clients come again. An IPv4 client of an IPv6 socket has its IPv4 address."""
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address
