"""What an actor is bound to: its links and monitors, and who waits for its end.

Nearly no session has any, so they are made when first asked for: see `GeventRef.bonds`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from actors.runtime.few import Few
from actors.runtime.future import Signal, new_native_lock

if TYPE_CHECKING:
    from actors.runtime.links import Monitor
    from actors.runtime.refs import GeventRef


class ExitSignal:
    """An exit signal that its target has not acted on yet."""

    __slots__ = ("reason", "sender")

    def __init__(self, reason: Any, sender: GeventRef[Any]) -> None:
        self.reason = reason
        self.sender = sender


class Bonds(Signal):
    """The links and monitors of one actor, and the signal of its end.

    Args:
        ended: whether the actor has ended, so that nothing can be bound to it any more.
    """

    __slots__ = ("ended", "links", "monitoring", "signal", "trap_exits", "watchers")

    lock: ClassVar[Any] = new_native_lock()
    """Guards all bonds of all actors, and their making; held for a few instructions."""

    def __init__(self, ended: bool = False) -> None:
        super().__init__()
        self.ended = self._is_set = ended
        self.trap_exits = False
        self.links: Few[GeventRef[Any]] = None
        self.watchers: Few[Monitor] = None
        self.monitoring: Few[Monitor] = None
        self.signal: ExitSignal | None = None

    @classmethod
    def forget_after_fork(cls) -> None:
        """Replace the lock in a forked child: a thread of the parent may have held it."""
        cls.lock = new_native_lock()
