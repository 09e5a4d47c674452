"""handle_DATA_stream: the message as it arrives, held up by a slow reader, and never taken by halves."""

from __future__ import annotations

import contextlib
import hashlib
import queue
import shutil
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import pytest

import actors
from actors.net.pipe import FULL
from actors.net.transport import RECEIVE_OCTETS
from actors.runtime import threads as actor_blocking
from gen_smtp import gen_smtp_server, gen_smtp_server_session
from gen_smtp.events import CallbackCrashed, MessageTaken, WrongCallbackValue
from gen_smtp.gen_smtp_server_session import IncompleteMessage, error, multiple, noreply, ok, stop
from gen_smtp.session.calling import QUIT_SECONDS
from tests.actors.helpers import Gate, on_hub
from tests.certificates import Certificates
from tests.gen_smtp.clock import Clock, exceeded, only
from tests.gen_smtp.live import (
    DATA,
    MESSAGE,
    PATIENCE,
    RCPT,
    Client,
    Queue,
    Server,
    behaviour,
    collected,
    ended,
    everything,
    serving,
    take,
)

BODY = MESSAGE.removesuffix(".\r\n").encode()
MIB = 1048576
UNLIMITED = ok([("SIZE", "0")])


@pytest.fixture(params=["in its turn's greenlet", "in a worker thread"])
def streaming(request: Any) -> Callable[..., Any]:
    """`streaming(callback, ...)`: a behaviour whose handle_DATA_stream is this, in both ways to run it."""
    blocking = {"handle_DATA_stream"} if request.param == "in a worker thread" else set()

    def make(callback: Any, **others: Any) -> Any:
        return behaviour(handle_DATA_stream=callback, blocking=blocking, **others)

    return make


@pytest.fixture
def heard() -> Queue:
    """What a callback has to tell the test."""
    return queue.SimpleQueue()


def reading(heard: Queue, result: Any = ok) -> Any:
    """A callback that tells of the first piece, then of the whole or of why that can't be, and goes on."""

    def handle_DATA_stream(self: Any, sender: str, recipients: list[str], stream: Any) -> Any:
        try:
            first = stream.read1()
            heard.put(first)
            heard.put((sender, recipients, first + stream.read()))
        except BaseException as cut:
            heard.put(cut)
        return result

    return handle_DATA_stream


def session_of(server: Server) -> Any:
    """The reference of the server's only session."""
    (ref,) = server.sessions
    return ref


# -- whole messages -----------------------------------------------------------------------------------


def test_a_message_comes_as_it_was_sent_and_the_result_is_the_reply(streaming: Any, heard: Queue) -> None:
    with serving(streaming(reading(heard, ok("kept")))) as server, server.greeted(*DATA) as client:
        client.send("..one\r\n.\r\n")
        assert client.reply() == "250 kept"
        assert take(heard) == b".one\r\n"
        assert take(heard) == ("a@x.test", ["b@y.test"], b".one\r\n")


def test_what_has_come_is_read_before_the_rest_is_sent(streaming: Any, heard: Queue) -> None:
    with serving(streaming(reading(heard))) as server, server.greeted(*DATA) as client:
        client.send("one")
        assert take(heard) == b"one"
        client.send("\r\ntwo\r\n.\r\n")
        assert client.reply() == "250 Ok"
        assert take(heard)[2] == b"one\r\ntwo\r\n"


def test_a_message_of_nothing_is_one(streaming: Any, heard: Queue) -> None:
    with serving(streaming(reading(heard))) as server, server.greeted(*DATA) as client:
        assert client.say(".") == "250 Ok"
        assert [take(heard), take(heard)[2]] == [b"", b""]


