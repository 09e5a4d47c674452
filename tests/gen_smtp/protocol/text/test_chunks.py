"""Sizes behind BDAT, and what a message in chunks comes out as, however it was cut."""

import math
import re

import pytest

from gen_smtp.protocol.text.chunks import ChunkReader, ChunkSize, SkippedChunks, parse_chunk_size
from gen_smtp.protocol.text.whole import BareNewlines

MESSAGE = b"Subject: x\r\n\r\n.\r\n..dots\r\n\r\n.\r\nQUIT\r\nend without newline"


@pytest.mark.parametrize(
    ("argument", "size"),
    [
        ("0", ChunkSize(0, False, True)),
        ("0 LAST", ChunkSize(0, True, True)),
        ("86 last", ChunkSize(86, True, True)),
        ("0086  LaSt ", ChunkSize(86, True, True)),
        ("86\tLAST", ChunkSize(86, True, True)),
        ("99999999999999999999", ChunkSize(99999999999999999999, False, True)),
        ("86 LAST LAST", ChunkSize(86, False, False)),
        ("86 FIRST", ChunkSize(86, False, False)),
        ("86 LA\u017fT", ChunkSize(86, False, False)),
        ("", None),
        ("LAST", None),
        ("-1", None),
        ("+1", None),
        ("1_0", None),
        ("8LAST", None),
        ("8,6", None),
        ("0x10", None),
        ("\u0663", None),
        ("100000000000000000000", None),
    ],
)
def test_what_stands_behind_bdat(argument: str, size: ChunkSize | None) -> None:
    assert parse_chunk_size(argument) == size


def taken(
    message: bytes,
    mode: BareNewlines = False,
    *,
    chunk: int = 7,
    piece: int = 3,
    limit: float = math.inf,
    line_limit: float = math.inf,
) -> tuple[bytes, str | None]:
    """What comes of a message in chunks of one size, each in pieces of another; and why it is rejected."""
    reader, content = ChunkReader(mode, limit, line_limit), b""
    for start in range(0, len(message) or 1, chunk):
        octets = message[start : start + chunk]
        reader.begin(len(octets), last=start + chunk >= len(message))
        for at in range(0, len(octets) or 1, piece):
            content += reader.feed(octets[at : at + piece])
        assert reader.left == 0
    return content, reader.rejection


CUTS = [(1, 1), (2, 1), (5, 2), (7, 3), (1000, 1), (1000, 1000)]


@pytest.mark.parametrize(("chunk", "piece"), CUTS)
def test_a_message_comes_out_as_it_went_in(chunk: int, piece: int) -> None:
    assert taken(MESSAGE, chunk=chunk, piece=piece) == (MESSAGE, None)
    assert taken(b"", chunk=chunk, piece=piece) == (b"", None)


BARE = [b"\r", b"\n", b"a\rb", b"a\nb", b"a\r\r\nb", b"a\n\r\n", b"\r\n\r", b"\r\n\n", b"x\r\n.\n.\r\n"]


@pytest.mark.parametrize(("chunk", "piece"), CUTS)
@pytest.mark.parametrize("message", BARE)
def test_bare_newlines_are_judged_as_behind_data(message: bytes, chunk: int, piece: int) -> None:
    fixed = re.sub(rb"\r\n|\r|\n", b"\r\n", message)
    stripped = re.sub(rb"(\r\n)|\r|\n", lambda found: found[1] or b"", message)
    assert taken(message, False, chunk=chunk, piece=piece)[1] == "bare_newline"
    assert taken(message, "ignore", chunk=chunk, piece=piece) == (message, None)
    assert taken(message, "fix", chunk=chunk, piece=piece) == (fixed, None)
    assert taken(message, "strip", chunk=chunk, piece=piece) == (stripped, None)


@pytest.mark.parametrize(("chunk", "piece"), CUTS)
@pytest.mark.parametrize("mode", [False, "ignore", "fix", "strip"])
def test_a_crlf_may_be_cut_anywhere(mode: BareNewlines, chunk: int, piece: int) -> None:
    message = b"a\r\n\r\n\r\nb\r\n" * 5
    assert taken(message, mode, chunk=chunk, piece=piece, line_limit=3) == (message, None)


@pytest.mark.parametrize(("chunk", "piece"), CUTS)
def test_long_lines_and_sizes(chunk: int, piece: int) -> None:
    message = b"x" * 8 + b"\r\n" + b"x" * 8
    assert taken(message, chunk=chunk, piece=piece, line_limit=10, limit=18) == (message, None)
    assert taken(message + b"x", chunk=chunk, piece=piece, line_limit=10)[1] == "line_too_long"
    assert taken(message, chunk=chunk, piece=piece, limit=17)[1] == "size_exceeded"


def test_a_chunk_that_makes_the_message_too_large_is_refused_before_it_comes() -> None:
    reader = ChunkReader(False, 10)
    reader.begin(10, last=False)
    assert reader.rejection is None
    reader.feed(b"0123456789")
    reader.begin(1, last=True)
    assert reader.rejection == "size_exceeded"
    assert reader.feed(b"x") == b""


def test_what_newlines_became_counts() -> None:
    assert taken(b"\n" * 10, "fix", limit=20) == (b"\r\n" * 10, None)
    assert taken(b"\n" * 10, "fix", limit=19)[1] == "size_exceeded"


def test_a_refused_message_is_read_away_within_bounds() -> None:
    reader = ChunkReader(False, 10)
    reader.begin(1000, last=True)
    reader.feed(b"x" * 40)
    assert not reader.endless
    reader.feed(b"x")
    assert reader.endless


@pytest.mark.parametrize(("limit", "patience"), [(1000, 65536), (20000, 80000), (math.inf, 4 * 10485760)])
def test_refused_chunks_are_read_away_within_bounds(limit: float, patience: int) -> None:
    skipped = SkippedChunks(limit, 1)
    skipped.begin(patience + 1, last=True)
    skipped.feed(patience)
    assert (skipped.left, skipped.endless) == (1, False)
    skipped.feed(1)
    assert (skipped.left, skipped.endless) == (0, True)


def test_a_small_chunk_that_is_refused_costs_more_than_its_octets() -> None:
    skipped = SkippedChunks(1024, 1)
    for _ in range(128):
        skipped.begin(0, last=False)
        assert not skipped.endless
    skipped.begin(0, last=False)
    assert skipped.endless
