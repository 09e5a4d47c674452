"""The look for bare newlines, in C and in Python."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from gen_smtp.protocol.text import newlines

Look = Callable[[bytes], bool]

LOOKS: dict[str, Look] = {"python": newlines.look_in_python}
if newlines.IN_C:
    LOOKS["c"] = newlines.has_bare_newline

STRIDE = 4096
"""Octets that are looked at in one go."""


@pytest.fixture(params=LOOKS)
def look(request: pytest.FixtureRequest) -> Look:
    return LOOKS[request.param]


def by_rule(content: bytes) -> bool:
    rest = content.replace(b"\r\n", b"")
    return b"\r" in rest or b"\n" in rest


def test_all_short_contents(look: Look) -> None:
    for length in range(7):
        for octets in itertools.product(b"\r\na", repeat=length):
            content = bytes(octets)
            assert look(content) is by_rule(content), content


@pytest.mark.parametrize("bare", [b"\r", b"\n"])
@pytest.mark.parametrize("length", [1, 15, 16, 17, STRIDE - 1, STRIDE, STRIDE + 1, STRIDE + 2, 65536])
def test_one_anywhere_in_a_long_content(look: Look, length: int, bare: bytes) -> None:
    assert not look(b"x" * length)
    for at in {0, 1, length // 2, length - 2, length - 1, length} & set(range(length + 1)):
        content = b"x" * at + bare + b"x" * (length - at)
        assert look(content), at


@pytest.mark.parametrize("before", [0, 1, STRIDE - 2, STRIDE - 1, STRIDE, STRIDE + 1])
def test_a_whole_newline_is_none_wherever_it_lies(look: Look, before: int) -> None:
    for behind in (0, 1, STRIDE):
        assert not look(b"x" * before + b"\r\n" + b"x" * behind)
        assert look(b"x" * before + b"\n\r" + b"x" * behind)


def test_all_octets_but_two_are_no_newlines(look: Look) -> None:
    for octet in set(range(256)) - set(b"\r\n"):
        assert not look(bytes([octet]) * 40)


def test_octets_that_can_change_are_looked_at_as_well(look: Look) -> None:
    assert look(bytearray(b"a\n"))
    assert not look(bytearray(b"a\r\n"))
