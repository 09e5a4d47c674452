"""The last word to a message that is far too large reaches a client that is still writing it."""

from __future__ import annotations

import array
import fcntl
import queue
import ssl
import termios
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gen_smtp import events, gen_smtp_server, gen_smtp_server_session
from gen_smtp.gen_smtp_server_session import ok
from gen_smtp.options.deadlines import LingerClock
from gen_smtp.session.linger import TO_HEAR_OF_TIME
from tests.gen_smtp.clock import Clock, only, sessions
from tests.gen_smtp.live import (
    DATA,
    PATIENCE,
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

LIMIT = 65536
BLOCK = b"x" * 998 + b"\r\n"
FAR_TOO_MUCH = BLOCK * 20_000
"""More than any socket holds back."""
REJECTED = BLOCK * 100
"""Too much, but not yet far too much."""
TOO_LARGE = "552 Message too large\r\n"
TOO_MANY_ENDS = ("limit", "message_size")


def limited(**options: Any) -> dict[str, Any]:
    return {"limits": {"message_size": LIMIT}, **options}


def streamed(self: Any, sender: str, recipients: list[str], stream: Any) -> Any:
    stream.read()
    return ok("taken")


MODULES = {
    "whole": {},
    "streamed": {"handle_DATA_stream": streamed},
    "streamed, in a thread": {"handle_DATA_stream": streamed, "blocking": {"handle_DATA_stream"}},
}


@pytest.fixture
def told() -> Queue:
    """What `handle_error` and `terminate` are told."""
    return queue.SimpleQueue()


def telling(told: Queue, **callbacks: Any) -> Any:
    """A behaviour that tells of errors and of its end."""

    def handle_error(self: Any, error_class: str, detail: Any) -> Any:
        told.put((error_class, detail))
        return ok

    return behaviour(handle_error=handle_error, terminate=lambda self, reason: told.put(reason), **callbacks)


@pytest.mark.parametrize("callbacks", MODULES.values(), ids=MODULES)
class TestItIsHeard:
    """By a client that reads nothing before it has written all."""

    def test_behind_all_that_it_has_written(self, callbacks: Any, told: Queue) -> None:
        with (
            collected(events.LimitReached) as limits,
            serving(telling(told, **callbacks), sessionoptions=limited()) as server,
            server.greeted(*DATA) as client,
        ):
            client.send(FAR_TOO_MUCH + b".\r\nQUIT\r\n")
            assert client.rest() == TOO_LARGE
            client.close()
            assert take(told) == ("data_rejected", "size_exceeded")
            assert take(told) == TOO_MANY_ENDS
            assert take(limits).limit == "message_size"

    def test_behind_a_chunk(self, callbacks: Any, told: Queue) -> None:
        module = telling(told, handle_EHLO=ok([("CHUNKING", True)]), **callbacks)
        with serving(module, sessionoptions=limited()) as server, server.greeted(*DATA[:-1]) as client:
            client.send(f"BDAT {len(FAR_TOO_MUCH)} LAST\r\n".encode() + FAR_TOO_MUCH + b"QUIT\r\n")
            assert client.rest() == TOO_LARGE
            client.close()
            assert take(told) == ("data_rejected", "size_exceeded")
            assert take(told) == TOO_MANY_ENDS

    def test_for_the_first_fault(self, callbacks: Any, told: Queue) -> None:
        with (
            serving(telling(told, **callbacks), sessionoptions=limited()) as server,
            server.greeted(*DATA) as client,
        ):
            client.send(b"a\nb\r\n" + FAR_TOO_MUCH)
            assert client.rest().startswith("550 Bare newline detected")
            assert take(told) == ("data_rejected", "bare_newline")

    def test_for_each_recipient_in_lmtp(self, callbacks: Any, told: Queue, short_path: Path) -> None:
        options = {"family": "unix", "address": str(short_path / "lmtp"), "port": None}
        with (
            serving(telling(told, **callbacks), **options, sessionoptions=limited(protocol="lmtp")) as server,
            server.client() as client,
        ):
            client.reply()
            client.say("LHLO c", "MAIL FROM:<a@x>", "RCPT TO:<b@y>", "RCPT TO:<c@y>", "DATA")
            client.send(FAR_TOO_MUCH)
            assert client.rest() == TOO_LARGE * 2

    def test_inside_tls(
        self, callbacks: Any, told: Queue, tls_options: Any, client_tls: ssl.SSLContext
    ) -> None:
        with (
            serving(
                telling(told, **callbacks), protocol="ssl", sessionoptions=limited(**tls_options)
            ) as server,
            server.client() as client,
            client_tls.wrap_socket(client.socket, server_hostname="localhost") as tls,
            tls.makefile("rb") as replies,
        ):
            replies.readline()
            for line in DATA:
                tls.sendall(f"{line}\r\n".encode())
                while replies.readline()[3:4] == b"-":
                    pass
            tls.sendall(FAR_TOO_MUCH)
            assert replies.read() == TOO_LARGE.encode()
            tls.close()
            assert take(told) == ("data_rejected", "size_exceeded")
            assert take(told) == TOO_MANY_ENDS


@contextmanager
def lingering(told: Queue, **options: Any) -> Generator[tuple[Server, Client, Any]]:
    """A session that has said its last word, to a client that does not stop."""
    with serving(telling(told), sessionoptions=limited(**options)) as server, server.greeted(*DATA) as client:
        client.send(BLOCK * 400)
        assert client.reply() + "\r\n" == TOO_LARGE
        assert [take(told), take(told)] == [("data_rejected", "size_exceeded"), TOO_MANY_ENDS]
        [session] = server.sessions
        wait_until_read(client)
        yield server, client, session


class TestWhatRemains:
    """The session holds its place, until the client is done or has had enough."""

    def test_the_callback_is_gone(self, told: Queue) -> None:
        with lingering(told) as (server, client, session):
            session.tell("news")
            assert gen_smtp_server_session.info(session).messages == 0
            client.send(BLOCK)
            client.close()
            assert ended(session) == TOO_MANY_ENDS
            assert server.sessions == []
        assert everything(told) == []

    def test_a_client_that_breaks_off_is_no_error(self, told: Queue) -> None:
        with lingering(told) as (_, client, session):
            client.reset()
            assert ended(session) == TOO_MANY_ENDS
        assert everything(told) == []

    def test_it_is_no_longer_among_those_that_init_counts(self, told: Queue) -> None:
        with lingering(told) as (server, _, session), server.greeted():
            counted = [each for each in sessions() if each.counted]
            assert [each.actor_ref for each in counted] != [session]
            assert len(counted) == 1

    def test_a_server_that_stops_does_not_wait_for_it(self, told: Queue) -> None:
        with lingering(told) as (server, client, session):
            gen_smtp_server.stop(server.ref, grace=100, timeout=PATIENCE)
            assert ended(session) == TOO_MANY_ENDS
            assert client.rest() == ""

    def test_octets_have_an_end(self, told: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(LingerClock, "left", 100_000)
        with lingering(told) as (_, client, session):
            with pytest.raises(OSError, match=r"reset|pipe"):
                for _ in range(100_000):
                    client.send(BLOCK)
            assert ended(session) == TOO_MANY_ENDS

    @pytest.mark.parametrize("deadline", ["data_block", "message", "session"])
    def test_time_has_an_end(self, told: Queue, clock: Clock, deadline: str) -> None:
        with lingering(told, **only(**{deadline: 60.0})) as (_, _, session):
            clock.advance(59)
            assert session.is_alive()
            clock.advance(2)
            assert ended(session) == TOO_MANY_ENDS
        assert everything(told) == []

    def test_a_client_that_goes_on_has_its_time(self, told: Queue, clock: Clock) -> None:
        with lingering(told, **only(data_block=60.0)) as (_, client, session):
            for _ in range(3):
                clock.advance(59)
                client.send(BLOCK)
                wait_until_read(client)
            assert session.is_alive()


def wait_until_read(client: Client) -> None:
    """Return when the only session has read, in turns that are over, all that the client has sent."""
    [session] = sessions()
    while (
        _octets_in(client.socket.fileno(), termios.TIOCOUTQ)  # not acknowledged yet
        or _octets_in(session.transport.socket.fileno(), termios.FIONREAD)
        or session.turn_greenlet is not None
    ):
        pass


def _octets_in(descriptor: int, request: int) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, request, count)
    return count[0]


class TestOutOfTime:
    """A message whose time is over before its end."""

    @pytest.mark.parametrize(
        ("sent", "reply"),
        [(REJECTED, TOO_LARGE), (b"a\nb", "550 Bare"), (BLOCK, "421 Error: timeout exceeded")],
    )
    @pytest.mark.parametrize("deadline", ["data_block", "message"])
    def test_its_fault_is_the_last_word(
        self, told: Queue, clock: Clock, deadline: str, sent: bytes, reply: str
    ) -> None:
        options = limited(**only(**{deadline: 60.0}))
        with serving(telling(told), sessionoptions=options) as server, server.greeted(*DATA) as client:
            client.send(sent)
            wait_until_read(client)
            clock.advance(61)
            assert client.rest().startswith(reply)
            assert ("timeout", "timeout") in [take(told), take(told), *everything(told)]

    def test_a_client_that_writes_on_hears_it(self, told: Queue, clock: Clock) -> None:
        options = limited(**only(message=60.0))
        with serving(telling(told), sessionoptions=options) as server, server.greeted(*DATA) as client:
            [session] = server.sessions
            client.send(BLOCK)
            wait_until_read(client)
            clock.advance(61)
            assert [take(told), take(told)] == [("timeout", "timeout"), "normal"]
            client.send(FAR_TOO_MUCH)
            assert client.rest().startswith("421 Error: timeout exceeded for the whole message")
            clock.advance(TO_HEAR_OF_TIME)
            assert ended(session) == "normal"
