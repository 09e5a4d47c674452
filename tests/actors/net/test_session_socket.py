"""The socket of a session, in C and in Python: whatever it is asked, both answer alike."""

from __future__ import annotations

import _socket
import contextlib
import errno
import os
import signal
import socket
import threading
import tracemalloc
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from actors.net import session_socket
from actors.net.transport import RECEIVE_OCTETS

CLASSES = {"python": _socket.socket}
if session_socket.IN_C:
    CLASSES["c"] = session_socket.SessionSocket

OCTETS = os.urandom(RECEIVE_OCTETS)


@pytest.fixture(params=CLASSES)
def pair(request: pytest.FixtureRequest) -> Generator[tuple[Any, socket.socket]]:
    """A session's socket and its client's."""
    with made(CLASSES[request.param]) as both:
        yield both


@contextlib.contextmanager
def made(kind: Any) -> Iterator[tuple[Any, socket.socket]]:
    ours, client = socket.socketpair()
    session = kind(ours.family, ours.type, 0, ours.detach())
    session.setblocking(False)
    client.settimeout(30)
    with contextlib.closing(session), client:
        yield session, client


@pytest.mark.parametrize("size", [1, 2, 479, 4095, 4096, 4097, RECEIVE_OCTETS])
def test_octets_come_as_they_were_sent(pair: tuple[Any, socket.socket], size: int) -> None:
    session, client = pair
    client.sendall(OCTETS[:size])
    assert session.recv(RECEIVE_OCTETS) == OCTETS[:size]
    client.sendall(OCTETS[:size])
    assert session.recv(size) == OCTETS[:size]
    assert session.send(OCTETS[:size]) == size
    assert client.recv(RECEIVE_OCTETS, socket.MSG_WAITALL if size == RECEIVE_OCTETS else 0) == OCTETS[:size]


def test_no_more_comes_than_was_asked_for(pair: tuple[Any, socket.socket]) -> None:
    session, client = pair
    client.sendall(OCTETS[:10000])
    assert session.recv(3) == OCTETS[:3]
    assert session.recv(5000, socket.MSG_PEEK) == OCTETS[3:5003]
    assert session.recv(5000) == OCTETS[3:5003]
    assert session.recv(5000) == OCTETS[5003:10000]


def test_nothing_yet_is_an_error_and_the_end_is_empty(pair: tuple[Any, socket.socket]) -> None:
    session, client = pair
    with pytest.raises(BlockingIOError) as raised:
        session.recv(100)
    assert raised.value.errno == errno.EAGAIN
    client.close()
    assert session.recv(100) == b""
    assert session.recv(RECEIVE_OCTETS) == b""


def test_a_socket_that_is_full_takes_a_part_and_then_nothing(pair: tuple[Any, socket.socket]) -> None:
    session, client = pair
    data = OCTETS * 64
    sent = session.send(memoryview(data))
    assert 0 < sent < len(data)
    with pytest.raises(BlockingIOError):
        while True:
            sent += session.send(data[sent:])
    assert client.recv(1000) == data[:1000]


def test_who_sends_to_nobody_gets_an_error_and_no_signal(pair: tuple[Any, socket.socket]) -> None:
    session, client = pair
    client.close()
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL) if session_is_in_c(session) else None
    try:
        with pytest.raises(BrokenPipeError):
            session.send(b"hello")
    finally:
        if before is not None:
            signal.signal(signal.SIGPIPE, before)


def session_is_in_c(session: Any) -> bool:
    return type(session) is not _socket.socket


def test_a_number_that_was_given_back_is_not_used(pair: tuple[Any, socket.socket]) -> None:
    session, _ = pair
    number = session.fileno()
    session.close()
    with contextlib.ExitStack() as heirs:
        others = [heirs.enter_context(each) for _ in range(4) for each in socket.socketpair()]
        assert number in [each.fileno() for each in others]
        for ask in (lambda: session.recv(10), lambda: session.send(b"x")):
            with pytest.raises(OSError, match="Bad file descriptor"):
                ask()
        assert session.fileno() == -1


def test_a_socket_can_be_detached_and_made_again(pair: tuple[Any, socket.socket]) -> None:
    session, client = pair
    number = session.detach()
    with pytest.raises(OSError, match="Bad file descriptor"):
        session.recv(10)
    session.__init__(client.family, client.type, 0, number)
    client.sendall(b"again")
    assert session.recv(10) == b"again"


def test_a_socket_that_was_not_made_has_no_number() -> None:
    for kind in CLASSES.values():
        with pytest.raises(OSError, match="Bad file descriptor"):
            kind.__new__(kind).recv(10)


@pytest.mark.parametrize("ask", [lambda each: each.recv(-1), lambda each: each.recv("1")])
def test_what_can_not_be_asked_is_an_error(pair: tuple[Any, socket.socket], ask: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        ask(pair[0])


def test_no_memory_is_lost(pair: tuple[Any, socket.socket]) -> None:
    session, client = pair

    def use() -> None:
        for size in (10, 5000, 20000):
            client.sendall(OCTETS[:size])
            session.recv(RECEIVE_OCTETS)
            with contextlib.suppress(BlockingIOError):
                session.recv(RECEIVE_OCTETS)
            session.send(b"hello")
            client.recv(10)

    use()
    tracemalloc.start()
    try:
        for _ in range(100):
            use()
        assert tracemalloc.get_traced_memory()[0] < 20000
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(not session_socket.IN_C, reason="the parts in C are not built")
def test_in_c_it_never_waits_whatever_its_timeout_is() -> None:
    with made(session_socket.SessionSocket) as (session, _):
        session.settimeout(None)
        with pytest.raises(BlockingIOError):
            session.recv(10)
        with pytest.raises(BlockingIOError):
            while True:
                session.send(OCTETS)


def test_a_client_that_reads_late_gets_all(pair: tuple[Any, socket.socket]) -> None:
    session, client = pair
    data, got = OCTETS * 40, bytearray()

    def read() -> None:
        while len(got) < len(data):
            got.extend(client.recv(100000))

    reader = threading.Thread(target=read)
    rest = memoryview(data)
    rest = rest[session.send(rest) :]  # as much as there is room for, before anybody reads
    reader.start()
    while rest:
        with contextlib.suppress(BlockingIOError):
            rest = rest[session.send(rest) :]
    reader.join(30)
    assert got == data
