"""The global names that actors of this process have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from actors import GeventRef
from beam.wire.encoder import encode
from beam.wire.terms import Atom

Resolver: TypeAlias = Callable[[Any, GeventRef[Any], GeventRef[Any]], GeventRef[Any] | None]
"""Decides a conflict: called with the name and the two actors that have it, it returns the one that keeps it,
or None for nobody."""


def term_of(name: Any) -> Any:
    """A name as Erlang has it: a text, as most names are, is an atom there; all else is sent as it is."""
    return Atom(name) if type(name) is str else name


@dataclass(slots=True, eq=False)
class Holding:
    """A name that an actor of this process has, or is about to get.

    Attributes:
        name: as its user wrote it.
        term: as Erlang has it.
        ref: the actor.
        resolve: what decides conflicts.
        is_registered: whether a node of Erlang's has said so.
        stands_by: whether another of the same family has it, and this actor gets it if that ends.
        holder: the actor that it stands by for, as long as that is not known to have ended.
        fallen: the last such actor, once that has ended; some BEAMs may not have noticed yet.
        taken_from: the actor that had it before a successor took it over.
        at_end: what the end of the actor calls.
    """

    name: Any
    term: Any
    ref: GeventRef[Any]
    resolve: Resolver
    is_registered: bool = False
    stands_by: bool = False
    holder: GeventRef[Any] | None = None
    fallen: GeventRef[Any] | None = None
    taken_from: GeventRef[Any] | None = None
    at_end: Callable[[], object] | None = None

    def has_it(self) -> None:
        """Note that the actor has the name."""
        self.is_registered, self.stands_by, self.holder, self.fallen = True, False, None, None

    def stand_by(self, holder: GeventRef[Any]) -> None:
        """Note that another one has the name, or is about to get it."""
        self.is_registered, self.stands_by, self.holder, self.fallen = False, True, holder, None

    def hear_end(self, ref: GeventRef[Any], reason: Any) -> None:
        """Note that an actor has ended; after `noconnection` it may still live."""
        if self.holder == ref:
            self.holder = None
            self.fallen = None if reason == "noconnection" else ref


class Holdings:
    """All of them, by their names. For any thread: each change is one step of a dict, and needs no lock.

    That matters at an actor's end, which is told under locks.
    """

    def __init__(self) -> None:
        self._by_name: dict[bytes, Holding] = {}

    def add(self, holding: Holding) -> bool:
        """Enter a name, unless a living actor of this process has it; it goes with its actor.

        Raises:
            TermError: the name is no term of Erlang's.
        """
        key = encode(holding.term)
        present = self._by_name.setdefault(key, holding)
        if present is not holding:
            if present.ref is not holding.ref and present.ref.is_alive():
                return False
            self._by_name[key] = holding
            _forget_end(present)
        holding.at_end = partial(self.discard, holding)
        holding.ref.bonds.on_set(holding.at_end)
        return True

    def discard(self, holding: Holding) -> bool:
        """Take a name out; whether it was there."""
        key = encode(holding.term)
        if self._by_name.get(key) is not holding:
            return False
        self._by_name.pop(key, None)
        _forget_end(holding)
        return True

    def find(self, term: Any) -> Holding | None:
        """What is known of a name of this process's."""
        return self._by_name.get(encode(term))

    def present(self) -> list[Holding]:
        """All that are registered."""
        return [each for each in list(self._by_name.values()) if each.is_registered]

    def standing_by(self) -> list[Holding]:
        """Those that another of the family has."""
        return [each for each in list(self._by_name.values()) if each.stands_by]

    def has_any(self) -> bool:
        """Tell whether an actor has a name here, or is to get one."""
        return bool(self._by_name)

    def has_any_of(self, ref: Any) -> bool:
        """Tell whether an actor has a name here."""
        return any(each.ref is ref for each in list(self._by_name.values()))

    def clear(self) -> None:
        """Forget all of them."""
        self._by_name.clear()


def _forget_end(holding: Holding) -> None:
    """The end of its actor is none of a name's concern any more."""
    if holding.at_end is not None:
        holding.ref.bonds.forget(holding.at_end)
