"""Deadlines and stops while a message comes in chunks. Time stands still unless a test moves it."""

from __future__ import annotations

from typing import Any

import pytest

from gen_smtp import events, gen_smtp_server, gen_smtp_server_session
from gen_smtp.gen_smtp_server_session import IncompleteMessage, ok
from tests.gen_smtp.clock import Clock, exceeded, only, wait_for_octets
from tests.gen_smtp.live import RCPT, Client, Queue, behaviour, collected, ended, serving, take

TAKING = {"handle_EHLO": ok([("CHUNKING", True), ("SIZE", "0")])}
DOWN = "421 mx.test Service shutting down\r\n"


def chunk(octets: bytes, last: bool = False) -> bytes:
    """BDAT and the octets behind it."""
    return b"BDAT %d%s\r\n%s" % (len(octets), b" LAST" if last else b"", octets)


def one_chunk(client: Client) -> None:
    """Send a chunk that is not the last."""
    client.send(chunk(b"x" * 100))
    assert client.reply() == "250 100 octets received"


@pytest.mark.parametrize("behind", [b"", b"BDAT 100 LAST\r\n" + b"x" * 50])
def test_a_message_has_the_deadlines_of_a_message_between_its_chunks_too(
    clock: Clock, struck: Queue, behind: bytes
) -> None:
    options = only(timeout=300, data_block=180)
    with serving(behaviour(**TAKING), sessionoptions=options) as server, server.greeted(*RCPT) as client:
        one_chunk(client)
        clock.advance(100)
        client.send(behind)
        wait_for_octets(server, 100 + len(behind[15:]))
        clock.advance(79)
        assert gen_smtp_server_session.info(server.sessions[0])
        clock.advance(101)
        assert client.rest() == exceeded("data_block")
        assert take(struck).deadline == "data_block"


def test_all_chunks_together_have_the_time_of_one_message(clock: Clock, struck: Queue) -> None:
    options = only(message=600)
    with serving(behaviour(**TAKING), sessionoptions=options) as server, server.greeted(*RCPT) as client:
        for _ in range(6):
            one_chunk(client)
            clock.advance(99)
        clock.advance(6)
        assert client.rest() == exceeded("message")


def test_a_drip_of_chunks_is_too_slow(clock: Clock, struck: Queue) -> None:
    options = only(rate_grace=60)
    options["deadlines"]["minimum_rate"] = 100
    with serving(behaviour(**TAKING), sessionoptions=options) as server, server.greeted(*RCPT) as client:
        client.send(b"BDAT 1000\r\n")
        for count in range(1, 4):
            client.send(b"x")
            wait_for_octets(server, count)
        clock.advance(61)
        assert client.rest() == exceeded("minimum_rate")


def test_the_next_message_has_its_own_time(clock: Clock) -> None:
    options = only(message=600)
    with serving(behaviour(**TAKING), sessionoptions=options) as server, server.greeted(*RCPT) as client:
        for end in (b"BDAT 0 LAST\r\n", b"RSET\r\n", b"BDAT 1\r\n\n"):
            one_chunk(client)
            clock.advance(400)
            client.send(end)
            assert client.reply()[:3] in ("250", "550")
            clock.advance(1000)
            assert client.say("MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>") == "250 recipient Ok"
        client.send(chunk(b"bye", last=True))
        assert client.reply() == "250 taken"


@pytest.mark.parametrize("said", [(), RCPT])
def test_octets_that_are_read_away_have_the_deadlines_of_a_message(
    clock: Clock, struck: Queue, said: tuple[str, ...]
) -> None:
    module, options = behaviour(handle_EHLO=ok([("SIZE", "0")])), only(timeout=300, data_block=180)
    with serving(module, sessionoptions=options) as server, server.greeted(*said) as client:
        client.send(b"BDAT 300\r\n" + b"x" * 100)
        for left in (200, 100):
            _wait_for_left(server.sessions[0], left)
            clock.advance(170)
            client.send(b"x" * 100)
        assert client.reply()[:3] in ("502", "503")
        clock.advance(299)
        assert client.say("NOOP") == "250 Ok"
        client.send(b"BDAT 300\r\n" + b"x" * 150)
        _wait_for_left(server.sessions[0], 150)
        clock.advance(181)
        assert client.rest()[:3] in ("502", "503")  # what the chunk is refused for is the last word
        assert take(struck).deadline == "data_block"


def _wait_for_left(session: Any, octets: int) -> None:
    """Return when so many octets of a refused chunk are still to come."""
    protocol = session.actor().protocol
    while protocol.reader is None or protocol.reader.left != octets or protocol.received:
        pass


def test_a_stop_lets_the_message_be_finished_within_the_grace() -> None:
    with serving(behaviour(**TAKING)) as server, server.greeted(*RCPT) as client:
        one_chunk(client)
        (session,) = server.sessions
        stopping = gen_smtp_server.stop(server.ref, block=False)
        client.send(chunk(b"y") + chunk(b"z", last=True) + b"QUIT\r\n")
        assert client.rest() == "250 1 octets received\r\n250 taken\r\n221 Bye\r\n"
        ended(session)
        assert stopping.get(timeout=10)


@pytest.mark.parametrize("command", [b"RSET\r\n", chunk(b"\n")])
def test_a_stop_ends_behind_a_message_that_is_given_up_or_refused(command: bytes) -> None:
    with serving(behaviour(**TAKING)) as server, server.greeted(*RCPT) as client:
        one_chunk(client)
        stopping = gen_smtp_server.stop(server.ref, block=False)
        client.send(command)
        assert client.rest().endswith(DOWN)
        assert stopping.get(timeout=10)


@pytest.mark.parametrize("behind", [b"", b"BDAT 10\r\nxyz"])
def test_a_client_that_is_lost_in_its_message_is_an_error_of_receiving(behind: bytes) -> None:
    causes: list[str] = []

    def handle_DATA_stream(self: Any, sender: str, recipients: list[str], stream: Any) -> Any:
        try:
            stream.read()
        except IncompleteMessage as cut:
            causes.append(cut.cause)
        return ok

    module = behaviour(handle_DATA_stream=handle_DATA_stream, **TAKING)
    with (
        serving(module) as server,
        collected(events.MessageTaken) as taken,
        server.greeted(*RCPT) as client,
    ):
        one_chunk(client)
        (session,) = server.sessions
        client.send(behind)
        client.close()
        assert ended(session) == ("error_receiving_data", "closed")
        assert causes == ["closed"]
        assert taken.empty()
