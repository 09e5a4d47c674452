"""Who may come: how many sessions and how many connections a minute each client address may have."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from cachetools import TTLCache

from actors import events as actor_events
from gen_smtp.callbacks.facts import Peername
from gen_smtp.events import ClientTurnedAway
from gen_smtp.options.server import ServerOptions

MINUTE = 60.0

MOST_ADDRESSES = 16384
"""So many addresses are counted a minute; then those seen longest ago are forgotten. About 7 MiB."""

Place: TypeAlias = tuple[int, int]
"""What counts as one address: the version of IP, and the number of the address or of its prefix."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a client is not served.

    Attributes:
        limit: the option of the server that says so.
        text: what is wrong.
    """

    limit: str
    text: str

    def reply(self, hostname: str) -> str:
        """What the client is told, instead of the greeting (RFC 5321 3.1)."""
        return f"421 {hostname} {self.text}, try again later"


FULL = Refusal("max_sessions", "Too many connections")
CROWDED = Refusal("max_sessions_per_address", "Too many connections from your address")
HASTY = Refusal("connections_per_minute", "Too many connections a minute from your address")


class ClientLimits:
    """Counts clients by their address: sessions by what is told here, connections for a minute each.

    All sessions of a server are on one hub, so they enter and leave directly. Nothing here waits.

    Args:
        options: the limits.
        clock: seconds that never go back.
    """

    def __init__(self, options: ServerOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_sessions = options.max_sessions_per_address
        self._most_a_minute = options.connections_per_minute
        self._ipv6_shift = 128 - options.ipv6_prefix
        self._exempt: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for network in options.exempt:
            masked = int(network.netmask), int(network.network_address)
            self._exempt[network.version].append(masked)
        self._counts = min(self._most_sessions, self._most_a_minute) < math.inf
        self._sessions: dict[Place, int] = {}
        self._recent: TTLCache[Place, list[int]] = TTLCache(MOST_ADDRESSES, MINUTE, clock)

    def enter(self, address: Peername, *, full: bool = False) -> Refusal | None:
        """A client connects.

        Args:
            address: its address; None, of a unix socket, is counted by no address.
            full: the server takes no more sessions. The connection counts for its minute all the same.

        Returns:
            None if it is let in: then `leave` must follow when it is gone. Else why it is not.
        """
        place = self._place_of(address)
        if place is not None and self._connections_of(place) > self._most_a_minute:
            return turned_away(HASTY, address)
        if full:
            return turned_away(FULL, address)
        if place is None:
            return None
        present = self._sessions.get(place, 0)
        if present >= self._most_sessions:
            return turned_away(CROWDED, address)
        self._sessions[place] = present + 1
        return None

    def leave(self, address: Peername) -> None:
        """A client that was let in is gone.

        Args:
            address: that with which it entered.
        """
        place = self._place_of(address)
        if place is None:
            return
        left = self._sessions[place] - 1
        if left:
            self._sessions[place] = left
        else:
            del self._sessions[place]

    def _place_of(self, address: Peername) -> Place | None:
        """What an address is counted as; None if it is not counted."""
        if address is None or not self._counts:
            return None
        number, version = int(address), address.version
        for mask, network in self._exempt[version]:
            if number & mask == network:
                return None
        return (version, number if version == 4 else number >> self._ipv6_shift)

    def _connections_of(self, place: Place) -> int:
        """Count a connection in; how many there were in the minute that began with the first one."""
        try:
            counter = self._recent[place]
        except KeyError:
            self._recent[place] = [1]
            return 1
        counter[0] += 1
        return counter[0]


def turned_away(refusal: Refusal, address: Any) -> Refusal:
    """Tell the operator of a client that is not served."""
    if actor_events.wanted(ClientTurnedAway):
        actor_events.emit(ClientTurnedAway(address, refusal.limit))
    return refusal
