"""Listening: how sockets are opened, errors of accept, pauses, restarts."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

import gevent
import pytest

import actors
from actors import events
from actors.net.listener import ACCEPTS_PER_TURN, InheritedListener
from actors.net.sockets import InheritedSocket, duplicates, open_socket
from tests.actors.helpers import (
    LOOPBACK,
    SECONDS,
    Echo,
    FlakySocket,
    Gate,
    address_of,
    connect,
    flaky_socket,
    greeted,
    live_actors,
    on_hub,
    open_sockets,
    read_all,
    read_exactly,
    run_script,
    serving,
    sessions_of,
    start_probe,
)


@pytest.fixture
def seen() -> Generator[Callable[[type], list[Any]]]:
    """`seen(Event)`: the events of a type from now on."""
    with contextlib.ExitStack() as stack:

        def subscribe(kind: type) -> list[Any]:
            found: list[Any] = []
            stack.callback(events.subscribe(kind, found.append))
            return found

        yield subscribe


# -- opening ------------------------------------------------------------------------------------------


def test_a_port_of_zero_is_the_systems_choice() -> None:
    with serving(LOOPBACK, LOOPBACK) as server:
        ports = {address_of(server, index)[1] for index in range(2)}
        assert len(ports) == 2
        assert 0 not in ports


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_an_address_may_be_a_host_name(name: str) -> None:
    with serving(actors.Endpoint(name, 0)) as server, greeted(address_of(server)) as client:
        client.sendall(b"x")
        assert read_exactly(client, 1) == b"x"


def test_an_unknown_host_name_is_a_listen_error() -> None:
    with pytest.raises(actors.ListenError, match=r"nowhere\.invalid port 25 \(tcp\)"):
        open_socket(actors.Endpoint("nowhere.invalid", 25))


def test_a_taken_port_is_a_listen_error_that_says_where_and_why() -> None:
    with serving() as server:
        port = address_of(server)[1]
        with pytest.raises(actors.ListenError) as caught:
            actors.launch(actors.ServerActor([actors.Endpoint("127.0.0.1", port, protocol="ssl")], Echo))
    error = caught.value
    assert (error.address, error.port, error.protocol) == ("127.0.0.1", port, "ssl")
    assert error.reason.errno == errno.EADDRINUSE
    assert str(error) == f"cannot listen on 127.0.0.1 port {port} (ssl): Address already in use"


def test_when_one_of_several_fails_those_open_already_are_closed_again() -> None:
    sockets = open_sockets()
    with serving() as server:
        taken = address_of(server)[1]
        before = open_sockets()
        with pytest.raises(actors.ListenError):
            actors.launch(actors.ServerActor([LOOPBACK, LOOPBACK, actors.Endpoint("127.0.0.1", taken)], Echo))
        assert open_sockets() == before
    assert open_sockets() == sockets


def test_a_port_can_be_used_again_at_once() -> None:
    with serving() as server:
        port = address_of(server)[1]
        with greeted(("127.0.0.1", port)):
            server.stop(timeout=SECONDS)
    with serving(actors.Endpoint("127.0.0.1", port)), greeted(("127.0.0.1", port)):
        pass


# -- unix sockets -------------------------------------------------------------------------------------


@pytest.fixture
def unix_path(short_path: Any) -> str:
    return str(short_path / "s")


def test_a_socket_file_that_a_dead_server_left_is_replaced(unix_path: str) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(unix_path)
    with serving(actors.Endpoint(unix_path, None, "unix")), greeted(unix_path):
        pass
    assert not os.path.exists(unix_path)


def test_a_socket_that_answers_is_an_error_and_stays(unix_path: str) -> None:
    endpoint = actors.Endpoint(unix_path, None, "unix")
    with serving(endpoint):
        with pytest.raises(actors.ListenError) as caught:
            actors.launch(actors.ServerActor([endpoint], Echo))
        assert caught.value.reason.errno == errno.EADDRINUSE
        assert caught.value.port is None
        assert str(caught.value).startswith(f"cannot listen on {unix_path} (tcp): another server")
        greeted(unix_path).close()


def test_a_socket_whose_backlog_is_full_is_alive_too(unix_path: str) -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket(socket.AF_UNIX))
        full.bind(unix_path)
        full.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(unix_path)
        with pytest.raises(actors.ListenError) as caught:
            open_socket(actors.Endpoint(unix_path, None, "unix"))
        assert caught.value.reason.errno == errno.EADDRINUSE


def test_a_file_that_is_no_socket_is_an_error_and_stays(unix_path: str) -> None:
    with open(unix_path, "w") as file:
        file.write("precious")
    with pytest.raises(actors.ListenError, match="not a socket") as caught:
        open_socket(actors.Endpoint(unix_path, None, "unix"))
    assert caught.value.reason.errno == errno.EEXIST
    with open(unix_path) as file:
        assert file.read() == "precious"


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_a_socket_file_has_the_permissions_and_the_group_that_were_asked_for(
    unix_path: str, mode: int
) -> None:
    # Root may give a file to any group, everybody else to one of his own.
    group = 65534 if os.geteuid() == 0 else os.getgroups()[-1]
    with serving(actors.Endpoint(unix_path, None, "unix", mode=mode, group=group)):
        status = os.stat(unix_path)
        assert (stat.S_IMODE(status.st_mode), status.st_gid) == (mode, group)


def test_a_socket_file_that_cannot_be_given_away_is_an_error_and_does_not_stay(
    unix_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise PermissionError(errno.EPERM, "not yours")

    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(actors.ListenError, match="not yours"):
        open_socket(actors.Endpoint(unix_path, None, "unix", group=0))
    assert not os.path.exists(unix_path)


def test_a_socket_file_that_another_server_has_put_there_since_is_left_alone(unix_path: str) -> None:
    endpoint = actors.Endpoint(unix_path, None, "unix")
    with serving(endpoint) as first:
        os.unlink(unix_path)
        with serving(endpoint):
            first.stop(timeout=SECONDS)
            greeted(unix_path).close()
    assert not os.path.exists(unix_path)


# -- errors of accept ---------------------------------------------------------------------------------


def flaky_server(*opens: list[int]) -> type[actors.ServerActor]:
    """A server whose first socket fails with the first errors, the one after a restart with the next."""
    left = deque(deque(numbers) for numbers in opens)

    def open_flaky(endpoint: actors.Endpoint) -> FlakySocket:
        return flaky_socket(endpoint, left.popleft() if left else deque())

    class Server(actors.ServerActor):
        def open_listener(self, endpoint: actors.Endpoint, index: int) -> actors.ListenerActor:
            return actors.ListenerActor(endpoint, index, self.actor_ref, open_flaky)

    return Server


def bounce_off(address: Any) -> None:
    """Connect to a listener that breaks at it: whatever the system tells, it is not served."""
    with contextlib.suppress(ConnectionError), connect(address) as client:
        assert read_all(client) == b""


@pytest.mark.parametrize("name", ["ECONNABORTED", "EINTR", "EPROTO", "EPERM", "ENETDOWN", "EHOSTUNREACH"])
def test_an_error_of_one_connection_does_not_keep_the_next_from_being_accepted(
    name: str, seen: Callable[[type], list[Any]]
) -> None:
    started, paused = seen(events.ListenerStarted), seen(events.AcceptPaused)
    with (
        serving(server=flaky_server([getattr(errno, name)] * 3)) as server,
        greeted(address_of(server)),
    ):
        assert len(sessions_of(server)) == 1
    assert len(started) == 1
    assert paused == []


@pytest.mark.parametrize("name", ["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS"])
def test_want_of_descriptors_or_memory_pauses_longer_each_time_and_recovers(
    name: str, seen: Callable[[type], list[Any]]
) -> None:
    started, paused = seen(events.ListenerStarted), seen(events.AcceptPaused)
    with (
        serving(server=flaky_server([getattr(errno, name)] * 2)) as server,
        greeted(address_of(server)),
    ):
        assert len(sessions_of(server)) == 1
    assert len(started) == 1
    assert [event.seconds for event in paused] == [0.05, 0.1]
    assert paused[0].reason == os.strerror(getattr(errno, name))


def test_a_server_that_is_stopped_while_it_pauses_leaves_no_timer(seen: Callable[[type], list[Any]]) -> None:
    paused = actors.GeventFuture[None]()
    unsubscribe = events.subscribe(events.AcceptPaused, lambda _: paused.done() or paused.set(None))
    with serving(server=flaky_server([errno.EMFILE] * 100)) as server, connect(address_of(server)):
        paused.get(timeout=SECONDS)
        server.stop(timeout=SECONDS)
    unsubscribe()
    assert not server.is_alive()


def test_the_system_really_out_of_descriptors_pauses_and_recovers() -> None:
    script = """
