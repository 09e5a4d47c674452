"""Peers that are believed, as options name them by their networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gen_smtp.callbacks.facts import Peername
from gen_smtp.options.address_checks import IPNetwork, networks
from gen_smtp.options.checks import OptionsError

UNIX = "unix"
"""Stands for the peers of a unix socket, which have no address."""


@dataclass(frozen=True, slots=True)
class TrustedPeers:
    """Some peers; `peername in peers` asks whether one of them it is.

    Attributes:
        networks: of their IP addresses.
        unix: the peers of unix sockets, whose peername is None, are some of them.
    """

    networks: tuple[IPNetwork, ...]
    unix: bool = False

    def __contains__(self, peername: Peername) -> bool:
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
