"""How many sessions a server may still take, over all its listeners."""

from __future__ import annotations

import math
from collections.abc import Callable


class Capacity:
    """Counts the places that are free, and calls the listeners that wait for one.

    A listener takes a place for a connection in the moment it accepts it. As all actors run on one hub, no
    batch of accepts in flight can overshoot the limit, and nothing needs to be dropped: what finds no
    place stays in the kernel's backlog.

    Args:
        size: the most sessions at one time; `math.inf` sets no limit.

    Attributes:
        free: the places that are left.
        on_full: called when the last one is taken, and again only after half of them were free: a server
            at its limit goes to and fro there with each session that ends.
    """

    __slots__ = ("_told", "_waiting", "free", "on_full", "size")

    def __init__(self, size: float = math.inf, on_full: Callable[[], object] = lambda: None) -> None:
        self.size = self.free = size
        self.on_full = on_full
        self._told = False
        self._waiting: dict[Callable[[], object], None] = {}

    def take(self, waiter: Callable[[], object]) -> None:
        """Take a place, of those that are free.

        Args:
            waiter: as for `wait`; whoever got a place waits for the next one behind the others.
        """
        self.free -= 1
        self._waiting.pop(waiter, None)
        if not self.free and not self._told:
            self._told = True
            self.on_full()

    def give_back(self) -> None:
        """A session is gone, or a connection was not served: call all that wait, in the order they came."""
        self.free += 1
        if self._told and self.free >= self.size / 2:
            self._told = False
        for waiter in list(self._waiting):
            waiter()

    def wait(self, waiter: Callable[[], object]) -> None:
        """Have `waiter` called, again and again, when a place is free; it must not wait itself."""
        self._waiting.setdefault(waiter)

    def stop_waiting(self, waiter: Callable[[], object]) -> None:
        """Undo `wait`."""
        self._waiting.pop(waiter, None)
