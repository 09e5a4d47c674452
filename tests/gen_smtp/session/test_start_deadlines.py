"""The deadlines of a connection's start: the greeting, with an `init` that waits, and TLS handshakes.

Time stands still in these tests unless they move it (tests/gen_smtp/clock.py), so that none depends on speed.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from actors import events as actor_events
from actors.errors import OutOfTime
from gen_smtp.gen_smtp_server_session import ok
from tests.actors.helpers import Gate
from tests.gen_smtp.clock import NONE, Clock, exceeded, only, sessions, wait_for_sessions
from tests.gen_smtp.live import (
    DATA,
    PATIENCE,
    Client,
    Queue,
    Server,
    behaviour,
    collected,
    everything,
    serving,
    take,
)
from tests.gen_smtp.tls_client import Shake


class TestTheGreeting:
    """`banner`, with an `init` that takes its time."""

    @contextmanager
    def waiting(self, **callbacks: Any) -> Generator[tuple[Server, Client, Gate]]:
        """A client whose `init` waits at the gate."""
        gate = Gate()

        def init(self: Any, *args: Any) -> Any:
            gate.wait()
            return ok

        module = behaviour(**{"init": init, **callbacks})
        with serving(module, sessionoptions=only(banner=300)) as server, server.client() as client:
            gate.reached.get(timeout=PATIENCE)
            yield server, client, gate

    def test_one_below_it_is_sent(self, clock: Clock) -> None:
        with self.waiting() as (_, client, gate):
            clock.advance(299)
            gate.open()
            assert client.reply() == "220 mx.test ESMTP"
            clock.advance(10**9)
            assert client.say("NOOP") == "250 Ok"

    @pytest.mark.parametrize("seconds", [300, 301])
    def test_at_it_the_client_hears_421(self, seconds: float, clock: Clock, struck: Queue) -> None:
        with self.waiting() as (server, client, _):
            clock.advance(seconds)
            assert client.rest() == exceeded("banner")
            assert take(struck).deadline == "banner"
            assert server.sessions == []

    def test_init_is_cut_off_where_it_waits_and_nothing_else_is_called(
        self, clock: Clock, noting: Any, ends: Queue
    ) -> None:
        gate, cut = Gate(), Queue()

        def init(self: Any, *args: Any) -> Any:
            self.session.at_end(cut.put, "at_end")
            try:
                gate.wait()
            except BaseException as error:
                cut.put(type(error))
                raise

        noting.init = init
        with serving(noting, sessionoptions=only(banner=300)) as server, server.client() as client:
            gate.reached.get(timeout=PATIENCE)
            clock.advance(300)
            assert client.rest() == exceeded("banner")
            assert [take(cut), take(cut)] == [OutOfTime, "at_end"]
        assert everything(ends) == []

    def test_an_init_that_stops_at_nothing_is_terminated(
        self, clock: Clock, noting: Any, ends: Queue
    ) -> None:
        gate = Gate()

        def init(self: Any, *args: Any) -> Any:
            with contextlib.suppress(BaseException):
                gate.wait()
            return ok

        noting.init = init
        with serving(noting, sessionoptions=only(banner=300)) as server, server.client() as client:
            gate.reached.get(timeout=PATIENCE)
            clock.advance(300)
            assert client.rest() == exceeded("banner")
        assert everything(ends) == [("timeout", "timeout"), "normal"]

    def test_one_in_a_worker_thread_is_no_longer_waited_for(self, clock: Clock, struck: Queue) -> None:
        entered, leave, left = threading.Event(), threading.Event(), threading.Event()

        def init(self: Any, *args: Any) -> Any:
            entered.set()
            leave.wait(PATIENCE)
            left.set()
            return ok

        module = behaviour(init=init, blocking={"init"})
        with serving(module, sessionoptions=only(banner=300)) as server, server.client() as client:
            assert entered.wait(PATIENCE)
            clock.advance(300)
            assert client.rest() == exceeded("banner")
            assert take(struck).deadline == "banner"
            leave.set()
            assert left.wait(PATIENCE)

    def test_so_is_a_constructor(self, clock: Clock) -> None:
        gate = Gate()
        module = behaviour(__init__=lambda self: gate.wait() and None)
        with serving(module, sessionoptions=only(banner=300)) as server, server.client() as client:
            gate.reached.get(timeout=PATIENCE)
            clock.advance(300)
            assert client.rest() == exceeded("banner")

    def test_the_place_of_such_a_client_is_free_when_it_hears_so(self, clock: Clock) -> None:
        counts, gate = Queue(), Gate()

        def init(self: Any, hostname: str, session_count: int, *args: Any) -> Any:
            counts.put(session_count)
            gate.wait()
            return ok

        with serving(behaviour(init=init), sessionoptions=only(banner=300)) as server:
            with server.client() as client:
                gate.reached.get(timeout=PATIENCE)
                clock.advance(300)
                assert client.rest() == exceeded("banner")
            gate.open()
            with server.greeted():
                assert everything(counts) == [1, 1]

    def test_another_callback_is_never_cut_off(self, clock: Clock, struck: Queue) -> None:
        gate = Gate()

        def handle_DATA(self: Any, *args: Any) -> Any:
            gate.wait()
            return ok("taken")

        everything_at_once = dict.fromkeys([*NONE, "minimum_rate"], 1.0)
        options = {"timeout": 1.0, "deadlines": {**everything_at_once, "session": 10}}
        with (
            serving(behaviour(handle_DATA=handle_DATA), sessionoptions=options) as server,
            server.greeted(*DATA) as client,
        ):
            client.send("hello\r\n.\r\n")
            gate.reached.get(timeout=PATIENCE)
            clock.advance(9)
            assert struck.empty()
            gate.open()
            assert client.reply() == "250 taken"
            clock.advance(1)
            assert client.rest() in {exceeded("timeout"), exceeded("session")}


class TestTheHandshake:
    @contextmanager
    def serving(
        self, how: str, tls_options: dict[str, Any], module: Any = None, **deadlines: float
    ) -> Generator[tuple[Server, Client]]:
        """A client that is to begin a handshake."""
        module = module or behaviour()
        module.handle_EHLO = lambda self, hostname, extensions: ok([("STARTTLS", True)])
        options = {**tls_options, **only(**{"handshake": 5, **deadlines})}
        protocol = "ssl" if how == "implicit" else "tcp"
        with serving(module, protocol=protocol, sessionoptions=options) as server, server.client() as client:
            if how == "STARTTLS":
                assert client.reply() == "220 mx.test ESMTP"
                assert client.say("EHLO c", "STARTTLS") == "220 OK"
            yield server, client

    HOW = pytest.mark.parametrize("how", ["implicit", "STARTTLS"])

    @HOW
    def test_one_that_is_done_below_it_is_served(
        self, how: str, clock: Clock, tls_options: Any, client_tls: ssl.SSLContext, struck: Queue
    ) -> None:
        with self.serving(how, tls_options) as (_, client):
            shake = Shake(client, client_tls)
            client.send(shake.step())
            shake.hear()
            clock.advance(4)
            if how == "STARTTLS":
                client.send(shake.step())
                shake.layer.write(b"NOOP\r\n")
            assert shake.finish() == (b"220 mx.test ESMTP\r\n" if how == "implicit" else b"250 Ok\r\n")
            clock.advance(100)
            shake.layer.write(b"NOOP\r\n")
            client.send(shake.outgoing.read())
            assert shake.finish() == b"250 Ok\r\n"
            assert struck.empty()

    @HOW
    @pytest.mark.parametrize("seconds", [5, 6])
    @pytest.mark.parametrize(
        "step", ["nothing", "an octet", "half a hello", "hello", "hello and half the rest"]
    )
    def test_one_that_stalls_at_any_step_is_cut_at_it(
        self,
        how: str,
        seconds: float,
        step: str,
        clock: Clock,
        tls_options: Any,
        client_tls: ssl.SSLContext,
        struck: Queue,
        noting: Any,
        ends: Queue,
    ) -> None:
        with (
            self.serving(how, tls_options, noting) as (_, client),
            collected(actor_events.TlsFailed) as failed,
        ):
            shake = Shake(client, client_tls)
            hello = shake.step()
            client.send({"nothing": b"", "an octet": hello[:1], "half a hello": hello[:100]}.get(step, hello))
            if step.startswith("hello"):
                shake.hear()
            if step == "hello and half the rest":
                rest = shake.step()
                client.send(rest[: len(rest) // 2])
            wait_for_sessions(1)
            clock.advance(seconds)
            with contextlib.suppress(ConnectionResetError):
                assert client.socket.recv(65536) == b""
            assert take(struck).deadline == "handshake"
            assert take(failed).reason == "timeout"
        if how == "STARTTLS":
            assert everything(ends) == [("ssl_handshake_error", "timeout"), "normal"]
        else:
            assert ends.empty()

    @HOW
    def test_octets_that_drip_do_not_put_it_off(
        self, how: str, clock: Clock, tls_options: Any, client_tls: ssl.SSLContext, struck: Queue
    ) -> None:
        with self.serving(how, tls_options) as (_, client):
            hello = Shake(client, client_tls).step()
            wait_for_sessions(1)
            for octet in hello[:4]:
                client.send(bytes([octet]))
                clock.advance(1)
                assert struck.empty()
            client.send(hello[4:5])
            clock.advance(1)
            with contextlib.suppress(ConnectionResetError):
                assert client.socket.recv(65536) == b""
            assert take(struck).deadline == "handshake"

    def test_before_the_greeting_the_time_for_that_bounds_it_too(
        self, clock: Clock, tls_options: Any, struck: Queue
    ) -> None:
        with self.serving("implicit", tls_options, banner=3) as (_, client):
            wait_for_sessions(1)
            clock.advance(2)
            assert struck.empty()
            assert not sessions()[0].may_cut_wait()  # that is for `init` alone
            clock.advance(1)
            assert client.rest() == ""
            assert take(struck).deadline == "banner"

    def test_after_it_the_greeting_has_what_is_left(
        self, clock: Clock, tls_options: Any, client_tls: ssl.SSLContext, struck: Queue
    ) -> None:
        gate = Gate()

        def init(self: Any, *args: Any) -> Any:
            gate.wait()
            return ok

        with self.serving("implicit", tls_options, behaviour(init=init), banner=10) as (_, client):
            shake = Shake(client, client_tls)
            client.send(shake.step())
            shake.hear()
            clock.advance(4)
            client.send(shake.step())
            gate.reached.get(timeout=PATIENCE)
            clock.advance(5)  # the time for the handshake is over, and so is the handshake
            assert struck.empty()
            clock.advance(1)
            assert shake.finish() == exceeded("banner").encode()
            assert take(struck).deadline == "banner"

    def test_the_session_bounds_it_too(self, clock: Clock, tls_options: Any, struck: Queue) -> None:
        with self.serving("STARTTLS", tls_options, session=3) as (_, client):
            clock.advance(3)
            assert client.rest() == ""
            assert take(struck).deadline == "session"
