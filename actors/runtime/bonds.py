"""What an actor is bound to: its links, its monitors, and the signal of its end.

They are changed by any thread, and by finalisers, without a lock: see `mailbox`. A new bond is written down
on both sides first, and then comes the look whether one of the two has ended. An actor that ends notes that
first, and then goes through its bonds. Each entry is removed once, and only what has removed it tells of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any, TypeAlias

from actors.errors import ActorDeadError
from actors.messages import Down
from actors.runtime.future import GeventFuture, Signal, try_set_exception
from actors.runtime.mailbox import GONE, OPEN, Envelope

Ref: TypeAlias = Any
"""A `GeventRef`."""

SmallSet: TypeAlias = Any
"""A set that takes no room while it has one member or none, as nearly all sets of links and monitors do.

None, the one member itself, or a dictionary of several as they came; so no member may be a dictionary.
"""

LINKS, WATCHERS, MONITORING = range(3)
"""The sets of `Bonds`: actors that it is linked to, monitors of it, and its own monitors of others."""

_ABSENT = object()


class Bonds(Signal):
    """The links and monitors of one actor, and the signal of its end.

    Nearly no session has any, so they are made when they are first asked for: see `GeventRef.bonds`.

    Args:
        ended: whether the actor has ended, so that nothing can be bound to it any more.

    Attributes:
        signalled: whether an exit signal has shut the actor's mailbox, and the actor does not end for it yet.
    """

    __slots__ = ("_sets", "ended", "signalled", "trap_exits")

    def __init__(self, ended: bool = False) -> None:
        super().__init__(raised=ended)
        self.ended = ended
        self.trap_exits = False
        self.signalled = False
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
        is_late: whether a signal that ends the actor was sent before it: what comes is `noproc`.
    """

    __slots__ = ("is_late", "name", "ref", "watcher")

    def __init__(
        self,
        ref: Ref | None,
        watcher: Ref | None,
        name: str | tuple[Any, ...] | None = None,
    ) -> None:
        self.ref = ref
        self.watcher = watcher
        self.name = name
        self.is_late = False

    def tell(self, down: Down) -> Envelope | None:
        """Have the watcher hear of the end.

        Returns:
            what was put into its mailbox, if anything was.
        """
        return None if self.watcher is None else self.watcher.post(down)


# -- who waits for whose end ------------------------------------------------------------------------
#
# A supervisor that waits for the end of a child answers nothing meanwhile. What asks it from inside the
# child's tree, and is ended by no exit signal, would wait for it as it waits for them: a session, say.

_awaited: dict[tuple[Ref, Ref], None] = {}
"""Each actor whose end is waited for in a turn, and who does so."""

_inner_asks: dict[GeventFuture[Any], tuple[Ref, Ref, Envelope]] = {}
"""Of what waits for a reply of an actor whose tree it is in: the asker, that actor, and the message."""


@contextlib.contextmanager
def awaiting_end(awaited: Ref, waiting: Ref) -> Generator[None]:
    """Wait for the end of an actor, in the `with` block, in a turn of another one, or of its own.

    Args:
        awaited: the actor that ends.
        waiting: who waits.
    """
    _awaited[awaited, waiting] = None
    try:
        for future in list(_inner_asks):
            _give_up(future, awaited, waiting)
        yield
    finally:
        _awaited.pop((awaited, waiting), None)


def await_from_inside(
    future: GeventFuture[Any], asker: Ref, asked: Ref, envelope: Envelope, timeout: float | None
) -> Any:
    """Wait for the reply of an actor whose tree the asker is in, unless the two would wait for each other.

    Raises:
        ActorDeadError: they would.
    """
    _inner_asks[future] = asker, asked, envelope
    try:
        for awaited, waiting in list(_awaited):
            _give_up(future, awaited, waiting)
        return future.get(timeout=timeout)
    finally:
        _inner_asks.pop(future, None)


def _give_up(future: GeventFuture[Any], awaited: Ref, waiting: Ref) -> None:
    asker, asked, envelope = _inner_asks.get(future, (None, None, None))
    if asker is None or asked is not waiting or not _ends_unsignalled(asker, awaited):
        return
    if envelope is not None:
        envelope.message = GONE
    never = f"{asked} waits for the end of {awaited}, which its asker is part of, and answers nothing"
    try_set_exception(future, ActorDeadError(never, "shutdown"))


def _ends_unsignalled(asker: Ref, root: Ref) -> bool:
    """Whether an asker is in a tree that is ended, and no exit signal will cut its wait."""
    actor = asker.actor()
    if actor is None or (asker.mailbox.closed is OPEN and actor.parent is not None):
        return False  # a supervisor's child is sent a signal when its turn comes, as in OTP
    above = asker
    while above is not None and above is not root:
        actor = above.actor()
        above = None if actor is None else actor.owner
    return above is root
