"""Messages by BDAT in whole sessions: whole, streamed and spooled, and what a client does in between."""

from __future__ import annotations

import contextlib
import queue
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.net.pipe import FULL
from actors.net.transport import RECEIVE_OCTETS
from gen_smtp import gen_smtp_server_session
from gen_smtp.events import CommandRefused, ExtensionWithheld, MessageTaken
from gen_smtp.gen_smtp_server_session import Extensions, IncompleteMessage, Verdict, error, multiple, ok
from gen_smtp.smtp_server_example import SmtpServerExample
from tests.actors.helpers import Gate, on_hub
from tests.gen_smtp.live import (
    PATIENCE,
    RCPT,
    Client,
    Queue,
    Server,
    behaviour,
    collected,
    everything,
    serving,
    take,
)

CHUNKING = ok([("CHUNKING", True), ("BINARYMIME", True), ("8BITMIME", True), ("SIZE", "200000000")])
ENVELOPE = b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n"
NO_MAIL = "503 Error: need MAIL command"
NO_STORAGE = "452 Insufficient system storage"
MIB = 1048576


def chunk(octets: bytes, last: bool = False) -> bytes:
    """BDAT and the octets behind it."""
    return b"BDAT %d%s\r\n%s" % (len(octets), b" LAST" if last else b"", octets)


def say(client: Client, *chunks: bytes, last: bytes | None = None) -> str:
    """Send chunks, each behind the reply to the one before; the last reply."""
    answer = ""
    for each in chunks:
        client.send(chunk(each))
        answer = client.reply()
    if last is not None:
        client.send(chunk(last, last=True))
        answer = client.reply()
    return answer


@pytest.fixture
def heard() -> Queue:
    """What a callback has to tell the test."""
    return queue.SimpleQueue()


@contextmanager
def chunking(heard: Queue, result: Any = ok, **options: Any) -> Iterator[Server]:
    """A server that takes chunks and tells of whole messages."""

    def handle_DATA(self: Any, sender: str, recipients: list[str], data: bytes) -> Any:
        heard.put((sender, recipients, data))
        return result

    given = [name for name in options if name.startswith(("handle_", "blocking"))]
    callbacks = {name: options.pop(name) for name in given}
    module = behaviour(**{"handle_EHLO": CHUNKING, "handle_DATA": handle_DATA, **callbacks})
    with serving(module, **options) as server:
        yield server


def memory_of(server: Server) -> int:
    """The octets of messages that the server's sessions hold."""
    used: int = on_hub(lambda: server.ref.actor()._memory.used)
    return used


# -- whole messages -------------------------------------------------------------------------------


def test_it_is_announced_where_the_callback_lists_it_and_nowhere_else(heard: Queue) -> None:
    with (
        chunking(heard) as server,
        serving(behaviour()) as other,
        server.greeted() as client,
        other.greeted() as one,
        collected(ExtensionWithheld) as withheld,
    ):
        assert "250-CHUNKING\n250-BINARYMIME\n" in client.say("EHLO c")
        assert "CHUNKING" not in one.say("EHLO c")
        assert everything(withheld) == []


def test_a_message_comes_as_it_was_sent(heard: Queue) -> None:
    with chunking(heard, ok("kept")) as server, server.greeted(*RCPT) as client:
        assert say(client, b"Subject: x\r\n\r\n", b".\r\n", last=b"no end") == "250 kept"
        assert take(heard) == ("a@x.test", ["b@y.test"], b"Subject: x\r\n\r\n.\r\nno end")
        assert memory_of(server) == 0


def test_a_whole_mail_in_one_write(heard: Queue) -> None:
    with chunking(heard) as server, server.greeted("EHLO c") as client:
        one, two = chunk(b"one\r\n", last=True), chunk(b"two\r\n", last=True)
        client.send(ENVELOPE + one + ENVELOPE + two + b"QUIT\r\n")
        mail = "250 sender Ok\r\n250 recipient Ok\r\n250 Ok\r\n"
        assert client.rest() == f"{mail}{mail}221 Bye\r\n"
        assert [take(heard)[2], take(heard)[2]] == [b"one\r\n", b"two\r\n"]


@pytest.mark.parametrize("first", [b"", b"x"])
def test_an_empty_last_chunk_is_answered_at_once(heard: Queue, first: bytes) -> None:
    with chunking(heard) as server, server.greeted(*RCPT) as client:
        assert say(client, *([first] if first else []), last=b"") == "250 Ok"
        assert take(heard)[2] == first


def test_chunks_of_one_octet(heard: Queue) -> None:
    octets = b"Subject: hello\r\n\r\n.\r\nQUIT\r\n" * 20
    with chunking(heard) as server, server.greeted(*RCPT) as client:
        client.send(b"".join(chunk(octets[i : i + 1]) for i in range(len(octets))) + chunk(b"", last=True))
        assert [client.reply() for _ in octets] == ["250 1 octets received"] * len(octets)
        assert client.reply() == "250 Ok"
        assert take(heard)[2] == octets


