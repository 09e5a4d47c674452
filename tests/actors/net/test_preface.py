"""What comes before TLS and before the connection proper: awaited, bounded, and taken to the octet."""

from __future__ import annotations

import queue
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

import actors
from actors import events
from tests.actors.helpers import SECONDS, hear

Heard = queue.SimpleQueue[Any]


def server_of(heard: Heard, *, timeout: float = SECONDS) -> type[actors.ServerActor]:
    """A server whose sessions want a first line that begins with `hello `, which names the peer."""

    class Session(actors.SessionActor):
        line = b""

        def on_start(self) -> None:
            self.await_preface(timeout)

        def on_preface(self, data: bytes) -> tuple[int, bool]:
            heard.put(data)
            end = data.find(b"\n") + 1
            self.line += data[: end or len(data)]
            if end:
                self.replace_peer(self.line[:-1].decode())
            return end or len(data), bool(end)

        def on_connect(self) -> None:
            self.announce()
            self.send(b"ready\n")

        def on_data(self, data: bytes) -> None:
            heard.put(("data", data))
            raise actors.ActorExit("normal")

        def on_timeout(self) -> None:
            heard.put("timeout")
            super().on_timeout()

    class Server(actors.ServerActor):
        def make_session(self, connection: actors.Connection) -> actors.SessionActor:
            return Session(connection, self.actor_ref)

    return Server


@contextmanager
def connected(heard: Heard, **options: Any) -> Generator[socket.socket]:
    """A client of such a server."""
    server = server_of(heard, **options).start([actors.Endpoint("127.0.0.1", 0)])
    try:
        (address,) = server.proxy().addresses().get(timeout=SECONDS)
        with socket.create_connection(address, SECONDS) as client:
            yield client
    finally:
        server.stop()


@pytest.fixture
def heard() -> Heard:
    return queue.SimpleQueue()


def test_the_rest_of_what_came_with_it_is_data(heard: Heard) -> None:
    with connected(heard) as client:
        client.sendall(b"hel")
        assert hear(heard) == b"hel"
        client.sendall(b"lo\nand\nmore")
        assert hear(heard) == b"lo\nand\nmore"
        assert hear(heard) == ("data", b"and\nmore")
        assert client.recv(9) == b"ready\n"


def test_events_tell_of_the_peer_that_it_names(heard: Heard) -> None:
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    unsubscribe = [events.subscribe(kind, told.put) for kind in (events.SessionOpened, events.SessionClosed)]
    with connected(heard) as client:
        client.sendall(b"hello\n.")
        assert [hear(told).peer for _ in range(2)] == ["hello", "hello"]
    for each in unsubscribe:
        each()


@pytest.mark.parametrize("sent", [b"", b"hel"])
def test_an_end_in_the_middle_is_heard_and_ends_the_session(heard: Heard, sent: bytes) -> None:
    with connected(heard) as client:
        if sent:
            client.sendall(sent)
            assert hear(heard) == sent
        client.shutdown(socket.SHUT_WR)
        assert hear(heard) == b""
        assert client.recv(1) == b""


def test_it_is_not_awaited_for_ever(heard: Heard) -> None:
    with connected(heard, timeout=0.05) as client:
        assert hear(heard) == "timeout"
        assert client.recv(1) == b""
