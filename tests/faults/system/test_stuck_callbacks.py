"""Callbacks that stand in the way: one that blocks the hub, and one that never returns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

import actors
from actors import events
from actors.runtime import threads, watchdog
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import ok
from tests.faults.recovery import Mails, assert_empty, assert_recovered, deliver
from tests.gen_smtp.live import DATA, PATIENCE, Client, Server, behaviour, collected, ended, serving, take


def test_a_mail_that_blocks_the_hub_is_reported_by_the_stack_of_its_handler(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are served late, all of them, and none is cut for it."""
    monkeypatch.setattr(watchdog, "threshold", 0.05)
    mails, goes_on = Mails(), threading.Event()

    def wait_for_a_slow_disk() -> None:
        goes_on.wait(PATIENCE)

    def handle_DATA(self: Any, sender: str, recipients: list[str], body: bytes) -> Any:
        if b"slow" in body:
            wait_for_a_slow_disk()
        mails.bodies.append(body)
        return ok("taken")

    with (
        collected(events.HubStalled) as stalls,
        serving(behaviour(handle_DATA=handle_DATA)) as server,
        server.greeted() as bystander,
        server.greeted(*DATA) as client,
    ):
        client.send("slow\r\n.\r\n")
        stall = take(stalls)
        bystander.send("NOOP\r\n")
        late = server.client()
        goes_on.set()
        assert "handle_DATA" in stall.stack
        assert "wait_for_a_slow_disk" in stall.stack
        assert stall.seconds >= 0.05
        assert "wait_for_a_slow_disk" in caplog.text
        assert client.reply() == "250 taken"
        assert bystander.reply() == "250 Ok"
        deliver(late)
        for each in (client, bystander):
            each.send("QUIT\r\n")
        assert_recovered(server)
        assert [body.splitlines()[0] for body in mails.bodies[:2]] == [b"slow", b"Subject: hello"]


@pytest.fixture
def _two_workers(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """No more than two worker threads."""
    workers = threads._Workers(2)
    monkeypatch.setattr(threads, "_workers", workers)
    yield
    actors.spawn(workers._threads().kill).get(timeout=PATIENCE)


@pytest.mark.usefixtures("_two_workers")
def test_when_all_worker_threads_are_stuck_the_dialogues_go_on_and_mail_waits() -> None:
    """Who waits for a thread is cut like anybody else; who has waited long enough is served."""
    mails, goes_on = Mails(), threading.Event()
    entered = threading.Semaphore(0)

    def handle_DATA(self: Any, sender: str, recipients: list[str], body: bytes) -> Any:
        entered.release()
        goes_on.wait(PATIENCE)
        mails.bodies.append(body)
        return ok("taken")

    module = behaviour(handle_DATA=handle_DATA, blocking=frozenset({"handle_DATA"}))
    with serving(module) as server, ExitStack() as stack:
        clients = [stack.enter_context(server.greeted(*DATA)) for _ in range(5)]
        sessions = server.sessions
        for number, client in enumerate(clients):
            client.send(f"{number}\r\n.\r\n")
            if number < 2:
                assert entered.acquire(timeout=PATIENCE)
        with server.greeted(*DATA) as bystander:
            bystander.close()
        sessions[2].kill()
        assert clients[2].rest() == ""
        actors.spawn(int).get(timeout=PATIENCE)  # what the hub does for the kill is done
        clients[3].reset()
        goes_on.set()
        for number in (0, 1, 4):
            assert clients[number].reply() == "250 taken"
            clients[number].send("QUIT\r\n")
        assert_recovered(server)
    # Of the client that reset, the message is handled if the server had read it by then.
    assert [mails.bodies.count(b"%d\r\n" % number) for number in (0, 1, 2, 4)] == [1, 1, 0, 1]


class Stuck:
    """A handler that never returns of its own will, in a turn or in a worker thread.

    Attributes:
        entered: set when it is stuck.
    """

    def __init__(self, blocking: bool) -> None:
        self.entered = threading.Event()
        self._blocking = blocking
        self._in_turn = actors.GeventFuture[None]()
        self._in_thread = threading.Event()

    def handle_DATA(self, sender: str, recipients: list[str], body: bytes) -> Any:
        """Wait for ever."""
        if b"stuck" not in body:
            return ok("taken")
        self.entered.set()
        if self._blocking:
            self._in_thread.wait(PATIENCE)
        else:
            self._in_turn.get()
        return ok("taken")

    @contextmanager
    def client(self) -> Generator[tuple[Server, Client]]:
        """A server, and a client whose message it is stuck with."""
        blocking = frozenset({"handle_DATA"} if self._blocking else ())

        def handle_DATA(callback: Any, *args: Any) -> Any:
            return self.handle_DATA(*args)

        with serving(behaviour(handle_DATA=handle_DATA, blocking=blocking)) as server:
            with server.greeted(*DATA) as client:
                client.send("stuck\r\n.\r\n")
                assert self.entered.wait(PATIENCE)
                deliver(server.client())
                yield server, client
            self._in_thread.set()


@pytest.fixture(params=[False, True], ids=["turn", "thread"])
def stuck(request: pytest.FixtureRequest) -> Stuck:
    return Stuck(request.param)


def test_one_that_never_returns_is_cut_by_a_kill(stuck: Stuck) -> None:
    with stuck.client() as (server, client):
        (session,) = server.sessions
        session.kill()
        assert client.rest() == ""
        assert ended(session) == "killed"
        assert_recovered(server)


def test_one_that_never_returns_is_cut_when_the_grace_of_a_stop_is_over(stuck: Stuck) -> None:
    with stuck.client() as (server, client):
        (session,) = server.sessions
        gen_smtp_server.stop(server.ref, grace=0.1)
        assert "250" not in client.rest()
        assert not session.is_alive()
        assert not server.ref.is_alive()


@pytest.mark.parametrize("leave", [Client.close, Client.reset], ids=["closes", "resets"])
def test_one_that_never_returns_is_cut_by_a_kill_when_its_client_is_gone(
    leave: Callable[[Client], None], stuck: Stuck
) -> None:
    with stuck.client() as (server, client):
        (session,) = server.sessions
        leave(client)
        deliver(server.client())
        assert server.sessions == [session]
        session.kill()
        assert_empty(server)
