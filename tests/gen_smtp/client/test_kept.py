"""Connections that are kept: used again, bounded, closed when nobody needs them; and callers of all kinds."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Generator
from typing import Any

import gevent
import pytest

import actors
from gen_smtp import gen_smtp_client, gen_smtp_server
from gen_smtp.gen_smtp_client import Client, Envelope, NetworkFailure
from gen_smtp.gen_smtp_server_session import Behaviour, ok
from tests.gen_smtp.client.servers import Peer, serving
from tests.gen_smtp.live import PATIENCE

ONE = Envelope("me@example.com", ["you@example.org"])


class Counting(Behaviour):
    """Says which connection a message came over, and waits until it may go on if it is told to."""

    ends: queue.SimpleQueue[int] = queue.SimpleQueue()
    number = 0
    blocking = ("handle_DATA",)
    hold: threading.Event | None = None

    def init(self, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
        Counting.number += 1
        self.mine = Counting.number
        return ok

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        if self.hold is not None:
            self.hold.wait(PATIENCE)
        return ok(f"by {self.mine}")

    def terminate(self, reason: Any) -> Any:
        self.ends.put(self.mine)


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> Generator[dict[str, Any]]:
    monkeypatch.setattr(Counting, "ends", queue.SimpleQueue())
    monkeypatch.setattr(Counting, "number", 0)
    listener = {"address": "127.0.0.1", "port": 0, "domain": "mx.test"}
    with gen_smtp_server.running(Counting, [listener]) as server:
        host, port = gen_smtp_server.addresses(server)[0]
        yield {"relay": host, "port": port, "hostname": "client.test", "retries": 0}


def text(client: Client) -> str:
    return client.deliver(ONE, b"x").recipients[0].text


def test_a_connection_is_used_again(options: dict[str, Any]) -> None:
    with Client(options) as client:
        assert [text(client) for _ in range(3)] == ["250 by 1"] * 3
    assert Counting.ends.get(timeout=PATIENCE) == 1


def test_a_connection_is_closed_after_so_many_messages(options: dict[str, Any]) -> None:
    with Client({**options, "messages": 2}) as client:
        assert [text(client) for _ in range(3)] == ["250 by 1", "250 by 1", "250 by 2"]
        assert Counting.ends.get(timeout=PATIENCE) == 1


def test_a_connection_that_is_idle_is_closed(options: dict[str, Any]) -> None:
    with Client({**options, "idle": 0.05}) as client:
        text(client)
        assert Counting.ends.get(timeout=PATIENCE) == 1
        assert text(client) == "250 by 2"


def test_there_are_no_more_connections_than_allowed(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = threading.Event()
    monkeypatch.setattr(Counting, "hold", hold)
    with Client({**options, "connections": 2}) as client:
        futures = [client.submit(ONE, b"x") for _ in range(6)]
        hold.set()
        texts = [future.get(timeout=PATIENCE).recipients[0].text for future in futures]
    assert set(texts) == {"250 by 1", "250 by 2"}


def test_mail_that_gets_no_connection_in_time_is_given_up() -> None:
    go_on = threading.Event()

    def slow(peer: Peer) -> None:
        peer.greet()
        go_on.wait(5)

    with serving(slow) as server:
        given = server.options(connections=1, timeouts={"exchange": 0.2})
        with Client(given) as client:
            futures = [client.submit(ONE, b"x") for _ in range(2)]
            failures = [future.get(timeout=PATIENCE).recipients[0].failure for future in futures]
        go_on.set()
    assert all(isinstance(failure, NetworkFailure) for failure in failures)


# -- callers ------------------------------------------------------------------------------------------


class Sender(actors.GeventActor):
    """Sends mail in its turn."""

    def on_receive(self, message: Any) -> Any:
        return message()


def in_a_turn(run: Callable[[], Any]) -> Any:
    sender = Sender.start()
    try:
        return sender.ask(run, timeout=PATIENCE)
    finally:
        sender.stop()


def in_a_greenlet(run: Callable[[], Any]) -> Any:
    return actors.spawn(run).get(timeout=PATIENCE)


def in_a_thread(run: Callable[[], Any]) -> Any:
    return run()


def in_a_task(run: Callable[[], Any]) -> Any:
    async def task() -> Any:
        return await asyncio.to_thread(run)

    return asyncio.run(task())


@pytest.mark.parametrize("where", [in_a_turn, in_a_greenlet, in_a_thread, in_a_task])
def test_everything_works_everywhere(
    where: Callable[[Callable[[], Any]], Any], options: dict[str, Any]
) -> None:
    def use() -> list[Any]:
        email = ("me@example.com", ["you@example.org"], b"x")
        with Client(options) as client, client.connect() as connection:
            found = [
                gen_smtp_client.send_blocking(email, options),
                client.deliver(ONE, b"x").ok,
                client.submit(ONE, b"x").get(timeout=PATIENCE).ok,
                connection.deliver(ONE, b"x").ok,
                [outcome.ok for outcome in connection.deliver_all([(ONE, b"x")] * 2)],
                connection.mail(ONE).positive,
                connection.rcpt("you@example.org").positive,
                [reply.positive for reply in connection.data(b"x")],
                connection.rset().positive,
            ]
        return found

    assert where(use)[1:] == [True, True, True, [True, True], True, True, [True], True]


def test_a_server_of_the_same_process_answers_its_own_client(options: dict[str, Any]) -> None:
    """Both run on one hub: a delivery waits, and nobody else does."""

    class Passing(Behaviour):
        def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
            with Client(options) as client:
                return ok(client.deliver(Envelope(sender, recipients), data).recipients[0].text)

    with gen_smtp_server.running(
        Passing, [{"address": "127.0.0.1", "port": 0, "domain": "mx.test"}]
    ) as server:
        host, port = gen_smtp_server.addresses(server)[0]
        email = ("me@example.com", ["you@example.org"], b"x")
        receipt = gen_smtp_client.send_blocking(email, {**options, "relay": host, "port": port})
    assert receipt == "by 1"


def test_who_is_killed_while_waiting_takes_no_place() -> None:
    go_on = threading.Event()

    def slow(peer: Peer) -> None:
        peer.greet()
        go_on.wait(5)
        peer.take()
        peer.take()
        peer.line()

    with serving(slow) as server, Client(server.options(connections=1)) as client:
        first = client.submit(ONE, b"x")
        waiting = actors.spawn(lambda: [gevent.spawn(client.deliver, ONE, b"x") for _ in range(3)]).get()
        actors.spawn(gevent.killall, waiting[:2]).get(timeout=PATIENCE)
        go_on.set()
        assert first.get(timeout=PATIENCE).ok
        assert actors.spawn(waiting[2].get).get(timeout=PATIENCE).ok
    assert server.connections == 1
