"""Checks of who and where: addresses to listen at, the file of a unix socket, networks and trusted peers."""

from __future__ import annotations

import grp
import ipaddress
import os
import re
from dataclasses import dataclass
from typing import Any

from gen_smtp.options.checks import OptionsError, file_path, host_name, shown_option

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

UNIX = "unix"
"""Stands for the peers of a unix socket, which have no address."""

# sun_path of Linux's sockaddr_un is 108 octets with its closing NUL.
_LONGEST_UNIX_PATH = 107

_HIGHEST_MODE = 0o777
_OCTAL = re.compile(r"(?:0o)?[0-7]{1,4}", re.ASCII)
_ALLOWED_MODE = "octal permissions up to 0o777, such as 0o660; as text '660'"


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
            f"too long for a unix socket: {shown_option(path)}", allowed=f"up to {_LONGEST_UNIX_PATH} octets"
        )
    return path


def file_mode(value: Any) -> int:
    """The permissions of a file, as a number or as the text that chmod takes."""
    mode = int(value, 8) if isinstance(value, str) and _OCTAL.fullmatch(value) else value
    if isinstance(mode, int) and not isinstance(mode, bool) and 0 <= mode <= _HIGHEST_MODE:
        return mode
    raise OptionsError(f"no file has such a mode: {shown_option(value)}", allowed=_ALLOWED_MODE)


def file_group(value: Any) -> int:
    """The number of a group, from that or from its name."""
    try:
        if isinstance(value, str):
            return grp.getgrgid(int(value)).gr_gid if value.isdecimal() else grp.getgrnam(value).gr_gid
        if isinstance(value, int) and not isinstance(value, bool):
            return grp.getgrgid(value).gr_gid
    except (KeyError, OverflowError, ValueError):
        pass
    raise OptionsError(
        f"there is no such group: {shown_option(value)}",
        allowed="the name or the number of a group of this machine",
    )


def no_access(value: Any) -> None:
    """Neither is for a socket that has no file."""
    if value is not None:
        raise OptionsError("only a unix socket has a file", allowed="family unix, or no such option")


def networks(value: Any) -> tuple[IPNetwork, ...]:
    """Networks and single addresses: a list of texts or `ipaddress` objects, or one text with commas."""
    given = value.replace(",", " ").split() if isinstance(value, str) else value
    allowed = 'networks and addresses such as ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"]'
    if not isinstance(given, list | tuple | set | frozenset):
        raise OptionsError(f"not a list of networks: {shown_option(value)}", allowed=allowed)
    return tuple(_network(each, allowed) for each in given)


@dataclass(frozen=True, slots=True)
class TrustedPeers:
    """Some peers; `peername in peers` asks whether one of them it is.

    Attributes:
        networks: of their IP addresses.
        unix: the peers of unix sockets, whose peername is None, are some of them.
    """

    networks: tuple[IPNetwork, ...]
    unix: bool = False

    def __contains__(self, peername: IPAddress | None) -> bool:
        if peername is None:
            return self.unix
        return any(peername in network for network in self.networks)

    def __str__(self) -> str:
        return ", ".join([*map(str, self.networks), *([UNIX] if self.unix else [])])


def trusted_peers(value: Any) -> TrustedPeers:
    """The check of an option that takes peers: networks, and `"unix"`; an empty list is a mistake.

    Raises:
        OptionsError: one of them is no network, or there is none.
    """
    if isinstance(value, TrustedPeers):
        return value
    given = value.replace(",", " ").split() if isinstance(value, str) else value
    is_list = isinstance(given, list | tuple | set | frozenset)
    found = networks([each for each in given if each != UNIX] if is_list else given)
    peers = TrustedPeers(found, unix=len(found) < len(given))
    if not (peers.networks or peers.unix):
        raise OptionsError("no peer is named", allowed=f"networks such as 192.0.2.0/24, or {UNIX!r}")
    return peers


def _network(value: Any, allowed: str) -> IPNetwork:
    if isinstance(value, str | IPAddress | IPNetwork):
        try:
            return ipaddress.ip_network(value)
        except ValueError as error:
            raise OptionsError(f"not a network: {error}", allowed=allowed) from error
    raise OptionsError(f"not a network: {shown_option(value)}", allowed=allowed)


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
    raise OptionsError(f"not an address: {shown_option(value)}", allowed=allowed)


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