def test_octet_by_octet(heard: Queue) -> None:
    said = ENVELOPE + chunk(b"QUIT\r\n") + chunk(b".\r\n", last=True)
    with chunking(heard) as server, server.greeted("EHLO c") as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(said)):
            client.send(said[at : at + 1])
        assert [client.reply() for _ in range(4)][2:] == ["250 6 octets received", "250 Ok"]
        assert take(heard)[2] == b"QUIT\r\n.\r\n"


def test_a_chunk_of_a_hundred_megabytes(heard: Queue) -> None:
    limits = {"limits": {"message_size": 200_000_000}}
    octets = (b"x" * 998 + b"\r\n") * 100_000
    with chunking(heard, sessionoptions=limits) as server, server.greeted(*RCPT) as client:
        assert say(client, last=octets) == "250 Ok"
        assert take(heard)[2] == octets


def test_what_was_taken_is_told_with_its_size(heard: Queue) -> None:
    with chunking(heard) as server, collected(MessageTaken) as taken, server.greeted(*RCPT) as client:
        say(client, b"one", last=b"two")
        event = take(taken)
        assert (event.size, event.reply, event.recipients) == (6, "250 Ok", ("b@y.test",))
        (session,) = server.sessions
        facts = gen_smtp_server_session.info(session)
        assert (facts.messages, facts.octets) == (1, 6)


def test_lmtp_answers_each_recipient_behind_the_last_chunk(heard: Queue) -> None:
    results = multiple([ok("one"), error("552 two")])
    with chunking(heard, results, sessionoptions={"protocol": "lmtp"}) as server, server.greeted() as client:
        client.say("LHLO c", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "RCPT TO:<c@y.test>")
        assert say(client, b"x", last=b"y") == "250 one"
        assert client.reply() == "552 two"


def test_binary_octets(heard: Queue) -> None:
    octets = bytes(range(256)) * 5 + b"\r"
    with chunking(heard) as server, server.greeted("EHLO c") as client:
        client.say("MAIL FROM:<a@x.test> BODY=BINARYMIME", "RCPT TO:<b@y.test>")
        assert client.say("DATA") == "503 Error: BODY=BINARYMIME needs BDAT"
        assert say(client, octets[:100], last=octets[100:]) == "250 Ok"
        assert take(heard)[2] == octets


# -- refused --------------------------------------------------------------------------------------


def test_a_bare_newline_names_the_option_and_the_rest_is_read_away(heard: Queue) -> None:
    errors: Queue = queue.SimpleQueue()

    def handle_error(self: Any, kind: str, detail: Any) -> Any:
        errors.put((kind, detail))
        return ok

    with (
        chunking(heard, handle_error=handle_error) as server,
        collected(CommandRefused) as refused,
        server.greeted(*RCPT) as client,
    ):
        client.send(chunk(b"a\nb\r\n") + chunk(b"QUIT\r\n") + chunk(b"QUIT\r\n", last=True))
        assert client.reply().startswith("550 Bare newline detected: LF without CR in line 1")
        assert [client.reply(), client.reply()] == [NO_MAIL] * 2
        event = take(refused)
        assert (event.verb, event.option) == ("BDAT", "allow_bare_newlines")
        assert take(errors) == ("data_rejected", "bare_newline")
        assert client.say(*RCPT[1:]) == "250 recipient Ok"
        assert say(client, last=b"good\r\n") == "250 Ok"
        assert take(heard)[2] == b"good\r\n"


def test_what_has_no_room_is_refused_with_the_chunk_that_has_none(heard: Queue) -> None:
    with (
        chunking(heard, serveroptions={"max_buffered": 100_000}) as server,
        server.greeted(*RCPT) as client,
    ):
        assert say(client, b"x" * 60_000) == "250 60000 octets received"
        assert memory_of(server) == 60_000
        assert say(client, b"x" * 60_000) == NO_STORAGE
        assert memory_of(server) == 0
        assert say(client, last=b"QUIT\r\n") == NO_MAIL
        assert client.say(*RCPT[1:]) == "250 recipient Ok"
        assert say(client, last=b"x" * 100_001) == NO_STORAGE
        assert client.say(*RCPT[1:]) == "250 recipient Ok"
        assert say(client, last=b"x" * 100_000) == "250 Ok"


