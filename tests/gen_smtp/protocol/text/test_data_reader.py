import itertools
import math
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen_smtp.protocol.text import content, newlines, whole
from gen_smtp.protocol.text.content import DEFAULT_MAX_SIZE
from gen_smtp.protocol.text.data_reader import DataReader
from gen_smtp.protocol.text.whole import ENDING, SHORT, BareNewlines, whole_message

LOOKS = {"python": newlines.look_in_python, **({"c": newlines.has_bare_newline} if newlines.IN_C else {})}


@pytest.fixture(scope="module", autouse=True, params=LOOKS)
def _looks_for_bare_newlines(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test here with the look for bare newlines in C, and with that in Python."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (content, whole):
            patch.setattr(module, "has_bare_newline", LOOKS[request.param])
        yield


MODES: list[BareNewlines] = [False, "ignore", "fix", "strip"]
END = b"\r\n.\r\n"
BEFORE = b"DATA\r\n.\r\n.a\n\r\n"
"""Octets in front of a piece that are none of the message's."""


def read(
    *pieces: bytes,
    mode: BareNewlines = False,
    limit: int | float = math.inf,
    line_limit: int | float = math.inf,
) -> tuple[bytes, bytes | None, str | None]:
    """Message, what comes behind it (None: no end), cause of rejection."""
    reader, message, rest = DataReader(mode, limit, line_limit), b"", b""
    whole = whole_message(BEFORE + pieces[0], len(BEFORE), mode, limit, line_limit) if pieces else None
    for piece in pieces:
        if reader.finished:
            rest += piece
            continue
        before = BEFORE * (len(piece) % 2)
        message += reader.feed(before + piece, len(before))
        if reader.finished:
            rest = (before + piece)[reader.end :]
    if reader.rejection:
        message = b""
    if whole is not None:
        assert (reader.finished, reader.rejection) == (True, None)
        assert (whole, pieces[0][len(whole) + len(ENDING) :] + b"".join(pieces[1:])) == (message, rest)
    return message, (rest if reader.finished else None), reader.rejection


def every_split(data: bytes) -> list[list[bytes]]:
    by_octet = [data[i : i + 1] for i in range(len(data))]
    return [[data], by_octet, *([data[:cut], data[cut:]] for cut in range(1, len(data)))]


WELL_FORMED = [
    (b".\r\n", b"", b""),
    (b"\r\n.\r\n", b"\r\n", b""),
    (b"hi\r\n.\r\n", b"hi\r\n", b""),
    (b"hi\r\n.\r\nQUIT\r\n", b"hi\r\n", b"QUIT\r\n"),
    (b".\r\nQUIT\r\n", b"", b"QUIT\r\n"),
    (b".\r\n.\r\n", b"", b".\r\n"),
    (b"..\r\n.\r\n", b".\r\n", b""),
    (b"...\r\n.\r\n", b"..\r\n", b""),
    (b".a\r\n..b\r\nc.d.\r\n.\r\n", b"a\r\n.b\r\nc.d.\r\n", b""),
    (b"\r\n\r\n..\r\n\r\n.\r\n", b"\r\n\r\n.\r\n\r\n", b""),
    (b"nul \x00 and \xff\r\n.\r\n", b"nul \x00 and \xff\r\n", b""),
    (b"a" * 3000 + b"\r\n.\r\n", b"a" * 3000 + b"\r\n", b""),
    (b"no end\r\n.\r", None, None),
    (b"no end\r\n. \r\n", None, None),
    (b"no end", None, None),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("data", "message", "rest"), WELL_FORMED)
def test_well_formed_messages_come_out_the_same_in_every_mode(
    data: bytes, message: bytes | None, rest: bytes | None, mode: BareNewlines
) -> None:
    for pieces in every_split(data) if len(data) < 100 else [[data]]:
        got = read(*pieces, mode=mode)
        assert got[1:] == (rest, None)
        if message is not None:
            assert got[0] == message


# What some servers took for the end of a message, and what each mode must make of it as content.
SMUGGLING = [
    # between "a" and "b"         ignore                 fix                              strip
    (b"\n.\n", b"\n.\n", b"\r\n.\r\n", b"."),
    (b"\n.\r\n", b"\n.\r\n", b"\r\n.\r\n", b".\r\n"),
    (b"\r\n.\n", b"\r\n\n", b"\r\n\r\n", b"\r\n"),
    (b"\r.\r", b"\r.\r", b"\r\n.\r\n", b"."),
    (b"\r.\r\n", b"\r.\r\n", b"\r\n.\r\n", b".\r\n"),
    (b"\r\n.\r", b"\r\n\r", b"\r\n\r\n", b"\r\n"),
    (b"\n.\r", b"\n.\r", b"\r\n.\r\n", b"."),
    (b"\r.\n", b"\r.\n", b"\r\n.\r\n", b"."),
    (b"\r\n.\r\r\n", b"\r\n\r\r\n", b"\r\n\r\n\r\n", b"\r\n\r\n"),
    (b"\r\r\n.\r\r\n", b"\r\r\n\r\r\n", b"\r\n\r\n\r\n\r\n", b"\r\n\r\n"),
    (b"\n\n.\n\n", b"\n\n.\n\n", b"\r\n\r\n.\r\n\r\n", b"."),
    (b"\r\n\x00.\r\n\r", b"\r\n\x00.\r\n\r", b"\r\n\x00.\r\n\r\n", b"\r\n\x00.\r\n"),
    (b"\r\n.\x00\r\n\n", b"\r\n\x00\r\n\n", b"\r\n\x00\r\n\r\n", b"\r\n\x00\r\n"),
    (b"\n.\x00\n", b"\n.\x00\n", b"\r\n.\x00\r\n", b".\x00"),
    (b"\r\n.\n\r\n", b"\r\n\n\r\n", b"\r\n\r\n\r\n", b"\r\n\r\n"),
    (b"\r\n\n.\r\n", b"\r\n\n.\r\n", b"\r\n\r\n.\r\n", b"\r\n.\r\n"),
    (b"\n\r.\n\r", b"\n\r.\n\r", b"\r\n\r\n.\r\n\r\n", b"."),
]


@pytest.mark.parametrize(("middle", "ignore", "fix", "strip"), SMUGGLING)
@pytest.mark.parametrize("mode", MODES)
def test_only_crlf_dot_crlf_ends_a_message_however_it_is_cut(
    middle: bytes, ignore: bytes, fix: bytes, strip: bytes, mode: BareNewlines
) -> None:
    expected = {False: b"", "ignore": ignore, "fix": fix, "strip": strip}[mode]
    for pieces in every_split(b"a" + middle + b"MAIL FROM:<evil@x>" + END + b"NOOP\r\n"):
        message, rest, rejection = read(*pieces, mode=mode)
        assert rest == b"NOOP\r\n"
        assert rejection == ("bare_newline" if mode is False else None)
        if mode is not False:
            assert message == b"a" + expected + b"MAIL FROM:<evil@x>\r\n"


@pytest.mark.parametrize("first", [b"\n.\r\n", b"\r.\r\n", b".\n", b".\r.\r\n", b"\n", b"\r"])
def test_the_same_holds_directly_behind_the_354(first: bytes) -> None:
    for pieces in every_split(first + b"x" + END + b"NOOP\r\n"):
        assert read(*pieces, mode=False)[1:] == (b"NOOP\r\n", "bare_newline")
        assert read(*pieces, mode="ignore")[1:] == (b"NOOP\r\n", None)


def reference(data: bytes, mode: BareNewlines) -> tuple[bytes, bytes | None, bool]:
    """The rules written down octet by octet: message, rest, whether there was a bare newline."""
    stream = b"\r\n" + data
    end = stream.find(END)
    if end < 0:
        return b"", None, False
    raw, rest = stream[: end + 2], stream[end + 5 :]
    out, bare, i = bytearray(), False, 0
    while i < len(raw):
        if raw[i : i + 2] == b"\r\n":
            out += b"\r\n"
            i += 3 if raw[i + 2 : i + 3] == b"." else 2
            continue
        if raw[i] in b"\r\n":
            bare = True
            out += {"fix": b"\r\n", "strip": b""}.get(str(mode), raw[i : i + 1])
        else:
            out.append(raw[i])
        i += 1
    return bytes(out[2:]), rest, bare


ALPHABET = st.lists(
    st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\r\n.", b"\r\n.\r\n", b"\0"]), max_size=14
)


@settings(max_examples=300, deadline=None)
@given(ALPHABET, st.sampled_from(MODES), st.lists(st.integers(0, 40), max_size=6))
def test_any_stream_cut_anywhere_reads_as_the_rules_say(
    parts: list[bytes], mode: BareNewlines, cuts: list[int]
) -> None:
    data = b"".join(parts)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    message, rest, bare = reference(data, mode)
    got = read(*pieces, mode=mode)
    assert got[1] == rest
    if rest is not None:
        rejected = bare and mode is False
        assert got[2] == ("bare_newline" if rejected else None)
        assert got[0] == (b"" if rejected else message)


def test_every_short_stream_reads_as_the_rules_say_in_every_mode() -> None:
    for length in range(7):
        for octets in itertools.product(b"\r\n.a", repeat=length):
            data = bytes(octets) + END
            for mode in MODES:
                message, rest, bare = reference(data, mode)
                rejection = "bare_newline" if bare and mode is False else None
                expected = (b"" if rejection else message, rest, rejection)
                assert read(data, mode=mode) == expected


# --- Size ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "size"),
    [(b"", 0), (b"x" * 8 + b"\r\n", 10), (b"..345678\r\n", 9), (b".\r\n..\r\n"[3:] + b"12345\r\n", 10)],
)
def test_size_counts_octets_unstuffed_with_the_last_crlf(body: bytes, size: int) -> None:
    data = body + b".\r\n"
    for pieces in every_split(data):
        assert read(*pieces, limit=max(size, 1))[2] is None
        if size > 1:
            assert read(*pieces, limit=size - 1)[2] == "size_exceeded"


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"123456789\n" + END, "bare_newline"),
        (b"1234567890\n" + END, "bare_newline"),
        (b"12345678901\n" + END, "size_exceeded"),
        (b"\r123456789012345" + END, "bare_newline"),
        (b"1234567890123\r4" + END, "size_exceeded"),
    ],
)
def test_of_two_faults_the_first_in_the_message_counts_however_it_is_cut(data: bytes, cause: str) -> None:
    for pieces in every_split(data):
        assert read(*pieces, limit=10)[2] == cause


