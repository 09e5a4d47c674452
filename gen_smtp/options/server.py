"""The options of a whole server: what all its listeners and sessions share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from gen_smtp.options.addresses import IPNetwork, networks
from gen_smtp.options.checks import (
    Check,
    OptionsError,
    check_fields,
    flag,
    limit_from,
    optional,
    whole_number,
)

MEBIOCTET = 1024 * 1024
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """What a server as a whole goes by. With several workers each of them is a server of its own.

    Attributes:
        max_sessions: sessions at one time, over all listeners; while there are so many, connections wait in
            the system's backlogs. None or `math.inf` is no limit, here and below.
        refuse_when_full: rather answer 421 and close than let them wait.
        max_sessions_per_address: sessions at one time of one client address; 421 for more. The default is a
            quarter of the worker threads for messages that stream (`actors.set_workers(long=...)`): a client
            that sends all of its messages very slowly leaves the most of them to others.
        connections_per_minute: connections of one client address in the minute that the first one begins,
            those that are refused counted too; 421 for more.
        ipv6_prefix: so many bits of an IPv6 address are the client's network, which counts as one.
        exempt: networks whose clients are not counted by address: one's own, and balancers that don't say for
            whom they connect. A list of texts or `ipaddress` objects, or a text with commas. Clients of unix
            sockets have no address and are exempt always.
        max_buffered: octets that the messages under way and their envelopes may take in memory, over all
            sessions. A DATA that comes when they are used up, and a message or a recipient that would cross
            them, are answered with 452.
        loop: the asyncio loop for callbacks that are `async def`; it must run, in another thread than the
            hub's. None is a loop of the library's own.

    Raises:
        OptionsError: for a value of the wrong type or out of range.
    """

    max_sessions: int | float = 10_000
    refuse_when_full: bool = False
    max_sessions_per_address: int | float = 25
    connections_per_minute: int | float = 600
    ipv6_prefix: int = 64
    exempt: tuple[IPNetwork, ...] = LOOPBACK
    max_buffered: int | float = 256 * MEBIOCTET
    loop: asyncio.AbstractEventLoop | None = None

    def __post_init__(self) -> None:
        check_fields(self, _CHECKS)


def _event_loop(value: Any) -> asyncio.AbstractEventLoop:
    if not isinstance(value, asyncio.AbstractEventLoop):
        raise OptionsError(f"no asyncio loop: {value!r}", allowed="asyncio.get_running_loop(), or None")
    if not value.is_running():
        raise OptionsError("the loop does not run", allowed="a loop that runs, or None for the library's own")
    return value


_CHECKS: dict[str, Check] = {
    "max_sessions": limit_from(1),
    "refuse_when_full": flag,
    "max_sessions_per_address": limit_from(1),
    "connections_per_minute": limit_from(1),
    "ipv6_prefix": whole_number(1, 128),
    "exempt": networks,
    "max_buffered": limit_from(1),
    "loop": optional(_event_loop),
}
