"""Addresses of sockets, as people write them."""

from __future__ import annotations

from typing import Any


def shown_address(bound: Any) -> str:
    """`192.0.2.1:25`, `[2001:db8::1]:25`, or the path of a unix socket."""
    if not isinstance(bound, tuple):
        return str(bound)
    host, port = bound[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
