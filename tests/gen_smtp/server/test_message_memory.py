"""The limit on what all sessions together hold of the messages under way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from actors.otp.messaging import invoke
from gen_smtp import gen_smtp_server
from gen_smtp.events import BuffersFull, CommandRefused
from gen_smtp.gen_smtp_server_session import error, ok
from gen_smtp.protocol.config import PLAIN_RECIPIENTS
from gen_smtp.server.message_memory import MessageMemory
from gen_smtp.session.bodies import NO_ROOM, MessageBody
from gen_smtp.session.session import SmtpSession
from tests.actors.helpers import Gate
from tests.gen_smtp.live import (
    DATA,
    MAIL,
    MESSAGE,
    PATIENCE,
    RCPT,
    Client,
    Server,
    behaviour,
    collected,
    ended,
    everything,
    serving,
    take,
)

NO_STORAGE = "452 Insufficient system storage"


def body_of(size: int) -> str:
    """A message of so many octets, and its end."""
    return "x" * (size - 2) + "\r\n.\r\n"


def used(server: Any) -> int:
    """The octets that the server's sessions hold."""
    octets: int = server.ref.actor()._memory.used
    return octets


def wait_for_octets(server: Any, octets: int) -> None:
    """Return when the server's oldest session has received so many octets of messages."""
    session = server.sessions[0]
    while invoke(session, PATIENCE, SmtpSession.info).octets < octets:
        pass


# -- counting -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("octets", "fits"), [(99, True), (100, True), (101, False)])
def test_octets_are_counted_up_to_the_limit(octets: int, fits: bool) -> None:
    buffers = MessageMemory(100)
    assert buffers.take(octets) is fits
    assert buffers.used == (octets if fits else 0)


@pytest.mark.parametrize(("used", "room"), [(99, True), (100, False)])
def test_there_is_room_for_another_message_until_all_is_used(used: int, room: bool) -> None:
    buffers = MessageMemory(100)
    buffers.take(used)
    assert buffers.has_room() is room


def test_without_a_limit_there_is_always_room() -> None:
    buffers = MessageMemory(math.inf)
    assert buffers.take(2**60)
    assert buffers.has_room()


def test_the_operator_is_told_once_until_half_was_free() -> None:
    with collected(BuffersFull) as told:
        buffers = MessageMemory(100)
        buffers.take(100)
        for _ in range(3):
            assert not buffers.has_room()
            assert not buffers.take(1)
        assert [event.limit for event in everything(told)] == [100]
        buffers.give_back(49)
        assert not buffers.take(50)
        assert everything(told) == []
        buffers.give_back(1)
        assert not buffers.take(51)
        assert [str(event) for event in everything(told)] == [
            "the messages under way need more than the 100 octets of max_buffered"
        ]


def test_a_body_that_overflows_gives_all_back_at_once_and_takes_no_more() -> None:
    buffers = MessageMemory(10)
    body = MessageBody(buffers)
    assert [body.add(b"12345"), body.add(b"12345"), body.add(b"6"), body.add(b"7")] == [
        True,
        True,
        False,
        False,
    ]
    assert (body.refusal, body.content(), buffers.used) == (NO_ROOM, None, 0)


def test_a_body_is_counted_until_it_is_dropped() -> None:
    buffers = MessageMemory(10)
    body = MessageBody(buffers)
    for piece in (b"a", b"b", b"c"):
        body.add(piece)
    assert (body.content(), buffers.used) == (b"abc", 3)
    body.drop()
    body.drop()
    assert buffers.used == 0


# -- on the wire --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "reply"), [(99, "250 taken"), (100, "250 taken"), (101, NO_STORAGE)])
def test_a_message_may_take_all_the_room_there_is(size: int, reply: str) -> None:
    with (
        serving(behaviour(), serveroptions={"max_buffered": 100}) as server,
        server.greeted(*DATA) as client,
    ):
        client.send(body_of(size))
        assert client.reply() == reply
        assert used(server) == 0
        assert client.say(*MAIL, RCPT[-1], "DATA")[:3] == "354"
        client.send(body_of(100))
        assert client.reply() == "250 taken"


def test_data_is_refused_while_others_use_all_the_room() -> None:
    gate = Gate()

    def handle_DATA(self: Any, sender: str, recipients: list[str], data: bytes) -> Any:
        gate.wait()
        return ok("taken")

    with (
        serving(behaviour(handle_DATA=handle_DATA), serveroptions={"max_buffered": 100}) as server,
        server.greeted(*DATA) as first,
        server.greeted(*RCPT) as second,
    ):
        first.send(body_of(100))
        gate.reached.get(timeout=PATIENCE)  # the callback has it, and it counts all the same
        assert second.say("DATA") == NO_STORAGE
        gate.open()
        assert first.reply() == "250 taken"
        assert second.say("DATA")[:3] == "354"  # the transaction is still there
        second.send(body_of(100))
        assert second.reply() == "250 taken"


