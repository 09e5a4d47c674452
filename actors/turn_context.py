"""Which actor's turn the caller runs in."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors.refs import GeventRef

running: ContextVar[GeventRef[Any] | None] = ContextVar("actors.running", default=None)
"""The actor in whose context this runs; it may have ended meanwhile."""


def current() -> GeventRef[Any] | None:
    """The actor in whose turn the caller runs (Erlang's `self()`), None outside any actor."""
    ref = running.get()
    return ref if ref is not None and ref.is_alive() else None
