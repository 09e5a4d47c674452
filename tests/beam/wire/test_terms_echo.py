"""Every kind of term through a real BEAM: it reads what was written here, and writes what is read here."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from beam import Atom, BitString, ImproperList, decode, encode
from beam.wire.terms import same
from tests.beam.beams import Beam
from tests.beam.wire.terms import terms

FAR = [
    None,
    True,
    Atom(""),
    Atom("\u00e4" * 255),
    Atom("\U0001f40d"),
    *(
        sign * 2**bits + extra
        for bits in (7, 8, 31, 32, 63, 64, 2039, 2040, 9000)
        for sign in (1, -1)
        for extra in (-1, 0)
    ),
    5e-324,
    -0.0,
    1.7976931348623157e308,
    b"",
    b"\0" * 100_000,
    tuple(range(300)),
    list(range(70_000)),
    list(range(256)) * 300,
    {number: [number] for number in range(100)},
    ImproperList([1, 2], Atom("x")),
    BitString(b"\xff\x80", 1),
]


def echo(beam: Beam, folder: Path, values: list[Any]) -> list[Any]:
    """What a BEAM makes of values: it reads the file, and writes what it has read."""
    path, back = folder / "terms", folder / "terms-back"
    path.write_bytes(encode(values))
    script = (
        f'{{ok, B}} = file:read_file("{path}"), file:write_file("{back}", term_to_binary(binary_to_term(B)))'
    )
    assert beam(f"fun() -> {script} end()") == "ok"
    again = decode(back.read_bytes())
    assert isinstance(again, list)
    return again


def test_terms_at_the_edges_come_back_from_a_beam(beam: Beam, tmp_path: Path) -> None:
    for value, again in zip(FAR, echo(beam, tmp_path, FAR), strict=True):
        assert same(value, again)


@given(st.lists(terms, min_size=5, max_size=30))
@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_kind_of_term_comes_back_from_a_beam(
    beam: Beam, tmp_path_factory: pytest.TempPathFactory, values: list[Any]
) -> None:
    again = echo(beam, tmp_path_factory.mktemp("echo"), values)
    for value, other in zip(values, again, strict=True):
        assert same(value, other)


@pytest.mark.parametrize(
    "expression",
    [
        "self()",
        "make_ref()",
        "fun(X) -> X + 1 end",
        "begin Y = 5, fun(X) -> {X, Y, self()} end end",
        "fun lists:map/2",
        "hd(erlang:ports())",
        "#{[1, 2] => a, 1 => b, 1.0 => c, true => d}",
        '"text"',
        '[{a, "b", <<"c">>, 1.5, <<1:3>>, [x | y]}]',
        "erlang:list_to_bitstring([<<1:1>>, <<2:9>>])",
    ],
)
@pytest.mark.parametrize("options", ["[]", "[{minor_version, 0}]", "[{minor_version, 1}]"])
def test_what_a_beam_makes_goes_back_as_it_was(beam: Beam, expression: str, options: str) -> None:
    beam(f"put(made, fun() -> {expression} end())")
    octets = ast.literal_eval(beam(f"binary_to_list(term_to_binary(get(made), {options}))"))
    back = ",".join(map(str, encode(decode(bytes(octets)))))
    assert beam(f"get(made) =:= binary_to_term(list_to_binary([{back}]))") == "true"
