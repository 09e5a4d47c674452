"""From values of Python to the external term format."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from beam.wire.records import NAMES
from beam.wire.terms import (
    DEEPEST,
    Atom,
    BitString,
    Export,
    Fun,
    ImproperList,
    Pid,
    Port,
    Reference,
    TermError,
    TermMap,
)

Add = Callable[[bytes], object]
Write = Callable[[Any, Add, int], object]
"""Writes a value: the value, what takes the octets, how deep it may go."""

MOST_ATOMS = 10_000

_u16 = struct.Struct(">H").pack
_tag_u32 = struct.Struct(">BI").pack
_tag_i32 = struct.Struct(">Bi").pack
_tag_double = struct.Struct(">Bd").pack

_SMALL_INTEGERS = [bytes((97, value)) for value in range(256)]
_SMALL_TUPLES = [bytes((104, count)) for count in range(256)]
_atoms: dict[str, bytes] = {}


def atom_octets(name: str) -> bytes:
    """An atom in the external term format.

    Raises:
        TermError: the name has more than 255 characters, or can't be written in UTF-8.
    """
    octets = _atoms.get(name)
    if octets is None:
        if len(name) > 255:
            raise TermError(f"an atom has at most 255 characters, not {len(name)}")
        octets = _utf8(name)
        octets = (
            bytes((119, len(octets))) + octets if len(octets) < 256 else b"v" + _u16(len(octets)) + octets
        )
        if len(_atoms) >= MOST_ATOMS:
            _atoms.clear()
        _atoms[name] = octets
    return octets


def _utf8(value: str) -> bytes:
    """A text as octets; octets that Python could not decode, as file names and mail may have, are as they
    were."""
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise TermError(f"a text that UTF-8 has no octets for: {error}") from error


TRUE, FALSE, UNDEFINED = (atom_octets(name) for name in ("true", "false", "undefined"))


class Encoder:
    """Writes terms.

    Args:
        types: functions that write values of types of one's own, and of their subclasses.
        fallback: makes a term of a value that is none; by default that is a `TermError`.
    """

    def __init__(
        self, types: Mapping[type, Write] | None = None, fallback: Callable[[Any], Any] | None = None
    ) -> None:
        self._fallback = fallback
        self._writers: dict[type, Write] = {
            int: _integer,
            bool: lambda value, add, depth: add(TRUE if value else FALSE),
            type(None): lambda value, add, depth: add(UNDEFINED),
            float: _float,
            Atom: lambda value, add, depth: add(_atoms.get(value) or atom_octets(value)),
            str: lambda value, add, depth: _binary(_utf8(value), add, depth),
            bytes: _binary,
            bytearray: lambda value, add, depth: _binary(bytes(value), add, depth),
            memoryview: lambda value, add, depth: _binary(bytes(value), add, depth),
            tuple: self._tuple,
            list: self._list,
            dict: lambda value, add, depth: self._map(value.items(), len(value), add, depth),
            TermMap: lambda value, add, depth: self._map(value.pairs, len(value), add, depth),
            ImproperList: self._improper_list,
            BitString: _bit_string,
            Export: _export,
            **dict.fromkeys((Pid, Port, Reference, Fun), lambda value, add, depth: add(value.raw)),
            **(types or {}),
        }

    def encode(self, value: Any) -> bytes:
        """A value with the version in front.

        Raises:
            TermError: it is no term: a value of another type, too deep, too big.
        """
        return self.encode_behind(b"\x83", value)

    def encode_behind(self, head: bytes, value: Any) -> bytes:
        """A value without a version, behind other octets. Raises: as `encode`."""
        parts = [head]
        try:
            self.write(value, parts.append, DEEPEST)
        except TermError:
            raise
        except (struct.error, RecursionError, OverflowError) as error:
            raise TermError(f"a value that is too big for a term: {error}") from error
        return b"".join(parts)

    def write(self, value: Any, add: Add, depth: int) -> None:
        """Write a value without a version. Raises: as `encode`, and what `struct` raises for huge ones."""
        writer = self._writers.get(type(value))
        if writer is not None:
            writer(value, add, depth)
        else:
            self._other(value, add, depth)

    def _other(self, value: Any, add: Add, depth: int) -> None:
        """A value of a type that is in no table: a record, or of a subclass."""
        known = NAMES.get(type(value))
        if known is not None:
            name, fields = known
            self._tuple((Atom(name), *(getattr(value, field) for field in fields)), add, depth)
            return
        for each in type(value).__mro__[1:]:
            if each in self._writers:
                self._writers[each](value, add, depth)
                return
        if self._fallback is None:
            raise TermError(f"Erlang has no term for a {type(value).__qualname__}: {_start_of(value)}")
        self.write(self._fallback(value), add, depth - 1)

    def _items(self, values: Iterable[Any], add: Add, depth: int) -> None:
        if depth <= 0:
            raise TermError(f"terms are nested deeper than {DEEPEST}")
        writers = self._writers
        for value in values:
            writer = writers.get(type(value))
            if writer is not None:
                writer(value, add, depth - 1)
            else:
                self._other(value, add, depth - 1)

    def _tuple(self, value: tuple[Any, ...], add: Add, depth: int) -> None:
        count = len(value)
        add(_SMALL_TUPLES[count] if count < 256 else _tag_u32(105, count))
        self._items(value, add, depth)

    def _list(self, value: list[Any], add: Add, depth: int) -> None:
        if value:
            add(_tag_u32(108, len(value)))
            self._items(value, add, depth)
        add(b"j")

    def _improper_list(self, value: ImproperList, add: Add, depth: int) -> None:
        if not isinstance(value.items, list) or not value.items:
            raise TermError("an improper list has items before its tail")
        add(_tag_u32(108, len(value.items)))
        self._items(value.items, add, depth)
        self._items((value.tail,), add, depth)

    def _map(self, pairs: Iterable[tuple[Any, Any]], count: int, add: Add, depth: int) -> None:
        add(_tag_u32(116, count))
        for pair in pairs:
            self._items(pair, add, depth)


def _integer(value: int, add: Add, depth: int) -> None:
    if 0 <= value < 256:
        add(_SMALL_INTEGERS[value])
    elif -0x80000000 <= value < 0x80000000:
        add(_tag_i32(98, value))
    else:
        magnitude = abs(value)
        octets = magnitude.to_bytes((magnitude.bit_length() + 7) // 8, "little")
        sign = b"\1" if value < 0 else b"\0"
        head = bytes((110, len(octets))) if len(octets) < 256 else _tag_u32(111, len(octets))
        add(head + sign + octets)


def _float(value: float, add: Add, depth: int) -> None:
    if not math.isfinite(value):
        raise TermError(f"Erlang has no float {value}")
    add(_tag_double(70, value))


def _binary(value: bytes, add: Add, depth: int) -> None:
    add(_tag_u32(109, len(value)))
    add(value)


def _bit_string(value: BitString, add: Add, depth: int) -> None:
    if not 1 <= value.bits <= 7 or not value.data:
        raise TermError("a bit string has 1 to 7 bits in its last octet")
    spare = 8 - value.bits
    last = value.data[-1] >> spare << spare
    add(_tag_u32(77, len(value.data)) + bytes((value.bits,)) + value.data[:-1] + bytes((last,)))


def _export(value: Export, add: Add, depth: int) -> None:
    if not 0 <= value.arity < 256:
        raise TermError(f"a function has 0 to 255 arguments, not {value.arity}")
    add(b"q" + atom_octets(value.module) + atom_octets(value.function) + _SMALL_INTEGERS[value.arity])


def _start_of(value: Any) -> str:
    try:
        return repr(value)[:100]
    except Exception as error:
        return f"its repr raised {type(error).__name__}"


_standard = Encoder()


def encode(value: Any) -> bytes:
    """A value in the external term format, for `binary_to_term`.

    Raises:
        TermError: it is no term.
    """
    return _standard.encode(value)