def test_a_message_beyond_the_limit_is_refused_before_its_octets_are_kept(heard: Queue) -> None:
    limits = {"limits": {"message_size": 65536}}
    module = {"handle_EHLO": ok([("CHUNKING", True), ("SIZE", "65536")])}
    with chunking(heard, sessionoptions=limits, **module) as server, server.greeted(*RCPT) as client:
        assert say(client, b"x" * 65536) == "250 65536 octets received"
        client.send(b"BDAT 100000\r\n" + b"x" * 50_000)
        (session,) = server.sessions
        while memory_of(server):
            pass
        client.send(b"x" * 50_000)
        assert client.reply() == "552 Message too large"
        assert gen_smtp_server_session.info(session).octets == 65536


def test_a_refused_chunk_is_read_away_where_bdat_is_not_offered() -> None:
    with serving(behaviour()) as server, server.greeted(*RCPT) as client:
        client.send(chunk(b"MAIL FROM:<body@x.test>\r\nQUIT\r\n") + b"NOOP\r\n")
        assert [client.reply(), client.reply()] == ["502 Error: CHUNKING not offered", "250 Ok"]


def test_a_crash_is_451_and_no_chunk_is_run(heard: Queue) -> None:
    def handle_DATA(self: Any, *args: Any) -> Any:
        raise ZeroDivisionError

    with chunking(heard, handle_DATA=handle_DATA) as server, server.greeted(*RCPT) as client:
        client.send(chunk(b"one") + chunk(b"two", last=True) + chunk(b"QUIT\r\n"))
        assert client.rest() == "250 3 octets received\r\n451 Error: internal server error\r\n"


# -- streamed -------------------------------------------------------------------------------------


@pytest.fixture(params=["on the hub", "in a worker thread"])
def streaming(request: Any, heard: Queue) -> Callable[..., Any]:
    """`streaming(result)`: callbacks that tell of each piece, then of the end or of why there is none."""

    def make(result: Any = ok, **others: Any) -> dict[str, Any]:
        def handle_DATA_stream(self: Any, sender: str, recipients: list[str], stream: Any) -> Any:
            try:
                for piece in stream.chunks():
                    heard.put(piece)
                heard.put("end")
            except IncompleteMessage as cut:
                heard.put(cut.cause)
            return result

        blocking = {"handle_DATA_stream"} if request.param == "in a worker thread" else set()
        return {"handle_DATA_stream": handle_DATA_stream, "blocking": blocking, **others}

    return make


def test_a_stream_gets_the_octets_as_they_come(heard: Queue, streaming: Any) -> None:
    with chunking(heard, **streaming(ok("streamed"))) as server, server.greeted(*RCPT) as client:
        assert say(client, b"one") == "250 3 octets received"
        assert take(heard) == b"one"
        client.send(b"BDAT 6 LAST\r\ntwo")
        assert take(heard) == b"two"
        client.send(b"end")
        assert client.reply() == "250 streamed"
        assert [take(heard), take(heard)] == [b"end", "end"]


@pytest.mark.parametrize(
    ("said", "reply", "cause"),
    [
        (b"RSET\r\n", "250 Ok", "reset"),
        (b"EHLO again\r\n", "250-mx.test", "reset"),
        (b"BDAT 6 what\r\nQUIT\r\n", "501 Syntax: BDAT size [LAST]", "reset"),
        (chunk(b"\n"), "550 Bare newline detected: LF without CR in line 1", "bare_newline"),
        (b"QUIT\r\n", "221 Bye", "stopped"),
        (b"", "", "closed"),
    ],
)
def test_a_stream_that_will_not_be_whole_says_why(
    heard: Queue, streaming: Any, said: bytes, reply: str, cause: str
) -> None:
    with chunking(heard, **streaming()) as server, server.greeted(*RCPT) as client:
        say(client, b"one")
        assert take(heard) == b"one"
        if said:
            client.send(said)
            assert client.reply().startswith(reply)
        else:
            client.socket.shutdown(socket.SHUT_WR)
        assert take(heard) == cause
        if cause in ("reset", "bare_newline"):
            client.send(ENVELOPE + chunk(b"whole", last=True))
            while (answer := client.reply()) != "250 Ok":
                assert answer.startswith("250")
            assert [take(heard), take(heard)] == [b"whole", "end"]


