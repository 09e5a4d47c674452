"""Clients that have finished sending, in every state: they hear what they are owed, and no half is taken."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import Any

import pytest

from tests.faults.dialogues import STATES, State
from tests.faults.place import Place
from tests.gen_smtp.live import DATA, Client, take
from tests.gen_smtp.tls_client import Shake

OWED = {
    "connected": ["220"],
    "EHLO, its reply unread": ["250"],
    "DATA, its reply unread": ["354"],
    "QUIT, its reply unread": ["221"],
}
"""The replies that are still to come where there are any."""

ENVELOPE = "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n"
WHOLE = {
    "a message": (State(DATA, left="hello\r\n.\r\n"), ["250"]),
    "a message and QUIT": (State(DATA, left="hello\r\n.\r\nQUIT\r\n"), ["250", "221"]),
    "a message and half a command": (State(DATA, left="hello\r\n.\r\nMAIL FR"), ["250"]),
    "a message and half another": (
        State(DATA, left=f"hello\r\n.\r\n{ENVELOPE}hello"),
        ["250", "250", "250", "354"],
    ),
}
"""What has one message in it whose end was sent, and the replies."""


def finish(client: Client) -> None:
    """Send nothing more; under TLS too it is the connection alone that says so."""
    socket.socket.shutdown(client.socket, socket.SHUT_WR)


def codes(client: Client) -> list[str]:
    """The codes of all replies to come. Under TLS an alert follows: the client has said no close_notify."""
    found = []
    with suppress(ssl.SSLError):
        while reply := client.reply():
            found.append(reply[:3])
    return found


@pytest.mark.parametrize("secure", [False, True], ids=["clear", "TLS"])
@pytest.mark.parametrize("name", STATES)
def test_one_hears_the_replies_to_what_it_sent_and_has_sent_no_message(
    name: str, secure: bool, place: Place
) -> None:
    with place.serve():
        with place.client(secure) as client:
            STATES[name].reach(client)
            finish(client)
            assert codes(client) == OWED.get(name, [])
        reason = take(place.ends)
        assert (reason[0] == "error_receiving_data") is (STATES[name].in_message is not False)
        place.assert_recovered()
        assert len(place.mails.bodies) == 2


@pytest.mark.parametrize("secure", [False, True], ids=["clear", "TLS"])
@pytest.mark.parametrize("name", WHOLE)
def test_what_was_sent_to_its_end_is_taken(name: str, secure: bool, place: Place) -> None:
    state, owed = WHOLE[name]
    with place.serve():
        with place.client(secure) as client:
            state.reach(client)
            finish(client)
            assert codes(client) == owed
        place.assert_recovered()
        assert len(place.mails.bodies) == 3
        assert place.mails.bodies[0] == b"hello\r\n"


@pytest.mark.parametrize(
    ("left", "owed"), [(b"hello\r\n.\r\n", b"250 taken\r\n"), (b"hello\r\n.\r", b"")], ids=["whole", "half"]
)
def test_one_that_ends_tls_in_order_hears_what_it_is_owed(left: bytes, owed: bytes, place: Place) -> None:
    with place.serve():
        with place.server.client(1) as client:
            shake = Shake(client, place.context)
            assert shake.finish()[:3] == b"220"
            shake.layer.write(f"HELO c\r\n{ENVELOPE}".encode())
            said = b""
            while b"354" not in said:
                said += plaintext(shake)
            shake.layer.write(left)
            with suppress(ssl.SSLWantReadError):
                shake.layer.unwrap()
            assert plaintext(shake) == owed
        place.assert_recovered()
        assert place.mails.bodies[:-2] == ([b"hello\r\n"] if owed else [])


def plaintext(shake: Shake) -> Any:
    """Send what there is; something that the server says, empty at the end of its stream."""
    shake.client.send(shake.outgoing.read())
    while True:
        try:
            return shake.layer.read(1000)
        except ssl.SSLWantReadError:
            shake.hear()
        except ssl.SSLZeroReturnError:
            return b""