def test_a_message_under_way_that_crosses_the_limit_is_dropped_at_once_and_refused_at_its_end() -> None:
    with (
        collected(BuffersFull) as full,
        serving(behaviour(), serveroptions={"max_buffered": 100}) as server,
        server.greeted(*DATA) as client,
    ):
        client.send("x" * 90)
        wait_for_octets(server, 90)
        assert used(server) == 90
        client.send("y" * 90)
        take(full)
        wait_for_octets(server, 180)
        assert used(server) == 0
        client.send("z" * 90 + "\r\n.\r\n")
        assert client.reply() == NO_STORAGE
        assert client.say("NOOP") == "250 Ok"
    assert everything(full) == []


def test_the_refusal_is_an_event_and_an_error_for_the_callback() -> None:
    errors: list[Any] = []

    def handle_error(self: Any, error_class: str, detail: Any) -> Any:
        errors.append((error_class, detail))
        return ok

    with (
        collected(CommandRefused) as refused,
        serving(behaviour(handle_error=handle_error), serveroptions={"max_buffered": 100}) as server,
        server.greeted(*DATA) as client,
    ):
        client.send(body_of(200))
        assert client.reply() == NO_STORAGE
        assert client.say("QUIT") == "221 Bye"
        assert errors == [("data_rejected", "no_storage")]
    assert [(event.verb, event.reply) for event in everything(refused)] == [("DATA", NO_STORAGE)]


def test_lmtp_refuses_for_every_recipient() -> None:
    with (
        serving(
            behaviour(), sessionoptions={"protocol": "lmtp"}, serveroptions={"max_buffered": 100}
        ) as server,
        server.greeted("LHLO c", MAIL[1], RCPT[2], RCPT[2], "DATA") as client,
    ):
        client.send(body_of(101))
        assert [client.reply(), client.reply()] == [NO_STORAGE] * 2
        assert client.say("NOOP") == "250 Ok"


def test_the_status_code_is_given_to_those_who_know_of_them() -> None:
    module = behaviour(handle_EHLO=ok([("ENHANCEDSTATUSCODES", True)]))
    with (
        serving(module, serveroptions={"max_buffered": 100}) as server,
        server.greeted(*DATA) as client,
        server.greeted(*RCPT) as other,
    ):
        client.send("x" * 100)
        wait_for_octets(server, 100)
        assert other.say("DATA") == "452 4.3.1 Insufficient system storage"
        client.send(body_of(100))
        assert client.reply() == "452 4.3.1 Insufficient system storage"


@pytest.mark.parametrize(
    "end",
    [
        lambda client, session: client.reset(),
        lambda client, session: client.close(),
        lambda client, session: session.kill(),
    ],
    ids=["RST", "FIN", "kill"],
)
def test_a_session_that_ends_in_a_message_gives_its_octets_back(end: Callable[[Client, Any], None]) -> None:
    with (
        serving(behaviour(), serveroptions={"max_buffered": 100}) as server,
        server.greeted(*DATA) as client,
    ):
        client.send("x" * 100)
        wait_for_octets(server, 100)
        (session,) = server.sessions
        assert used(server) == 100
        end(client, session)
        ended(session)
        assert used(server) == 0


@pytest.mark.parametrize("fails", [True, False], ids=["crash", "refusal"])
def test_a_callback_that_takes_no_message_leaves_nothing_counted(fails: bool) -> None:
    def handle_DATA(self: Any, sender: str, recipients: list[str], data: bytes) -> Any:
        if fails:
            raise LookupError("boom")
        return error("554 No")

    with (
        serving(behaviour(handle_DATA=handle_DATA), serveroptions={"max_buffered": 100}) as server,
        server.greeted(*DATA) as client,
    ):
        (session,) = server.sessions
        client.send(body_of(100))
        assert client.reply()[:3] == ("451" if fails else "554")
        client.say("QUIT")
        ended(session)
        assert used(server) == 0


# -- envelopes ----------------------------------------------------------------------------------------

PLAIN = "RCPT TO:<" + "r" * 40 + "@y.test>"
WIDE = 'RCPT TO:<"' + "\U0001f4e7" + "r" * 150 + '"@y.test>'
"""One character outside the BMP makes four octets of each."""


def memory_of(server: Server) -> MessageMemory:
    memory: MessageMemory = server.ref.actor()._memory  # type: ignore[union-attr]
    return memory


def pipelined(client: Client, line: str, count: int) -> list[str]:
    """The codes of the replies to so many such lines."""
    client.send(f"{line}\r\n" * count)
    return [client.reply()[:3] for _ in range(count)]


def knows(self: Any, *args: Any) -> Any:
    return ok


ANY_PARAMETER = behaviour(handle_MAIL_extension=knows, handle_RCPT_extension=knows)
GOES_ON = ("RSET", "EHLO c", "a message")
"""What ends a transaction, and not its session."""
UTF8 = ("EHLO c", "MAIL FROM:<a@x.test> SMTPUTF8")


