"""The stream that handle_DATA_stream reads: a binary file, for whatever reads binary files."""

from __future__ import annotations

import email.parser
import email.policy
import io
import mailbox
import shutil
from pathlib import Path
from typing import Any

import pytest

from actors.net.pipe import Pipe
from gen_smtp.callbacks.stream import IncompleteMessage, MessageStream

MESSAGE = b"Subject: hello\r\nFrom: me\r\n\r\none\r\ntwo\r\n\r\nlast"


def stream_of(*pieces: bytes, whole: bool = True) -> MessageStream:
    """A stream whose message came in these pieces."""
    pipe = Pipe(lambda: None)
    for piece in pieces:
        pipe.put(piece)
    if whole:
        pipe.finish()
    return MessageStream(pipe, None)


def cut(message: bytes, size: int) -> list[bytes]:
    """The message in pieces of a size."""
    return [message[start : start + size] for start in range(0, len(message), size)]


@pytest.fixture(params=[1, 2, 7, 1000], ids=lambda size: f"pieces of {size}")
def stream(request: Any) -> MessageStream:
    """MESSAGE in pieces."""
    return stream_of(*cut(MESSAGE, request.param))


def test_read_gives_all_of_it(stream: MessageStream) -> None:
    assert stream.read() == MESSAGE
    assert [stream.read(), stream.read(7), stream.read1(), stream.peek()] == [b""] * 4


@pytest.mark.parametrize("everything", [None, -1, -5])
def test_read_takes_every_word_for_everything(everything: Any) -> None:
    assert stream_of(b"one", b"two").read(everything) == b"onetwo"


@pytest.mark.parametrize("size", [1, 2, 7, 8, 1000])
def test_read_gives_just_so_many_octets_until_the_end(stream: MessageStream, size: int) -> None:
    assert list(iter(lambda: stream.read(size), b"")) == cut(MESSAGE, size)


def test_read_of_nothing_takes_nothing_and_does_not_wait() -> None:
    stream = stream_of(whole=False)
    assert [stream.read(0), stream.read1(0)] == [b"", b""]


def test_read1_and_peek_give_what_is_there_without_waiting_for_more() -> None:
    stream = stream_of(b"one", b"two", whole=False)
    assert [stream.peek(), stream.read1(2), stream.peek(1), stream.read1(100), stream.read1()] == [
        b"one",
        b"on",
        b"e",
        b"e",
        b"two",
    ]


def test_chunks_are_the_pieces_as_they_came_uncopied() -> None:
    pieces = [b"x" * 1000, b"y" * 2000]
    chunks = list(stream_of(*pieces).chunks())
    assert chunks == pieces
    assert chunks[0] is pieces[0]


def test_chunks_go_on_where_a_read_stopped() -> None:
    stream = stream_of(b"one", b"two")
    assert (stream.read(1), list(stream.chunks())) == (b"o", [b"ne", b"two"])


def test_iteration_gives_lines_as_it_does_with_any_file(stream: MessageStream) -> None:
    assert list(stream) == MESSAGE.splitlines(keepends=True)


def test_readline_may_be_bounded(stream: MessageStream) -> None:
    assert (stream.readline(3), stream.readline(1000), stream.readline()) == (
        b"Sub",
        b"ject: hello\r\n",
        b"From: me\r\n",
    )


def test_readinto_fills_a_buffer(stream: MessageStream) -> None:
    buffer = bytearray(9)
    assert (stream.readinto(buffer), buffer) == (9, MESSAGE[:9])
    assert stream.read() == MESSAGE[9:]


def test_it_can_be_read_and_nothing_else(stream: MessageStream) -> None:
    assert (stream.readable(), stream.writable(), stream.seekable()) == (True, False, False)
    for forbidden in (lambda: stream.seek(0), lambda: stream.write(b""), stream.fileno):
        with pytest.raises(io.UnsupportedOperation):
            forbidden()


# -- what reads files ---------------------------------------------------------------------------------


def test_shutil_copies_it(stream: MessageStream) -> None:
    copy = io.BytesIO()
    shutil.copyfileobj(stream, copy, 5)
    assert copy.getvalue() == MESSAGE


def test_a_buffered_reader_wraps_it(stream: MessageStream) -> None:
    reader: Any = io.BufferedReader(stream)  # type: ignore[type-var]
    assert [reader.readline(), reader.read(6), reader.read()] == [MESSAGE[:16], MESSAGE[16:22], MESSAGE[22:]]


def test_a_text_wrapper_wraps_it(stream: MessageStream) -> None:
    assert io.TextIOWrapper(stream, encoding="ascii", newline="").read() == MESSAGE.decode()


def test_the_email_parser_parses_it(stream: MessageStream) -> None:
    parsed = email.parser.BytesParser(policy=email.policy.SMTP).parse(stream)
    assert (parsed["subject"], parsed.get_payload()) == ("hello", "one\ntwo\n\nlast")


def test_the_feed_parser_is_fed_its_chunks(stream: MessageStream) -> None:
    parser = email.parser.BytesFeedParser(policy=email.policy.SMTP)
    for chunk in stream.chunks():
        parser.feed(chunk)
    assert parser.close()["from"] == "me"


def test_a_mailbox_adds_it(stream: MessageStream, tmp_path: Path) -> None:
    folder = mailbox.Maildir(tmp_path / "maildir")
    key = folder.add(stream)
    assert folder.get_bytes(key).splitlines() == MESSAGE.splitlines()


# -- ends ---------------------------------------------------------------------------------------------


def test_every_read_of_an_incomplete_message_raises() -> None:
    pipe = Pipe(lambda: None)
    stream = MessageStream(pipe, None)
    pipe.put(b"one")
    pipe.abort(lambda: IncompleteMessage("closed"))
    for read in (stream.read, stream.read1, stream.peek, stream.readline, lambda: list(stream.chunks())):
        with pytest.raises(IncompleteMessage, match=r"^the message is incomplete \(closed\)$") as caught:
            read()
        assert caught.value.cause == "closed"


def test_what_a_read_had_before_the_message_was_cut_is_not_returned() -> None:
    pipe = Pipe(lambda: None)
    stream = MessageStream(pipe, None)
    pipe.put(b"one")
    assert stream.read(1) == b"o"
    pipe.abort(lambda: IncompleteMessage("timeout"))
    with pytest.raises(IncompleteMessage):
        stream.read(3)


def test_an_incomplete_message_is_an_early_end_of_file_and_no_error_of_the_disk() -> None:
    """`except OSError` around the writing of a file does not hide it."""
    assert issubclass(IncompleteMessage, EOFError)
    assert not issubclass(IncompleteMessage, OSError)


def test_a_closed_stream_cannot_be_read(stream: MessageStream) -> None:
    stream.read(1)
    with stream:
        pass
    stream.close()
    assert stream.closed
    for read in (stream.read, stream.read1, stream.peek, stream.readline):
        with pytest.raises(ValueError, match="closed"):
            read()


def test_a_message_cut_after_the_stream_was_closed_is_still_incomplete() -> None:
    """For a reader in a thread that goes on after the callback was cut off."""
    pipe = Pipe(lambda: None)
    stream = MessageStream(pipe, None)
    pipe.abort(lambda: IncompleteMessage("killed"))
    stream.close()
    with pytest.raises(IncompleteMessage):
        stream.read1()
