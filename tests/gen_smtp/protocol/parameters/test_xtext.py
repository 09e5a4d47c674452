"""xtext and addresses in UTF-8: there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen_smtp.protocol.parameters.limits import limits_of, may_be_announced
from gen_smtp.protocol.parameters.xtext import (
    decode_utf8_address,
    decode_xtext,
    encode_utf8_address,
    encode_xtext,
)

ASCII = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1)
ANY = st.text(st.characters(exclude_categories=["C", "Z"]).filter(str.isprintable), min_size=1)


@given(ASCII)
def test_text_comes_back(text: str) -> None:
    encoded = encode_xtext(text)
    assert not set(encoded) & set(" =")
    assert decode_xtext(encoded) == text


@given(ANY)
def test_an_address_in_utf8_comes_back(address: str) -> None:
    encoded = encode_xtext(encode_utf8_address(address))
    assert encoded.isascii()
    assert decode_utf8_address(encoded, utf8=False) == address


@given(st.text())
def test_whatever_is_read_has_no_control_character(text: str) -> None:
    for decoded in (decode_xtext(text), decode_utf8_address(text, utf8=True)):
        assert decoded is None or decoded.isprintable()


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("RCPTMAX=100", True),
        ("RCPTMAX=100 MAILMAX=10 RCPTDOMAINMAX=1", True),
        ("rcptmax=1 X-OTHER=a:b", True),
        ("FLAG", True),
        ("", False),
        ("RCPTMAX", False),
        ("RCPTMAX=0", False),
        ("RCPTMAX=many", False),
        ("RCPTMAX=1000000", False),
        ("RCPTMAX=1  MAILMAX=1", False),
        ("A=b;c", False),
    ],
)
def test_limits(text: str, is_one: bool) -> None:
    assert may_be_announced(text, text.upper()) is is_one


def test_the_servers_own_limits() -> None:
    assert limits_of(1000, float("inf")) == "RCPTMAX=1000"
    assert limits_of(100, 20) == "RCPTMAX=100 MAILMAX=20"
