"""Who looks at the calls of callbacks: metrics and traces. While nobody does, nothing of this is in the way.

A session that begins while somebody watches has `EVERY` instead of the names of the callbacks that block. So
each of its callbacks goes the way of those that are not simply called, and that way leads by `run`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

Watch = Callable[[Any, str, Callable[[], Any]], Any]
"""Gets the session, the callback's name, and the call itself: makes it, and returns what it returns."""

watches: list[Watch] = []
"""Those who look."""


class _Every(Collection[str]):
    """All names there can be."""

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


EVERY = _Every()


def watch(each: Watch) -> Callable[[], None]:
    """Have every call of a callback made by a function, in sessions that begin from now on.

    It runs where the callback is called, in the session's turn.

    Returns:
        a function that ends that.
    """
    watches.append(each)

    def unwatch() -> None:
        if each in watches:
            watches.remove(each)

    return unwatch


def is_watched() -> bool:
    """Whether anybody looks."""
    return bool(watches)


def run(session: Any, name: str, call: Callable[[], Any]) -> Any:
    """Make a call by way of all who look."""
    for each in watches:
        call = partial(each, session, name, call)
    return call()
