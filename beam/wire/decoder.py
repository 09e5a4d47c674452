"""From the external term format to values of Python.

What a peer sends may be anything: whatever is no term raises `TermError` and nothing else. No length is
believed before as many octets are there, and a look beyond the end is found at the end, where it costs one
comparison.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

from beam.wire.records import CLASSES
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
    same,
)

VERSION = 131

MOST_ATOMS = 10_000
"""How many atoms are remembered; then the decoder begins anew."""

MOST_REFERENCE_WORDS = 5

Read = Callable[[bytes, int, int], tuple[Any, int]]
"""Reads a term behind its tag: the octets, where, how deep it may go. Gives the value and where it ends."""

_u16 = struct.Struct(">H").unpack_from
_u32 = struct.Struct(">I").unpack_from
_i32 = struct.Struct(">i").unpack_from
_double = struct.Struct(">d").unpack_from

_CONSTANTS = {"true": True, "false": False, "undefined": None}

_FAULTS = (IndexError, struct.error, ValueError, OverflowError, RecursionError)


class _Atoms(dict[bytes, Any]):
    """The values of atoms by the octets of their names in UTF-8."""

    def __missing__(self, octets: bytes) -> Any:
        if len(self) >= MOST_ATOMS:
            self.clear()
        value = self[octets] = atom_value(octets.decode())
        return value


def atom_value(name: str) -> Any:
    """An atom as Python has it: True, False, None for `undefined`, or an Atom.

    Raises:
        TermError: the name has more than 255 characters.
    """
    if len(name) > 255:
        raise TermError("an atom of more than 255 characters")
    return _CONSTANTS[name] if name in _CONSTANTS else Atom(name)


class Decoder:
    """Reads terms.

    Args:
        pid, reference, port: make the values of identifiers, of their octets in the newest form.

    Attributes:
        readers: what reads a term, by the tag that it begins with. They raise what they like.
    """

    def __init__(
        self,
        pid: Callable[[bytes], Any] = Pid,
        reference: Callable[[bytes], Any] = Reference,
        port: Callable[[bytes], Any] = Port,
    ) -> None:
        self._pid_of = pid
        self._reference_of = reference
        self._port_of = port
        self._atoms = _Atoms()
        self.readers: list[Read] = [_unknown] * 256
        for tag, name in _READERS.items():
            self.readers[tag] = getattr(self, name)

    def decode(self, data: bytes) -> Any:
        """The value of a term that takes all of `data`.

        Raises:
            TermError: it is none.
        """
        value, end = self.decode_at(data, 0)
        if end != len(data):
            raise TermError(f"{len(data) - end} octets behind the term")
        return value

    def decode_at(self, data: bytes, at: int) -> tuple[Any, int]:
        """The value of the term that begins at `at` with its version, and the place behind it.

        Raises:
            TermError: there is none.
        """
        if data[at : at + 1] != b"\x83":
            raise TermError(f"the term begins with {data[at : at + 1]!r}, not with its version {VERSION}")
        return self.read_at(data, at + 1)

    def read_at(self, data: bytes, at: int) -> tuple[Any, int]:
        """As `decode_at`, of a term within another, which has no version."""
        try:
            value, end = self.readers[data[at]](data, at + 1, DEEPEST)
        except TermError:
            raise
        except _FAULTS as error:
            raise TermError(f"not a term: {error}") from error
        if end > len(data):
            raise TermError("the term ends too soon")
        return value, end

    def _items(self, data: bytes, at: int, count: int, depth: int) -> tuple[list[Any], int]:
        """So many terms, one behind the other. The usual small ones are read here, without a call each."""
        if count > len(data) - at:
            raise TermError("more terms than octets")
        if depth <= 0:
            raise TermError(f"terms are nested deeper than {DEEPEST}")
        readers, atoms = self.readers, self._atoms
        items: list[Any] = []
        add = items.append
        for _ in range(count):
            tag = data[at]
            if tag == 97:
                add(data[at + 1])
                at += 2
            elif tag == 119:
                end = at + 2 + data[at + 1]
                add(atoms[data[at + 2 : end]])
                at = end
            else:
                value, at = readers[tag](data, at + 1, depth - 1)
                add(value)
        return items, at

    # -- one function for each tag ------------------------------------------------------------------

    def _small_tuple(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        items, at = self._items(data, at + 1, data[at], depth)
        return self._tuple_of(items), at

    def _large_tuple(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        items, at = self._items(data, at + 4, _u32(data, at)[0], depth)
        return self._tuple_of(items), at

    def _tuple_of(self, items: list[Any]) -> Any:
        if CLASSES and items and type(items[0]) is Atom:
            made = CLASSES.get((items[0], len(items)))
            if made is not None:
                try:
                    return made(*items[1:])
                except Exception:
                    return tuple(items)  # the class does not take such values: the record stays a tuple
        return tuple(items)

    def _list(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        items, at = self._items(data, at + 4, _u32(data, at)[0], depth)
        if data[at] == 106:
            return items, at + 1
        tail, at = self.readers[data[at]](data, at + 1, depth - 1)
        if not items:
            return tail, at
        if isinstance(tail, ImproperList):
            return ImproperList(items + tail.items, tail.tail), at
        return (items + tail if isinstance(tail, list) else ImproperList(items, tail)), at

    def _nil(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        return [], at

    def _string(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        end = at + 2 + _u16(data, at)[0]
        return list(data[at + 2 : end]), end

    def _map(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        count = _u32(data, at)[0]
        items, at = self._items(data, at + 4, 2 * count, depth)
        return _map_of(items), at

    def _binary(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        end = at + 4 + _u32(data, at)[0]
        return data[at + 4 : end], end

    def _bit_string(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        bits = data[at + 4]
        end = at + 5 + _u32(data, at)[0]
        octets = data[at + 5 : end]
        if not 1 <= bits <= 8 or not octets:
            raise TermError(f"a bit string of {len(octets)} octets, {bits} bits in the last")
        if bits == 8:
            return octets, end
        unused = 8 - bits
        return BitString(octets[:-1] + bytes((octets[-1] >> unused << unused,)), bits), end

    def _small_integer(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        return data[at], at + 1

    def _integer(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        return _i32(data, at)[0], at + 4

    def _small_big(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        return _big(data, at + 1, data[at])

    def _large_big(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        return _big(data, at + 4, _u32(data, at)[0])

    def _float(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        return _finite(_double(data, at)[0]), at + 8

    def _old_float(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        return _finite(float(data[at : at + 31].rstrip(b"\0"))), at + 31

    def _small_atom(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        end = at + 1 + data[at]
        return self._atoms[data[at + 1 : end]], end

    def _atom(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        end = at + 2 + _u16(data, at)[0]
        return atom_value(data[at + 2 : end].decode()), end

    def _small_latin_1_atom(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        end = at + 1 + data[at]
        return atom_value(data[at + 1 : end].decode("latin-1")), end

    def _latin_1_atom(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        end = at + 2 + _u16(data, at)[0]
        return atom_value(data[at + 2 : end].decode("latin-1")), end

    # -- identifiers ----------------------------------------------------------------------------------

    def _node(self, data: bytes, at: int) -> tuple[bytes, int]:
        """The name of a node, in the newest form."""
        name, end = self.readers[data[at]](data, at + 1, 0) if data[at] in _ATOMS else (0, at)
        if isinstance(name, int):
            raise TermError("a node is named by an atom")
        octets = (name or "undefined").encode()
        if len(octets) < 256:
            return bytes((119, len(octets))) + octets, end
        return b"v" + len(octets).to_bytes(2) + octets, end

    def _pid(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        if data[at] == 119:
            end = at + 14 + data[at + 1]
            return self._pid_of(_exactly(data, at - 1, end)), end
        node, at = self._node(data, at)
        return self._pid_of(b"X" + node + _exactly(data, at, at + 12)), at + 12

    def _old_pid(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        node, at = self._node(data, at)
        octets = _exactly(data, at, at + 9)
        return self._pid_of(b"X" + node + octets[:8] + b"\0\0\0" + octets[8:]), at + 9

    def _reference(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        words = _reference_words(_u16(data, at)[0])
        node, begin = self._node(data, at + 2)
        end = begin + 4 + 4 * words
        octets = _exactly(data, begin, end)
        return self._reference_of(b"Z" + words.to_bytes(2) + node + octets), end

    def _old_reference(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        words = _reference_words(_u16(data, at)[0])
        node, begin = self._node(data, at + 2)
        end = begin + 1 + 4 * words
        octets = _exactly(data, begin, end)
        return self._reference_of(b"Z" + words.to_bytes(2) + node + b"\0\0\0" + octets), end

    def _oldest_reference(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        node, at = self._node(data, at)
        octets = _exactly(data, at, at + 5)
        return self._reference_of(b"Z\0\1" + node + b"\0\0\0" + octets[4:] + octets[:4]), at + 5

    def _port(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        node, at = self._node(data, at)
        return self._port_of(b"x" + node + bytes(4) + _exactly(data, at, at + 8)), at + 8

    def _old_port(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        node, at = self._node(data, at)
        octets = _exactly(data, at, at + 5)
        return self._port_of(b"x" + node + bytes(4) + octets[:4] + b"\0\0\0" + octets[4:]), at + 5

    def _big_port(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        node, at = self._node(data, at)
        return self._port_of(b"x" + node + _exactly(data, at, at + 12)), at + 12

    # -- functions ------------------------------------------------------------------------------------

    def _export(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        (module, function, arity), at = self._items(data, at, 3, depth)
        if not (isinstance(module, str) and isinstance(function, str) and type(arity) is int):
            raise TermError("an external fun is made of two atoms and a number")
        return Export(module, function, arity), at

    def _fun(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        # Behind its size: arity, 16 octets that identify the module, index, number of free variables; then
        # terms.
        free = _u32(data, at + 25)[0]
        _, end = self._items(data, at + 29, 4 + free, depth)
        if end != at + _u32(data, at)[0]:
            raise TermError("a fun of another size than it says")
        return Fun(_exactly(data, at - 1, end)), end

    def _old_fun(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        free = _u32(data, at)[0]
        _, end = self._items(data, at + 4, 4 + free, depth)
        return Fun(_exactly(data, at - 1, end)), end


def _unknown(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    raise TermError(f"no term begins with {data[at - 1]}")


def _exactly(data: bytes, begin: int, end: int) -> bytes:
    if end > len(data):
        raise TermError("the term ends too soon")
    return data[begin:end]


def _big(data: bytes, at: int, count: int) -> tuple[int, int]:
    end = at + 1 + count
    value = int.from_bytes(data[at + 1 : end], "little")
    return (-value if data[at] else value), end


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise TermError("a float that is no number")
    return value


def _reference_words(count: int) -> int:
    if not 1 <= count <= MOST_REFERENCE_WORDS:
        raise TermError(f"a reference of {count} words")
    return count


def _map_of(items: list[Any]) -> Any:
    keys, values = items[::2], items[1::2]
    try:
        made = dict(zip(keys, values, strict=True))
    except TypeError:  # a key that can't be hashed
        made = {}
    if len(made) == len(keys):
        return made
    pairs = list(zip(keys, values, strict=True))
    _refuse_twins(keys)
    return TermMap(pairs)


def _refuse_twins(keys: list[Any]) -> None:
    """Refuse a map with the same key twice; its octets tell, unless there are very many."""
    if len(keys) <= 32 and any(same(one, other) for i, one in enumerate(keys) for other in keys[:i]):
        raise TermError("a map with a key that is there twice")


_ATOMS = frozenset((100, 115, 118, 119))

_READERS = {
    70: "_float",
    77: "_bit_string",
    88: "_pid",
    89: "_port",
    90: "_reference",
    97: "_small_integer",
    98: "_integer",
    99: "_old_float",
    100: "_latin_1_atom",
    101: "_oldest_reference",
    102: "_old_port",
    103: "_old_pid",
    104: "_small_tuple",
    105: "_large_tuple",
    106: "_nil",
    107: "_string",
    108: "_list",
    109: "_binary",
    110: "_small_big",
    111: "_large_big",
    112: "_fun",
    113: "_export",
    114: "_old_reference",
    115: "_small_latin_1_atom",
    116: "_map",
    117: "_old_fun",
    118: "_atom",
    119: "_small_atom",
    120: "_big_port",
}
"""The external term format, by tag. Compressed terms (80) never come between nodes."""

_standard = Decoder()


def decode(data: bytes) -> Any:
    """The value of octets in the external term format, as of `term_to_binary`; compressed ones are refused.

    Raises:
        TermError: they are no term.
    """
    return _standard.decode(data)