class TestEnvelopes:
    def test_of_a_usual_mail_count_nothing(self) -> None:
        with serving(behaviour()) as server, server.greeted() as client:
            client.say("EHLO c", "MAIL FROM:<sender@client.example> SIZE=1024 BODY=8BITMIME")
            assert pipelined(client, PLAIN, PLAIN_RECIPIENTS) == ["250"] * PLAIN_RECIPIENTS
            assert memory_of(server).used == 0

    def test_of_many_recipients_count_what_they_take(self) -> None:
        with serving(behaviour()) as server, server.greeted(*UTF8) as client:
            assert pipelined(client, WIDE, 1000) == ["250"] * 1000
            assert 1000 * 4 * 150 < memory_of(server).used < 1000 * 4 * 300
            assert pipelined(client, WIDE, 1) == ["452"]

    @pytest.mark.parametrize(
        ("line", "least"),
        [
            ("MAIL FROM:<a@x.test> " + " ".join(f"K{number}={number}" for number in range(200)), 200 * 100),
            ("MAIL FROM:<" + '"' + "\U0001f4e7" + "s" * 150 + '"' + "@x.test> SMTPUTF8", 4 * 150),
        ],
        ids=["parameters", "address"],
    )
    def test_of_senders_count_too(self, line: str, least: int) -> None:
        with serving(ANY_PARAMETER) as server, server.greeted("EHLO c") as client:
            assert client.say(line) == "250 sender Ok"
            assert memory_of(server).used > least
            client.say("RSET")
            assert memory_of(server).used == 0

    def test_parameters_of_recipients_count(self) -> None:
        with serving(ANY_PARAMETER) as server, server.greeted("EHLO c", "MAIL FROM:<a@x.test>") as client:
            parameters = " ".join(f"K{number}={number}" for number in range(100))
            assert client.say(f"{PLAIN} {parameters}") == "250 recipient Ok"
            assert memory_of(server).used > 100 * 100

    @pytest.mark.parametrize(
        "end", ["RSET", "EHLO c", "a message", "QUIT", "hang-up", "kill", "crash", "stop"]
    )
    def test_are_given_back_at_their_end(self, end: str) -> None:
        def handle_VRFY(self: Any, address: str) -> Any:
            raise ValueError(address)

        with serving(behaviour(handle_VRFY=handle_VRFY)) as server, server.greeted(*UTF8) as client:
            memory = memory_of(server)
            pipelined(client, WIDE, 50)
            (session,) = server.sessions
            assert memory.used > 0
            if end == "a message":
                client.say("DATA")
                client.send(MESSAGE)
                assert client.reply() == "250 taken"
            elif end == "kill":
                session.kill()
            elif end == "hang-up":
                client.close()
            elif end == "crash":
                client.say("VRFY x")
            elif end == "stop":
                gen_smtp_server.stop(server.ref)
            else:
                client.say(end)
            if end not in GOES_ON:
                ended(session)
            assert memory.used == 0

    @pytest.mark.parametrize("kind", ["RCPT", "a parameter"])
    def test_of_recipients_that_are_refused_count_nothing(self, kind: str) -> None:
        refusals = {"handle_RCPT": error} if kind == "RCPT" else {"handle_RCPT_extension": error}
        with (
            serving(behaviour(**refusals), sessionoptions={"limits": {"errors": None}}) as server,
            server.greeted(*UTF8) as client,
        ):
            line = WIDE if kind == "RCPT" else f"{WIDE} NOTIFY=NEVER"
            assert set(pipelined(client, line, 50)) == {"550" if kind == "RCPT" else "555"}
            assert memory_of(server).used == 0

    def test_that_there_is_no_room_for_are_answered_with_452_and_the_others_go_on(self) -> None:
        with (
            serving(behaviour(), serveroptions={"max_buffered": 100_000}) as server,
            server.greeted(*UTF8) as big,
            server.greeted(*RCPT) as small,
        ):
            codes = pipelined(big, WIDE, 900)
            taken = codes.count("250")
            assert codes == ["250"] * taken + ["452"] * (900 - taken)
            assert taken > 50
            assert memory_of(server).used <= 100_000
            assert small.say("RCPT TO:<c@y.test>") == "250 recipient Ok"
            assert big.say("RSET") == "250 Ok"
            assert pipelined(small, PLAIN, 20) == ["250"] * 20
            assert big.say("MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>") == "250 recipient Ok"

    def test_a_sender_that_there_is_no_room_for_is_answered_with_452(self) -> None:
        with (
            serving(ANY_PARAMETER, serveroptions={"max_buffered": 1000}) as server,
            server.greeted("EHLO c") as client,
        ):
            parameters = " ".join(f"K{number}={number}" for number in range(100))
            assert client.say(f"MAIL FROM:<a@x.test> {parameters}") == "452 Insufficient system storage"
            assert client.say("MAIL FROM:<a@x.test>") == "250 sender Ok"
