"""The terms of Erlang that Python has no type for, and the one error of their octets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

DEEPEST = 200
"""How deep terms may be nested, in octets from elsewhere and in what is sent."""


class TermError(ValueError):
    """Octets that are no term, or a value that is none; its text says what and where."""


class Atom(str):
    """An atom. It equals the text of its name, but only an Atom is sent as an atom; a `str` is a binary.

    A BEAM never forgets an atom, so make none of what strangers wrote.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Atom({str.__repr__(self)})"


class ImproperList(NamedTuple):
    """A list that ends in something else than the empty list: `[1, 2 | 3]`."""

    items: list[Any]
    tail: Any


@dataclass(frozen=True, slots=True)
class BitString:
    """A bit string whose length is no multiple of eight.

    Attributes:
        data: the octets; in the last of them the upper bits count.
        bits: how many bits of the last octet count, 1 to 7.
    """

    data: bytes
    bits: int


@dataclass(frozen=True, slots=True)
class Export:
    """A function by its name: `fun global:random_notify_name/3`."""

    module: str
    function: str
    arity: int


@dataclass(frozen=True, slots=True)
class Fun:
    """A fun of a BEAM. It can be kept and sent back, nothing else.

    Attributes:
        raw: its octets in the external term format.
    """

    raw: bytes


class _Identifier:
    """What a node gave a number to. Equal if all is equal: node, number and creation.

    Attributes:
        raw: the octets of the newest form in the external term format.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identifier) and type(other) is type(self) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        numbers = ".".join(map(str, self.numbers))
        return f"<{type(self).__name__} {self.node} {numbers} of {self.creation}>"

    @property
    def _after_node(self) -> int:
        return 3 + self.raw[2] if self.raw[1] == 119 else 4 + int.from_bytes(self.raw[2:4])

    @property
    def node(self) -> str:
        """The node's name."""
        end = self._after_node
        name = self.raw[3:end] if self.raw[1] == 119 else self.raw[4:end]
        return name.decode()

    @property
    def creation(self) -> int:
        """Which life of the node it is from."""
        raise NotImplementedError

    @property
    def numbers(self) -> tuple[int, ...]:
        """Its numbers, as the node counts."""
        raise NotImplementedError

    def _words(self, begin: int) -> tuple[int, ...]:
        raw = self.raw
        return tuple(int.from_bytes(raw[at : at + 4]) for at in range(begin, len(raw), 4))


class Pid(_Identifier):
    """A process."""

    __slots__ = ()

    @property
    def creation(self) -> int:
        return self._words(self._after_node)[2]

    @property
    def numbers(self) -> tuple[int, ...]:
        return self._words(self._after_node)[:2]


class Port(_Identifier):
    """A port of a BEAM: it can be kept and sent back."""

    __slots__ = ()

    @property
    def creation(self) -> int:
        return int.from_bytes(self.raw[-4:])

    @property
    def numbers(self) -> tuple[int, ...]:
        return (int.from_bytes(self.raw[self._after_node : -4]),)


class Reference(_Identifier):
    """A reference, as of `make_ref()`."""

    __slots__ = ()

    @property
    def _after_node(self) -> int:
        raw = self.raw  # two octets for the number of words stand before the node
        return 5 + raw[4] if raw[3] == 119 else 6 + int.from_bytes(raw[4:6])

    @property
    def node(self) -> str:
        name = self.raw[5 if self.raw[3] == 119 else 6 : self._after_node]
        return name.decode()

    @property
    def creation(self) -> int:
        return self._words(self._after_node)[0]

    @property
    def numbers(self) -> tuple[int, ...]:
        return self._words(self._after_node)[1:]


class TermMap(Mapping[Any, Any]):
    """A map of Erlang whose keys a dict can't hold: lists, or such as Python takes for equal (1, 1.0, true).

    Args:
        pairs: keys and values.
    """

    __slots__ = ("pairs",)

    def __init__(self, pairs: Sequence[tuple[Any, Any]]) -> None:
        self.pairs = tuple(pairs)

    def __getitem__(self, key: Any) -> Any:
        for each, value in self.pairs:
            if same(each, key):
                return value
        raise KeyError(key)

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TermMap) or len(self) != len(other):
            return False
        return all(any(same(pair, each) for each in other.pairs) for pair in self.pairs)

    __hash__ = None  # type: ignore[assignment]  # as of a dict

    def __repr__(self) -> str:
        return f"TermMap({list(self.pairs)!r})"


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same term: as `=:=`, which knows 1 from 1.0 and from true."""
    if isinstance(one, TermMap):
        return bool(one == other)
    if isinstance(one, dict) and isinstance(other, dict):
        return TermMap(list(one.items())) == TermMap(list(other.items()))
    if type(one) in (list, tuple, ImproperList):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool | float) or isinstance(other, bool | float):
        return type(one) is type(other) and bool(one == other)
    if type(one) is Atom or type(other) is Atom:
        return type(one) is type(other) and bool(one == other)
    return bool(one == other)


def text(term: Any) -> str:
    """The text of a term that Erlang programs use for one: a binary, an atom, a list of code points, an
    iolist.

    Args:
        term: the term.

    Raises:
        TermError: it is no text.
    """
    if isinstance(term, str):
        return str(term)
    if isinstance(term, bytes):
        try:
            return term.decode()
        except UnicodeDecodeError as error:
            raise TermError(f"the binary is no text in UTF-8: {error}") from error
    if isinstance(term, list):
        return "".join(map(_piece, term))
    raise TermError(f"not a text: {term!r}")


def _piece(item: Any) -> str:
    if isinstance(item, int) and not isinstance(item, bool):
        try:
            return chr(item)
        except (ValueError, OverflowError) as error:
            raise TermError(f"not a code point: {item}") from error
    return text(item)
