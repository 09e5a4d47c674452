"""Lines are cut out of what has come, however it came; a callback's text becomes a reply, whatever it is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen_smtp.protocol.config import ProtocolConfig
from gen_smtp.protocol.dialogue import Dialogue, Overrun
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.command import HTTP_TAIL
from gen_smtp.protocol.verdicts import Accept

CONFIG = ProtocolConfig("mx.example")
LIMIT, DISCARD_LIMIT = 10, 25


def lines(*pieces: bytes) -> list[bytes | Overrun]:
    buffer, found = Dialogue(CONFIG), []
    for piece in pieces:
        buffer.feed(piece)
        while (line := buffer.next_line(LIMIT, DISCARD_LIMIT)) is not None:
            found.append(line)
            if line is Overrun.ENDLESS:
                return found
    return found


CASES = [
    (b"", []),
    (b"abc", []),
    (b"abc\n", [b"abc"]),
    (b"abc\r\n", [b"abc\r"]),
    (b"\n\n", [b"", b""]),
    (b"a\rb\r\nc\n", [b"a\rb\r", b"c"]),
    (b"123456789\n", [b"123456789"]),
    (b"1234567890\nx\n", [Overrun.TOO_LONG, b"x"]),
    (b"12345678901\nx\n", [Overrun.TOO_LONG, b"x"]),
    (b"1" * 24 + b"\nx\n", [Overrun.TOO_LONG, b"x"]),
    (b"1" * 25 + b"\nx\n", [Overrun.ENDLESS]),
    (b"1" * 26, [Overrun.ENDLESS]),
    (b"1" * 12 + b"\n" + b"2" * 12 + b"\n", [Overrun.TOO_LONG, Overrun.TOO_LONG]),
    (b"/ HTTP/1.1\r\nx\n", [Overrun.HTTP, b"x"]),
    (b"/ HTTP/1.1\nx\n", [Overrun.HTTP, b"x"]),
    (b"POST /1234 HTTP/1.1\r\nx\n", [Overrun.HTTP, b"x"]),
    (b"POST /123 HTTP/1.1\rxx\n", [Overrun.TOO_LONG]),
    (b"POST / HTTP/1.10\n", [Overrun.TOO_LONG]),
    (b"POST /1234567890 HTTP/1.1\n", [Overrun.ENDLESS]),
    (b"ok\n" + b"1" * 30 + b"\n", [b"ok", Overrun.ENDLESS]),
]


@pytest.mark.parametrize(("data", "expected"), CASES)
def test_lines_do_not_depend_on_how_the_octets_were_cut(data: bytes, expected: list[bytes | Overrun]) -> None:
    assert lines(data) == expected
    assert lines(*(data[i : i + 1] for i in range(len(data)))) == expected
    for cut in range(len(data)):
        assert lines(data[:cut], data[cut:]) == expected


def test_a_line_that_never_ends_takes_no_memory() -> None:
    buffer = Dialogue(CONFIG)
    for _ in range(1000):
        buffer.feed(b"x" * 100)
        assert buffer.next_line(50, 10**9) is None
        assert (buffer.received, buffer.offset) == (b"x" * HTTP_TAIL, 0)
        buffer.feed(b"x" * 100)
        buffer.next_line(50, 10**9)


def test_a_line_that_is_waited_for_does_not_hold_those_before_it() -> None:
    buffer = Dialogue(CONFIG)
    buffer.feed(b"NOOP\n" * 10_000 + b"half")
    for _ in range(10_000):
        assert buffer.next_line(100, 100) == b"NOOP"
    assert buffer.next_line(100, 100) is None
    assert buffer.received == b"half"
    buffer.feed(b" a line\n")
    assert buffer.next_line(100, 100) == b"half a line"


def test_what_no_line_has_used_is_shown_until_it_is_skipped() -> None:
    buffer = Dialogue(CONFIG)
    buffer.feed(b"DATA\r\nbody\r\n")
    assert buffer.next_line(100, 100) == b"DATA\r"
    data, start = buffer.received, buffer.offset
    assert data[start:] == b"body\r\n"
    buffer.skip_to(start + 4)
    buffer.feed(b"RSET\n")
    assert [buffer.next_line(100, 100) for _ in range(3)] == [b"\r", b"RSET", None]
    assert (buffer.received, buffer.offset) == (b"", 0)


def test_pieces_fed_behind_unread_lines_stay_in_order() -> None:
    buffer = Dialogue(CONFIG)
    buffer.feed(b"a\nb\nc")
    assert buffer.next_line(10, 10) == b"a"
    buffer.feed(b"d\n")
    assert [buffer.next_line(10, 10) for _ in range(3)] == [b"b", b"cd", None]


def test_what_is_forgotten_includes_a_line_that_was_being_thrown_away() -> None:
    buffer = Dialogue(CONFIG)
    buffer.feed(b"x" * 20)
    assert buffer.next_line(LIMIT, DISCARD_LIMIT) is None
    buffer.forget_input()
    buffer.feed(b"ok\n")
    assert buffer.next_line(LIMIT, DISCARD_LIMIT) == b"ok"


TEXTS = st.one_of(
    st.text(max_size=600),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=600),
    st.integers(500, 512).map("x".__mul__),
    st.sampled_from(["", "ok", "251 elsewhere", "251", "550 no", "a\r\nb", "2.1.5 ok"]),
)


@settings(deadline=None)
@given(TEXTS, st.booleans())
def test_a_text_is_sent_as_the_general_way_sends_it(text: str, status_codes: bool) -> None:
    """The fast path of `accept` is for one plain text; a list of one text always goes the general way."""
    fast, general = Dialogue(CONFIG), Dialogue(CONFIG)
    fast.status_codes = general.status_codes = status_codes
    fast.accept(Accept(text), replies.OK)
    general.accept(Accept((text,)), replies.OK)
    assert fast.unsent == general.unsent
