"""Replies are the same however their octets are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen_smtp.client.protocol.text.offer import read_offer
from gen_smtp.client.protocol.text.replies import BadReplyError, Reply, ReplyReader

OCTETS = b"220 there\r\n250-one\r\n250-two\n250 three\r\n250\r\n550 5.1.1 no\r\n421 \xff\x1b[0m\r\n"
CODES = [220, 250, 250, 550, 421]


def all_of(pieces: list[bytes]) -> list[Reply]:
    reader = ReplyReader()
    found = []
    for piece in pieces:
        reader.feed(piece)
        while (reply := reader.take("X", "there")) is not None:
            found.append(reply)
    assert not reader.pending
    return found


@given(cuts=st.sets(st.integers(1, len(OCTETS) - 1)))
def test_replies_do_not_depend_on_the_pieces(cuts: set[int]) -> None:
    places = [0, *sorted(cuts), len(OCTETS)]
    pieces = [OCTETS[start:end] for start, end in pairwise(places)]
    replies = all_of(pieces)
    assert [reply.code for reply in replies] == CODES
    assert replies == all_of([OCTETS])


def test_what_a_reply_says() -> None:
    greeting, lines, bare, refusal, closing = all_of([OCTETS])
    assert (greeting.lines, greeting.positive) == (("there",), True)
    assert (lines.lines, lines.text, lines.receipt) == (
        ("one", "two", "three"),
        "one two three",
        "one two three",
    )
    assert (bare.lines, bare.text, str(bare)) == (("",), "", "250")
    assert (refusal.enhanced, refusal.text, str(refusal)) == ("5.1.1", "no", "550 5.1.1 no")
    assert refusal.permanent
    assert closing.temporary
    assert "\x1b" not in closing.text


@pytest.mark.parametrize(
    "octets",
    [b"hello\r\n", b"100 x\r\n", b"600 x\r\n", b"25\r\n", b"250x\r\n", b"250-a\r\n251 b\r\n", b"2" * 5000],
)
def test_what_is_none(octets: bytes) -> None:
    with pytest.raises(BadReplyError):
        all_of([octets])


def test_an_offer() -> None:
    lines = ["250-there", "250-size 1000", "250-AUTH PLAIN login", "250-AUTH=CRAM-MD5", "250-8bitmime"]
    octets = "\r\n".join([*lines, "250 LIMITS MAILMAX=5 RCPTMAX=20"]).encode() + b"\r\n"
    (reply,) = all_of([octets])
    offer = read_offer(reply)
    assert (offer.size, offer.eight_bit, offer.most_recipients, offer.pipelining) == (1000, True, 20, False)
    assert set(offer.mechanisms) == {"PLAIN", "LOGIN", "CRAM-MD5"}
