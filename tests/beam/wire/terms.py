"""Terms for tests: what Hypothesis makes, and whether two values are the same term."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from beam import Atom, BitString, Export, ImproperList, Pid, Port, Reference
from beam.wire.encoder import atom_octets

NODE = atom_octets("elsewhere@127.0.0.1")

words = st.integers(0, 0xFFFFFFFF).map(lambda word: word.to_bytes(4))
numbers = st.integers(0, 0xFFFFFFF).map(lambda word: word.to_bytes(4))
creations = st.integers(4, 0xFFFFFFFF).map(lambda word: word.to_bytes(4))
pids = st.builds(lambda *octets: Pid(b"X" + NODE + b"".join(octets)), numbers, numbers, creations)
ports = st.builds(lambda *octets: Port(b"x" + NODE + bytes(4) + b"".join(octets)), numbers, creations)
references = st.builds(
    lambda first, rest, creation: Reference(
        b"Z" + (1 + len(rest)).to_bytes(2) + NODE + creation + first + b"".join(rest)
    ),
    st.integers(0, 0x3FFFF).map(lambda word: word.to_bytes(4)),  # OTP before 26 keeps 18 bits of the first
    st.lists(words, min_size=2, max_size=2),
    creations,
)
atoms = st.text(max_size=20).filter(lambda name: name not in ("true", "false", "undefined")).map(Atom)
bit_strings = st.builds(
    lambda data, bits: BitString(data[:-1] + bytes((data[-1] >> 8 - bits << 8 - bits,)), bits),
    st.binary(min_size=1, max_size=20),
    st.integers(1, 7),
)
exports = st.builds(Export, atoms, atoms, st.integers(0, 255))
hashable = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.builds(lambda number, bits: number << bits, st.integers(), st.integers(0, 3000)),
    st.floats(allow_nan=False, allow_infinity=False),
    st.binary(max_size=20),
    atoms,
    pids,
    ports,
    references,
    bit_strings,
    exports,
)


def _deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(inner, max_size=5)
    return st.one_of(
        lists,
        st.lists(inner, max_size=5).map(tuple),
        st.builds(ImproperList, st.lists(inner, min_size=1, max_size=3), hashable),
        st.dictionaries(hashable, inner, max_size=5),
    )


terms = st.recursive(hashable, _deeper, max_leaves=20)
"""Values that are the same after a way through octets: a `str` would come back as `bytes`."""
