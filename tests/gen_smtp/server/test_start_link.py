"""start_link: the bond between a server and whoever started it."""

from __future__ import annotations

import _thread
import gc
import queue
import threading
from typing import Any

import gevent
import pytest

from actors import ActorExit, Down, Exit, GeventActor, StartError, link, monitor, run_blocking
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server import ListenError
from gen_smtp.gen_smtp_server_session import Behaviour
from tests.gen_smtp.live import PATIENCE, Queue, Server, ended, listener, take


class Application(GeventActor):
    """An actor that starts servers and does as it is told.

    Args:
        heard: gets the exits and other messages it receives.
        trap: whether it traps exits.
    """

    def __init__(self, heard: Queue, trap: bool) -> None:
        super().__init__()
        self.heard = heard
        self.trap_exits = trap

    def on_receive(self, message: Any) -> Any:
        match message:
            case "start":
                return gen_smtp_server.start_link(Behaviour, [listener()])
            case ("start", options):
                return gen_smtp_server.start_link(Behaviour, options)
            case ("exit", reason):
                raise ActorExit(reason)
            case "crash":
                raise LookupError("crashed")
        self.heard.put(message)
        return None


@pytest.fixture
def heard() -> Queue:
    return queue.SimpleQueue()


class TestInsideAnActor:
    @pytest.mark.parametrize("reason", ["normal", "shutdown", "some reason"])
    def test_the_server_ends_with_its_parent_for_whatever_reason(self, reason: str, heard: Queue) -> None:
        parent = Application.start(heard, False)
        server = parent.ask("start")
        with Server(server).greeted() as client:
            parent.tell(("exit", reason))
            assert ended(server) == reason
            assert client.rest() == "421 mx.test Service shutting down\r\n"

    def test_the_server_ends_when_its_parent_is_stopped(self, heard: Queue) -> None:
        parent = Application.start(heard, False)
        server = parent.ask("start")
        parent.stop()
        assert ended(server) == "normal"

    def test_the_server_ends_when_its_parent_crashes(self, heard: Queue) -> None:
        parent = Application.start(heard, False)
        server = parent.ask("start")
        parent.tell("crash")
        assert isinstance(ended(server), LookupError)

    def test_the_server_ends_when_its_parent_is_killed(self, heard: Queue) -> None:
        parent = Application.start(heard, False)
        server = parent.ask("start")
        parent.kill()
        assert ended(server) == "killed"

    def test_a_parent_that_traps_exits_hears_of_the_servers_end(self, heard: Queue) -> None:
        parent = Application.start(heard, True)
        server = parent.ask("start")
        gen_smtp_server.stop(server)
        assert take(heard) == Exit(server, "normal")
        server = parent.ask("start")
        server.kill()
        assert take(heard) == Exit(server, "killed")
        assert parent.is_alive()
        parent.stop()

    def test_a_parent_that_does_not_is_ended_by_a_server_that_fails(self, heard: Queue) -> None:
        parent = Application.start(heard, False)
        server = parent.ask("start")
        server.kill()
        assert ended(parent) == "killed"

    def test_a_parent_that_does_not_outlives_a_server_that_is_stopped(self, heard: Queue) -> None:
        parent = Application.start(heard, False)
        gen_smtp_server.stop(parent.ask("start"))
        assert parent.ask("start").is_alive()
        parent.stop()

    def test_an_exit_of_anything_else_does_not_end_the_server(self, heard: Queue) -> None:
        parent, other = Application.start(heard, True), Application.start(heard, False)
        server = parent.ask("start")
        link(other, server)
        other.tell(("exit", "some reason"))
        assert ended(other) == "some reason"
        assert gen_smtp_server.sessions(server) == []
        parent.stop()
        assert ended(server) == "normal"

    def test_a_start_that_fails_raises_and_sends_no_exit(self, heard: Queue) -> None:
        parent = Application.start(heard, False)
        blocker = gen_smtp_server.start(Behaviour, [listener()])
        port = gen_smtp_server.addresses(blocker)[0][1]
        with pytest.raises(ListenError):
            parent.ask(("start", [listener(port=port)]))
        assert parent.ask("start").is_alive()
        parent.stop()
        gen_smtp_server.stop(blocker)

    def test_start_in_an_actor_is_no_bond(self, heard: Queue) -> None:
        class Starter(GeventActor):
            def on_receive(self, message: Any) -> Any:
                return gen_smtp_server.start(Behaviour, [listener()])

        starter = Starter.start()
        server = starter.ask("start")
        starter.stop()
        assert gen_smtp_server.sessions(server) == []
        gen_smtp_server.stop(server)

    def test_a_monitor_hears_of_the_servers_end(self, heard: Queue) -> None:
        watcher = Application.start(heard, False)
        server = gen_smtp_server.start(Behaviour, [listener()])
        bond = monitor(server, watcher)
        gen_smtp_server.stop(server)
        assert take(heard) == Down(bond, server, "normal")
        watcher.stop()


class TestOutsideAnyActor:
    def test_the_server_stops_when_the_calling_thread_ends(self) -> None:
        servers: Queue = queue.SimpleQueue()
        leave = threading.Event()

        def work() -> None:
            servers.put(gen_smtp_server.start_link(Behaviour, [listener()]))
            leave.wait(PATIENCE)

        thread = threading.Thread(target=work)
        thread.start()
        server = take(servers)
        with Server(server).greeted() as client:
            assert client.say("NOOP") == "250 Ok"
            leave.set()
            thread.join(PATIENCE)
            assert ended(server) == "normal"
            assert client.rest() == "421 mx.test Service shutting down\r\n"

    def test_the_server_stops_with_a_thread_that_the_threading_module_does_not_know(self) -> None:
        servers: Queue = queue.SimpleQueue()

        def work() -> None:
            servers.put(gen_smtp_server.start_link(Behaviour, [listener()]))
            raise SystemExit  # how such a thread ends itself

        _thread.start_new_thread(work, ())
        assert ended(take(servers)) == "normal"

    def test_the_server_stops_when_the_calling_greenlet_ends(self) -> None:
        servers: Queue = queue.SimpleQueue()
        leave = threading.Event()

        def in_a_thread_of_greenlets() -> None:
            def work() -> None:
                servers.put(gen_smtp_server.start_link(Behaviour, [listener()]))
                gevent.sleep(0)

            try:
                gevent.spawn(work).join()
                gevent.sleep(0)  # this thread's hub tells of the greenlet's end
                leave.wait(PATIENCE)
            finally:
                gevent.get_hub().destroy(destroy_loop=True)

        thread = threading.Thread(target=in_a_thread_of_greenlets)
        thread.start()
        try:
            assert ended(take(servers)) == "normal"
            assert thread.is_alive()
        finally:
            leave.set()
            thread.join(PATIENCE)

    def test_the_server_lives_on_in_a_thread_that_goes_on(self) -> None:
        server = gen_smtp_server.start_link(Behaviour, [listener()])
        gc.collect()
        assert gen_smtp_server.sessions(server) == []
        gen_smtp_server.stop(server)

    def test_a_worker_thread_of_an_actor_is_the_actor(self, heard: Queue) -> None:
        class Starter(GeventActor):
            def on_receive(self, message: Any) -> Any:
                return run_blocking(gen_smtp_server.start_link, Behaviour, [listener()])

        starter = Starter.start()
        server = starter.ask("start")
        assert server.is_alive()
        starter.stop()
        assert ended(server) == "normal"

    def test_a_start_that_fails_binds_nothing(self) -> None:
        with pytest.raises(StartError):
            gen_smtp_server.start_link(Behaviour, [])
