"""Checks of the addresses that a listener may be given, one for each address family."""

from __future__ import annotations

import ipaddress
import os
from typing import Any

from gen_smtp.options.checks import OptionsError, file_path, host_name, shown

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# sun_path of Linux's sockaddr_un is 108 octets with its closing NUL.
_LONGEST_UNIX_PATH = 107


def inet_address(value: Any) -> str:
    """An IPv4 address as text, tuple of 4 integers or `ipaddress` object; a host name; None is all."""
    return "0.0.0.0" if value is None else _ip_address(value, ipaddress.IPv4Address)


def inet6_address(value: Any) -> str:
    """An IPv6 address as text, tuple of 8 integers or `ipaddress` object; a host name; None is all."""
    return "::" if value is None else _ip_address(value, ipaddress.IPv6Address)


def unix_path(value: Any) -> str:
    """The path of a unix socket, or `@` and a name of Linux's abstract namespace; there is no default."""
    if value == "@":
        raise OptionsError("a name without a file is missing behind the @", allowed="@ and a name, or a path")
    if value is None:
        raise OptionsError("family unix needs the path of its socket", allowed="a path")
    path = file_path(value)
    if len(os.fsencode(path)) > _LONGEST_UNIX_PATH:
        raise OptionsError(
            f"too long for a unix socket: {shown(path)}", allowed=f"up to {_LONGEST_UNIX_PATH} octets"
        )
    return path


def networks(value: Any) -> tuple[IPNetwork, ...]:
    """Networks and single addresses: a list of texts or `ipaddress` objects, or one text with commas."""
    given = value.replace(",", " ").split() if isinstance(value, str) else value
    allowed = 'networks and addresses such as ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"]'
    if not isinstance(given, list | tuple | set | frozenset):
        raise OptionsError(f"not a list of networks: {shown(value)}", allowed=allowed)
    return tuple(_network(each, allowed) for each in given)


def _network(value: Any, allowed: str) -> IPNetwork:
    if isinstance(value, str | IPAddress | IPNetwork):
        try:
            return ipaddress.ip_network(value)
        except ValueError as error:
            raise OptionsError(f"not a network: {error}", allowed=allowed) from error
    raise OptionsError(f"not a network: {shown(value)}", allowed=allowed)


def _ip_address(value: Any, wanted: type[IPAddress]) -> str:
    address = _as_ip_address(value)
    if isinstance(address, wanted):
        return str(address)
    allowed = f"an {wanted.__name__[:4]} address as text, tuple or ipaddress object, or a host name"
    if address is not None:
        family = "inet6" if address.version == 6 else "inet"
        raise OptionsError(f"{address} is an IPv{address.version} address: family {family}", allowed=allowed)
    if isinstance(value, str) and _may_be_name(value):
        return host_name(value)
    raise OptionsError(f"not an address: {shown(value)}", allowed=allowed)


def _may_be_name(value: str) -> bool:
    """Whether this is no address gone wrong: `127.1`, `1.2.3.400`, `[::1]`."""
    return not value.replace(".", "").isdigit() and ":" not in value


def _as_ip_address(value: Any) -> IPAddress | None:
    try:
        if isinstance(value, tuple):
            return _from_tuple(value)
        return ipaddress.ip_address(value) if isinstance(value, str | IPAddress) else None
    except ValueError:
        return None


def _from_tuple(parts: tuple[Any, ...]) -> IPAddress | None:
    """Erlang's addresses: 4 numbers of 8 bits or 8 numbers of 16."""
    if not all(isinstance(part, int) and not isinstance(part, bool) for part in parts):
        return None
    if len(parts) == 4:
        return ipaddress.IPv4Address(".".join(map(str, parts)))
    if len(parts) == 8:
        return ipaddress.IPv6Address(":".join(f"{part:x}" for part in parts))
    return None
