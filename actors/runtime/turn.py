"""Which actor's turn the caller runs in.

The greenlet of a turn says so while the turn lasts. What an actor has done for it elsewhere (in a worker
thread, beside its turns, in an asyncio loop) runs in a context that says so. What a turn starts by other
means is outside, as `spawn` makes another process in Erlang.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import TYPE_CHECKING, Any

import gevent
from gevent.hub import RawGreenlet

if TYPE_CHECKING:
    from actors.runtime.refs import GeventRef

_doing_for: ContextVar[GeventRef[Any] | None] = ContextVar("actors.doing_for", default=None)


class TurnGreenlet(RawGreenlet):
    """A greenlet that turns run in.

    Attributes:
        ref: the actor whose turn it is; None between turns.
    """

    __slots__ = ("ref",)

    def __init__(self, run: Callable[[], object], parent: Any) -> None:
        super().__init__(run, parent)
        self.ref: GeventRef[Any] | None = None


def acting() -> GeventRef[Any] | None:
    """The actor that the caller acts for; it may have ended meanwhile."""
    greenlet = gevent.getcurrent()
    return greenlet.ref if type(greenlet) is TurnGreenlet else _doing_for.get()


def current() -> GeventRef[Any] | None:
    """The actor in whose turn the caller runs (Erlang's `self()`), None outside any actor."""
    ref = acting()
    return ref if ref is not None and ref.is_alive() else None


def context_elsewhere() -> Context:
    """A copy of the caller's context, for what is done elsewhere for the same actor."""
    context = copy_context()
    context.run(_doing_for.set, acting())
    return context


def context_of_new_actor() -> Context:
    """A copy of the context of whoever starts an actor, which is another one."""
    context = copy_context()
    if _doing_for.get() is not None:
        context.run(_doing_for.set, None)
    return context