def test_nothing_else_of_the_callback_runs_meanwhile(heard: Queue, streaming: Any) -> None:
    order: list[str] = []

    def noting(name: str) -> Any:
        def callback(self: Any, *args: Any) -> Any:
            order.append(name)
            return CHUNKING if name == "handle_EHLO" else ok

        return callback

    def handle_DATA_stream(self: Any, sender: str, recipients: list[str], stream: Any) -> Any:
        order.append("begin")
        heard.put("begun")
        try:
            stream.read()
        except IncompleteMessage:
            order.append("cut")
        return ok

    names = ("handle_EHLO", "handle_RSET", "handle_VRFY", "handle_other", "handle_error", "handle_MAIL")
    callbacks = streaming(**{name: noting(name) for name in names})
    callbacks["handle_DATA_stream"] = handle_DATA_stream
    with chunking(heard, **callbacks) as server, server.greeted(*RCPT) as client:
        say(client, b"one")
        assert take(heard) == "begun"
        for line in ("VRFY x", "XOTHER", "MAIL FROM:<x@y.test>", "DATA"):
            assert client.say(line) == "503 Error: more of the message is due, or RSET"
        assert client.say("RSET") == "250 Ok"
        client.say("MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>")
        say(client, b"one")
        assert take(heard) == "begun"
        client.say("EHLO again")
    first = ["handle_EHLO", "handle_MAIL", "begin", "cut", "handle_RSET"]
    assert order[:9] == [*first, "handle_MAIL", "begin", "cut", "handle_EHLO"]


def test_a_slow_reader_holds_the_client_up_and_nothing_is_lost(heard: Queue) -> None:
    gate, size = Gate(), 64 * MIB

    def handle_DATA_stream(self: Any, sender: str, recipients: list[str], stream: Any) -> Any:
        gate.wait()
        return ok(f"{sum(map(len, stream.chunks()))} octets")

    with chunking(heard, handle_DATA_stream=handle_DATA_stream) as server, server.greeted(*RCPT) as client:
        client.send(b"BDAT %d LAST\r\n" % size + b"x" * (FULL + RECEIVE_OCTETS))
        (session,) = server.sessions
        while gen_smtp_server_session.info(session).octets < FULL:
            pass
        left = size - FULL - RECEIVE_OCTETS - _fill(client)
        assert left > 0
        assert gen_smtp_server_session.info(session).octets <= FULL + 2 * RECEIVE_OCTETS
        assert memory_of(server) == 0
        gate.open()
        client.send(b"x" * left)
        assert client.reply() == f"250 {size} octets"


def _fill(client: Client) -> int:
    """Send until nothing more is taken; how many octets that were."""
    client.socket.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while sent < 32 * MIB:
            sent += client.socket.send(b"x" * 65536)
    client.socket.settimeout(PATIENCE)
    return sent


# -- spooled --------------------------------------------------------------------------------------


def test_chunks_are_spooled_as_any_message(heard: Queue, tmp_path: Path) -> None:
    options = {"spool_threshold": 10_000, "spool_directory": str(tmp_path)}
    octets = b"".join(b"%014d" % number for number in range(20_000))
    with chunking(heard, sessionoptions=options) as server, server.greeted(*RCPT) as client:
        for start in range(0, len(octets), 5000):
            assert say(client, octets[start : start + 5000]).endswith("octets received")
            assert memory_of(server) <= 15_000
        assert say(client, last=b"") == "250 Ok"
        assert take(heard)[2] == octets


def test_what_is_given_up_leaves_no_file(heard: Queue, tmp_path: Path) -> None:
    options = {"spool_threshold": 1000, "spool_directory": str(tmp_path)}
    with chunking(heard, sessionoptions=options) as server, server.greeted(*RCPT) as client:
        say(client, b"x" * 50_000)
        assert client.say("RSET") == "250 Ok"
        assert memory_of(server) == 0
        client.say("MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>")
        assert say(client, last=b"y") == "250 Ok"
        assert take(heard)[2] == b"y"


# -- handed on ------------------------------------------------------------------------------------


class RelayingChunks(SmtpServerExample):
    """The example, with CHUNKING besides."""

    def handle_EHLO(self, hostname: str, extensions: Extensions) -> Verdict:
        return ok([*extensions, ("CHUNKING", True)])


@pytest.mark.parametrize(
    ("octets", "arrives"),
    [
        (b".\r\n..x\r\n\r\n.\r\nQUIT\r\n", b".\r\n..x\r\n\r\n.\r\nQUIT\r\n"),
        (b"Subject: x\r\n\r\nno end", b"Subject: x\r\n\r\nno end\r\n"),
        (b"Subject: x\r\n\r\n.", b"Subject: x\r\n\r\n.\r\n"),
    ],
)
def test_the_examples_relay_stuffs_the_dots_anew_and_ends_the_last_line(
    heard: Queue, octets: bytes, arrives: bytes
) -> None:
    envelope = ("EHLO c", "MAIL FROM:<a@x.test>", "RCPT TO:<b@[127.0.0.1]>")
    with chunking(heard) as host:
        options = {"callbackoptions": {"relay": True, "relay_port": host.addresses[0][1]}}
        with (
            serving(RelayingChunks, sessionoptions=options) as server,
            server.greeted(*envelope) as client,
        ):
            assert say(client, octets[:5], last=octets[5:]).startswith("250 queued as")
        assert take(heard)[2].endswith(arrives)