import resource, socket, os
import actors
from actors import events
from tests.actors.helpers import serving, address_of, connect, read_exactly, SECONDS

paused = actors.GeventFuture()
events.subscribe(events.AcceptPaused, lambda event: paused.done() or paused.set(event.reason))
with serving() as server:
    address = address_of(server)
    client = connect(address)
    read_exactly(client, 6)
    waiting = socket.socket()
    waiting.settimeout(SECONDS)
    held = os.open("/dev/null", os.O_RDONLY)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (held + 1, hard))
    waiting.connect(address)
    print(paused.get(timeout=SECONDS))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    print(read_exactly(waiting, 6))
    for each in (client, waiting):
        each.close()
    os.close(held)
"""
    assert run_script("import logging; logging.disable()\n" + script) == (
        "Too many open files\nb'hello\\n'\n"
    )


def test_a_broken_socket_ends_its_listener_which_is_restarted_on_the_same_port(
    seen: Callable[[type], list[Any]],
) -> None:
    restarted = actors.GeventFuture[Any]()
    with serving(LOOPBACK, LOOPBACK, server=flaky_server([], [errno.EBADF])) as server:
        first, second = address_of(server, 0), address_of(server, 1)
        ended = seen(events.ListenerEnded)
        unsubscribe = events.subscribe(events.ListenerStarted, lambda event: restarted.set(event.address))
        with greeted(first) as spared:
            bounce_off(second)
            assert restarted.get(timeout=SECONDS) == second
            unsubscribe()
            with greeted(second):
                assert len(sessions_of(server)) == 2
            spared.sendall(b"spared")
            assert read_exactly(spared, 6) == b"spared"
        assert [(event.address, event.reason.errno) for event in ended] == [(second, errno.EBADF)]
        assert [address_of(server, 0), address_of(server, 1)] == [first, second]


def test_a_unix_listener_is_restarted_on_its_path(unix_path: str) -> None:
    restarted = actors.GeventFuture[Any]()
    endpoint = actors.Endpoint(unix_path, None, "unix")
    with serving(endpoint, server=flaky_server([errno.EBADF])):
        unsubscribe = events.subscribe(events.ListenerStarted, lambda event: restarted.set(event.address))
        bounce_off(unix_path)
        assert restarted.get(timeout=SECONDS) == unix_path
        unsubscribe()
        greeted(unix_path).close()
    assert not os.path.exists(unix_path)


def test_a_listener_that_was_killed_is_restarted() -> None:
    restarted = actors.GeventFuture[Any]()
    with serving() as server:
        address = address_of(server)
        (listener,) = server._actor_weakref().listener_group.refs()
        unsubscribe = events.subscribe(events.ListenerStarted, lambda event: restarted.set(event.address))
        listener.kill()
        assert restarted.get(timeout=SECONDS) == address
        unsubscribe()
        greeted(address).close()


def test_a_listener_that_cannot_be_restarted_takes_the_server_down_with_the_reason() -> None:
    opened: list[Any] = []

    def open_once(endpoint: actors.Endpoint) -> Any:
        if opened:
            raise actors.ListenError(
                endpoint.address, endpoint.port, endpoint.protocol, OSError(errno.EACCES, "Permission denied")
            )
        opened.append(open_socket(endpoint))
        return opened[0]

    class Server(actors.ServerActor):
        def open_listener(self, endpoint: actors.Endpoint, index: int) -> actors.ListenerActor:
            return actors.ListenerActor(endpoint, index, self.actor_ref, open_once)

    watcher, _ = start_probe()
    with serving(server=Server) as server, greeted(address_of(server)) as client:
        (session,) = sessions_of(server)
        (listener,) = server._actor_weakref().listener_group.refs()
        listener.kill()
        reason = actors.wait_down(server, SECONDS)
        assert isinstance(reason, actors.ListenError)
        assert reason.reason.errno == errno.EACCES
        assert read_all(client) == b""
        assert session.exit_reason == "shutdown"
    watcher.stop()


def test_a_listener_that_dies_again_and_again_takes_the_server_down() -> None:
    with serving(server=flaky_server(*[[errno.EBADF]] * 6)) as server:
        address = address_of(server)
        ended = actors.spawn(actors.wait_down, server, SECONDS)
        for _ in range(1000):
            if ended.done():
                break
            bounce_off(address)
        reason = ended.get(timeout=SECONDS)
        assert isinstance(reason, OSError)
        assert reason.errno == errno.EBADF


# -- pauses -------------------------------------------------------------------------------------------


def test_a_paused_server_leaves_clients_in_the_backlog_until_it_resumes() -> None:
    with serving() as server:
        server.proxy().suspend().get(timeout=SECONDS)
        with connect(address_of(server)) as client:
            for _ in range(3):
                assert sessions_of(server) == []
            server.proxy().resume().get(timeout=SECONDS)
            assert read_exactly(client, 6) == Echo.greeting


def test_pausing_and_resuming_twice_is_doing_it_once() -> None:
    with serving() as server:
        proxy = server.proxy()
        for call in (proxy.resume, proxy.suspend, proxy.suspend, proxy.resume, proxy.resume):
            call().get(timeout=SECONDS)
        greeted(address_of(server)).close()


def test_more_clients_than_one_batch_takes_are_all_accepted() -> None:
    with serving() as server, contextlib.ExitStack() as stack:
        server.proxy().suspend().get(timeout=SECONDS)
        clients = [stack.enter_context(connect(address_of(server))) for _ in range(ACCEPTS_PER_TURN * 2 + 1)]
        server.proxy().resume().get(timeout=SECONDS)
        assert {read_exactly(client, 6) for client in clients} == {Echo.greeting}
        assert len(sessions_of(server)) == len(clients)


def test_listeners_are_added_and_removed_while_the_server_runs() -> None:
    with serving() as server:
        first = address_of(server)
        second = server.proxy().add_listener(LOOPBACK).get(timeout=SECONDS)
        assert server.proxy().addresses().get(timeout=SECONDS) == [first, second]
        with greeted(first) as client:
            assert server.proxy().remove_listener(first).get(timeout=SECONDS) is True
            assert server.proxy().remove_listener(first).get(timeout=SECONDS) is False
            with pytest.raises(ConnectionRefusedError):
                connect(first)
            client.sendall(b"spared")
            assert read_exactly(client, 6) == b"spared"
            greeted(second).close()


# -- a server that is killed meanwhile --------------------------------------------------------------


class KilledWhileListening(actors.ServerActor):
    """A server whose next listener kills it when its socket is open, or waits for ever to open it."""

    opened: deque[socket.socket]
    mode = "open"

    def open_listener(self, endpoint: actors.Endpoint, index: int) -> actors.ListenerActor:
        def open_(endpoint: actors.Endpoint) -> Any:
            opened = open_socket(endpoint)
            if self.mode != "open":
                self.opened.append(opened)
                self.actor_ref.kill()
            if self.mode == "wait":
                try:
                    Gate().wait()
                except BaseException:
                    opened.close()  # as open_socket does
                    raise
            return opened

        return actors.ListenerActor(endpoint, index, self.actor_ref, open_)


def kills(mode: str) -> type[KilledWhileListening]:
    return type("Killed", (KilledWhileListening,), {"mode": mode, "opened": deque()})


@pytest.mark.parametrize("mode", ["kill", "wait"])
def test_a_server_that_is_killed_while_it_starts_leaves_no_listener(mode: str) -> None:
    before = open_sockets()
    cls = kills(mode)
    with pytest.raises(actors.StartError):
        actors.launch(cls([LOOPBACK], Echo))
    wait_until_closed(cls.opened)
    assert on_hub(live_actors) == []
    assert open_sockets() <= before


@pytest.mark.parametrize("mode", ["kill", "wait"])
def test_a_server_that_is_killed_while_it_adds_a_listener_leaves_none(mode: str) -> None:
    before = open_sockets()
    cls = kills("open")
    server = actors.launch(cls([LOOPBACK], Echo))
    cls.mode = mode
    with pytest.raises(actors.ActorDeadError):
        server.proxy().add_listener(LOOPBACK).get(timeout=SECONDS)
    wait_until_closed(cls.opened)
    assert on_hub(live_actors) == []
    assert open_sockets() <= before


def wait_until_closed(opened: deque[socket.socket]) -> None:
    """Return when the socket that was opened last is closed."""
    last = opened.pop()
    for _ in range(1000):
        if last.fileno() == -1:
            return
        on_hub(gevent.sleep, 0.001)
    pytest.fail("it is open")


def test_an_inherited_socket_is_closed_though_its_listener_was_killed_before_its_start() -> None:
    inherited = open_socket(LOOPBACK)
    server, _ = start_probe()
    listener = InheritedListener(LOOPBACK, 0, server, InheritedSocket(inherited))
    listener.actor_ref.kill()
    on_hub(gevent.sleep, 0)
    assert inherited.fileno() == -1
    server.stop()


def test_a_server_that_stops_adds_no_listener() -> None:
    gate = Gate()

    class Slow(Echo):
        def on_shutdown(self, grace: float) -> None:
            gate.wait()
            super().on_shutdown(grace)

    with serving(session=Slow) as server, greeted(address_of(server)):
        stopped = server.stop(block=False)
        gate.reached.get(timeout=SECONDS)
        before = open_sockets()
        with pytest.raises(actors.StartError, match="is stopping and listens no more"):
            server.proxy().add_listener(LOOPBACK).get(timeout=SECONDS)
        assert open_sockets() <= before
        gate.open()
        assert stopped.get(timeout=SECONDS)


def test_descriptors_are_duplicated_all_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def dup(descriptor: int) -> int:
        if len(made) == 2:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        made.append(real_dup(descriptor))
        return made[-1]

    with contextlib.ExitStack() as stack:
        sockets: Any = [stack.enter_context(socket.socket()) for _ in range(3)]
        real_dup = os.dup
        monkeypatch.setattr(os, "dup", dup)
        with pytest.raises(OSError, match="Too many open files"):
            duplicates(sockets)
        for descriptor in made:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(descriptor)
        monkeypatch.undo()
        for descriptor in duplicates(sockets):
            os.close(descriptor)