def test_messages_follow_each_other(streaming: Any, heard: Queue) -> None:
    with serving(streaming(reading(heard))) as server, server.greeted("EHLO c") as client:
        for number in range(3):
            client.say("MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "DATA")
            client.send(f"{number}\r\n.\r\n")
            assert client.reply() == "250 Ok"
            assert [take(heard), take(heard)[2]] == [b"%d\r\n" % number] * 2


def test_pipelined_commands_wait_for_the_callback(streaming: Any, heard: Queue) -> None:
    order: list[str] = []

    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        stream.read()
        order.append("read")
        return ok("taken")

    def handle_MAIL(self: Any, sender: str) -> Any:
        order.append("MAIL")
        return ok

    module = streaming(handle_DATA_stream, handle_MAIL=handle_MAIL)
    with serving(module) as server, server.greeted(*DATA) as client:
        client.send(f"{MESSAGE}MAIL FROM:<c@x.test>\r\nQUIT\r\n")
        assert client.rest() == "250 taken\r\n250 sender Ok\r\n221 Bye\r\n"
    assert order == ["MAIL", "read", "MAIL"]


@pytest.mark.parametrize(("parameter", "hint"), [(" SIZE=1000", 1000), ("", None)])
def test_the_stream_knows_what_size_was_declared(
    streaming: Any, heard: Queue, parameter: str, hint: int | None
) -> None:
    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        heard.put(stream.size_hint)
        return ok

    with serving(streaming(handle_DATA_stream)) as server, server.greeted("EHLO c") as client:
        client.say(f"MAIL FROM:<a@x.test>{parameter}", "RCPT TO:<b@y.test>", "DATA")
        client.send(MESSAGE)
        assert client.reply() == "250 Ok"
    assert take(heard) == hint


def test_handle_data_is_not_asked(streaming: Any, heard: Queue) -> None:
    module = streaming(reading(heard), handle_DATA=error("554 Asked"))
    with serving(module) as server, server.greeted(*DATA) as client:
        assert client.say(MESSAGE.removesuffix("\r\n")) == "250 Ok"


def test_an_override_may_leave_a_message_to_handle_data(streaming: Any) -> None:
    """What Behaviour's own does: small ones here, big ones there."""

    def handle_DATA_stream(self: Any, *args: Any) -> Any:
        return gen_smtp_server_session.Behaviour.handle_DATA_stream(self, *args)

    def handle_DATA(self: Any, sender: str, recipients: list[str], data: bytes) -> Any:
        return ok(f"{sender} {recipients} {data!r}")

    module = streaming(handle_DATA_stream, handle_DATA=handle_DATA)
    with serving(module) as server, server.greeted(*DATA) as client:
        assert client.say("one\r\n.") == r"250 a@x.test ['b@y.test'] b'one\r\n'"


def test_a_taken_message_is_an_event_with_its_size(streaming: Any, heard: Queue) -> None:
    with collected(MessageTaken) as taken, serving(streaming(reading(heard))) as server:
        with server.greeted(*DATA) as client:
            client.send(MESSAGE)
            assert client.reply() == "250 Ok"
            assert gen_smtp_server_session.info(session_of(server)).messages == 1
        assert take(taken).size == len(BODY)


@pytest.mark.parametrize(
    ("result", "reply"),
    [
        (error("550 No"), "550 No"),
        (error("452 Disk full"), "452 Disk full"),
        (multiple([ok]), "451 Error: internal server error"),
        ("anything", "451 Error: internal server error"),
        (None, "451 Error: internal server error"),
    ],
)
def test_a_message_may_be_refused(streaming: Any, heard: Queue, result: Any, reply: str) -> None:
    with serving(streaming(reading(heard, result))) as server, server.greeted(*DATA) as client:
        client.send(MESSAGE)
        assert client.reply() == reply
        assert client.say("NOOP") == "250 Ok"


@pytest.mark.parametrize("result", [7, multiple([ok])])
def test_a_wrong_result_is_reported_with_the_callbacks_name(
    streaming: Any, heard: Queue, result: Any
) -> None:
    with collected(WrongCallbackValue) as wrong, serving(streaming(reading(heard, result))) as server:
        with server.greeted(*DATA) as client:
            client.say(MESSAGE.removesuffix("\r\n"))
        assert take(wrong).callback == "handle_DATA_stream"


@pytest.mark.parametrize("wrap", [lambda data: data, ok, lambda data: {"data": data}])
def test_a_message_handed_back_is_not_shown(streaming: Any, wrap: Any) -> None:
    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        return wrap(stream.read())

    with collected(WrongCallbackValue) as wrong, serving(streaming(handle_DATA_stream)) as server:
        with server.greeted(*DATA) as client:
            assert client.say("private\r\n.") == "451 Error: internal server error"
        assert "private" not in str(take(wrong))


def test_a_stop_ends_the_session(streaming: Any, heard: Queue) -> None:
    module = streaming(
        reading(heard, stop("policy", "554 Go away")), terminate=lambda self, why: heard.put(why)
    )
    with serving(module) as server, server.greeted(*DATA) as client:
        client.send(MESSAGE)
        assert client.rest() == "554 Go away\r\n"
        assert [take(heard) for _ in range(3)][2] == "policy"


@pytest.mark.parametrize(
    ("result", "replies"),
    [
        (multiple([ok("one"), error("452 full")]), "250 one\r\n452 full\r\n"),
        (multiple([ok("one")]), "250 one\r\n451 Error: internal server error\r\n"),
        (ok("both"), "250 both\r\n250 both\r\n"),
        (error("550 No"), "550 No\r\n550 No\r\n"),
    ],
)
def test_in_lmtp_each_recipient_has_its_reply(
    streaming: Any, heard: Queue, result: Any, replies: str
) -> None:
    options = {"sessionoptions": {"protocol": "lmtp"}}
    with serving(streaming(reading(heard, result)), **options) as server, server.greeted() as client:
        client.say("LHLO c", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "RCPT TO:<c@y.test>", "DATA")
        client.send(f"{MESSAGE}QUIT\r\n")
        assert client.rest() == f"{replies}221 Bye\r\n"


# -- big messages -------------------------------------------------------------------------------------


def lines(octets: int) -> bytes:
    """So many octets of a message, with dots to be stuffed."""
    line = b"." + b"x" * 61 + b"\r\n"
    return line * (octets // len(line))


def hashing(heard: Queue) -> Any:
    """A callback that tells the hash of the message."""

    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        digest = hashlib.blake2b()
        for chunk in stream.chunks():
            digest.update(chunk)
        heard.put(digest.digest())
        return ok

    return handle_DATA_stream


def send_message(connection: Any, body: bytes) -> None:
    """Send a message, stuffed, and its end."""
    connection.sendall(body.replace(b"\r\n.", b"\r\n..").replace(b".", b"..", 1) + b".\r\n")


def test_a_message_much_bigger_than_the_pipe_arrives_whole(streaming: Any, heard: Queue) -> None:
    body = lines(8 * MIB)
    module = streaming(hashing(heard), handle_EHLO=UNLIMITED)
    with serving(module) as server, server.greeted(*DATA) as client:
        send_message(client.socket, body)
        assert client.reply() == "250 Ok"
    assert take(heard) == hashlib.blake2b(body).digest()


def test_so_it_does_inside_tls(streaming: Any, heard: Queue, certificates: Certificates) -> None:
    body = lines(4 * MIB)
    module = streaming(hashing(heard), handle_EHLO=UNLIMITED)
    tls = {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}
    context = ssl.create_default_context(cafile=certificates.cafile)
    with serving(module, protocol="ssl", sessionoptions=tls) as server:
        plain = socket.create_connection(server.addresses[0], PATIENCE)
        with context.wrap_socket(plain, server_hostname="localhost") as client, client.makefile("rb") as file:
            client.sendall("".join(f"{line}\r\n" for line in DATA).encode())
            while not file.readline().startswith(b"354"):
                pass
            send_message(client, body)
            assert file.readline() == b"250 Ok\r\n"
    assert take(heard) == hashlib.blake2b(body).digest()


def plain(octets: int) -> bytes:
    """About so many octets of a message in which nothing is stuffed."""
    return (b"x" * 62 + b"\r\n") * (octets // 64)


def fill(client: Client) -> int:
    """Send as much of a message as a server takes that reads nothing; how much that was."""
    piece = plain(RECEIVE_OCTETS)
    sent = 0
    client.socket.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while sent < 64 * MIB:
            sent += client.socket.send(piece)
    client.socket.settimeout(PATIENCE)
    return sent


def info(server: Server) -> Any:
    """The facts of the server's only session."""
    return gen_smtp_server_session.info(session_of(server), timeout=PATIENCE)


def waiting(gate: Gate) -> Any:
    """A callback that waits at a gate before it reads; its reply is the number of octets."""

    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        gate.wait()
        return ok(f"{len(stream.read())} octets")

    return handle_DATA_stream


def test_a_client_is_held_up_while_nobody_reads(streaming: Any) -> None:
    gate = Gate()
    module = streaming(waiting(gate), handle_EHLO=UNLIMITED)
    with serving(module) as server, server.greeted(*DATA) as client:
        first = plain(FULL + RECEIVE_OCTETS)
        client.send(first)
        while info(server).octets < FULL - RECEIVE_OCTETS:
            pass
        filled = fill(client)
        assert filled < 64 * MIB
        assert info(server).octets <= FULL + 2 * RECEIVE_OCTETS
        gate.open()
        client.send("\r\n.\r\n")
        assert client.reply() == f"250 {len(first) + filled + 2} octets"


# -- callbacks that do not read to the end ------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "reply"), [(ok("enough"), "250 enough"), (error("554 No virus here"), "554 No virus here")]
)
def test_what_a_callback_leaves_is_read_away_and_its_result_comes_at_the_end(
    streaming: Any, heard: Queue, result: Any, reply: str
) -> None:
    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        heard.put(stream.read1())
        return result

    body = plain(4 * MIB)
    module = streaming(handle_DATA_stream, handle_EHLO=UNLIMITED)
    with serving(module) as server, server.greeted(*DATA) as client:
        client.send(body[:1000])
        take(heard)
        client.send(body[1000:])
        assert info(server).messages == 0
        client.send(".\r\nNOOP\r\nMAIL FROM:<again@x.test>\r\n")
        assert [client.reply() for _ in range(3)] == [reply, "250 Ok", "250 sender Ok"]


def test_a_client_that_was_held_up_goes_on_when_its_callback_reads_no_more(streaming: Any) -> None:
    gate = Gate()

    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        gate.wait()
        return ok("enough")

    module = streaming(handle_DATA_stream, handle_EHLO=UNLIMITED)
    with serving(module) as server, server.greeted(*DATA) as client:
        client.send(plain(FULL))
        held_up(server)
        gate.open()
        client.send(plain(4 * MIB) + b".\r\n")
        assert client.reply() == "250 enough"


def test_a_message_that_its_callback_took_too_early_is_refused_if_it_breaks_a_rule(streaming: Any) -> None:
    module = streaming(lambda self, *args: ok("taken"))
    with serving(module) as server, server.greeted(*DATA) as client:
        client.send("one\r\ntwo\nthree\r\n.\r\n")
        assert client.reply() == "550 Bare newline detected: LF without CR in line 2"
        assert client.say("NOOP") == "250 Ok"


@pytest.mark.parametrize("reads", [True, False])
def test_a_callback_that_raises_is_451_at_the_end_and_ends_the_session(streaming: Any, reads: bool) -> None:
    boom = LookupError("boom")

    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        if reads:
            stream.read()
        raise boom

    with collected(CallbackCrashed) as crashed, serving(streaming(handle_DATA_stream)) as server:
        with server.greeted(*DATA) as client:
            ref = session_of(server)
            client.send(f"{MESSAGE}NOOP\r\n")
            assert client.rest() == "451 Error: internal server error\r\n"
            assert ended(ref) is boom
        assert [(event.callback, event.error) for event in everything(crashed)] == [
            ("handle_DATA_stream", boom)
        ]


def test_a_crash_is_reported_though_the_client_is_gone_before_the_end(streaming: Any, heard: Queue) -> None:
    boom = LookupError("boom")

    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        heard.put("begun")
        raise boom

    with collected(CallbackCrashed) as crashed, serving(streaming(handle_DATA_stream)) as server:
        with server.greeted(*DATA) as client:
            client.send("one")
            assert take(heard) == "begun"
        assert take(crashed).error is boom


def test_a_stream_is_closed_when_its_callback_has_returned(streaming: Any, heard: Queue) -> None:
    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        heard.put(stream)
        return ok

    with serving(streaming(handle_DATA_stream)) as server, server.greeted(*DATA) as client:
        client.send(MESSAGE)
        assert client.reply() == "250 Ok"
        stream = take(heard)
        assert stream.closed
        with pytest.raises(ValueError, match="closed"):
            stream.read()


# -- messages that end early --------------------------------------------------------------------------


def close(server: Server, client: Client, clock: Clock) -> None:
    client.socket.shutdown(socket.SHUT_WR)


def reset(server: Server, client: Client, clock: Clock) -> None:
    client.reset()


def say_nothing(server: Server, client: Client, clock: Clock) -> None:
    clock.advance(180)


def exceed_the_size(server: Server, client: Client, clock: Clock) -> None:
    client.send(plain(2000) + b".\r\nQUIT\r\n")


def send_a_bare_newline(server: Server, client: Client, clock: Clock) -> None:
    client.send("one\ntwo\r\n.\r\nQUIT\r\n")


def send_a_long_line(server: Server, client: Client, clock: Clock) -> None:
    client.send("x" * 1000 + "\r\n.\r\nQUIT\r\n")


def stop_the_server(server: Server, client: Client, clock: Clock) -> None:
    actor = session_of(server).actor()
    gen_smtp_server.stop(server.ref, grace=100, block=False)
    while on_hub(lambda: actor.final) != "grace":
        pass
    clock.advance(90)


def kill_the_session(server: Server, client: Client, clock: Clock) -> None:
    session_of(server).kill()


def kill_the_server(server: Server, client: Client, clock: Clock) -> None:
    server.ref.kill()


def end_the_session(server: Server, client: Client, clock: Clock) -> None:
    actors.send_exit(session_of(server), "why not")


EARLY_ENDS = {
    close: "closed",
    reset: "closed",
    say_nothing: "timeout",
    exceed_the_size: "size_exceeded",
    send_a_bare_newline: "bare_newline",
    send_a_long_line: "line_too_long",
    stop_the_server: "shutdown",
    kill_the_session: "killed",
    kill_the_server: "killed",
    end_the_session: "stopped",
}


@pytest.mark.parametrize("swallows", [True, False], ids=["says ok all the same", "lets it through"])
@pytest.mark.parametrize("end", EARLY_ENDS, ids=lambda end: end.__name__)
def test_a_message_that_ends_early_raises_in_its_reader_and_is_never_taken(
    streaming: Any, heard: Queue, clock: Clock, end: Any, swallows: bool
) -> None:
    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        heard.put(stream.read1())
        try:
            stream.read()
        except BaseException as cut:
            heard.put(cut)
            if not swallows:
                raise
        return ok("taken")

    module = streaming(handle_DATA_stream, handle_EHLO=ok([("SIZE", "1500")]))
    with (
        collected(MessageTaken) as taken,
        collected(CallbackCrashed) as crashed,
        serving(module, sessionoptions={**only(data_block=180), "limits": {"text_line": 1000}}) as server,
        server.greeted(*DATA) as client,
    ):
        ref = session_of(server)
        client.send("one")
        assert take(heard) == b"one"
        end(server, client, clock)
        cut = take(heard)
        if end is not reset:
            assert "250" not in client.rest()
        ended(ref)
        assert everything(taken) == everything(crashed) == []
    if isinstance(cut, IncompleteMessage):
        assert cut.cause == EARLY_ENDS[end]
    else:  # a greenlet that is killed
        assert EARLY_ENDS[end] == "killed"


@pytest.mark.parametrize("end", EARLY_ENDS, ids=lambda end: end.__name__)
def test_one_whose_callback_has_returned_is_not_taken_either(
    streaming: Any, heard: Queue, clock: Clock, end: Any
) -> None:
    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        heard.put("returns")
        return ok("taken")

    module = streaming(handle_DATA_stream, handle_EHLO=ok([("SIZE", "1500")]))
    with (
        collected(MessageTaken) as taken,
        serving(module, sessionoptions={**only(data_block=180), "limits": {"text_line": 1000}}) as server,
        server.greeted(*DATA) as client,
    ):
        ref = session_of(server)
        client.send("one")
        assert take(heard) == "returns"
        end(server, client, clock)
        if end is not reset:
            assert "250" not in client.rest()
        ended(ref)
        assert everything(taken) == []


def test_a_client_that_goes_before_the_first_octet_has_no_callback_called(
    streaming: Any, heard: Queue
) -> None:
    module = streaming(reading(heard), terminate=lambda self, reason: heard.put(reason))
    with serving(module) as server:
        with server.greeted(*DATA) as client:
            client.close()
        assert take(heard) == ("error_receiving_data", "closed")


def test_after_a_refused_message_the_session_goes_on_once_its_callback_has_returned(
    streaming: Any, heard: Queue
) -> None:
    gate, reads = Gate(), threading.Semaphore(0)

    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        reads.release()
        try:
            stream.read()
        except IncompleteMessage:
            gate.wait()
        heard.put("returns")
        return ok

    def noting(name: str) -> Any:
        def callback(self: Any, *args: Any) -> Any:
            heard.put((name, *args))
            return ok

        return callback

    module = streaming(
        handle_DATA_stream, handle_MAIL=noting("MAIL"), handle_error=noting("error"), handle_RCPT=ok
    )
    with serving(module) as server, server.greeted(*DATA) as client:
        assert take(heard) == ("MAIL", "a@x.test")
        client.send("one")
        assert reads.acquire(timeout=PATIENCE)
        client.send("\r\ntwo\nthree\r\n.\r\nMAIL FROM:<c@x.test>\r\n")
        gate.reached.get(timeout=PATIENCE)
        assert (
            client.reply() == "550 Bare newline detected: LF without CR in line 2"
        )  # which does not wait for the callback
        gate.open()
        assert client.reply() == "250 sender Ok"
        assert [take(heard) for _ in range(3)] == [
            "returns",
            ("error", "data_rejected", "bare_newline"),
            ("MAIL", "c@x.test"),
        ]


def test_a_session_ends_when_its_callback_has_returned(streaming: Any, heard: Queue) -> None:
    gate, reads = Gate(), threading.Semaphore(0)

    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        reads.release()
        try:
            stream.read()
        except IncompleteMessage:
            gate.wait()
        heard.put("returns")
        return ok

    module = streaming(handle_DATA_stream, terminate=lambda self, reason: heard.put(reason))
    with serving(module) as server:
        with server.greeted(*DATA) as client:
            ref = session_of(server)
            client.send("one")
            assert reads.acquire(timeout=PATIENCE)
        gate.reached.get(timeout=PATIENCE)
        assert ref.is_alive()
        gate.open()
        assert [take(heard), take(heard)] == ["returns", ("error_receiving_data", "closed")]


def test_a_callback_that_catches_everything_is_cut_again_and_again_by_a_kill(heard: Queue) -> None:
    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        gate = Gate()
        cuts: list[BaseException] = []
        while len(cuts) < 4:
            try:
                heard.put("waits")
                stream.read() if not cuts else gate.wait()
            except BaseException as cut:
                cuts.append(cut)
        heard.put(cuts)

    module = behaviour(handle_DATA_stream=handle_DATA_stream)
    with serving(module) as server, server.greeted(*DATA) as client:
        client.send("one")
        assert take(heard) == "waits"
        session_of(server).kill()
        assert [take(heard) for _ in range(4)][-1] != "waits"
        assert client.rest() == ""


# -- shutting down ------------------------------------------------------------------------------------


def test_a_message_that_streams_may_be_finished_within_the_grace(streaming: Any, heard: Queue) -> None:
    with serving(streaming(reading(heard, ok("taken")))) as server, server.greeted(*DATA) as client:
        client.send("one")
        assert take(heard) == b"one"
        stopped = gen_smtp_server.stop(server.ref, grace=600, block=False)
        client.send("\r\n.\r\n")
        assert client.reply() == "250 taken"
        assert client.say("NOOP") == "421 mx.test Service shutting down"
        assert client.rest() == ""
        assert stopped.get(timeout=PATIENCE) is True


def held_up(server: Server) -> Any:
    """The server's only session, once it holds up its client."""
    actor = session_of(server).actor()
    while on_hub(lambda: actor.body is None or actor.body._held_since is None):
        pass
    return actor


def test_a_client_that_is_held_up_is_cut_when_the_grace_is_over(streaming: Any, clock: Clock) -> None:
    gate = Gate()
    module = streaming(waiting(gate), handle_EHLO=UNLIMITED)
    with serving(module) as server, server.greeted(*DATA) as client:
        client.send(plain(FULL))
        held_up(server)
        stop_the_server(server, client, clock)
        assert f"{client.reply()}\r\n" == exceeded("grace")
        gate.open()
        assert client.rest() == ""


# -- time ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "deadline", [{"data_block": 10}, {"message": 10}, {"minimum_rate": 1e6, "rate_grace": 10}]
)
def test_the_time_a_client_is_held_up_is_not_its_own(
    streaming: Any, clock: Clock, struck: Queue, deadline: dict[str, float]
) -> None:
    gate = Gate()
    body = plain(FULL)
    module = streaming(waiting(gate), handle_EHLO=UNLIMITED)
    with serving(module, sessionoptions=only(**deadline)) as server, server.greeted(*DATA) as client:
        client.send(body)
        actor = held_up(server)
        clock.advance(1000)
        gate.open()
        while on_hub(lambda: actor.body._held_since is not None):
            pass
        clock.advance(9)
        client.send(".\r\n")
        assert client.reply() == f"250 {len(body)} octets"
    assert everything(struck) == []


@pytest.mark.parametrize("deadline", [{"data_block": 10}, {"message": 10}])
def test_from_then_on_it_is_again(
    streaming: Any, clock: Clock, struck: Queue, deadline: dict[str, float]
) -> None:
    gate = Gate()
    module = streaming(waiting(gate), handle_EHLO=UNLIMITED)
    with serving(module, sessionoptions=only(**deadline)) as server, server.greeted(*DATA) as client:
        client.send(plain(FULL))
        actor = held_up(server)
        clock.advance(1000)
        gate.open()
        while on_hub(lambda: actor.body._held_since is not None):
            pass
        clock.advance(10)
        assert client.rest() == exceeded(next(iter(deadline)))
    assert take(struck).deadline == next(iter(deadline))


def test_a_session_that_is_too_old_ends_with_the_message_that_streams(
    streaming: Any, heard: Queue, clock: Clock
) -> None:
    module = streaming(reading(heard, ok("taken")))
    with serving(module, sessionoptions=only(session=100)) as server, server.greeted(*DATA) as client:
        client.send("one")
        assert take(heard) == b"one"
        clock.advance(100)
        client.send("\r\n.\r\n")
        assert client.reply() == "250 taken"
        clock.advance(QUIT_SECONDS)
        assert client.rest() == exceeded("session")


# -- what goes on meanwhile ---------------------------------------------------------------------------


def test_messages_for_the_callback_object_wait_until_the_message_is_done(
    streaming: Any, heard: Queue
) -> None:
    def handle_info(self: Any, message: Any) -> Any:
        heard.put(message)
        return noreply

    module = streaming(reading(heard, ok("taken")), handle_info=handle_info)
    with serving(module) as server, server.greeted(*DATA) as client:
        ref = session_of(server)
        client.send("one")
        assert take(heard) == b"one"
        for number in range(3):
            ref.tell(number)
        asked = ref.ask("anything", block=False)
        assert info(server).octets == 3  # the session itself answers
        assert heard.empty()
        client.send("\r\n.\r\n")
        assert client.reply() == "250 taken"
        assert take(heard)[2] == b"one\r\n"
        assert [take(heard) for _ in range(3)] == [0, 1, 2]
        assert asked.get(timeout=PATIENCE) == ("unknown_call", "anything")


def test_they_come_after_a_message_that_was_refused_too(streaming: Any, heard: Queue) -> None:
    module = streaming(reading(heard), handle_info=lambda self, message: heard.put(message))
    with serving(module) as server, server.greeted(*DATA) as client:
        client.send("one")
        assert take(heard) == b"one"
        session_of(server).tell("hello")
        client.send("\ntwo\r\n.\r\n")
        assert client.reply() == "550 Bare newline detected: LF without CR in line 1"
        assert isinstance(take(heard), IncompleteMessage)
        assert take(heard) == "hello"


def test_other_sessions_go_on(streaming: Any) -> None:
    gate = Gate()
    with serving(streaming(waiting(gate))) as server, server.greeted(*DATA) as client:
        client.send("one")
        gate.reached.get(timeout=PATIENCE)
        with server.greeted("EHLO c") as other:
            assert other.say("NOOP") == "250 Ok"
        gate.open()
        client.send("\r\n.\r\n")
        assert client.reply() == "250 5 octets"


def test_a_session_that_is_suspended_reads_nothing(streaming: Any, heard: Queue) -> None:
    with serving(streaming(reading(heard, ok("taken")))) as server, server.greeted(*DATA) as client:
        ref = session_of(server)
        client.send("one")
        assert take(heard) == b"one"
        actors.sys.suspend(ref)
        client.send("\r\n.\r\n")
        on_hub(lambda: None)
        assert heard.empty()
        actors.sys.resume(ref)
        assert client.reply() == "250 taken"


def test_a_callback_is_its_session_and_cannot_ask_itself(streaming: Any, heard: Queue) -> None:
    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        heard.put(actors.current() is self.session.ref)
        try:
            self.session.ref.ask("anything")
        except actors.CallingSelf as refused:
            heard.put(refused)
        stream.read()
        return ok

    with serving(streaming(handle_DATA_stream)) as server, server.greeted(*DATA) as client:
        client.send(MESSAGE)
        assert client.reply() == "250 Ok"
    assert take(heard) is True
    assert isinstance(take(heard), actors.CallingSelf)


def test_a_callback_may_look_at_its_session(streaming: Any, heard: Queue) -> None:
    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        heard.put((self.session.transaction.sender, self.session.helo))
        self.session.at_end(heard.put, "the end")
        return ok

    with serving(streaming(handle_DATA_stream)) as server:
        with server.greeted(*DATA) as client:
            client.send(MESSAGE)
            assert client.reply() == "250 Ok"
        assert [take(heard), take(heard)] == [("a@x.test", "client.test"), "the end"]


def test_a_cooperative_callback_may_have_a_worker_thread_read(tmp_path: Any) -> None:
    copy = tmp_path / "copy"

    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        with copy.open("wb") as file:
            actors.run_long(shutil.copyfileobj, stream, file)
        return ok

    body = plain(2 * MIB)
    module = behaviour(handle_DATA_stream=handle_DATA_stream)
    with serving(module) as server, server.greeted(*DATA) as client:
        send_message(client.socket, body)
        assert client.reply() == "250 Ok"
    assert copy.read_bytes() == body


# -- worker threads -----------------------------------------------------------------------------------


@pytest.fixture
def one_thread() -> Any:
    """A single thread for streams."""
    actors.set_workers(long=1)
    yield
    actors.set_workers(long=actor_blocking.DEFAULT_LONG_WORKERS)


@pytest.mark.usefixtures("one_thread")
def test_a_message_waits_for_a_thread_and_short_work_does_not(heard: Queue) -> None:
    gate = Gate()
    module = behaviour(
        handle_DATA_stream=waiting(gate),
        handle_RCPT=lambda self, recipient: ok,
        blocking={"handle_DATA_stream", "handle_RCPT"},
    )
    with serving(module) as server, server.greeted(*DATA) as first, server.greeted(*DATA) as second:
        first.send("one")
        gate.reached.get(timeout=PATIENCE)
        second.send("second\r\n.\r\n")
        with server.greeted(*RCPT) as third:
            assert third.say("RCPT TO:<c@y.test>") == "250 recipient Ok"
        gate.open()
        first.send("\r\n.\r\n")
        assert [first.reply(), second.reply()] == ["250 5 octets", "250 8 octets"]


@pytest.mark.usefixtures("one_thread")
def test_a_message_cut_while_it_waits_for_a_thread_has_no_callback_called(heard: Queue) -> None:
    gate = Gate()

    def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
        heard.put(stream.read1())
        gate.wait()
        return ok(f"{len(stream.read())} octets")

    module = behaviour(
        handle_DATA_stream=handle_DATA_stream,
        blocking={"handle_DATA_stream"},
        terminate=lambda self, reason: heard.put(reason),
    )
    with serving(module) as server, server.greeted(*DATA) as first:
        first.send("one")
        assert take(heard) == b"one"
        with server.greeted(*DATA) as second:
            second.send("second\r\n")
            newest = server.sessions[-1]
            while gen_smtp_server_session.info(newest, timeout=PATIENCE).octets < 6:
                pass
        assert take(heard) == ("error_receiving_data", "closed")
        gate.open()
        first.send("\r\n.\r\n")
        assert first.reply() == "250 2 octets"
    assert [each for each in everything(heard) if isinstance(each, bytes)] == []


# -- a change of code ---------------------------------------------------------------------------------


def test_a_change_of_code_waits_for_the_callback(streaming: Any, heard: Queue) -> None:
    module = streaming(reading(heard, ok("by the old one")))
    with serving(module) as server, server.greeted(*DATA) as client:
        ref = session_of(server)
        client.send("one")
        assert take(heard) == b"one"
        newer = behaviour(handle_DATA=ok("by the new one"))
        changed = gen_smtp_server.change_code(server.ref, newer, timeout=0.01)
        assert list(changed.kept) == [ref]
        client.send("\r\n.\r\n")
        assert client.reply() == "250 by the old one"
        client.say("MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "DATA")
        client.send(MESSAGE)
        assert client.reply() == "250 by the new one"


def test_a_message_under_way_goes_to_a_new_class_as_that_wants_it(streaming: Any, heard: Queue) -> None:
    older = behaviour(handle_DATA=error("554 Too old"))
    with serving(older) as server, server.greeted(*DATA) as client:
        ref = session_of(server)
        client.send("one")
        while info(server).octets < 3:
            pass
        changed = gen_smtp_server.change_code(server.ref, streaming(reading(heard, ok("new"))))
        assert changed.changed == (ref,)
        assert take(heard) == b"one"
        client.send("\r\ntwo\r\n.\r\n")
        assert client.reply() == "250 new"
        assert take(heard)[2] == b"one\r\ntwo\r\n"


def test_one_that_was_refused_stays_refused_under_a_new_class(streaming: Any, heard: Queue) -> None:
    with serving(behaviour()) as server, server.greeted(*DATA) as client:
        client.send("one\ntwo")
        actor = session_of(server).actor()
        while on_hub(lambda: actor.rejection) is None:
            pass
        gen_smtp_server.change_code(server.ref, streaming(reading(heard)))
        client.send("\r\n.\r\n")
        assert client.reply() == "550 Bare newline detected: LF without CR in line 1"
    assert heard.empty()
