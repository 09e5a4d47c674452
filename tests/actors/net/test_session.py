"""Connections: TCP, IPv6, unix sockets and TLS, and all the ways in which clients leave."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import socket
import ssl
import struct
import threading
from collections.abc import Generator
from typing import Any

import pytest

import actors
from actors import events
from actors.net.transport import RECEIVE_OCTETS, WriteTimeoutError
from actors.runtime.future import try_set
from actors.runtime.hub import Hub
from tests.actors.helpers import (
    SECONDS,
    Echo,
    Gate,
    address_of,
    connect,
    greeted,
    on_hub,
    read_all,
    read_exactly,
    run_script,
    serving,
    session_of,
    sessions_of,
)
from tests.certificates import Certificates


def end_of(session: actors.GeventRef[Any]) -> Any:
    """The reason a session ends with."""
    actors.wait_down(session, SECONDS)
    return session.exit_reason


def reset(client: socket.socket) -> None:
    """Close with a RST."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_a_client_is_greeted_and_answered() -> None:
    with serving() as server, greeted(address_of(server)) as client:
        client.sendall(b"one\n")
        assert read_exactly(client, 4) == b"one\n"


def test_much_data_in_both_directions_arrives_whole() -> None:
    sent = bytes(range(256)) * 4096
    with serving() as server, greeted(address_of(server)) as client:
        got = actors.GeventFuture[bytes]()
        reader = threading.Thread(target=lambda: got.set(read_exactly(client, len(sent))))
        reader.start()
        client.sendall(sent)
        assert got.get(timeout=SECONDS) == sent
        reader.join(SECONDS)


def test_inet6_takes_ipv6_alone_beside_ipv4_on_the_same_port() -> None:
    with serving(actors.Endpoint("0.0.0.0", 0)) as first:
        port = address_of(first)[1]
        with serving(actors.Endpoint("::", port, "inet6")) as second:
            assert address_of(second)[1] == port
            with greeted(("127.0.0.1", port)), greeted(("::1", port)):
                assert len(sessions_of(first)) == len(sessions_of(second)) == 1
                assert session_of(second)._actor_weakref().peer[0] == "::1"


def test_a_unix_socket_serves_and_its_file_goes_with_the_server(short_path: Any) -> None:
    path = str(short_path / "s")
    with serving(actors.Endpoint(path, None, "unix")) as server:
        assert address_of(server) == path
        with greeted(path) as client:
            client.sendall(b"one\n")
            assert read_exactly(client, 4) == b"one\n"
    assert not (short_path / "s").exists()


def test_nagle_is_off() -> None:
    with serving() as server, greeted(address_of(server)):
        transport = session_of(server)._actor_weakref().transport
        assert transport.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_a_socket_that_refuses_the_option_spares_the_server() -> None:
    """As those of some systems do once the peer is gone."""

    class Refusing:
        def __init__(self, real: Any) -> None:
            self.real = real

        def setsockopt(self, *arguments: Any) -> None:
            raise OSError(errno.EINVAL, "Invalid argument")

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

    class Server(actors.ServerActor):
        def make_session(self, connection: actors.Connection) -> actors.SessionActor:
            refusing: Any = Refusing(connection.socket)
            return Echo(dataclasses.replace(connection, socket=refusing), self.actor_ref)

    with serving(server=Server) as server, greeted(address_of(server)):
        assert len(sessions_of(server)) == 1


# -- how clients leave --------------------------------------------------------------------------------


class Noting(Echo):
    """Notes the first thing that happened to the connection."""

    notes: actors.GeventFuture[Any]

    def on_eof(self) -> None:
        try_set(self.notes, "eof")

    def on_lost(self, error: OSError) -> None:
        try_set(self.notes, ("lost", error.errno))

    def on_send_error(self, error: OSError) -> Any:
        try_set(self.notes, ("send error", type(error)))
        return "unsent"

    def on_timeout(self) -> None:
        try_set(self.notes, "timeout")
        super().on_timeout()


