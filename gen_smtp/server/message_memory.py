"""How much of the messages under way, with their envelopes, a server holds in memory, over all sessions."""

from __future__ import annotations

from actors import events as actor_events
from gen_smtp.events import BuffersFull


class MessageMemory:
    """Counts the octets of message bodies and large envelopes, and says when there is no room for more.

    All sessions of a server are on one hub, so they count themselves in and out directly.

    Args:
        limit: the most octets at one time; `math.inf` counts and refuses nothing.

    Attributes:
        used: the octets held now.
    """

    __slots__ = ("_told", "limit", "used")

    def __init__(self, limit: int | float) -> None:
        self.limit = limit
        self.used = 0
        self._told = False

    def has_room(self) -> bool:
        """Tell whether another message may begin."""
        return self.used < self.limit or self._refuse()

    def take(self, octets: int) -> bool:
        """Count octets in; False, and none is counted, where they would cross the limit."""
        used = self.used + octets
        if used > self.limit:
            return self._refuse()
        self.used = used
        return True

    def give_back(self, octets: int) -> None:
        """Count octets out."""
        self.used -= octets
        if self._told and self.used <= self.limit / 2:
            self._told = False

    def _refuse(self) -> bool:
        """Tell the operator once, and again only after half of the room was free: it may go up and down."""
        if not self._told:
            self._told = True
            actor_events.emit(BuffersFull(self.limit))
        return False
