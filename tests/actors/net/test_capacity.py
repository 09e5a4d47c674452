"""A server's places: never more sessions than there are, and none that waits for one is forgotten."""

from __future__ import annotations

import _socket
import contextlib
import errno
import math
import queue
import select
import socket
from typing import Any

import pytest

import actors
from actors import events
from actors.net.listener import Capacity
from actors.net.sockets import open_socket
from tests.actors.helpers import (
    LOOPBACK,
    SECONDS,
    Echo,
    address_of,
    connect,
    greeted,
    read_all,
    read_exactly,
    sessions_of,
)

# -- counting -----------------------------------------------------------------------------------------


def test_a_place_that_is_given_back_calls_all_that_wait_until_they_stop() -> None:
    called: list[str] = []
    capacity = Capacity(1)
    first, second = (lambda: called.append("first")), (lambda: called.append("second"))
    capacity.take(first)
    capacity.wait(first)
    capacity.wait(second)
    capacity.give_back()
    assert called == ["first", "second"]
    capacity.stop_waiting(first)
    capacity.take(print)
    capacity.give_back()
    assert called == ["first", "second", "second"]


def test_whoever_got_a_place_waits_for_the_next_behind_the_others() -> None:
    called: list[str] = []
    capacity = Capacity(1)
    waiters = [lambda: called.append("a"), lambda: called.append("b")]
    for waiter in waiters:
        capacity.wait(waiter)
    capacity.take(waiters[0])
    for waiter in waiters:
        capacity.wait(waiter)
    capacity.give_back()
    assert called == ["b", "a"]


def test_it_is_told_when_the_last_place_is_taken_and_again_only_after_half_were_free() -> None:
    told: list[bool] = []
    capacity = Capacity(4, lambda: told.append(True))

    def take(count: int) -> None:
        for _ in range(count):
            capacity.take(print)

    def give_back(count: int) -> None:
        for _ in range(count):
            capacity.give_back()

    take(3)
    assert told == []
    take(1)
    give_back(1)
    take(1)
    assert told == [True]
    give_back(2)
    take(2)
    assert told == [True, True]


def test_without_a_limit_there_is_always_a_place() -> None:
    capacity = Capacity()
    for _ in range(3):
        capacity.take(print)
    assert capacity.free == math.inf


# -- the server ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def limited(count: float, listeners: int = 1, session: type[Echo] = Echo) -> Any:
    """A server that has so many capacity."""
    server = actors.launch(actors.ServerActor([LOOPBACK] * listeners, session, max_sessions=count))
    try:
        yield server
    finally:
        server.stop(timeout=SECONDS)


def look(server: actors.GeventRef[Any]) -> int:
    """How many sessions there are, after the server and its listeners have looked at all that came."""
    proxy = server.proxy()
    for _ in range(3):
        sessions_of(server)
    found: list[Any] = proxy.all_sessions().get(timeout=SECONDS)
    return len(found)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_so_many_are_served_over_all_listeners_and_the_next_waits_until_one_ends(count: int) -> None:
    with limited(count, listeners=2) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(greeted(address_of(server, index % 2))) for index in range(count)]
        waiting = [stack.enter_context(connect(address_of(server, index))) for index in range(2)]
        assert look(server) == count
        for client in waiting:
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.recv(1)
            client.settimeout(SECONDS)
        clients.pop().close()
        served = wait_for_one(waiting)
        assert look(server) == count
        served.close()
        waiting.remove(served)
        assert read_exactly(waiting[0], 6) == Echo.greeting


def wait_for_one(clients: list[socket.socket]) -> socket.socket:
    """The first client that is greeted."""
    readable, _, _ = select.select(clients, [], [], SECONDS)
    assert read_exactly(readable[0], 6) == Echo.greeting
    return readable[0]


class Counted(Echo):
    """Counts how many there are at one time, from the constructor to the release."""

    present = most = 0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        kind = type(self)
        kind.present += 1
        kind.most = max(kind.most, kind.present)

    def on_data(self, data: bytes) -> None:
        raise actors.ActorExit("normal")

    def release(self) -> None:
        super().release()
        type(self).present -= 1


def test_a_crowd_that_comes_at_once_is_served_to_the_last_and_never_more_than_may() -> None:
    class Session(Counted):
        pass

    with limited(5, listeners=3, session=Session) as server, contextlib.ExitStack() as stack:
        server.proxy().suspend().get(timeout=SECONDS)
        addresses = server.proxy().addresses().get(timeout=SECONDS)
        waiting = [stack.enter_context(connect(addresses[index % 3])) for index in range(150)]
        server.proxy().resume().get(timeout=SECONDS)
        while waiting:
            served = wait_for_one(waiting)
            served.sendall(b"bye")
            waiting.remove(served)
        assert Session.most == 5