@pytest.fixture
def noting() -> type[Noting]:
    """A class of sessions with a future of its own."""

    class Fresh(Noting):
        notes = actors.GeventFuture[Any]()

    return Fresh


@pytest.fixture
def no_crashes() -> Generator[None]:
    """A client that leaves is weather: no actor crashes of it."""
    crashed: list[Any] = []
    unsubscribe = events.subscribe(events.ActorCrashed, crashed.append)
    yield
    unsubscribe()
    assert crashed == []


pytestmark = pytest.mark.usefixtures("no_crashes")


def test_a_client_that_closes_ends_its_session_normally(noting: Any) -> None:
    with serving(session=noting) as server:
        with greeted(address_of(server)):
            session = session_of(server)
        assert end_of(session) == "normal"
        assert noting.notes.get() == "eof"


def test_the_greenlet_of_a_turn_that_is_over_holds_no_session(noting: Any) -> None:
    with serving(session=noting) as server, greeted(address_of(server)) as client:
        client.sendall(b"one\n")
        assert client.recv(100) == b"one\n"
        assert on_hub(lambda: [each.ref for each in Hub.current().idle if each.ref]) == []


def test_a_client_that_only_stops_sending_gets_its_answers_first(noting: Any) -> None:
    with serving(session=noting) as server, greeted(address_of(server)) as client:
        session = session_of(server)
        client.sendall(b"last words\n")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"last words\n"
        assert end_of(session) == "normal"


def test_a_client_that_resets_is_lost_but_no_crash(noting: Any) -> None:
    with serving(session=noting) as server:
        client = greeted(address_of(server))
        session = session_of(server)
        reset(client)
        assert end_of(session) == "normal"
        assert noting.notes.get() == ("lost", errno.ECONNRESET)


def test_a_client_that_is_gone_before_it_is_greeted_hurts_nobody() -> None:
    with serving() as server:
        for _ in range(20):
            reset(connect(address_of(server)))
        with greeted(address_of(server)) as client:
            client.sendall(b"served\n")
            assert read_exactly(client, 7) == b"served\n"


class Flood(Noting):
    """Sends more than any buffer holds, and has the client read it in time."""

    seconds = SECONDS

    def on_connect(self) -> None:
        super().on_connect()
        self.send(bytes(64 * 1024 * 1024))

    def write_seconds(self) -> float:
        return self.seconds


def test_a_client_that_does_not_read_is_cut() -> None:
    class Session(Flood):
        notes = actors.GeventFuture[Any]()
        seconds = 0.1

    with serving(session=Session) as server, greeted(address_of(server)):
        session = session_of(server)
        assert end_of(session) == "unsent"
        assert Session.notes.get() == ("send error", WriteTimeoutError)


def test_so_is_one_that_reads_too_slowly_for_it_all() -> None:
    class Session(Flood):
        notes = actors.GeventFuture[Any]()
        seconds = 0.5

    with serving(session=Session) as server, greeted(address_of(server)) as client:
        session = session_of(server)
        while session.is_alive():  # each piece makes room for another, and the time is that of all of them
            client.recv(65536)
            session.actor_stopped.wait(0.02)
        assert session.exit_reason == "unsent"
        assert Session.notes.get() == ("send error", WriteTimeoutError)


def test_one_that_reads_in_time_is_sent_everything() -> None:
    class Session(Flood):
        notes = actors.GeventFuture[Any]()

    with serving(session=Session) as server, greeted(address_of(server)) as client:
        assert len(read_exactly(client, 64 * 1024 * 1024)) == 64 * 1024 * 1024
        assert len(sessions_of(server)) == 1


def test_a_client_that_does_not_read_holds_up_no_other() -> None:
    class Session(Flood):
        notes = actors.GeventFuture[Any]()
        first = True

        def on_connect(self) -> None:
            if Session.first:
                Session.first = False
                super().on_connect()
            else:
                Echo.on_connect(self)

    with (
        serving(session=Session) as server,
        greeted(address_of(server)),
        greeted(address_of(server)) as other,
    ):
        other.sendall(b"served\n")
        assert read_exactly(other, 7) == b"served\n"
        for session in sessions_of(server):
            session.kill()


