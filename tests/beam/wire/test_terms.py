"""Terms in both directions, and what is no term."""

from __future__ import annotations

import itertools
import tracemalloc
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import beam
from beam import (
    Atom,
    BitString,
    Export,
    ImproperList,
    Pid,
    Port,
    Reference,
    TermError,
    TermMap,
    decode,
    encode,
)
from beam.wire.decoder import MOST_ATOMS, Decoder
from beam.wire.encoder import Encoder
from beam.wire.records import CLASSES, NAMES
from beam.wire.terms import DEEPEST, same
from tests.beam.wire.terms import pids, ports, references, terms

VERSION = b"\x83"


@given(terms)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_term_comes_back_as_it_was(term: Any) -> None:
    assert same(decode(encode(term)), term)


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        (None, b"w\x09undefined"),
        (True, b"w\x04true"),
        (False, b"w\x05false"),
        (Atom("\u00e4"), b"w\x02\xc3\xa4"),
        (Atom("\u00e4" * 200), b"v\x01\x90" + b"\xc3\xa4" * 200),
        (0, b"a\x00"),
        (255, b"a\xff"),
        (256, b"b\x00\x00\x01\x00"),
        (-1, b"b\xff\xff\xff\xff"),
        (2**31, b"n\x04\x00\x00\x00\x00\x80"),
        (-(2**31) - 1, b"n\x04\x01\x01\x00\x00\x80"),
        (256**255, b"o\x00\x00\x01\x00\x00" + bytes(255) + b"\x01"),
        (1.5, b"F\x3f\xf8\x00\x00\x00\x00\x00\x00"),
        (b"ab", b"m\x00\x00\x00\x02ab"),
        ([], b"j"),
        ([1, [2]], b"l\x00\x00\x00\x02a\x01l\x00\x00\x00\x01a\x02jj"),
        ((1,), b"h\x01a\x01"),
        (ImproperList([1], 2), b"l\x00\x00\x00\x01a\x01a\x02"),
        ({1: 2}, b"t\x00\x00\x00\x01a\x01a\x02"),
        (BitString(b"\xa0", 3), b"M\x00\x00\x00\x01\x03\xa0"),
        (Export("global", "random_notify_name", 3), b"qw\x06globalw\x12random_notify_namea\x03"),
    ],
)
def test_the_octets_of_a_term(value: Any, octets: bytes) -> None:
    assert encode(value) == VERSION + octets
    assert same(decode(VERSION + octets), value)


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (b"s\x01\xe4", Atom("\u00e4")),
        (b"d\x00\x04true", True),
        (b"k\x00\x03abc", [97, 98, 99]),
        (b"c1.50000000000000000000e+00" + bytes(5), 1.5),
        (b"i\x00\x00\x00\x01a\x05", (5,)),
        (b"l\x00\x00\x00\x01a\x01l\x00\x00\x00\x01a\x02j", [1, 2]),
        (b"l\x00\x00\x00\x00a\x07", 7),
        (b"M\x00\x00\x00\x01\x08\xa0", b"\xa0"),
    ],
)
def test_older_and_other_forms_are_read(octets: bytes, value: Any) -> None:
    assert same(decode(VERSION + octets), value)


NODE = b"w\x03a@b"


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (b"gd\x00\x03a@b\0\0\0\1\0\0\0\2\3", Pid(b"X" + NODE + b"\0\0\0\1\0\0\0\2\0\0\0\3")),
        (b"Xs\x03a@b\0\0\0\1\0\0\0\2\0\0\0\3", Pid(b"X" + NODE + b"\0\0\0\1\0\0\0\2\0\0\0\3")),
        (b"fd\x00\x03a@b\0\0\0\1\3", Port(b"x" + NODE + bytes(7) + b"\1\0\0\0\3")),
        (b"Y" + NODE + b"\0\0\0\1\0\0\0\3", Port(b"x" + NODE + bytes(7) + b"\1\0\0\0\3")),
        (b"xv\x00\x03a@b" + bytes(7) + b"\1\0\0\0\3", Port(b"x" + NODE + bytes(7) + b"\1\0\0\0\3")),
        (b"ed\x00\x03a@b\0\0\0\1\3", Reference(b"Z\0\1" + NODE + b"\0\0\0\3\0\0\0\1")),
        (b"r\0\2d\x00\x03a@b\3\0\0\0\1\0\0\0\2", Reference(b"Z\0\2" + NODE + b"\0\0\0\3\0\0\0\1\0\0\0\2")),
    ],
)
def test_identifiers_of_all_ages_are_equal_to_the_newest_form(octets: bytes, value: Any) -> None:
    assert decode(VERSION + octets) == value


