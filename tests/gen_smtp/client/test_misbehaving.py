"""Servers that drip, cut, say too much or no SMTP: each costs its own message alone, and a bounded time."""

from __future__ import annotations

import contextlib
import threading
import time

import gevent
import pytest

import actors
from gen_smtp.gen_smtp_client import (
    Client,
    DeliveryError,
    Envelope,
    NetworkFailure,
    Outcome,
    UnexpectedResponse,
)
from tests.gen_smtp.client.servers import Peer, Server, serving

SHORT = 0.2
"""Seconds that a server has in these tests, where it is to need more."""
ONE = Envelope("me@example.com", ["you@example.org"])
TWO = Envelope("me@example.com", ["a@example.org", "b@example.org"])


def outcome_of(server: Server, envelope: Envelope = ONE, **options: object) -> Outcome:
    with Client(server.options(**options)) as client:
        return client.deliver(envelope, b"Subject: hello\r\n\r\nhello\r\n")


def failure_of(outcome: Outcome) -> DeliveryError:
    failure = outcome.recipients[0].failure
    assert failure is not None, outcome
    return failure


def test_a_greeting_that_drips_is_given_up_in_time() -> None:
    done = threading.Event()

    def drip(peer: Peer) -> None:
        with contextlib.suppress(OSError):
            while not done.wait(SHORT / 5):
                peer.raw(b"2")

    begun = time.monotonic()
    with serving(drip) as server:
        failure = failure_of(outcome_of(server, timeouts={"greeting": SHORT}))
        done.set()
    assert isinstance(failure, NetworkFailure)
    assert isinstance(failure.reason, TimeoutError)
    assert time.monotonic() - begun < 5.0


def test_the_whole_exchange_is_bounded() -> None:
    """Each reply comes in time; all of them together do not."""
    done = threading.Event()

    def slow(peer: Peer) -> None:
        peer.greet()
        while peer.line() and not done.wait(SHORT / 3):
            peer.say("250 Ok")

    envelope = Envelope("me@example.com", [f"{number}@example.org" for number in range(100)])
    with serving(slow) as server:
        outcome = outcome_of(server, envelope, timeouts={"exchange": SHORT})
        done.set()
    assert isinstance(outcome.recipients[-1].failure, NetworkFailure)


def test_a_server_that_does_not_read_is_given_up_in_time() -> None:
    done = threading.Event()

    def deaf(peer: Peer) -> None:
        peer.greet()
        peer.envelope()
        done.wait(10)

    with serving(deaf) as server, Client(server.options(timeouts={"block": SHORT})) as client:
        outcome = client.deliver(ONE, (b"x" * 70 + b"\r\n") * 500_000)
        done.set()
    assert isinstance(failure_of(outcome).reason, TimeoutError)
    assert not outcome.recipients[0].uncertain


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\r\n",
        b"220",  # and the end of the connection
        b"220x there\r\n",
        b"999 there\r\n",
        b"220-one\r\n250 two\r\n",
        b"x" * 5000,
        b"2" * 5000 + b"\r\n",
        b"220-more\r\n" * 10_000,
        b"\x15\x03\x01\x00\x02\x02\x46",
    ],
    ids=lambda octets: repr(octets[:12]),
)
def test_what_is_no_reply_is_not_taken_for_one(octets: bytes) -> None:
    with serving(lambda peer: peer.raw(octets)) as server:
        failure = failure_of(outcome_of(server))
    assert isinstance(failure, NetworkFailure if octets == b"220" else UnexpectedResponse) or (
        octets.startswith(b"\x15") and isinstance(failure, NetworkFailure)
    )


def test_a_line_may_end_with_lf_alone() -> None:
    """As some servers write; the client's own lines never do."""

    def serve(peer: Peer) -> None:
        peer.raw(b"220 there\n")
        peer.expect("EHLO")
        peer.raw(b"250-there\n250 PIPELINING\n")
        peer.take()
        peer.line()

    with serving(serve) as server:
        assert outcome_of(server).ok


def test_a_server_that_closes_in_the_middle_of_a_message() -> None:
    def cut(peer: Peer) -> None:
        peer.greet()
        peer.envelope()
        peer.octets(100)

    with serving(cut) as server, Client(server.options()) as client:
        outcome = client.deliver(ONE, (b"x" * 70 + b"\r\n") * 100_000)
    assert isinstance(failure_of(outcome), NetworkFailure)
    assert outcome.recipients[0].temporary
    assert not outcome.recipients[0].uncertain


def test_a_server_that_closes_instead_of_the_last_reply_may_have_the_message() -> None:
    def cut(peer: Peer) -> None:
        peer.greet()
        peer.envelope()
        peer.message()

    with serving(cut) as server:
        outcome = outcome_of(server, retries=3)
    assert outcome.recipients[0].uncertain
    assert server.connections == 1