def test_a_client_that_resets_while_it_is_sent_to_ends_the_session() -> None:
    class Session(Flood):
        notes = actors.GeventFuture[Any]()

    with serving(session=Session) as server:
        client = greeted(address_of(server))
        session = session_of(server)
        reset(client)
        assert end_of(session) == "unsent"
        kind = Session.notes.get()[1]
        assert issubclass(kind, ConnectionError)


def test_a_session_killed_while_its_client_does_not_read_closes_the_socket() -> None:
    class Session(Flood):
        notes = actors.GeventFuture[Any]()

    with serving(session=Session) as server, greeted(address_of(server)) as client:
        session = session_of(server)
        session.kill()
        assert end_of(session) == "killed"
        with contextlib.suppress(ConnectionResetError):
            read_all(client)


def test_an_idle_client_is_timed_out(noting: Any) -> None:
    class Impatient(noting):  # type: ignore[misc]
        def on_connect(self) -> None:
            super().on_connect()
            self.set_deadline(0.05)

    with serving(session=Impatient) as server, greeted(address_of(server)) as client:
        assert read_all(client) == b""
        assert Impatient.notes.get(timeout=SECONDS) == "timeout"


def test_a_deadline_moved_or_taken_back_does_not_ring() -> None:
    class Moving(Noting):
        notes = actors.GeventFuture[Any]()

        def on_connect(self) -> None:
            self.set_deadline(0.01)
            self.set_deadline(1000)
            self.set_deadline(float("inf"))
            super().on_connect()

        def on_data(self, data: bytes) -> None:
            self.set_deadline(1000)
            self.set_deadline(0.05)

    with serving(session=Moving) as server, greeted(address_of(server)) as client:
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(SECONDS)
        client.sendall(b"an earlier deadline, please")
        assert read_all(client) == b""


def test_a_client_is_not_read_from_while_its_session_waits_and_loses_nothing() -> None:
    gate = Gate()
    got: list[bytes] = []

    class Waiting(Echo):
        def on_data(self, data: bytes) -> None:
            got.append(data)
            gate.wait()
            self.send(data)

    with serving(session=Waiting) as server, greeted(address_of(server)) as client:
        client.sendall(b"first")
        gate.reached.get(timeout=SECONDS)
        client.sendall(b"second")
        assert got == [b"first"]
        gate.open()
        assert read_exactly(client, 11) == b"firstsecond"


def test_what_a_session_leaves_for_another_turn_it_goes_on_with() -> None:
    class Slowly(Echo):
        left: bytes = b""

        def on_data(self, data: bytes) -> None:
            self.left += data
            self.on_continue()

        def on_continue(self) -> None:
            self.send(self.left[:1])
            self.left = self.left[1:]
            self.more = bool(self.left)

    with serving(session=Slowly) as server, greeted(address_of(server)) as client:
        client.sendall(b"slowly")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"slowly"


def test_what_the_client_still_sends_does_not_cost_it_the_last_reply() -> None:
    """Data unread at a close make the kernel reset the connection."""

    class Closing(Echo):
        def on_data(self, data: bytes) -> None:
            self.send(b"bye\n")
            self.drain = True
            raise actors.ActorExit("normal")

    with serving(session=Closing) as server, greeted(address_of(server)) as client:
        client.sendall(bytes(RECEIVE_OCTETS * 2))
        assert read_all(client) == b"bye\n"