@given(st.one_of(pids, ports, references))
def test_identifiers_say_whose_they_are(value: Any) -> None:
    again = decode(encode(value))
    assert (again, hash(again)) == (value, hash(value))
    assert value.node == "elsewhere@127.0.0.1"
    assert repr(value) == repr(again)


def test_a_name_of_a_node_beyond_255_octets_is_read() -> None:
    name = "\u00e4" * 200 + "@b"
    raw = encode(Atom(name))[1:]
    pid = decode(VERSION + b"X" + raw + bytes(11) + b"\5")
    assert (pid.node, pid.creation, pid.numbers) == (name, 5, (0, 0))
    reference = decode(VERSION + b"Z\0\1" + raw + b"\0\0\0\5\0\0\0\7")
    assert (reference.node, reference.creation, reference.numbers) == (name, 5, (7,))


# -- D5: text is a binary; what Python takes for equal ------------------------------------------------


def test_text_never_becomes_an_atom() -> None:
    """Trap D5: a BEAM never forgets an atom."""
    for value in ("normal", "\udcff", "x" * 300):
        assert encode(value)[1] == 109
    assert encode("\udcff")[-1:] == b"\xff"  # mail may hold octets that are no UTF-8
    assert decode(encode("true")) == b"true"


def test_an_atom_equals_its_text_and_is_sent_as_an_atom() -> None:
    assert Atom("normal") == "normal"
    assert {Atom("x"): 1}["x"] == 1
    assert repr(Atom("x")) == "Atom('x')"
    assert type(decode(encode(Atom("normal")))) is Atom


def test_numbers_in_a_list_may_be_a_text() -> None:
    assert decode(VERSION + b"k\x00\x02hi") == [104, 105]
    assert beam.text([104, "\u00fc", [b"\xc3\xa4"], 105]) == "h\u00fc\u00e4i"
    assert (beam.text(b"x"), beam.text(Atom("y"))) == ("x", "y")
    for wrong in (7, [1.5], [-1], [2**40], b"\xff", [True]):
        with pytest.raises(TermError):
            beam.text(wrong)


def test_keys_that_python_takes_for_equal_stay_apart() -> None:
    octets = VERSION + b"t\x00\x00\x00\x02a\x01a\x02w\x04truea\x03"
    term = decode(octets)
    assert isinstance(term, TermMap)
    assert (term[1], term[True], len(term), list(term)) == (2, 3, 2, [1, True])
    assert term.get(1.0) is None
    assert encode(term) == octets
    assert term == TermMap([(True, 3), (1, 2)])
    assert term != TermMap([(True, 3), (1, 4)])


def test_a_list_may_be_a_key() -> None:
    term = decode(VERSION + b"t\x00\x00\x00\x01k\x00\x02hia\x01")
    assert term[[104, 105]] == 1
    assert repr(term) == "TermMap([([104, 105], 1)])"


def test_a_key_twice_is_no_map() -> None:
    with pytest.raises(TermError, match="twice"):
        decode(VERSION + b"t\x00\x00\x00\x02a\x01a\x02a\x01a\x03")


# -- what is sent ---------------------------------------------------------------------------------------


class Colour(IntEnum):
    RED = 3


class Word(str):
    """A text of a class of its own."""


def test_values_of_subclasses_are_what_they_derive_from() -> None:
    for value, term in [
        (Colour.RED, 3),
        (Word("x"), b"x"),
        (bytearray(b"y"), b"y"),
        (memoryview(b"z"), b"z"),
    ]:
        assert decode(encode(value)) == term


def test_an_improper_list_has_items() -> None:
    with pytest.raises(TermError):
        encode(ImproperList([], 1))


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        float("nan"),
        float("inf"),
        Atom("x" * 256),
        "\ud800",
        Export("m", "f", 256),
        BitString(b"", 1),
        BitString(b"a", 8),
        1j,
    ],
)
def test_what_erlang_has_no_term_for(value: Any) -> None:
    with pytest.raises(TermError):
        encode([value])


def test_a_value_that_contains_itself_is_no_term() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(TermError, match=f"deeper than {DEEPEST}"):
        encode(value)


def test_a_value_whose_repr_raises_is_no_term() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(TermError, match="Odd"):
        encode(Odd())


def test_types_of_ones_own_and_a_fallback() -> None:
    encoder = Encoder({Exception: lambda value, add, depth: add(b"a\x07")}, fallback=lambda value: "a thing")
    assert decode(encoder.encode([ValueError(), object()])) == [7, b"a thing"]


# -- records --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mail:
    sender: str
    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(self.size)


@pytest.fixture
def mail_record() -> Any:
    beam.record("mail", Mail)
    yield
    del CLASSES["mail", 3], NAMES[Mail]


