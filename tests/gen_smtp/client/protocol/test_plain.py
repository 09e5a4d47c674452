"""The short way sends the same octets as the general script, and makes the same of the replies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen_smtp.client.protocol.plain import plain_mail
from gen_smtp.client.protocol.steps import Ask, run_in_memory
from gen_smtp.client.protocol.text.envelope import Envelope, Recipient
from gen_smtp.client.protocol.text.offer import Offer
from gen_smtp.client.protocol.text.replies import Reply
from gen_smtp.client.protocol.transaction import Rules, Transaction
from gen_smtp.gen_smtp_client import Client
from tests.gen_smtp.client.servers import Peer, serving

OFFER = Offer({"PIPELINING": "", "SIZE": "1000", "8BITMIME": "", "DSN": ""})
ONE = Envelope("me@example.com", ["you@example.org"])


def replies(step: Ask) -> list[Reply]:
    """All of them positive."""
    return [Reply(354 if name == "DATA" else 250, b"250 Ok\r\n", name, "there") for name in step.commands]


def in_general(envelope: Envelope, message: Any, offer: Offer) -> bytes:
    """All octets that the general script sends."""
    script = Transaction(envelope, message, offer, Rules()).run()
    sent = b""
    step = next(script)
    try:
        while True:
            assert isinstance(step, Ask)
            sent += step.octets + b"".join(step.body or ())
            step = script.send(replies(step))
    except StopIteration:
        return sent


@given(message=st.lists(st.sampled_from([b"a", b".", b"\r", b"\n", b"\r\n", b".."])).map(b"".join))
@settings(max_examples=300)
def test_it_sends_the_same_octets(message: bytes) -> None:
    mail = plain_mail(ONE, message, OFFER, Rules())
    if mail is not None:
        assert mail.head + mail.body == in_general(ONE, message, OFFER)
    else:
        assert message == b""


@pytest.mark.parametrize(
    "envelope",
    [
        Envelope("me@example.com", ["a@example.org", "b@example.org"]),
        Envelope("me@example.com", [Recipient("a@example.org")]),
        Envelope("mé@example.com", ["a@example.org"]),
        Envelope("me@example.com", ["dü@example.org"]),
        Envelope("me@example.com", ["no address"]),
        Envelope("me@example.com", [""]),
        Envelope("me@example.com", ["a@example.org"], ret="FULL"),
        Envelope("me@example.com", ["a@example.org"], envid="x"),
        Envelope("me@example.com", ["a@example.org"], require_tls=True),
        Envelope("me@example.com", ["a@example.org"], body="BINARYMIME"),
        Envelope("me@example.com", ["a@example.org"], parameters={"X": True}),
    ],
    ids=repr,
)
def test_an_envelope_that_says_more_does_not_go_it(envelope: Envelope) -> None:
    assert plain_mail(envelope, b"x", OFFER, Rules()) is None


@pytest.mark.parametrize(
    "message", ["text", "ü".encode(), [b"x"], bytearray(b"x"), b"x" * 1001, b"x" * 100_000]
)
def test_a_message_of_another_kind_does_not_go_it(message: Any) -> None:
    assert plain_mail(ONE, message, OFFER, Rules()) is None


def test_it_needs_pipelining_and_no_chunks() -> None:
    assert plain_mail(ONE, b"x", Offer({}), Rules()) is None
    chunking = Offer({"PIPELINING": "", "CHUNKING": ""})
    assert plain_mail(ONE, b"x", chunking, Rules(chunking="if_available")) is None


def test_the_general_script_refuses_what_is_too_big() -> None:
    outcome, steps = run_in_memory(
        Transaction(Envelope("a@b.example", ["c@d.example", "e@f.example"]), b"x", OFFER, Rules()).run(),
        [
            [
                Reply(code, f"{code} x\r\n".encode(), name)
                for code, name in [(250, "MAIL"), (250, "RCPT"), (550, "RCPT"), (354, "DATA")]
            ],
            [Reply(250, b"250 taken\r\n", "message")],
        ],
    )
    assert [each.delivered for each in outcome.recipients] == [True, False]
    assert len(steps) == 2


ANSWERS = {
    "taken": ("250 from", "250 to", "354 go on"),
    "sender refused": ("550 5.7.1 from", "503 no sender", "503 no sender"),
    "recipient refused": ("250 from", "550 5.1.1 to", "503 no recipient"),
    "not now": ("250 from", "250 to", "451 4.3.0 not now"),
    "two lines": ("250-from\r\n250 there", "250 to", "354 go on"),
}


@pytest.mark.parametrize("second", ANSWERS)
@pytest.mark.parametrize("message_reply", ["250 first", "550 5.6.0 no", "250-fir\r\n250 st"])
def test_the_envelope_goes_with_the_message_before(second: str, message_reply: str) -> None:
    got: list[bytes] = []

    def serve(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.envelope()
        got.append(peer.message())
        # It answers when all of the next envelope has come.
        for verb in ("MAIL", "RCPT", "DATA"):
            peer.expect(verb)
        peer.say(message_reply, *ANSWERS[second])
        if ANSWERS[second][2].startswith("354"):
            got.append(peer.message())
            peer.say("250 second")
        while (line := peer.line()) and line != "QUIT":
            peer.say("250 Ok" if line != "DATA" else "354 go on")
            if line == "DATA":
                got.append(peer.message())
                peer.say("250 third")

    mails = [
        (ONE, b"one\r\n"),
        (ONE, b"two\r\n"),
        (Envelope("", ["a@b.example", "c@d.example"]), b"three\r\n"),
    ]
    with serving(serve) as server, Client(server.options()) as client:
        connection = client.connect()
        outcomes = list(connection.deliver_all(mails))
        connection.close()
    assert outcomes[0].recipients[0].code == int(message_reply[:3])
    taken = ANSWERS[second][2].startswith("354")
    assert outcomes[1].ok == taken
    assert outcomes[2].ok
    assert got == [b"one\r\n", b"two\r\n", b"three\r\n"] if taken else [b"one\r\n", b"three\r\n"]


def test_a_server_that_hangs_up_between_two_messages_has_perhaps_the_first() -> None:
    def serve(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.envelope()
        peer.message()
        peer.expect("MAIL")

    mails = [(ONE, b"x")] * 3
    with serving(serve) as server, Client(server.options()) as client:
        connection = client.connect()
        outcomes = list(connection.deliver_all(mails))
    assert [outcome.recipients[0].uncertain for outcome in outcomes] == [True, False, False]
    assert not any(outcome.ok for outcome in outcomes)


def test_messages_that_are_not_asked_for_are_not_sent() -> None:
    def serve(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.envelope()
        peer.message()
        for verb in ("MAIL", "RCPT", "DATA"):
            peer.expect(verb)
        peer.say("250 taken", "250 Ok", "250 Ok", "354 go on")
        assert peer.octets(1) == b""

    with serving(serve) as server, Client(server.options()) as client:
        connection = client.connect()
        outcomes = connection.deliver_all([(ONE, b"x")] * 3)
        assert next(iter(outcomes)).ok
        outcomes.close()  # type: ignore[attr-defined]
        assert not connection.alive