def test_a_client_that_floods_its_session_starves_no_other() -> None:
    """One read a turn, and then the others: the flood is served for as long as the other is."""
    flooded = threading.Event()

    class Sink(Echo):
        def on_data(self, data: bytes) -> None:
            if data == b"served":
                self.send(data)
            else:
                flooded.set()

    with (
        serving(session=Sink) as server,
        greeted(address_of(server)) as flooding,
        greeted(address_of(server)) as other,
    ):
        served = threading.Event()

        def flood() -> None:
            while not served.is_set():
                flooding.sendall(b"flood" * 20_000)

        thread = threading.Thread(target=flood)
        thread.start()
        assert flooded.wait(SECONDS)
        for _ in range(20):
            other.sendall(b"served")
            assert read_exactly(other, 6) == b"served"
        served.set()
        thread.join(SECONDS)


def test_messages_reach_a_session_between_its_data() -> None:
    class Told(Echo):
        def on_receive(self, message: Any) -> Any:
            if isinstance(message, bytes):
                self.send(message)
                return "sent"
            return super().on_receive(message)

    with serving(session=Told) as server, greeted(address_of(server)) as client:
        assert session_of(server).ask(b"told\n") == "sent"
        assert read_exactly(client, 5) == b"told\n"


def test_a_session_whose_hook_raises_closes_the_connection() -> None:
    class Failing(Echo):
        def on_data(self, data: bytes) -> None:
            raise actors.ActorExit("boom")

    with serving(session=Failing) as server, greeted(address_of(server)) as client:
        session = session_of(server)
        client.sendall(b"data")
        assert read_all(client) == b""
        assert end_of(session) == "boom"


@pytest.mark.parametrize("stop", [lambda ref: ref.stop(timeout=SECONDS), lambda ref: ref.kill()])
def test_a_session_that_is_stopped_or_killed_closes_the_connection(stop: Any) -> None:
    with serving() as server, greeted(address_of(server)) as client:
        session = session_of(server)
        stop(session)
        assert read_all(client) == b""
        actors.wait_down(session, SECONDS)


# -- holding back the client --------------------------------------------------------------------------


class Holding(actors.SessionActor):
    """Counts what it reads, and reads on only when it is told to."""

    def on_connect(self) -> None:
        self.octets = 0
        self.hold = True
        self.announce()
        self.send(Echo.greeting)

    def on_data(self, data: bytes) -> None:
        self.octets += len(data)
        if self.hold:
            self.hold_reading()

    def on_eof(self) -> None:
        self.send(b"%d\n" % self.octets)

    def on_receive(self, message: Any) -> Any:
        return message(self) if callable(message) else super().on_receive(message)

    def let_go(self) -> None:
        self.hold = False
        self.read_on()


def octets_read(session: actors.GeventRef[Any]) -> int:
    """What a `Holding` has read; in a turn of its own."""
    octets: int = session.ask(lambda actor: actor.octets, timeout=SECONDS)
    return octets


def fill(client: socket.socket) -> int:
    """Send as much as a server takes that does not read; how much that was."""
    sent = 0
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while sent < 2**26:
            sent += client.send(bytes(65536))
    client.settimeout(SECONDS)
    return sent


def test_a_session_that_holds_up_its_client_reads_nothing_more_but_has_its_turns() -> None:
    with serving(session=Holding) as server, greeted(address_of(server)) as client:
        session = session_of(server)
        client.sendall(b"x")
        while octets_read(session) == 0:
            pass
        held_at = octets_read(session)
        sent = fill(client)
        assert sent < 2**26
        assert octets_read(session) == held_at
        session.ask(lambda actor: actor.let_go(), timeout=SECONDS)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"%d\n" % (sent + 1)


def test_a_session_that_holds_up_its_client_is_timed_out_all_the_same() -> None:
    with serving(session=Holding) as server, greeted(address_of(server)) as client:
        session = session_of(server)
        client.sendall(b"x")
        session.tell(lambda actor: actor.set_deadline(0.001))
        assert end_of(session) == "normal"