@pytest.mark.usefixtures("mail_record")
def test_a_record_is_a_dataclass() -> None:
    assert decode(encode([Mail("a", 1)])) == [Mail(b"a", 1)]  # type: ignore[arg-type]
    for other in [(Atom("mail"), 1), (b"mail", b"a", 1), (Atom("mail"), b"a", -1)]:
        assert decode(encode(other)) == other


def test_only_a_dataclass_with_a_name_is_a_record() -> None:
    with pytest.raises(TypeError, match="dataclass"):
        beam.record("x", object)
    with pytest.raises(TermError):
        beam.record("", Mail)


# -- what is no term ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x83",
        b"\x82a\x01",
        b"\x83a",
        b"\x83a\x01\x00",
        b"\x83P\x00\x00\x00\x01x",
        b"\x83\xff",
        b"\x83m\x00\x00\x00\x05abcd",
        b"\x83m\xff\xff\xff\xff",
        b"\x83l\xff\xff\xff\xff",
        b"\x83i\xff\xff\xff\xff",
        b"\x83t\xff\xff\xff\xff",
        b"\x83o\xff\xff\xff\xff\x00",
        b"\x83w\x02\xff\xff",
        b"\x83v\x01\x00" + b"x" * 256,
        b"\x83F\x7f\xf0\x00\x00\x00\x00\x00\x00",
        b"\x83c" + b"nan".ljust(31, b"\0"),
        b"\x83c" + b"one".ljust(31, b"\0"),
        b"\x83M\x00\x00\x00\x01\x09a",
        b"\x83M\x00\x00\x00\x00\x01",
        b"\x83Xa\x01" + bytes(12),
        b"\x83Xw\x04true" + bytes(11),
        b"\x83Z\x00\x06" + NODE + bytes(28),
        b"\x83Z\x00\x00" + NODE + bytes(4),
        b"\x83qa\x01a\x01a\x01",
        b"\x83p\x00\x00\x00\x05" + bytes(60),
    ],
)
def test_what_is_no_term_raises_one_kind_of_error(octets: bytes) -> None:
    with pytest.raises(TermError):
        decode(octets)


@pytest.mark.parametrize("deeper", [b"h\x01", b"l\x00\x00\x00\x01", b"t\x00\x00\x00\x01a\x01", b"l\0\0\0\0"])
def test_nesting_is_bounded(deeper: bytes) -> None:
    for depth in (DEEPEST + 2, 100_000):
        with pytest.raises(TermError):
            decode(VERSION + deeper * depth)


def test_terms_as_deep_as_may_be_are_read() -> None:
    term: Any = 1
    for _ in range(DEEPEST):
        term = (term,)
    assert decode(encode(term)) == term


MUTABLE = [
    encode(term)
    for term in (
        (
            Atom("$gen_call"),
            (Pid(b"X" + NODE + bytes(12)), ImproperList([Atom("alias")], 7)),
            {1: [b"x", 2.5]},
        ),
        [
            Reference(b"Z\0\3" + NODE + bytes(16)),
            Port(b"x" + NODE + bytes(12)),
            2**100,
            BitString(b"\x80", 1),
        ],
        (Export("m", "f", 1), "text", Atom("\u00e4" * 130), -5, [1, 2, [3, (4,)]]),
    )
] + [VERSION + b"p\x00\x00\x00\x2f" + bytes(21) + b"\0\0\0\0w\x01ma\1a\1X" + NODE + bytes(12)]


@given(
    st.sampled_from(MUTABLE),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255), st.sampled_from("sid")), max_size=4),
)
@settings(max_examples=500, deadline=None)
def test_mutants_raise_one_kind_of_error(octets: bytes, changes: list[tuple[int, int, str]]) -> None:
    mutant = bytearray(octets)
    for at, octet, kind in changes:
        at %= len(mutant) or 1
        if kind == "s":
            mutant[at : at + 1] = bytes((octet,))
        elif kind == "i":
            mutant[at:at] = bytes((octet,)) * (octet % 5)
        else:
            del mutant[at:]
    try:
        term = decode(bytes(mutant))
    except TermError:
        return
    assert same(decode(encode(term)), term)


def test_claims_cost_no_memory() -> None:
    claims = [b"m", b"l", b"i", b"t", b"o", b"M"]
    tracemalloc.start()
    try:
        for tag, length in itertools.product(claims, (2**20, 2**31, 2**32 - 1)):
            with pytest.raises(TermError):
                decode(VERSION + tag + length.to_bytes(4) + bytes(16))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_atoms_of_strangers_are_forgotten() -> None:
    decoder = Decoder()
    tracemalloc.start()
    try:
        for number in range(3 * MOST_ATOMS):
            decoder.decode(encode(Atom(f"a{number}")))
        assert tracemalloc.get_traced_memory()[0] < 5_000_000
    finally:
        tracemalloc.stop()
