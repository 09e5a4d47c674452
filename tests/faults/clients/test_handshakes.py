"""TLS handshakes that break off at every flight, and octets that are none: on a TLS port, after STARTTLS."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
from collections.abc import Callable

import pytest

from tests.actors.helpers import read_all
from tests.faults.place import Place
from tests.gen_smtp.clock import Clock, sessions
from tests.gen_smtp.live import RCPT, Client, take
from tests.gen_smtp.tls_client import Shake

LEAVE: dict[str, Callable[[Client], None]] = {
    "reset": Client.reset,
    "close": Client.close,
    "half close": lambda client: client.socket.shutdown(socket.SHUT_WR),
}
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
BREAKS = {
    "before it": (0, 0.0),
    "in the hello": (0, 0.5),
    "behind the hello": (0, 1.0),
    "before the last flight": (1, 0.0),
    "in the last flight": (1, 0.5),
    "behind the last flight": (1, 1.0),
}
"""The flight that is the last to be sent, and how much of it."""

RECORD = b"\x16\x03\x01"
"""A record of a handshake, before its length."""

HELLO = b"\x01\x03\x03" + bytes(32)
CHANCE = random.Random(5)

REFUSED = {
    "random octets": b"\x00" + CHANCE.randbytes(5000),
    "SSLv2": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + CHANCE.randbytes(37),
    "SSLv3": b"\x16\x03\x00\x00\x2d\x01\x00\x00\x29\x03\x00" + bytes(32) + b"\x00\x00\x02\x00\x2f\x01\x00",
    "HTTP": b"GET / HTTP/1.1\r\nHost: mx.test\r\n\r\n",
    "SMTP": b"EHLO client.test\r\nMAIL FROM:<a@x.test>\r\n",
    "a record longer than any may be": RECORD + b"\xff\xff" + bytes(0xFFFF),
    "a hello longer than any may be": RECORD + b"\x40\x00\x01\xff\xff\xff" + bytes(0x3FFC),
    "a hello of the wrong length": RECORD + b"\x00\x27\x01\x00\x00\x01" + HELLO[1:] + bytes(1),
    "empty records": (RECORD + b"\x00\x00") * 2000,
    "application data": b"\x17\x03\x03\x00\x20" + CHANCE.randbytes(32),
    "changes of cipher": b"\x14\x03\x03\x00\x01\x01" * 2000,
    "warnings": b"\x15\x03\x03\x00\x02\x01\x5a" * 2000,
    "a fatal alert": b"\x15\x03\x03\x00\x02\x02\x28",
}
WAITED_FOR = {
    "nothing": b"",
    "half the head of a record": b"\x16\x03",
    "the head of a record": RECORD + b"\x02\x00",
    "a record but for its last octet": RECORD + b"\x02\x00\x01\x00\x01\xfc" + bytes(0x1FB),
    "a hello whose next record is due": RECORD + b"\x00\x04\x01\x00\xff\xff",
}
"""What may yet become a hello: cut by the deadline."""


def ready_to_shake(place: Place, secure: bool) -> Client:
    """A client whose turn it is to say hello: connected to the TLS port, or with STARTTLS answered."""
    client = place.server.client(int(secure))
    if not secure:
        assert client.reply()[:3] == "220"
        assert client.say("EHLO client.test", "STARTTLS")[:3] == "220"
    return client


@pytest.mark.parametrize("secure", [False, True], ids=["STARTTLS", "TLS"])
@pytest.mark.parametrize("leave", LEAVE.values(), ids=LEAVE.keys())
@pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
@pytest.mark.parametrize(("flight", "part"), BREAKS.values(), ids=BREAKS.keys())
def test_one_that_breaks_off_ends_its_session_and_nothing_else(
    flight: int,
    part: float,
    version: ssl.TLSVersion,
    leave: Callable[[Client], None],
    secure: bool,
    place: Place,
) -> None:
    place.context.minimum_version = place.context.maximum_version = version
    with place.serve():
        with ready_to_shake(place, secure) as client:
            shake = Shake(client, place.context)
            for _ in range(flight):
                client.send(shake.step())
                shake.hear()
            octets = shake.step()
            client.send(octets[: int(len(octets) * part)])
            leave(client)
        place.assert_recovered()


@pytest.mark.parametrize("at_once", [True, False], ids=["whole", "octet by octet"])
@pytest.mark.parametrize("secure", [False, True], ids=["STARTTLS", "TLS"])
@pytest.mark.parametrize("garbage", REFUSED.values(), ids=REFUSED.keys())
def test_garbage_is_refused_at_once(
    garbage: bytes, secure: bool, at_once: bool, place: Place, clock: Clock
) -> None:
    with place.serve():
        with ready_to_shake(place, secure) as client:
            send(client, garbage, at_once)
            assert len(until_closed(client)) < 20  # an alert at most
        place.assert_recovered()


@pytest.mark.parametrize("secure", [False, True], ids=["STARTTLS", "TLS"])
@pytest.mark.parametrize("half", WAITED_FOR.values(), ids=WAITED_FOR.keys())
def test_half_a_hello_is_waited_for_until_the_deadline(
    half: bytes, secure: bool, place: Place, clock: Clock
) -> None:
    with place.serve():
        with ready_to_shake(place, secure) as client:
            client.send(half)
            wait_for_deadline(clock.now + 60)
            clock.advance(59)
            place.assert_served()
            clock.advance(1)
            assert until_closed(client) == b""
        place.assert_recovered()


@pytest.mark.parametrize(("said", "reply"), [("RSET", "250"), ("DATA", "354")])
def test_garbage_between_records_ends_a_session_and_takes_no_message(
    said: str, reply: str, place: Place
) -> None:
    with place.serve():
        with place.client(True) as client:
            assert client.reply()[:3] == "220"
            assert client.say(*RCPT, said)[:3] == reply
            client.send("hello\r\n." if said == "DATA" else "")
            socket.socket.send(client.socket, CHANCE.randbytes(1000))
            until_closed(client)
        reason = take(place.ends)
        assert (reason[0] == "error_receiving_data") is (said == "DATA")
        place.assert_recovered()
        assert len(place.mails.bodies) == 2


def wait_for_deadline(due: float) -> None:
    """Return when the only session has to be done with its handshake by then."""
    while [session.fixed_due for session in sessions()] != [due]:
        pass


def send(client: Client, octets: bytes, at_once: bool) -> None:
    """Send; the server may have had enough before it is all sent."""
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(ConnectionError):
        for piece in [octets] if at_once else [octets[at : at + 1] for at in range(len(octets))]:
            client.send(piece)


def until_closed(client: Client) -> bytes:
    """What comes before the connection's end, however that comes."""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        return read_all(client.socket)
    return b""