def test_fixed_newlines_count_as_what_they_became() -> None:
    assert read(b"\n" * 10 + END, mode="fix", limit=22)[2] is None
    assert read(b"\n" * 10 + END, mode="fix", limit=21)[2] == "size_exceeded"


def test_stripped_newlines_count_as_what_came() -> None:
    assert read(b"\n" * 10 + END, mode="strip", limit=12)[2] is None
    assert read(b"\n" * 10 + END, mode="strip", limit=11)[2] == "size_exceeded"


# --- Lines ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "longest"),
    [
        (b"", 2),
        (b"\r\n", 2),
        (b"abc\r\n", 5),
        (b"a\r\nbcd\r\ne\r\n", 5),
        (b"..bc\r\na\r\n", 5),
        (b"a\r\n...d\r\n", 5),
        (b"abc\r\n\r\nabcd\r\n", 6),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_a_line_counts_with_its_crlf_and_without_its_stuffed_dot(
    body: bytes, longest: int, mode: BareNewlines
) -> None:
    for pieces in every_split(body + b".\r\n"):
        assert read(*pieces, mode=mode, line_limit=longest)[2] is None
        if longest > 2:
            assert read(*pieces, mode=mode, line_limit=longest - 1)[2] == "line_too_long"


@pytest.mark.parametrize(
    ("data", "mode", "cause"),
    [
        # A line of six octets has its CRLF; ten octets are a message.
        (b"12345\n" + END, False, "line_too_long"),
        (b"1234\n" + END, False, "bare_newline"),
        (b"123\n5" + END, False, "bare_newline"),
        (b"1234\r\n7890\r\n" + END, False, "size_exceeded"),
        (b"1234\r\n78\r\n12345" + END, False, "size_exceeded"),
        (b"12\r\n56789" + END, False, "line_too_long"),
        (b"1\r\n4\r\n7\r\n012345" + END, False, "size_exceeded"),
        (b"12\n45" + END, "ignore", "line_too_long"),
        (b"12\n4" + END, "ignore", None),
        (b"12\n45" + END, "strip", "line_too_long"),
        (b"1\n\n\r\n67\r\n90" + END, "strip", "size_exceeded"),
        (b"12\n45" + END, "fix", None),
        (b"1234\n5\n" + END, "fix", "size_exceeded"),
        (b"1\n12345" + END, "fix", "line_too_long"),
        (b"1\n2\n3\n12345" + END, "fix", "size_exceeded"),
    ],
)
def test_of_faults_with_lines_the_first_in_the_message_counts_however_it_is_cut(
    data: bytes, mode: BareNewlines, cause: str | None
) -> None:
    for pieces in every_split(data):
        assert read(*pieces, mode=mode, limit=10, line_limit=6)[1:] == (b"", cause)


def longest_line(message: bytes) -> int:
    """Octets of the longest line of a message that ends with a CRLF."""
    return max(len(line) + 2 for line in message.split(b"\r\n"))


@settings(max_examples=300, deadline=None)
@given(ALPHABET, st.sampled_from(["ignore", "fix"]), st.lists(st.integers(0, 40), max_size=6))
def test_any_message_cut_anywhere_is_refused_when_a_line_of_it_is_too_long(
    parts: list[bytes], mode: BareNewlines, cuts: list[int]
) -> None:
    data = b"".join(parts) + END
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    message = reference(data, mode)[0]
    cause = "line_too_long" if longest_line(message) > 5 else None
    assert read(*pieces, mode=mode, line_limit=5)[2] == cause


def test_a_long_line_is_known_before_it_ends_and_thrown_away() -> None:
    reader = DataReader(False, 10**6, 1000)
    assert reader.feed(b"x" * 998) == b"x" * 998
    assert reader.rejection is None
    assert reader.feed(b"x") == b""
    assert reader.rejection == "line_too_long"
    assert reader.feed(b"x" * 100 + END) == b""
    assert (reader.finished, reader.endless) == (True, False)


def test_rejection_is_known_at_once_not_at_the_end() -> None:
    reader = DataReader(False, 10)
    reader.feed(b"bare\nnewline")
    assert (reader.rejection, reader.finished) == ("bare_newline", False)
    reader = DataReader(False, 10)
    reader.feed(b"12345678901 ")
    assert (reader.rejection, reader.finished) == ("size_exceeded", False)


def test_a_lone_cr_is_judged_when_the_next_octet_shows_what_it_is() -> None:
    reader = DataReader(False, 100)
    reader.feed(b"a\r")
    assert reader.rejection is None
    reader.feed(b"b")
    assert reader.rejection == "bare_newline"


@pytest.mark.parametrize(("discarded", "endless"), [(40, False), (41, True)])
def test_a_refused_message_is_endless_after_four_times_the_limit(discarded: int, endless: bool) -> None:
    for data in (b"x" * (10 + discarded - 2) + END, b"x" * (10 + discarded)):
        for size in (1, 7, len(data)):
            reader = DataReader(False, 10)
            for i in range(0, len(data), size):
                reader.feed(data[i : i + size])
            assert reader.endless is endless


def test_without_a_limit_a_bare_newline_is_endless_after_four_times_the_default() -> None:
    reader = DataReader(False, math.inf)
    reader.feed(b"x" * 100 + b"\n")
    piece = b"y" * 65536
    for _ in range(4 * DEFAULT_MAX_SIZE // len(piece)):
        assert not reader.endless
        reader.feed(piece)
    reader.feed(b"yy")
    assert reader.endless


def test_without_a_limit_a_good_message_may_be_long_before_it_goes_wrong() -> None:
    reader = DataReader(False, math.inf)
    for _ in range(700):
        reader.feed(b"z" * 65536)
    reader.feed(b"\n" + END)
    assert (reader.rejection, reader.finished, reader.endless) == ("bare_newline", True, False)


def test_discarding_holds_no_memory() -> None:
    reader, piece = DataReader(False, 10**8), b"\r\r\r\r" * 16384
    reader.feed(b"\n\n")
    tracemalloc.start()
    try:
        for _ in range(50):
            assert reader.feed(piece) == b""
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1000
    assert peak < 8 * len(piece)


@pytest.mark.parametrize("mode", MODES)
def test_a_whole_message_that_is_as_it_should_be_needs_no_reader(mode: BareNewlines) -> None:
    for message in (b"\r\n", b"hi\r\n", b"a.b\r\n\r\nc.\r\n"):
        assert whole_message(message + b".\r\n", 0, mode, len(message), math.inf) == message
        assert whole_message(BEFORE + message + b".\r\n", len(BEFORE), mode, math.inf, math.inf) == message


@pytest.mark.parametrize("behind", [b"QUIT\r\n", b"b\r\n.\r\n", b"\r\n.", b".\r\n.\r\n", b"\n", b"Q"])
def test_what_comes_behind_a_whole_message_does_not_matter(behind: bytes) -> None:
    for message in (b"\r\n", b"hi\r\n", b"a.b\r\n\r\nc.\r\n"):
        assert whole_message(BEFORE + message + ENDING + behind, len(BEFORE), False, 100, math.inf) == message


def test_a_long_one_with_something_behind_it_goes_the_general_way() -> None:
    message = b"x" * SHORT + b"\r\n"
    assert whole_message(message + ENDING, 0, False, math.inf, math.inf) == message
    assert whole_message(message + ENDING + b"Q", 0, False, math.inf, math.inf) is None


@pytest.mark.parametrize(
    ("data", "limit", "line_limit"),
    [
        (b"hi\r\n", math.inf, math.inf),
        (b".\r\n", math.inf, math.inf),
        (b".\r\n.\r\n", math.inf, math.inf),
        (b"..a\r\n.\r\n", math.inf, math.inf),
        (b"a\r\n..\r\n.\r\n", math.inf, math.inf),
        (b"a\nb\r\n.\r\n", math.inf, math.inf),
        (b"hi\r\n.\r\n", 3, math.inf),
        (b"hi\r\n.\r\n", math.inf, 1000),
    ],
)
def test_any_other_goes_the_general_way(data: bytes, limit: float, line_limit: float) -> None:
    assert whole_message(data, 0, False, limit, line_limit) is None


# --- Which newline, and where ----------------------------------------------------------------------


def fault(*pieces: bytes) -> str:
    """What a reader says of the bare newline in a message."""
    reader = DataReader(False, math.inf)
    for piece in pieces:
        reader.feed(piece)
    assert reader.rejection == "bare_newline"
    return reader.describe_bare_newline()


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"\n", "LF without CR in line 1"),
        (b"\r\r\n", "CR without LF in line 1"),
        (b"a\rb", "CR without LF in line 1"),
        (b"a\nb\rc", "LF without CR in line 1"),
        (b"a\rb\nc", "CR without LF in line 1"),
        (b"\r\n\n", "LF without CR in line 2"),
        (b"a\r\nb\r\n\r\n 10%\r 50%\r100%\r\n", "CR without LF in line 4"),
        (b"..\r\n..\r\n..\n", "LF without CR in line 3"),
        (b"a\r\n.\n", "LF without CR in line 2"),
    ],
)
def test_a_bare_newline_is_named_with_its_line_however_it_is_cut(message: bytes, expected: str) -> None:
    for pieces in every_split(message + END):
        assert fault(*pieces) == expected


@pytest.mark.parametrize("size", [1000, 4096, 65536, 10**6])
@pytest.mark.parametrize("lines", [1, 655, 656, 657, 1000, 2000])
def test_lines_are_counted_in_the_first_octets_alone(lines: int, size: int) -> None:
    """A line of 100 octets: 655 of them end within the 65,536 that are looked at."""
    message = (b"x" * 98 + b"\r\n") * (lines - 1) + b"bare\n" + b"y\r\n" * 500 + END
    pieces = (message[start : start + size] for start in range(0, len(message), size))
    where = f"in line {lines}" if (lines - 1) * 100 + 4 < 65536 else "behind line 655"
    assert fault(*pieces) == f"LF without CR {where}"