def test_what_a_server_says_before_it_closes_in_a_message_counts() -> None:
    def refuse(peer: Peer) -> None:
        peer.greet()
        peer.envelope()
        peer.octets(100)
        peer.say("552 5.3.4 too big")

    with serving(refuse) as server, Client(server.options()) as client:
        outcome = client.deliver(ONE, (b"x" * 70 + b"\r\n") * 200_000)
    (recipient,) = outcome.recipients
    # The kernel may throw away what has come when the connection is reset; then nothing is known.
    assert recipient.enhanced == "5.3.4" or isinstance(recipient.failure, NetworkFailure)


def test_what_a_server_says_to_mail_before_it_closes_counts_for_all() -> None:
    def refuse(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.expect("MAIL", "550 5.7.1 not from you")

    with serving(refuse) as server:
        outcome = outcome_of(server, TWO)
    assert [each.enhanced for each in outcome.permanent] == ["5.7.1", "5.7.1"]


def test_a_421_between_the_recipients_ends_it() -> None:
    def leave(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.expect("MAIL", "250 Ok")
        peer.expect("RCPT", "550 5.1.1 nobody")
        peer.expect("RCPT", "421 4.3.2 shutting down")

    with serving(leave) as server:
        outcome = outcome_of(server, TWO)
    assert [each.code for each in outcome.recipients] == [550, 421]
    assert outcome.recipients[0].permanent
    assert outcome.recipients[1].temporary


def test_a_reply_too_much_is_given_to_no_command() -> None:
    def serve(peer: Peer) -> None:
        peer.greet()
        peer.envelope()
        peer.message()
        peer.say("250 taken", "250 taken twice")
        peer.line()

    def second(peer: Peer) -> None:
        peer.greet()
        peer.take("250 the second")
        peer.line()

    with serving(serve, second) as server, Client(server.options()) as client:
        first, other = (client.deliver(ONE, b"x") for _ in range(2))
    assert first.ok
    assert other.recipients[0].text == "250 the second"
    assert server.connections == 2


def test_replies_that_are_out_of_step_condemn_nobody() -> None:
    """With one reply too much before them, the refusal of the first recipient looks like the second's."""

    def serve(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.expect("MAIL")
        peer.say("250 from before", "250 Ok", "550 5.1.1 no a", "250 Ok", "354 go on")
        peer.line()
        peer.line()
        peer.line()

    with serving(serve) as server:
        outcome = outcome_of(server, TWO)
    assert [each.permanent for each in outcome.recipients] == [False, False]
    assert isinstance(failure_of(outcome), UnexpectedResponse)


def test_a_connection_that_was_closed_meanwhile_is_replaced_unseen() -> None:
    def once(peer: Peer) -> None:
        peer.greet()
        peer.take("250 first")

    def again(peer: Peer) -> None:
        peer.greet()
        peer.take("250 second")
        peer.line()

    with serving(once, again) as server, Client(server.options()) as client:
        texts = [client.deliver(ONE, b"x").recipients[0].text for _ in range(2)]
    assert texts == ["250 first", "250 second"]


def test_354_without_recipients_gets_an_empty_message_and_no_mail() -> None:
    got: list[bytes] = []

    def serve(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.expect("MAIL", "250 Ok")
        peer.expect("RCPT", "550 5.1.1 nobody")
        peer.expect("DATA", "354 go on")
        got.append(peer.message())
        peer.say("554 5.5.1 no valid recipients")
        peer.line()

    with serving(serve) as server:
        outcome = outcome_of(server)
    assert got == [b""]
    assert outcome.recipients[0].enhanced == "5.1.1"


def test_positive_replies_of_the_wrong_kind_are_no_success() -> None:
    def serve(peer: Peer) -> None:
        peer.greet()
        peer.expect("MAIL", "250 Ok")
        peer.expect("RCPT", "250 Ok")
        peer.expect("DATA", "250 taken already")
        peer.line()

    with serving(serve) as server:
        assert isinstance(failure_of(outcome_of(server)), UnexpectedResponse)


@pytest.mark.parametrize("at", ["MAIL", "message"])
def test_a_caller_that_is_killed_leaves_no_connection_in_the_middle(at: str) -> None:
    heard, go_on = threading.Event(), threading.Event()

    def slow(peer: Peer) -> None:
        peer.greet("PIPELINING")
        if at == "message":
            peer.envelope()
            peer.message()
        heard.set()
        go_on.wait(5)

    def quick(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.take("250 the second")
        peer.line()

    with serving(slow, quick) as server, Client(server.options()) as client:
        killed = actors.spawn(gevent.spawn, client.deliver, ONE, b"x").get()
        assert heard.wait(5)
        actors.spawn(killed.kill).get(timeout=5)
        go_on.set()
        assert client.deliver(ONE, b"x").recipients[0].text == "250 the second"
