"""A session and its time: two deadlines, one timer, and waits that are cut."""

from __future__ import annotations

import queue
import socket
import ssl
import time
from typing import Any

import pytest

import actors
from actors.errors import OutOfTime
from actors.net.transport import ALERTS_KEPT, Transport, WriteTimeoutError
from actors.runtime.hub import Hub
from tests.actors.helpers import (
    SECONDS,
    Echo,
    Gate,
    address_of,
    greeted,
    on_hub,
    read_all,
    serving,
    session_of,
)
from tests.certificates import Certificates


class Timed(Echo):
    """Notes which deadlines strike, and goes on until the last one has."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.struck: list[str] = []

    def on_timeout(self) -> None:
        self.struck.append("deadline")

    def on_final_timeout(self) -> None:
        self.struck.append("final")
        self.send(" ".join(self.struck).encode())
        raise actors.ActorExit("normal")


def struck_by(session: type[Timed], sent: bytes = b"") -> str:
    """Which deadlines strike a client that says one thing and nothing more."""
    with serving(session=session) as server, greeted(address_of(server)) as client:
        client.sendall(sent)
        return read_all(client).decode()


def test_both_deadlines_strike_once_each_in_the_order_of_their_times() -> None:
    class Session(Timed):
        def on_connect(self) -> None:
            self.set_final_due(time.monotonic() + 0.05)
            self.set_deadline(0.01)
            super().on_connect()

    assert struck_by(Session) == "deadline final"


def test_the_final_one_strikes_wherever_the_other_is_moved() -> None:
    class Session(Timed):
        def on_connect(self) -> None:
            self.set_deadline(1000)
            self.set_final_due(time.monotonic() + 0.05)
            self.set_deadline(2000)
            super().on_connect()

    assert struck_by(Session) == "final"


def test_the_final_one_may_be_moved_to_an_earlier_time() -> None:
    class Session(Timed):
        def on_connect(self) -> None:
            self.set_final_due(time.monotonic() + 1000)
            self.set_final_due(time.monotonic() + 0.05)
            super().on_connect()

    assert struck_by(Session) == "final"


def test_one_that_was_put_off_strikes_at_its_new_time_after_the_timer_has_rung() -> None:
    class Session(Timed):
        def on_connect(self) -> None:
            self.set_deadline(0.01)
            self.set_deadline(0.05)
            self.set_final_due(time.monotonic() + 0.1)
            super().on_connect()

    assert struck_by(Session) == "deadline final"


def test_a_session_has_one_timer_however_often_its_deadlines_move() -> None:
    with serving() as server, greeted(address_of(server)):
        session = session_of(server)._actor_weakref()

        def move() -> int:
            timers = Hub.current().timers
            pending = {entry[1] for entry in timers._heap if entry[2].pending}
            for seconds in (500, 400, 600, 300, 700):
                session.set_deadline(seconds)
                session.set_final_due(time.monotonic() + seconds + 50)
            return len({entry[1] for entry in timers._heap if entry[2].pending} - pending)

        assert on_hub(move) == 1


class Waiting(Timed):
    """Waits, when it has heard something, for longer than it may."""

    gate: Gate
    cuts = True

    def may_cut_wait(self) -> bool:
        return self.cuts

    def on_data(self, data: bytes) -> None:
        began = time.monotonic()
        self.set_deadline(0.02)
        self.set_deadline(0.1)  # rings before that, and it is no time yet
        try:
            self.gate.wait()
        except OutOfTime:
            assert time.monotonic() >= began + 0.1
            self.send(b"cut ")
        else:
            self.send(b"waited ")
        self.set_final_due(0.0)


@pytest.fixture
def waiting() -> type[Waiting]:
    class Fresh(Waiting):
        gate = Gate()

    return Fresh


def test_a_wait_is_cut_where_that_is_wanted(waiting: type[Waiting]) -> None:
    assert struck_by(waiting, b"wait") == "cut final"


def test_elsewhere_the_turn_comes_to_its_end_first(waiting: type[Waiting]) -> None:
    waiting.cuts = False
    with serving(session=waiting) as server, greeted(address_of(server)) as client:
        client.sendall(b"wait")
        waiting.gate.reached.get(timeout=SECONDS)
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(SECONDS)
        waiting.gate.open()
        assert read_all(client) == b"waited final"


def test_a_wait_that_ends_in_time_is_not_cut(waiting: type[Waiting]) -> None:
    waiting.gate.open()
    assert struck_by(waiting, b"no wait") == "waited final"


def test_a_wait_that_lets_nothing_through_ends_when_it_pleases(waiting: type[Waiting]) -> None:
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()

    class Stubborn(waiting):  # type: ignore[misc, valid-type]
        def on_data(self, data: bytes) -> None:
            self.set_deadline(0.02)
            try:
                waiting.gate.wait()
            except BaseException as error:
                heard.put(type(error))
            self.send(b"went on ")
            self.set_final_due(0.0)

    assert struck_by(Stubborn, b"wait") == "went on final"
    assert heard.get_nowait() is OutOfTime


def test_what_tls_has_to_answer_a_peer_that_does_not_read_is_bounded(certificates: Certificates) -> None:
    """OpenSSL answers some records by itself; here there is much that it would have to say."""
    mine, peers = socket.socketpair()
    mine.setblocking(False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.rsa.certfile, certificates.rsa.keyfile)

    def overflow() -> None:
        transport = Transport(mine, Hub.current().loop, Hub.current().join_line, None)
        try:
            transport.start_tls(context)
            assert transport.secured is not None
            transport.secured.outgoing.write(bytes(ALERTS_KEPT))
            transport._send_alerts(transport.secured.outgoing)
            while len(transport.secured.outgoing.read()) == 0:  # until the socket is full
                transport.secured.outgoing.write(bytes(ALERTS_KEPT))
                transport._send_alerts(transport.secured.outgoing)
            transport.secured.outgoing.write(bytes(ALERTS_KEPT))
            transport._send_alerts(transport.secured.outgoing)
            assert transport.secured.outgoing.pending == ALERTS_KEPT
            transport.secured.outgoing.write(b"x")
            with pytest.raises(WriteTimeoutError):
                transport._send_alerts(transport.secured.outgoing)
        finally:
            transport.close()

    with peers:
        on_hub(overflow)
