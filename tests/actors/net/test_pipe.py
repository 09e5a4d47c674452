"""A bounded pipe from the hub to a reader anywhere: order, ends, and when the writer has to stop."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest

import actors
from actors.net.pipe import PIECE, Pipe
from tests.actors.helpers import SECONDS, on_hub

FULL = 5 * (PIECE + 2)


class Rooms:
    """Counts how often a pipe told of room."""

    def __init__(self) -> None:
        self.told = 0

    def __call__(self) -> None:
        self.told += 1


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


@pytest.fixture
def pipe(rooms: Rooms) -> Pipe:
    return Pipe(rooms, full=FULL)


def started(function: Any) -> actors.GeventFuture[Any]:
    """What a function returns or raises in a thread of its own, which is waiting for a pipe by then."""
    future: actors.GeventFuture[Any] = actors.GeventFuture()

    def run() -> None:
        try:
            result = function()
        except BaseException:
            future.set_exception()
        else:
            future.set(result)

    threading.Thread(target=run, daemon=True).start()
    return future


def waiting_reader(pipe: Pipe) -> actors.GeventFuture[Any]:
    """A reader in a thread, which waits for the pipe."""
    future = started(pipe.take)
    while pipe._waiting is None:
        pass
    return future


def test_pieces_come_in_order_and_then_the_end_for_ever(pipe: Pipe) -> None:
    pipe.put(b"one")
    pipe.put(b"two")
    pipe.finish()
    assert [pipe.take() for _ in range(4)] == [b"one", b"two", b"", b""]


def test_a_reader_in_a_thread_waits_for_a_piece(pipe: Pipe) -> None:
    reader = waiting_reader(pipe)
    on_hub(pipe.put, b"one")
    assert reader.get(timeout=SECONDS) == b"one"


def test_a_reader_in_a_greenlet_waits_without_holding_up_the_hub(pipe: Pipe) -> None:
    reader = actors.spawn(pipe.take)
    on_hub(lambda: None)
    assert not reader.done()
    on_hub(pipe.put, b"one")
    assert reader.get(timeout=SECONDS) == b"one"


@pytest.mark.parametrize("end", ["finish", "abort", "close"])
def test_a_waiting_reader_hears_of_every_end(pipe: Pipe, end: str) -> None:
    reader = waiting_reader(pipe)
    if end == "finish":
        on_hub(pipe.finish)
        assert reader.get(timeout=SECONDS) == b""
    elif end == "abort":
        on_hub(pipe.abort, lambda: LookupError("cut"))
        with pytest.raises(LookupError, match="cut"):
            reader.get(timeout=SECONDS)
    else:
        pipe.close()
        with pytest.raises(ValueError, match="closed pipe"):
            reader.get(timeout=SECONDS)


def test_two_readers_that_wait_both_get_something(pipe: Pipe) -> None:
    readers = [waiting_reader(pipe), started(pipe.take)]
    on_hub(pipe.put, b"one")
    on_hub(pipe.put, b"two")
    assert {reader.get(timeout=SECONDS) for reader in readers} == {b"one", b"two"}


def test_an_abort_goes_before_what_was_not_read_and_the_first_one_counts(pipe: Pipe) -> None:
    pipe.put(b"one")
    pipe.abort(lambda: LookupError("first"))
    pipe.abort(lambda: LookupError("second"))
    for _ in range(2):
        with pytest.raises(LookupError, match="first"):
            pipe.take()
    assert pipe.put(b"x" * 100) is True


def test_an_abort_goes_before_the_end_too(pipe: Pipe) -> None:
    """The reader of a whole message that was not handled yet is not to handle it."""
    pipe.finish()
    pipe.abort(lambda: LookupError("cut"))
    with pytest.raises(LookupError):
        pipe.take()


@pytest.mark.parametrize(("more", "has_room"), [(-1, True), (0, False), (1, False)])
def test_it_is_full_at_its_number_of_octets(pipe: Pipe, more: int, has_room: bool) -> None:
    assert pipe.put(b"x" * (FULL - PIECE + more)) is has_room


@pytest.mark.parametrize(("pieces", "has_room"), [(4, True), (5, False)])
def test_pieces_count_by_themselves_too(pipe: Pipe, pieces: int, has_room: bool) -> None:
    assert [pipe.put(b"xx") for _ in range(pieces)][-1] is has_room


def test_room_is_told_of_once_when_half_was_read(pipe: Pipe, rooms: Rooms) -> None:
    for _ in range(5):
        pipe.put(b"xx")
    told = []
    for _ in range(5):
        pipe.take()
        told.append(rooms.told)
    assert told == [0, 0, 1, 1, 1]


def test_room_is_not_told_of_by_a_pipe_that_was_not_full(pipe: Pipe, rooms: Rooms) -> None:
    pipe.put(b"x" * 9)
    pipe.take()
    pipe.close()
    assert rooms.told == 0


@pytest.mark.parametrize("end", ["close", "abort"])
def test_a_full_pipe_that_nobody_reads_any_more_has_room(pipe: Pipe, rooms: Rooms, end: str) -> None:
    assert pipe.put(b"x" * FULL) is False
    pipe.close() if end == "close" else pipe.abort(LookupError)
    assert rooms.told == 1
    assert pipe.put(b"x" * FULL) is True


def test_much_from_the_hub_arrives_whole_in_a_slow_thread() -> None:
    room = threading.Semaphore(1)
    pipe = Pipe(room.release, full=FULL)
    pieces = [bytes([number % 251]) * (1 + number % 40) for number in range(2000)]
    got: list[bytes] = []

    def read() -> None:
        got.extend(iter(pipe.take, b""))

    reader = threading.Thread(target=read)
    reader.start()
    for number, piece in zip(itertools.count(), pieces, strict=False):
        if number % 7 == 0:
            assert pipe._held < FULL + PIECE + 40
        if not pipe.put(piece):
            while not room.acquire(timeout=SECONDS):
                pytest.fail("the pipe never had room again")
            room.acquire(blocking=False)
    pipe.finish()
    reader.join(SECONDS)
    assert b"".join(got) == b"".join(pieces)
