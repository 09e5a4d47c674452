"""A set that takes no room while it has one member or none, as nearly all sets of links and monitors do.

Nothing is changed in place: each function returns the set to go on with.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Few: TypeAlias = T | dict[T, None] | None
"""None, the one member itself, or a dictionary of several as they came; so no member may be a dictionary."""


def with_member(few: Few[T], member: T) -> Few[T]:
    """The set with one more member."""
    if few is None or few is member:
        return member
    if not isinstance(few, dict):
        few = {few: None}
    few[member] = None
    return few


def without(few: Few[T], member: T) -> Few[T]:
    """The set without a member, whether it was there or not."""
    if few is member:
        return None
    if isinstance(few, dict):
        few.pop(member, None)
        return few or None
    return few


def has(few: Few[T], member: T) -> bool:
    """Tell whether the set has a member."""
    return member in few if isinstance(few, dict) else few is member


def members(few: Few[T]) -> Collection[T]:
    """The members, oldest first; they do not change with the set."""
    if few is None:
        return ()
    return tuple(few) if isinstance(few, dict) else (few,)
