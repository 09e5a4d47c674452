"""Clients that don't read, and crowds that send an octet now and then: bounded, cut, and no hindrance."""

from __future__ import annotations

import contextlib
import math
import queue
import socket
import ssl
import threading
import tracemalloc
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors import events as actor_events
from actors.runtime.threads import DEFAULT_LONG_WORKERS
from gen_smtp.gen_smtp_server_session import ok, reply, stop
from gen_smtp.options.server import ServerOptions
from gen_smtp.session.clock import set_final
from tests.certificates import Certificates
from tests.gen_smtp.clock import NONE, Clock, exceeded, only, sessions, wait_for_sessions
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
from tests.gen_smtp.tls_client import Shake


def not_reading(seconds: float) -> dict[str, Any]:
    """Session options with no limit but the time to read replies."""
    return {**only(reply=seconds), "limits": {"junk_commands": math.inf}}


class TestAClientThatDoesNotRead:
    """Real time: it is the kernel that says when no more fits in."""

    @contextmanager
    def client(self, server: Server) -> Generator[socket.socket]:
        """A connection that takes in little, and nothing more once its banner was read."""
        address = server.addresses[0]
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(PATIENCE)
            connection.connect(address)
            assert connection.recv(1000).startswith(b"220")
            yield connection

    def pour(self, connection: socket.socket, lines: bytes) -> None:
        """Send until all is sent or the server has had enough."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(lines)

    def test_100_000_noops_cost_no_memory_and_the_connection(
        self, short_path: Any, struck: Queue, noting: Any, ends: Queue
    ) -> None:
        where = {"family": "unix", "address": str(short_path / "s"), "port": None}
        with (
            serving(noting, **where, sessionoptions=not_reading(0.2)) as server,
            self.client(server) as connection,
        ):
            (session,) = server.sessions
            tracemalloc.start()
            try:
                before = tracemalloc.get_traced_memory()[0]
                lines = b"NOOP\r\n" * 100_000
                self.pour(connection, lines)
                assert take(struck).deadline == "reply"
                most = tracemalloc.get_traced_memory()[1] - before - len(lines)
            finally:
                tracemalloc.stop()
            assert most < 500_000
            assert ended(session) == "normal"
        assert everything(ends) == [("send_error", "the peer does not read"), "normal"]

    def test_nor_do_long_replies_over_tcp(self, struck: Queue) -> None:
        asked = 0

        def handle_other(self: Any, verb: str, argument: str) -> Any:
            nonlocal asked
            asked += 1
            return reply(["250 " + "x" * 500] * 100)

        module = behaviour(handle_other=handle_other)
        with (
            serving(module, sessionoptions=not_reading(0.2)) as server,
            self.client(server) as connection,
        ):
            self.pour(connection, b"XYZZY\r\n" * 100_000)
            assert take(struck).deadline == "reply"
        assert asked < 2000  # 50 KiB each: what the kernel holds, and what one turn answers

    def test_others_are_served_meanwhile(self, short_path: Any) -> None:
        where = {"family": "unix", "address": str(short_path / "s"), "port": None}
        with (
            serving(**where, sessionoptions=not_reading(PATIENCE)) as server,
            self.client(server) as connection,
        ):
            connection.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                connection.sendall(b"NOOP\r\n" * 100_000)
            with server.greeted() as other:
                assert other.say("NOOP") == "250 Ok"
            for ref in server.sessions:
                ref.kill()

    def test_one_that_reads_in_time_gets_every_reply(self, short_path: Any, struck: Queue) -> None:
        where = {"family": "unix", "address": str(short_path / "s"), "port": None}
        with (
            serving(**where, sessionoptions=not_reading(PATIENCE)) as server,
            self.client(server) as connection,
        ):
            pouring = threading.Thread(target=self.pour, args=(connection, b"NOOP\r\n" * 50_000))
            pouring.start()
            left = 50_000 * len(b"250 Ok\r\n")
            while left:
                left -= len(connection.recv(65536))
            pouring.join(PATIENCE)
            assert struck.empty()

    def test_the_grace_of_a_stop_bounds_it_too(self, clock: Clock) -> None:
        with serving(sessionoptions=only(reply=60)) as server, server.greeted(*DATA):
            (session,) = sessions()
            assert session.write_seconds() == 60
            set_final(session, "grace", clock.now + 9)
            assert session.write_seconds() == 9
            set_final(session, "grace", clock.now - 1)
            assert session.write_seconds() == 0
            session.final_due = math.inf  # it has struck
            assert session.write_seconds() == 0

    def test_the_time_for_the_greeting_does_not_cut_a_refusal_that_is_not_read(
        self, short_path: Any, struck: Queue
    ) -> None:
        where = {"family": "unix", "address": str(short_path / "s"), "port": None}
        module = behaviour(init=stop("no", ["554 " + "x" * 500] * 2000))
        with (
            serving(module, **where, sessionoptions=only(banner=0.05, reply=0.2)) as server,
            server.client(),
            collected(actor_events.ActorCrashed) as crashed,
        ):
            assert take(struck).deadline == "reply"
            assert crashed.empty()

    def test_one_that_does_not_read_the_servers_part_of_a_handshake_is_cut_by_its_deadline(
        self, short_path: Path, certificates: Certificates, client_tls: ssl.SSLContext, struck: Queue
    ) -> None:
        chain = short_path / "chain.pem"
        certificate = Path(certificates.rsa.certfile).read_text(encoding="ascii")
        chain.write_text(certificate * 400, encoding="ascii")  # more than the socket takes
        files = {"certfile": str(chain), "keyfile": certificates.rsa.keyfile}
        with (
            serving(
                family="unix",
                address=str(short_path / "s"),
                port=None,
                protocol="ssl",
                sessionoptions={**files, **only(handshake=0.2)},
            ) as server,
            collected(actor_events.TlsFailed) as failed,
            server.client() as client,
        ):
            client.send(Shake(client, client_tls).step())
            assert take(struck).deadline == "handshake"
            assert take(failed).reason == "timeout"


class TestSlowloris:
    """Hundreds of clients that send an octet a second, to hold their places for as long as they may."""

    COUNT = 300

    @pytest.fixture
    def server(self) -> Generator[Server]:
        options = {
            "timeout": 5.0,
            "deadlines": {**NONE, "data_block": 60, "minimum_rate": 8, "rate_grace": 4.5},
        }
        with serving(behaviour(), sessionoptions=options) as server:
            yield server

    @contextmanager
    def crowd(self, server: Server, *lines: str) -> Generator[list[Client]]:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(server.client()) for _ in range(self.COUNT)]
            for client in clients:
                assert client.reply()[:3] == "220"
                client.say(*lines)
            yield clients

    def assert_served(self, server: Server) -> None:
        with server.greeted(*DATA) as other:
            other.send("hello\r\n.\r\nQUIT\r\n")
            assert other.rest() == "250 taken\r\n221 Bye\r\n"

    @pytest.mark.parametrize(("lines", "deadline"), [((), "timeout"), (DATA, "minimum_rate")])
    def test_they_are_cut_and_others_are_served_meanwhile(
        self, lines: Any, deadline: str, server: Server, clock: Clock, struck: Queue
    ) -> None:
        with self.crowd(server, *lines) as clients:
            for octet in "NOOP":
                for client in clients:
                    client.send(octet)
                self.assert_served(server)
                clock.advance(1)
            assert struck.empty()
            self.assert_served(server)
            clock.advance(1)
            heard = {client.rest() for client in clients}
            assert heard == {exceeded(deadline)}
            assert {event.deadline for event in everything(struck)} == {deadline}
            self.assert_served(server)

    def test_in_the_tls_handshake_too(
        self, tls_options: Any, client_tls: ssl.SSLContext, clock: Clock, struck: Queue
    ) -> None:
        options = {**tls_options, "deadlines": {"handshake": 5}}
        with (
            serving(behaviour(), protocol="ssl", sessionoptions=options) as server,
            contextlib.ExitStack() as stack,
        ):
            clients = [stack.enter_context(server.client()) for _ in range(self.COUNT)]
            hello = Shake(clients[0], client_tls).step()
            wait_for_sessions(self.COUNT)
            for second in range(5):
                for client in clients:
                    client.send(hello[second : second + 1])
                assert struck.empty()
                with server.client() as other:
                    assert Shake(other, client_tls).finish() == b"220 mx.test ESMTP\r\n"
                clock.advance(1)
            for client in clients:
                with contextlib.suppress(ConnectionResetError):
                    assert client.socket.recv(1000) == b""
            assert {event.deadline for event in everything(struck)} == {"handshake"}


class TestClientsThatDripIntoAStream:
    def test_a_hundred_that_drip_from_one_address_leave_threads_to_others(self) -> None:
        """Each message that a blocking handle_DATA_stream reads holds a thread while it comes."""
        reading: Queue = queue.SimpleQueue()

        def handle_DATA_stream(self: Any, sender: str, recipients: list[str], stream: Any) -> Any:
            reading.put(stream.read1())
            stream.read()
            return ok("kept")

        module = behaviour(handle_DATA_stream=handle_DATA_stream, blocking={"handle_DATA_stream"})
        most = ServerOptions().max_sessions_per_address
        assert most * 4 <= DEFAULT_LONG_WORKERS
        with contextlib.ExitStack() as stack, serving(module, serveroptions={"exempt": []}) as server:
            greetings = []
            for _ in range(DEFAULT_LONG_WORKERS):
                client = stack.enter_context(server.client(source="127.0.0.2"))
                greetings.append(client.reply()[:3])
                if greetings[-1] == "220":
                    client.say(*DATA)
                    client.send("S")
                    assert take(reading) == b"S"
            assert greetings == ["220"] * int(most) + ["421"] * (DEFAULT_LONG_WORKERS - int(most))
            with server.client(source="127.0.0.3") as client:
                client.reply()
                client.say(*DATA)
                client.send("Subject: hello\r\n\r\n.\r\n")
                assert client.reply() == "250 kept"
            stack.close()
