"""gen_smtp's functions: send, send_blocking, open, deliver, close, and what they raise."""

from __future__ import annotations

import asyncio
import queue
import socket
from collections.abc import Generator
from typing import Any

import pytest

from gen_smtp import gen_smtp_client, gen_smtp_server
from gen_smtp.gen_smtp_client import (
    DeliveryError,
    NetworkFailure,
    OptionsError,
    PermanentFailure,
    TemporaryFailure,
)
from gen_smtp.gen_smtp_server_session import Behaviour, error, ok
from tests.gen_smtp.client.servers import Peer, serving
from tests.gen_smtp.live import PATIENCE

MAIL = ("me@example.com", ["you@example.org"], b"Subject: hello\n\n.dot\nend")
AS_SENT = b"Subject: hello\r\n\r\n.dot\r\nend\r\n"

taken: queue.SimpleQueue[Any] = queue.SimpleQueue()


class Taking(Behaviour):
    def handle_RCPT(self, recipient: str) -> Any:
        answers = {"no@example.org": "550 5.1.1 nobody", "later@example.org": "450 4.2.1 full"}
        return error(answers[recipient]) if recipient in answers else ok

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        taken.put((sender, recipients, data))
        return ok("queued as 7")


@pytest.fixture(scope="module")
def options() -> Generator[dict[str, Any]]:
    listener = {"address": "127.0.0.1", "port": 0, "domain": "mx.test"}
    with gen_smtp_server.running(Taking, [listener]) as server:
        host, port = gen_smtp_server.addresses(server)[0]
        yield {"relay": host, "port": port, "hostname": "client.test"}


def test_send_blocking_returns_the_receipt(options: dict[str, Any]) -> None:
    assert gen_smtp_client.send_blocking(MAIL, options) == "queued as 7"
    assert taken.get(timeout=PATIENCE) == ("me@example.com", ["you@example.org"], AS_SENT)


def test_options_may_be_erlangs_pairs(options: dict[str, Any]) -> None:
    pairs = [*options.items(), ("tls", "never")]
    assert gen_smtp_client.send_blocking(MAIL, pairs) == "queued as 7"
    taken.get(timeout=PATIENCE)


def test_send_gives_a_future_and_tells_a_callback(options: dict[str, Any]) -> None:
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    future = gen_smtp_client.send(MAIL, options, told.put)
    assert future.get(timeout=PATIENCE) == "queued as 7"
    assert told.get(timeout=PATIENCE) == ("ok", "queued as 7")
    taken.get(timeout=PATIENCE)


def test_a_callback_hears_of_a_failure(options: dict[str, Any]) -> None:
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    future = gen_smtp_client.send(("a@b.example", ["no@example.org"], b"x"), options, told.put)
    word, stage, failure = told.get(timeout=PATIENCE)
    assert (word, stage, failure.kind) == ("error", "send", "permanent_failure")
    with pytest.raises(PermanentFailure):
        future.get(timeout=PATIENCE)


def test_asyncio_awaits_send(options: dict[str, Any]) -> None:
    async def send() -> Any:
        return await gen_smtp_client.send(MAIL, options)

    assert asyncio.run(send()) == "queued as 7"
    taken.get(timeout=PATIENCE)


@pytest.mark.parametrize(
    ("recipient", "expected", "code"),
    [("no@example.org", PermanentFailure, "5.1.1"), ("later@example.org", TemporaryFailure, "4.2.1")],
)
def test_one_refused_recipient_is_the_end_of_the_message(
    options: dict[str, Any], recipient: str, expected: type[DeliveryError], code: str
) -> None:
    with pytest.raises(expected) as raised:
        gen_smtp_client.send_blocking(("a@b.example", ["you@example.org", recipient], b"x"), options)
    assert raised.value.reply is not None
    assert (raised.value.stage, raised.value.reply.enhanced) == ("send", code)
    assert taken.empty()


def test_a_connection_is_used_for_several_messages(options: dict[str, Any]) -> None:
    connection = gen_smtp_client.open(options)
    for _ in range(3):
        assert gen_smtp_client.deliver(connection, MAIL) == "queued as 7"
        taken.get(timeout=PATIENCE)
    gen_smtp_client.close(connection)
    assert not connection.alive


@pytest.mark.parametrize(("word", "alive"), [("quit", False), ("reset", True)])
def test_what_becomes_of_a_connection_after_a_failure(
    options: dict[str, Any], word: str, alive: bool
) -> None:
    connection = gen_smtp_client.open({**options, "on_transaction_error": word})
    with pytest.raises(PermanentFailure):
        gen_smtp_client.deliver(connection, ("a@b.example", ["no@example.org"], b"x"))
    assert connection.alive == alive
    if alive:
        assert gen_smtp_client.deliver(connection, MAIL) == "queued as 7"
        taken.get(timeout=PATIENCE)
    gen_smtp_client.close(connection)


def test_a_message_may_be_a_function_text_or_pieces(options: dict[str, Any]) -> None:
    for message in (lambda: "hi\n", "hi\n", iter([b"h", b"i\r", b"\n"])):
        gen_smtp_client.send_blocking(("a@b.example", ["you@example.org"], message), options)
        assert taken.get(timeout=PATIENCE)[2] == b"hi\r\n"


def test_options_are_checked() -> None:
    with pytest.raises(OptionsError) as raised:
        gen_smtp_client.send(MAIL, {})
    assert raised.value.option == "relay"
    with pytest.raises(OptionsError) as raised:
        gen_smtp_client.open({"relay": "x", "prot": 25})
    assert raised.value.nearest == "port"
    with pytest.raises(OptionsError) as raised:
        gen_smtp_client.send_blocking(MAIL, {"relay": "x", "auth": "always", "username": "me"})
    assert raised.value.option == "password"


def test_a_dead_host_is_tried_again_and_then_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    lines: list[str] = []
    options = {"relay": "127.0.0.1", "port": port, "hostname": "client.test", "retries": 2}
    with pytest.raises(NetworkFailure) as raised:
        gen_smtp_client.send_blocking(MAIL, {**options, "trace_fun": lambda *args: lines.append(args[0])})
    assert raised.value.stage == "retries_exceeded"
    assert isinstance(raised.value.reason, ConnectionRefusedError)
    assert lines.count("cannot connect to %s: %s") == 3


def test_a_host_that_is_busy_is_tried_again() -> None:
    def busy(peer: Peer) -> None:
        peer.say("421 too busy")

    def free(peer: Peer) -> None:
        peer.greet()
        peer.take()
        peer.line()

    with serving(busy, free) as server:
        assert gen_smtp_client.send_blocking(MAIL, server.options(retries=1)) == "taken"


def test_a_host_that_refuses_for_good_is_not_tried_again() -> None:
    def refuse(peer: Peer) -> None:
        peer.say("554 go away")
        peer.line()

    with serving(refuse) as server, pytest.raises(PermanentFailure) as raised:
        gen_smtp_client.send_blocking(MAIL, server.options(retries=5))
    assert raised.value.stage == "no_more_hosts"
    assert server.connections == 1


def test_lmtp_gives_a_reply_for_each_recipient() -> None:
    def serve(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.envelope(2)
        peer.message()
        peer.say("250 2.1.5 first", "452 4.2.2 second")
        peer.line()

    recipients = ["a@example.org", "b@example.org"]
    with serving(serve) as server:
        receipt = gen_smtp_client.send_blocking(
            ("me@example.com", recipients, b"x"), server.options(protocol="lmtp")
        )
    assert receipt == [("a@example.org", "250 2.1.5 first"), ("b@example.org", "452 4.2.2 second")]