def test_no_listener_is_left_out_while_another_has_a_queue() -> None:
    class Session(Counted):
        pass

    with limited(1, listeners=2, session=Session) as server, contextlib.ExitStack() as stack:
        server.proxy().suspend().get(timeout=SECONDS)
        addresses = server.proxy().addresses().get(timeout=SECONDS)
        waiting = [stack.enter_context(connect(addresses[index // 10])) for index in range(20)]
        server.proxy().resume().get(timeout=SECONDS)
        order = []
        while waiting:
            served = wait_for_one(waiting)
            order.append(addresses.index(served.getpeername()))
            served.sendall(b"bye")
            waiting.remove(served)
        assert {order[:12].count(listener) for listener in (0, 1)} <= {5, 6, 7}, order


@pytest.mark.parametrize("end", ["close", "reset", "kill", "crash"])
def test_a_place_is_free_again_whatever_ended_the_session(end: str) -> None:
    class Fragile(Echo):
        def on_data(self, data: bytes) -> None:
            raise LookupError("boom")

    with limited(1, session=Fragile) as server:
        client = greeted(address_of(server))
        with connect(address_of(server)) as waiting:
            if end == "kill":
                sessions_of(server)[0].kill()
            elif end == "crash":
                client.sendall(b"x")
            elif end == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            if end in ("close", "reset"):
                client.close()
            assert read_exactly(waiting, 6) == Echo.greeting
        client.close()


def test_a_session_that_never_starts_leaves_its_place() -> None:
    class Moody(actors.ServerActor):
        moods = iter(["refuse", "fail", "serve"])

        def admit(self, connection: actors.Connection) -> bool:
            mood = next(self.moods)
            if mood == "fail":
                raise LookupError("boom")
            return mood == "serve"

    server = actors.launch(Moody([LOOPBACK], Echo, max_sessions=1))
    for _ in range(2):
        with connect(address_of(server)) as refused:
            assert read_all(refused) == b""
    greeted(address_of(server)).close()
    server.stop(timeout=SECONDS)


def test_who_suspends_a_full_server_finds_it_suspended_when_a_session_has_ended() -> None:
    with limited(1) as server:
        client = greeted(address_of(server))
        (session,) = sessions_of(server)
        with connect(address_of(server)) as waiting:
            server.proxy().suspend().get(timeout=SECONDS)
            client.close()
            actors.wait_down(session, SECONDS)
            assert look(server) == 0
            server.proxy().resume().get(timeout=SECONDS)
            assert read_exactly(waiting, 6) == Echo.greeting


def test_who_resumes_a_full_server_lets_nobody_in_before_a_session_ends() -> None:
    with limited(1) as server:
        client = greeted(address_of(server))
        server.proxy().suspend().get(timeout=SECONDS)
        with connect(address_of(server)) as waiting:
            server.proxy().resume().get(timeout=SECONDS)
            assert look(server) == 1
            client.close()
            assert read_exactly(waiting, 6) == Echo.greeting


def test_a_listener_that_is_added_while_the_server_is_full_or_suspended_waits_too() -> None:
    with limited(1) as server:
        client = greeted(address_of(server))
        second = server.proxy().add_listener(LOOPBACK).get(timeout=SECONDS)
        with connect(second) as waiting:
            assert look(server) == 1
            server.proxy().suspend().get(timeout=SECONDS)
            third = server.proxy().add_listener(LOOPBACK).get(timeout=SECONDS)
            (session,) = sessions_of(server)
            client.close()
            actors.wait_down(session, SECONDS)
            with connect(third) as another:
                assert look(server) == 0
                server.proxy().resume().get(timeout=SECONDS)
                served = wait_for_one([waiting, another])
                served.close()
                left = another if served is waiting else waiting
                assert read_exactly(left, 6) == Echo.greeting


def test_a_listener_that_is_removed_while_it_waits_is_forgotten() -> None:
    with limited(1, listeners=2) as server:
        client = greeted(address_of(server))
        gone, stays = server.proxy().addresses().get(timeout=SECONDS)
        with contextlib.suppress(ConnectionError), connect(gone):
            assert look(server) == 1
            server.proxy().remove_listener(gone).get(timeout=SECONDS)
        with connect(stays) as waiting:
            client.close()
            assert read_exactly(waiting, 6) == Echo.greeting


def test_a_listener_that_wants_descriptors_when_its_place_is_free_takes_it_later() -> None:
    errors: list[int] = []
    paused: list[float] = []

    class Scarce(_socket.socket):
        def _accept(self) -> Any:
            if errors:
                raise OSError(errors.pop(), "scarce")
            return super()._accept()  # type: ignore[misc]

    def open_scarce(endpoint: actors.Endpoint) -> Scarce:
        real = open_socket(endpoint)
        scarce = Scarce(real.family, real.type, 0, real.detach())
        scarce.setblocking(False)
        return scarce

    class Server(actors.ServerActor):
        def open_listener(self, endpoint: actors.Endpoint, index: int) -> actors.ListenerActor:
            return actors.ListenerActor(endpoint, index, self.actor_ref, open_scarce)

    unsubscribe = events.subscribe(events.AcceptPaused, lambda event: paused.append(event.seconds))
    server = actors.launch(Server([LOOPBACK], Echo, max_sessions=1))
    client = greeted(address_of(server))
    with connect(address_of(server)) as waiting:
        assert look(server) == 1
        errors.extend([errno.EMFILE] * 2)
        client.close()
        assert read_exactly(waiting, 6) == Echo.greeting
    server.stop(timeout=SECONDS)
    unsubscribe()
    assert paused == [0.05, 0.1]


def test_a_full_server_is_an_event() -> None:
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    unsubscribe = events.subscribe(events.ServerFull, told.put)
    with limited(2) as server, greeted(address_of(server)):
        assert told.empty()
        with greeted(address_of(server)):
            event = told.get(timeout=SECONDS)
    unsubscribe()
    assert event.sessions == 2
    assert str(event) == f"{event.server} has 2 sessions, as many as it may; further connections wait"


def test_a_full_server_that_stops_ends_at_once() -> None:
    with (
        limited(1) as server,
        greeted(address_of(server)) as client,
        connect(address_of(server)) as waiting,
    ):
        assert look(server) == 1
        server.stop(timeout=SECONDS)
        assert read_all(client) == b""
        with contextlib.suppress(ConnectionResetError):
            assert read_all(waiting) == b""
