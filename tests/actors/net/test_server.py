"""The tree of a server: its sessions, its end, and who ends with it."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any

import pykka
import pytest

import actors
from actors import events
from tests.actors.helpers import (
    LOOPBACK,
    SECONDS,
    Echo,
    Gate,
    address_of,
    connect,
    exit_with,
    greeted,
    hear,
    live_actors,
    open_sockets,
    read_all,
    read_exactly,
    serving,
    session_of,
    sessions_of,
    start_probe,
    wait_until_refused,
)


def test_a_client_that_has_read_its_banner_is_in_the_list() -> None:
    with serving() as server:
        for count in range(1, 30):
            with contextlib.ExitStack() as stack:
                for _ in range(2):
                    stack.enter_context(greeted(address_of(server)))
                listed = sessions_of(server)
                assert len(listed) == 2, count
            for session in listed:
                actors.wait_down(session, SECONDS)
            assert sessions_of(server) == []


def test_the_list_is_oldest_first_over_all_listeners() -> None:
    with serving(LOOPBACK, LOOPBACK) as server, contextlib.ExitStack() as stack:
        ports = []
        for index in (0, 1, 0, 1):
            client = stack.enter_context(greeted(address_of(server, index)))
            ports.append(client.getsockname()[1])
        assert [ref._actor_weakref().peer[1] for ref in sessions_of(server)] == ports


def test_a_client_that_has_not_been_greeted_is_not_in_the_list() -> None:
    gate = Gate()

    class Slow(Echo):
        def on_connect(self) -> None:
            gate.wait()
            super().on_connect()

    with serving(session=Slow) as server, connect(address_of(server)) as client:
        gate.reached.get(timeout=SECONDS)
        assert sessions_of(server) == []
        assert len(server.proxy().all_sessions().get(timeout=SECONDS)) == 1
        gate.open()
        assert read_exactly(client, 6) == Echo.greeting
        assert len(sessions_of(server)) == 1


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda ref: ref.stop(), "shutdown"),
        (lambda ref: ref.kill(), "killed"),
        (lambda ref: actors.send_exit(ref, "boom"), "boom"),
    ],
    ids=["stop", "kill", "signal"],
)
def test_each_end_of_a_session_is_heard_once_whatever_caused_it(end: Any, reason: str) -> None:
    ended = actors.GeventFuture[Any]()

    class Server(actors.ServerActor):
        def session_ended(self, ref: actors.GeventRef[Any], reason: Any) -> None:
            ended.set((ref, reason))  # a second time would raise

    opened: list[Any] = []
    closed: list[Any] = []
    unsubscribers = [
        events.subscribe(events.SessionOpened, opened.append),
        events.subscribe(events.SessionClosed, closed.append),
    ]
    with serving(server=Server) as server, greeted(address_of(server)) as client:
        session = session_of(server)
        end(session)
        assert ended.get(timeout=SECONDS) == (session, reason)
        assert sessions_of(server) == []
        assert read_all(client) == b""
    for unsubscribe in unsubscribers:
        unsubscribe()
    assert [(event.session, event.reason) for event in closed] == [(session.actor_urn, reason)]
    assert len(opened) == 1


def test_sessions_stay_out_of_pykkas_registry_and_the_server_is_in_it() -> None:
    with serving() as server, greeted(address_of(server)):
        assert pykka.ActorRegistry.get_all() == [server]


def test_the_server_may_refuse_a_connection() -> None:
    class Server(actors.ServerActor):
        def admit(self, connection: actors.Connection) -> bool:
            return not self.session_count()

    with serving(server=Server) as server, greeted(address_of(server)):
        with connect(address_of(server)) as refused:
            assert read_all(refused) == b""
        assert len(sessions_of(server)) == 1


def test_a_client_that_is_refused_may_hear_why() -> None:
    class Server(actors.ServerActor):
        def admit(self, connection: actors.Connection) -> bool | bytes:
            return b"not today\n"

    with serving(server=Server) as server:
        server.proxy().suspend().get(timeout=SECONDS)
        with connect(address_of(server)) as refused:
            refused.sendall(b"hello?\n" * 1000)  # data nobody reads would make the close a reset
            server.proxy().resume().get(timeout=SECONDS)
            assert read_all(refused) == b"not today\n"


def test_a_session_counter_is_found_under_its_name_of_before() -> None:
    assert actors.Census is actors.SessionCounter
    assert "Census" in actors.__all__


def test_a_session_counter_counts_those_who_enter_and_leave() -> None:
    census = actors.SessionCounter()
    assert [census.enter(), census.enter()] == [1, 2]
    census.leave()
    assert (census.present, census.enter()) == (1, 2)


# -- stopping -----------------------------------------------------------------------------------------


def test_stop_returns_when_nothing_is_left() -> None:
    sockets = open_sockets()
    with contextlib.ExitStack() as stack:
        server = actors.launch(actors.ServerActor([LOOPBACK, LOOPBACK], Echo))
        clients = [stack.enter_context(greeted(address_of(server, index % 2))) for index in range(10)]
        assert len(sessions_of(server)) == 10
        addresses = server.proxy().addresses().get(timeout=SECONDS)
        own = {os.readlink(f"/proc/self/fd/{client.fileno()}") for client in clients}
        assert server.stop(timeout=SECONDS) is True
        assert live_actors() == []
        assert open_sockets() == sockets | own
        assert server.exit_reason == "normal"
        for client in clients:
            assert read_all(client) == b""
        for address in addresses:
            with pytest.raises(ConnectionRefusedError):
                connect(address)


@pytest.mark.parametrize(
    "stop",
    [
        lambda server: server.stop(),
        lambda server: actors.run_blocking(server.stop),
        lambda server: actors.run_blocking(actors.run_blocking, server.stop),
    ],
    ids=["in the session", "in its worker thread", "in a worker thread's worker thread"],
)
def test_a_stop_from_inside_the_tree_sends_the_pill_and_returns(stop: Any) -> None:
    returned = actors.GeventFuture[bool]()

    class Stopping(Echo):
        def on_data(self, data: bytes) -> None:
            returned.set(stop(self.server))

    with serving(session=Stopping) as server, greeted(address_of(server)) as client:
        client.sendall(b"stop")
        assert returned.get(timeout=SECONDS) is True
        assert actors.wait_down(server, SECONDS) in ("normal", "noproc")
        assert read_all(client) == b""


def test_a_session_may_ask_its_server_while_it_stops() -> None:
    gate = Gate()
    asked = actors.GeventFuture[Any]()

    class Asking(Echo):
        def on_data(self, data: bytes) -> None:
            gate.wait()
            asked.set(self.server.proxy().sessions().get(timeout=SECONDS))

    with serving(session=Asking) as server, greeted(address_of(server)) as client:
        session = session_of(server)
        client.sendall(b"ask")
        gate.reached.get(timeout=SECONDS)
        stopping = server.stop(block=False)
        gate.open()
        assert asked.get(timeout=SECONDS) == [session]
        assert stopping.get(timeout=SECONDS) is True


def test_sessions_finish_the_work_in_hand_within_the_grace() -> None:
    gate = Gate()

    class Working(Echo):
        def on_data(self, data: bytes) -> None:
            gate.wait()
            self.send(b"done\n")

        def on_shutdown(self, grace: float) -> None:
            self.send(b"421 going\n")
            super().on_shutdown(grace)

    with serving(session=Working) as server, greeted(address_of(server)) as client:
        session = session_of(server)
        client.sendall(b"work")
        gate.reached.get(timeout=SECONDS)
        stopping = server.stop(block=False)
        wait_until_refused(client.getpeername())  # the listeners close first
        assert not stopping.done()
        gate.open()
        assert read_all(client) == b"done\n421 going\n"
        assert stopping.get(timeout=SECONDS) is True
        assert session.exit_reason == "shutdown"


def test_what_is_left_at_the_end_of_the_grace_is_cut_off() -> None:
    gate = Gate()

    class Stuck(Echo):
        def on_data(self, data: bytes) -> None:
            gate.wait()

    class Server(actors.ServerActor):
        def on_start(self) -> None:
            self.grace = 0.1
            super().on_start()

    with serving(session=Stuck, server=Server) as server, greeted(address_of(server)) as client:
        session = session_of(server)
        client.sendall(b"work")
        gate.reached.get(timeout=SECONDS)
        assert server.stop(timeout=SECONDS) is True
        assert session.exit_reason == "killed"
        assert server.exit_reason == "normal"
        assert read_all(client) == b""


def test_a_second_stop_waits_for_the_same_end() -> None:
    gate = Gate()

    class Working(Echo):
        def on_data(self, data: bytes) -> None:
            gate.wait()

    with serving(session=Working) as server, greeted(address_of(server)) as client:
        client.sendall(b"work")
        gate.reached.get(timeout=SECONDS)
        stops = [server.stop(block=False) for _ in range(3)]
        gate.open()
        assert [stop.get(timeout=SECONDS) for stop in stops] == [True] * 3


def test_a_client_that_comes_while_the_server_stops_is_closed() -> None:
    """Accepted, but not looked at before the stop began."""
    gate = Gate()

    class Server(actors.ServerActor):
        def hold(self) -> None:
            gate.wait()

    with serving(server=Server) as server:
        address = address_of(server)
        server.proxy().hold.defer()
        gate.reached.get(timeout=SECONDS)
        with connect(address) as client:
            stopping = server.stop(block=False)
            gate.open()
            assert stopping.get(timeout=SECONDS) is True
            with contextlib.suppress(ConnectionResetError):
                assert read_all(client) in (b"", Echo.greeting)


def test_a_server_without_sessions_stops_at_once_and_again_is_false() -> None:
    server = actors.launch(actors.ServerActor([LOOPBACK], Echo))
    assert server.stop() is True
    assert server.stop() is False


def test_a_server_that_is_killed_takes_its_tree_along() -> None:
    with serving() as server, greeted(address_of(server)) as client:
        session = session_of(server)
        server.kill()
        assert read_all(client) == b""
        for ref in (server, session):
            actors.wait_down(ref, SECONDS)
        assert (server.exit_reason, session.exit_reason) == ("killed", "killed")
        wait_until_refused(client.getpeername())


def test_a_server_that_fails_takes_its_tree_along_and_hears_each_end() -> None:
    ended: list[Any] = []

    class Server(actors.ServerActor):
        def fail(self) -> None:
            raise LookupError("boom")

        def session_ended(self, ref: actors.GeventRef[Any], reason: Any) -> None:
            ended.append((ref, reason))

    with serving(server=Server) as server, greeted(address_of(server)) as client:
        session = session_of(server)
        server.proxy().fail.defer()
        reason = actors.wait_down(server, SECONDS)
        assert isinstance(reason, LookupError)
        assert read_all(client) == b""
        assert ended == [(session, "shutdown")]


def test_a_session_that_crashes_hurts_no_other() -> None:
    class Fragile(Echo):
        def on_data(self, data: bytes) -> None:
            if data == b"break":
                raise SystemExit(3)
            super().on_data(data)

    with (
        serving(session=Fragile) as server,
        greeted(address_of(server)) as client,
        greeted(address_of(server)) as other,
    ):
        client.sendall(b"break")
        assert read_all(client) == b""
        other.sendall(b"unhurt")
        assert read_exactly(other, 6) == b"unhurt"


# -- start_link ---------------------------------------------------------------------------------------


def start_linked(trap_exits: bool = True) -> tuple[Any, Any, Any]:
    """An actor, what it hears, and a server that is its child."""
    parent, heard = start_probe(trap_exits=trap_exits)
    server = parent.ask(lambda _: actors.ServerActor.start_link([LOOPBACK], Echo))
    return parent, heard, server


@pytest.mark.parametrize("reason", ["normal", "shutdown", "boom", "kill"])
def test_a_linked_server_ends_with_its_parent_for_any_reason(reason: str) -> None:
    parent, _, server = start_linked()
    with greeted(address_of(server)) as client:
        session = session_of(server)
        parent.tell(exit_with(reason))
        actors.wait_down(server, SECONDS)
        assert server.exit_reason == reason
        assert session.exit_reason == "shutdown"
        assert read_all(client) == b""


@pytest.mark.parametrize("reason", ["normal", "boom"])
def test_the_parent_gets_its_servers_exit(reason: str) -> None:
    parent, heard, server = start_linked()
    server.stop(reason=reason, timeout=SECONDS)
    assert hear(heard) == actors.Exit(server, reason)
    parent.stop()


def test_a_parent_that_does_not_trap_dies_of_its_servers_failure() -> None:
    parent, _, server = start_linked(trap_exits=False)
    server.stop(reason="boom", timeout=SECONDS)
    actors.wait_down(parent, SECONDS)
    assert parent.exit_reason == "boom"


def test_a_linked_server_that_cannot_start_raises_and_spares_its_parent() -> None:
    with serving() as first:
        taken = actors.Endpoint(*address_of(first))
        parent, heard = start_probe()
        with pytest.raises(actors.ListenError):
            parent.ask(lambda _: actors.ServerActor.start_link([taken], Echo))
        parent.tell("lives on")
        assert hear(heard) == "lives on"
        parent.stop()


def test_a_server_linked_to_a_thread_stops_with_it() -> None:
    served = actors.GeventFuture[Any]()
    end = threading.Event()

    def live() -> None:
        served.set(actors.ServerActor.start_link([LOOPBACK], Echo))
        end.wait(SECONDS)

    thread = threading.Thread(target=live)
    thread.start()
    server = served.get(timeout=SECONDS)
    with greeted(address_of(server)) as client:
        end.set()
        thread.join(SECONDS)
        assert read_all(client) == b""
        actors.wait_down(server, SECONDS)
        assert server.exit_reason == "normal"


def test_a_server_linked_to_a_greenlet_stops_with_it() -> None:
    gate = Gate()
    served = actors.GeventFuture[Any]()

    def live() -> None:
        served.set(actors.ServerActor.start_link([LOOPBACK], Echo))
        gate.wait()

    actors.spawn(live)
    server = served.get(timeout=SECONDS)
    with greeted(address_of(server)) as client:
        gate.open()
        assert read_all(client) == b""
        actors.wait_down(server, SECONDS)
        assert server.exit_reason == "normal"


def test_a_linked_servers_other_links_do_not_end_it() -> None:
    with serving() as server:
        other, _ = start_probe()
        actors.link(server, other)
        other.tell(exit_with("boom"))
        actors.wait_down(other, SECONDS)
        greeted(address_of(server)).close()


def test_a_connection_whose_set_up_fails_is_closed_and_the_server_goes_on() -> None:
    class Moody(actors.ServerActor):
        def admit(self, connection: actors.Connection) -> bool:
            if len(self.all_sessions()) == 1:
                raise ValueError("not a second one")
            return True

    server = Moody.start([LOOPBACK], Echo)
    with greeted(address_of(server)), connect(address_of(server)) as second:
        assert second.recv(100) == b""
        assert len(sessions_of(server)) == 1
    server.stop()
