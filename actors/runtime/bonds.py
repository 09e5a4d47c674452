"""What an actor is bound to: its links, its monitors, and the signal of its end.

They are changed by any thread, and by finalisers, without a lock: see `mailbox`. A new bond is written down
on both sides first, and then comes the look whether one of the two has ended. An actor that ends notes that
first, and then goes through its bonds. Each entry is removed once, and only what has removed it tells of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from actors.messages import Down
from actors.runtime.future import Signal
from actors.runtime.mailbox import Envelope

Ref: TypeAlias = Any
"""A `GeventRef`."""

SmallSet: TypeAlias = Any
"""A set that takes no room while it has one member or none, as nearly all sets of links and monitors do.

None, the one member itself, or a dictionary of several as they came; so no member may be a dictionary.
"""

LINKS, WATCHERS, MONITORING = range(3)
"""The sets of `Bonds`: actors that it is linked to, monitors of it, and its own monitors of others."""

_ABSENT = object()


@dataclass(slots=True)
class ExitSignal:
    """An exit signal that its target has not acted on yet."""

    reason: Any
    sender: Ref


class Bonds(Signal):
    """The links and monitors of one actor, and the signal of its end.

    Nearly no session has any, so they are made when they are first asked for: see `GeventRef.bonds`.

    Args:
        ended: whether the actor has ended, so that nothing can be bound to it any more.
    """

    __slots__ = ("_sets", "ended", "signal", "trap_exits")

    def __init__(self, ended: bool = False) -> None:
        super().__init__(raised=ended)
        self.ended = ended
        self.trap_exits = False
        self.signal: ExitSignal | None = None
        self._sets: list[SmallSet] = [None, None, None]

    @property
    def links(self) -> tuple[Ref, ...]:
        """The actors that it is linked to."""
        return self.members(LINKS)

    @property
    def watchers(self) -> tuple[Monitor, ...]:
        """The monitors of it."""
        return self.members(WATCHERS)

    @property
    def monitoring(self) -> tuple[Monitor, ...]:
        """Its own monitors of others."""
        return self.members(MONITORING)

    def add(self, which: int, member: Any) -> None:
        """Have a member in one of the sets; once."""
        sets = self._sets
        while True:
            few = sets[which]
            if type(few) is dict:
                few[member] = None
                return
            if few is member:
                return
            grown = member if few is None else {few: None, member: None}
            sets[which] = now = grown if sets[which] is few else sets[which]  # indivisible
            if now is grown:
                return

    def remove(self, which: int, member: Any) -> bool:
        """Have it there no more; whether it was removed by this."""
        sets = self._sets
        while type(few := sets[which]) is not dict:
            if few is not member:
                return False
            was, sets[which] = sets[which], None if sets[which] is member else sets[which]  # indivisible
            if was is member:
                return True
        return few.pop(member, _ABSENT) is not _ABSENT

    def has(self, which: int, member: Any) -> bool:
        """Tell whether it is there."""
        few = self._sets[which]
        return member in few if type(few) is dict else few is member

    def members(self, which: int) -> tuple[Any, ...]:
        """The members of a set, oldest first; they do not change with it."""
        few = self._sets[which]
        if few is None:
            return ()
        return tuple(few) if type(few) is dict else (few,)


class Monitor:
    """One monitor; `demonitor` takes it.

    Attributes:
        ref: the actor watched; None if nobody had the name.
        watcher: the actor that is told; None for a thread or greenlet that waits.
        name: the name that the actor was meant by; None for one meant by its reference.
    """

    __slots__ = ("name", "ref", "watcher")

    def __init__(
        self,
        ref: Ref | None,
        watcher: Ref | None,
        name: str | tuple[Any, ...] | None = None,
    ) -> None:
        self.ref = ref
        self.watcher = watcher
        self.name = name

    def tell(self, down: Down) -> Envelope | None:
        """Have the watcher hear of the end.

        Returns:
            what was put into its mailbox, if anything was.
        """
        return None if self.watcher is None else self.watcher.post(down)
