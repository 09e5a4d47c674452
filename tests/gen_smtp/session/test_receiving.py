"""A callback that sends a message and receives the answer, as ports from Erlang do."""

from __future__ import annotations

import queue
from collections.abc import Generator
from typing import Any

import pytest

import actors
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, error, ok
from tests.gen_smtp.live import DATA, MESSAGE, PATIENCE, serving


class Queue(actors.GeventActor):
    """Answers who sends it a message, with another one before and behind; or keeps silent."""

    def __init__(self, *, answers: bool = True) -> None:
        super().__init__()
        self.answers = answers
        self.asked: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def on_receive(self, message: Any) -> None:
        asker, mail = message
        if self.answers:
            for each in ("before", (self.actor_ref, "queued", len(mail)), "behind"):
                actors.send(asker, each)
        self.asked.put(asker)


class Port(Behaviour):
    """`Pid ! {self(), Data}, receive {Pid, queued, Id} -> ... after ...`"""

    timeout = PATIENCE

    def init(self, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
        self.informed = options
        return ok

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        pid = actors.whereis("queue")
        assert pid is not None
        actors.send(pid, (actors.current(), data))
        try:
            _, _, octets = actors.receive(lambda m: m[:2] == (pid, "queued"), timeout=self.timeout)
        except actors.TimedOut:
            return error("451 try again")
        return ok(f"queued {octets}")

    def handle_info(self, message: Any) -> None:
        self.informed.put(message)


class InThread(Port):
    blocking = frozenset({"handle_DATA"})


class Streaming(Port):
    def handle_DATA_stream(self, sender: str, recipients: list[str], stream: Any) -> Any:
        return self.handle_DATA(sender, recipients, stream.read())


class StreamingInThread(Streaming):
    blocking = frozenset({"handle_DATA_stream"})


@pytest.fixture(params=[Port, InThread, Streaming, StreamingInThread])
def port(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def silent() -> Generator[Queue]:
    """A queue that answers nobody."""
    made = Queue(answers=False)
    ref = actors.launch(made, name="queue")
    yield made
    ref.stop()


def test_the_answer_is_received_and_the_rest_is_for_handle_info(port: Any, silent: Queue) -> None:
    informed: queue.SimpleQueue[Any] = queue.SimpleQueue()
    silent.answers = True
    with (
        serving(port, sessionoptions={"callbackoptions": informed}) as server,
        server.greeted(*DATA) as client,
    ):
        for _ in range(2):
            client.send(MESSAGE)
            assert client.reply() == "250 queued 25"
            assert [informed.get(timeout=PATIENCE) for _ in range(2)] == ["before", "behind"]
            client.say(*DATA[1:])


def test_after_the_time_the_callback_goes_on(port: Any, silent: Queue) -> None:
    with serving(type("Hasty", (port,), {"timeout": 0.01})) as server, server.greeted(*DATA) as client:
        client.send(MESSAGE)
        assert client.reply() == "451 try again"
        assert client.say("NOOP").startswith("250")


def test_a_server_that_stops_lets_it_receive(port: Any, silent: Queue) -> None:
    with serving(port, sessionoptions={"callbackoptions": queue.SimpleQueue()}) as server:
        with server.greeted() as idle, server.greeted(*DATA) as client:
            client.send(MESSAGE)
            session = silent.asked.get(timeout=PATIENCE)
            stopped = gen_smtp_server.stop(server.ref, block=False)
            assert idle.rest().startswith("421")
            session.tell((silent.actor_ref, "queued", 7))
            assert client.reply() == "250 queued 7"
            assert client.say("NOOP").startswith("421")
        assert stopped.get(timeout=PATIENCE) is True


def test_an_exit_signal_ends_it(port: Any, silent: Queue) -> None:
    with serving(port) as server, server.greeted(*DATA) as client:
        client.send(MESSAGE)
        session = silent.asked.get(timeout=PATIENCE)
        actors.send_exit(session, "boom")
        actors.wait_down(session, PATIENCE)
        assert session.exit_reason == "boom"
        assert "250" not in client.rest()