def test_a_session_can_be_told_to_read_on_again_and_again_and_after_its_end() -> None:
    with serving(session=Holding) as server, greeted(address_of(server)) as client:
        session = session_of(server)
        actor = session._actor_weakref()
        assert actor is not None
        for _ in range(2):
            session.ask(lambda actor: actor.let_go(), timeout=SECONDS)
        client.sendall(b"x")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"1\n"
        assert end_of(session) == "normal"
        on_hub(actor.let_go)


# -- TLS ----------------------------------------------------------------------------------------------


@pytest.fixture
def server_context(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.ecdsa.certfile, certificates.ecdsa.keyfile)
    return context


@pytest.fixture
def client_context(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates.cafile)


@pytest.fixture
def tls_session(server_context: ssl.SSLContext) -> type[Noting]:
    """Sessions under TLS from the first octet."""

    class Tls(Noting):
        notes = actors.GeventFuture[Any]()

        def tls_context(self) -> ssl.SSLContext:
            return server_context

        def on_handshake_error(self, reason: str) -> None:
            try_set(self.notes, ("handshake", reason))

    return Tls


class TlsClient:
    """A TLS client whose records go out when and with what the test wants."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext) -> None:
        self.raw = raw
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.layer = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def __enter__(self) -> TlsClient:
        self.shake_hands()
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.close()

    def shake_hands(self, *, flush: bool = True) -> None:
        """The handshake; without `flush` its last message stays with the client."""
        while True:
            try:
                self.layer.do_handshake()
            except ssl.SSLWantReadError:
                self.flush()
                self.incoming.write(self.raw.recv(65536))
            else:
                break
        if flush:
            self.flush()

    def flush(self, behind: bytes = b"") -> None:
        """Send all records in one segment, and some octets behind them."""
        self.raw.sendall(self.outgoing.read() + behind)

    def read_exactly(self, count: int) -> bytes:
        """So many octets of plaintext; fewer only at the end of the stream."""
        got = b""
        while len(got) < count:
            try:
                part = self.layer.read(count - len(got))
            except ssl.SSLWantReadError:
                data = self.raw.recv(65536)
                if data:
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()
                continue
            except ssl.SSLZeroReturnError:
                break
            if not part:
                break
            got += part
        return got

    def begin_close(self) -> None:
        """Queue close_notify."""
        with contextlib.suppress(ssl.SSLError):
            self.layer.unwrap()


def test_tls_from_the_first_octet(tls_session: Any, client_context: ssl.SSLContext) -> None:
    established: list[Any] = []
    unsubscribe = events.subscribe(events.TlsEstablished, established.append)
    with (
        serving(session=tls_session) as server,
        connect(address_of(server)) as raw,
        client_context.wrap_socket(raw, server_hostname="localhost") as client,
    ):
        assert client.recv(100) == Echo.greeting
        client.sendall(b"one\n")
        assert client.recv(100) == b"one\n"
        assert session_of(server)._actor_weakref().tls == actors.TlsInfo(
            client.version() or "",
            client.cipher()[0],
            None,  # type: ignore[index]
            "localhost",
        )
    unsubscribe()
    assert [event.version for event in established] == ["TLSv1.3"]


def test_all_records_of_one_segment_are_read_before_waiting(
    tls_session: Any, client_context: ssl.SSLContext
) -> None:
    with (
        serving(session=tls_session) as server,
        TlsClient(connect(address_of(server)), client_context) as client,
    ):
        for record in (b"one ", b"two ", b"three"):
            client.layer.write(record)
        client.flush()
        assert client.read_exactly(6 + 13) == Echo.greeting + b"one two three"


def test_data_in_one_segment_with_the_end_of_the_handshake_are_not_lost(
    tls_session: Any, client_context: ssl.SSLContext
) -> None:
    with serving(session=tls_session) as server:
        client = TlsClient(connect(address_of(server)), client_context)
        client.shake_hands(flush=False)
        client.layer.write(b"early")
        client.flush()
        assert client.read_exactly(6 + 5) == Echo.greeting + b"early"
        client.raw.close()


def test_a_broken_record_in_one_segment_with_the_handshake_is_a_loss_not_a_crash(
    tls_session: Any, client_context: ssl.SSLContext
) -> None:
    with serving(session=tls_session) as server:
        client = TlsClient(connect(address_of(server)), client_context)
        client.shake_hands(flush=False)
        client.flush(behind=b"\x17\x03\x03\x00\x20" + bytes(32))
        assert tls_session.notes.get(timeout=SECONDS) == ("lost", errno.ECONNABORTED)
        client.raw.close()


def test_a_broken_record_later_is_a_loss_not_a_crash(
    tls_session: Any, client_context: ssl.SSLContext
) -> None:
    with (
        serving(session=tls_session) as server,
        TlsClient(connect(address_of(server)), client_context) as client,
    ):
        client.read_exactly(6)
        session = session_of(server)
        client.raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
        assert end_of(session) == "normal"
        assert tls_session.notes.get() == ("lost", errno.ECONNABORTED)


@pytest.mark.parametrize("together", [True, False], ids=["one segment", "two segments"])
def test_plaintext_after_close_notify_is_ignored(
    tls_session: Any, client_context: ssl.SSLContext, together: bool
) -> None:
    seen: list[bytes] = []

    class Session(tls_session):  # type: ignore[misc]
        def on_data(self, data: bytes) -> None:
            seen.append(data)

    with (
        serving(session=Session) as server,
        TlsClient(connect(address_of(server)), client_context) as client,
    ):
        client.read_exactly(6)
        session = session_of(server)
        client.begin_close()
        if together:
            client.flush(behind=b"in clear\n")
        else:
            client.flush()
            with contextlib.suppress(OSError):
                client.raw.sendall(b"in clear\n")
        assert end_of(session) == "normal"
        assert Session.notes.get() == "eof"
        assert seen == []


@pytest.mark.parametrize("greeted", [True, False])
def test_a_close_notify_in_one_segment_with_data_ends_the_session_after_them(
    tls_session: Any, client_context: ssl.SSLContext, greeted: bool
) -> None:
    """The TCP connection stays open: no readiness will tell of the end again, nor does a deadline."""
    tls_session.handshake_seconds = lambda _: 60.0
    with (
        serving(session=tls_session) as server,
        TlsClient(connect(address_of(server)), client_context) as client,
    ):
        heard = client.read_exactly(len(Echo.greeting)) if greeted else b""
        client.layer.write(b"last words")
        client.begin_close()
        client.flush()
        assert heard + client.read_exactly(100) == Echo.greeting + b"last words"
        assert tls_session.notes.get(timeout=SECONDS) == "eof"


def test_a_tls_client_that_hangs_up_without_close_notify_is_weather(
    tls_session: Any, client_context: ssl.SSLContext
) -> None:
    with serving(session=tls_session) as server:
        with TlsClient(connect(address_of(server)), client_context) as client:
            client.read_exactly(6)
            session = session_of(server)
        assert end_of(session) == "normal"


def test_the_server_says_close_notify(tls_session: Any, client_context: ssl.SSLContext) -> None:
    with (
        serving(session=tls_session) as server,
        TlsClient(connect(address_of(server)), client_context) as client,
    ):
        client.read_exactly(6)
        session_of(server).stop(timeout=SECONDS)
        client.incoming.write(read_all(client.raw))
        assert client.layer.read(1) == b""  # without close_notify it would want more


def test_garbage_instead_of_a_handshake_fails_with_an_alert(tls_session: Any) -> None:
    failed: list[Any] = []
    unsubscribe = events.subscribe(events.TlsFailed, failed.append)
    with serving(session=tls_session) as server, connect(address_of(server)) as client:
        client.sendall(b"EHLO in clear\r\n")
        assert read_all(client)[:1] in (b"\x15", b"")  # a TLS alert, if OpenSSL has one for this
        assert tls_session.notes.get(timeout=SECONDS)[0] == "handshake"
    unsubscribe()
    assert len(failed) == 1


def test_a_client_that_hangs_up_in_the_handshake_fails_it(tls_session: Any) -> None:
    with serving(session=tls_session) as server:
        connect(address_of(server)).close()
        assert tls_session.notes.get(timeout=SECONDS)[0] == "handshake"


def test_a_silent_tls_client_is_cut_off(tls_session: Any) -> None:
    class Session(tls_session):  # type: ignore[misc]
        def handshake_seconds(self) -> float:
            return 0.05

    with serving(session=Session) as server, connect(address_of(server)) as client:
        assert read_all(client) == b""
        assert Session.notes.get(timeout=SECONDS) == ("handshake", "timeout")


def test_silent_tls_clients_do_not_hold_up_another(tls_session: Any, client_context: ssl.SSLContext) -> None:
    with (
        serving(session=tls_session) as server,
        connect(address_of(server)),
        connect(address_of(server)),
        TlsClient(connect(address_of(server)), client_context) as client,
    ):
        assert client.read_exactly(6) == Echo.greeting


def test_a_session_begins_tls_in_the_middle_and_plaintext_read_ahead_is_its_own_affair(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    class Upgrading(Noting):
        notes = actors.GeventFuture[Any]()

        def on_data(self, data: bytes) -> None:
            if self.tls is not None:
                self.send(data)
                return
            assert data == b"STARTTLS\n"
            self.send(b"go\n")
            self.start_tls(server_context)

        def on_tls(self) -> None:
            try_set(self.notes, self.tls)

    with serving(session=Upgrading) as server, greeted(address_of(server)) as raw:
        raw.sendall(b"STARTTLS\n")
        assert read_exactly(raw, 3) == b"go\n"
        with client_context.wrap_socket(raw, server_hostname="localhost") as client:
            client.sendall(b"under TLS")
            assert client.recv(100) == b"under TLS"
            assert Upgrading.notes.get().version == client.version()


def test_much_data_under_tls_arrives_whole(tls_session: Any, client_context: ssl.SSLContext) -> None:
    sent = bytes(range(256)) * 2048
    with (
        serving(session=tls_session) as server,
        TlsClient(connect(address_of(server)), client_context) as client,
    ):
        client.read_exactly(6)
        for start in range(0, len(sent), 16384):
            client.layer.write(sent[start : start + 16384])
            client.flush()
            assert client.read_exactly(16384) == sent[start : start + 16384]


def test_a_client_certificate_is_shown(certificates: Certificates, client_context: ssl.SSLContext) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.cafile)
    context.load_cert_chain(certificates.ecdsa.certfile, certificates.ecdsa.keyfile)
    context.verify_mode = ssl.CERT_REQUIRED
    client_context.load_cert_chain(certificates.client.certfile, certificates.client.keyfile)

    class Session(Echo):
        def tls_context(self) -> ssl.SSLContext:
            return context

    with (
        serving(session=Session) as server,
        TlsClient(connect(address_of(server)), client_context) as client,
    ):
        client.read_exactly(6)
        tls = session_of(server)._actor_weakref().tls
    assert dict(tls.client_certificate["subjectAltName"]) == {"DNS": "client.example"}


def test_a_context_made_before_a_monkey_patch_works_after_it(certificates: Certificates) -> None:
    """`wrap_socket` of a patched program rejects such a context; `wrap_bio` does not."""
    script = """
import ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
from gevent import monkey; monkey.patch_all()
import socket
import actors
from tests.actors.helpers import Echo, serving, address_of

class Session(Echo):
    def tls_context(self):
        return context

client_context = ssl.create_default_context(cafile=sys.argv[3])
with serving(session=Session) as server:
    with socket.create_connection(address_of(server), timeout=10) as raw:
        with client_context.wrap_socket(raw, server_hostname="localhost") as client:
            print(client.recv(100))
"""
    files = certificates.ecdsa
    assert run_script(script, files.certfile, files.keyfile, certificates.cafile) == "b'hello\\n'\n"
