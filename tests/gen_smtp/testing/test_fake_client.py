"""A callback class is tried in memory: the real session, and every reply at hand."""

from __future__ import annotations

import queue
from typing import Any

import pytest

import actors
from gen_smtp.gen_smtp_server_session import Behaviour, error, noreply, ok, reply, stop
from gen_smtp.options.checks import OptionsError
from gen_smtp.testing import FakeClient, Reply

SENDER, ONE, TWO = "jane@example.com", "one@example.org", "two@example.org"


class Policy(Behaviour):
    """Knows one recipient, and keeps what comes."""

    def init(self, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
        self.kept: queue.SimpleQueue[Any] = options["kept"] if options else queue.SimpleQueue()
        return stop("policy", "554 5.7.1 Not you") if str(peername) == "192.0.2.66" else ok

    def handle_RCPT(self, recipient: str) -> Any:
        return ok if recipient == ONE else error("550 5.1.1 No such mailbox")

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        self.kept.put((sender, recipients, data, str(self.session.peername)))
        return ok("queued as 1")

    def handle_other(self, verb: str, args: str) -> Any:
        return reply(["214-See", "RFC 5321"]) if verb == "HELPME" else noreply

    def handle_info(self, message: Any) -> Any:
        self.kept.put(message)
        return noreply


def test_every_reply_is_at_hand() -> None:
    with FakeClient(Policy) as client:
        assert client.greeting.code == 220
        assert "PIPELINING" in client.say("EHLO client.example").lines
        assert client.say(f"MAIL FROM:<{SENDER}>").code == 250
        assert client.say(f"RCPT TO:<{TWO}>") == Reply(550, ("5.1.1 No such mailbox",))
        assert str(client.say("QUIT")) == "221 Bye"
        assert client.reply().code == 0


def test_a_message_comes_whole_to_the_callback() -> None:
    kept: queue.SimpleQueue[Any] = queue.SimpleQueue()
    options = {"sessionoptions": {"callbackoptions": {"kept": kept}}}
    with FakeClient(Policy, options, peer=("192.0.2.1", 4711)) as client:
        client.say("EHLO client.example")
        replies = client.send_message(SENDER, [ONE], b".first\r\n..second\r\nlast")
        assert [each.code for each in replies] == [250, 250, 354, 250]
        assert replies[-1].text == "queued as 1"
        assert kept.get(timeout=5) == (SENDER, [ONE], b".first\r\n..second\r\nlast\r\n", "192.0.2.1")


def test_a_refusal_ends_the_transaction() -> None:
    with FakeClient(Policy) as client:
        client.say("EHLO client.example")
        assert [each.code for each in client.send_message(SENDER, [TWO, ONE], b"")] == [250, 550]


def test_a_client_may_be_refused_at_once() -> None:
    with FakeClient(Policy, peer=("192.0.2.66", 1)) as client:
        assert str(client.greeting) == "554 5.7.1 Not you"
        with pytest.raises(LookupError, match="it has ended, or was refused"):
            _ = client.session


def test_lmtp_has_a_reply_for_each_recipient() -> None:
    options = {"sessionoptions": {"protocol": "lmtp"}}
    with FakeClient(Policy, options) as client:
        client.say("LHLO client.example")
        replies = client.send_message(SENDER, [ONE, ONE], b"hello\r\n")
        assert [each.code for each in replies] == [250, 250, 250, 354, 250, 250]


def test_a_message_can_be_sent_to_the_session() -> None:
    kept: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with FakeClient(Policy, {"sessionoptions": {"callbackoptions": {"kept": kept}}}) as client:
        client.session.tell("hello")
        assert kept.get(timeout=5) == "hello"


def test_what_was_sent_may_come_in_pieces() -> None:
    with FakeClient(Policy) as client:
        client.send(b"NO")
        client.send(b"OP\r\nNOOP\r\n")
        assert [client.reply().code for _ in range(2)] == [250, 250]


def test_a_callback_that_does_not_answer_is_a_time_out() -> None:
    with FakeClient(Policy, timeout=0.01) as client, pytest.raises(TimeoutError):
        client.say("XYZZY")


def test_the_session_is_gone_when_the_client_is_closed() -> None:
    with FakeClient(Policy) as client:
        session = client.session
    actors.wait_down(session, 5)
    assert not session.is_alive()
    assert not client.server.is_alive()


def test_wrong_options_are_found() -> None:
    with pytest.raises(OptionsError, match="timeout"):
        FakeClient(Policy, {"sessionoptions": {"timeout": -1}})
