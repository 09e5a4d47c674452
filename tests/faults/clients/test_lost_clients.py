"""Clients that are gone in every state of the dialogue, and in the middle of what they are told."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from gen_smtp.gen_smtp_server_session import ok, reply
from tests.actors.helpers import Gate
from tests.faults.dialogues import STATES, State, secured
from tests.faults.place import Place
from tests.gen_smtp.live import DATA, PATIENCE, Client, take

LONG = reply(["250 " + "x" * 500] * 100)


@pytest.mark.parametrize("secure", [False, True], ids=["clear", "TLS"])
@pytest.mark.parametrize("leave", [Client.reset, Client.close], ids=["reset", "close"])
@pytest.mark.parametrize("state", STATES.values(), ids=STATES.keys())
def test_one_that_goes_leaves_nothing_and_no_message(
    state: State, leave: Callable[[Client], None], secure: bool, place: Place
) -> None:
    with place.serve():
        client = place.client(secure)
        state.reach(client)
        leave(client)
        if state.greeted:
            reason = take(place.ends)
            in_message = reason[0] == "error_receiving_data"
            assert in_message or reason == "normal"
            assert state.in_message in (in_message, None)
        place.assert_recovered()
        assert len(place.mails.bodies) == 2


@pytest.mark.parametrize("secure", [False, True], ids=["clear", "TLS"])
def test_a_message_whose_sender_is_gone_before_its_250_was_taken_once(secure: bool, place: Place) -> None:
    """It may come twice, for the client has to send it again (RFC 5321 4.5.4.1); it is never half."""
    gate = Gate()

    def handle_DATA(callback: Any, sender: str, recipients: list[str], body: bytes) -> Any:
        gate.wait()
        place.mails.bodies.append(body)
        return ok("taken")

    with place.serve(handle_DATA=handle_DATA):
        client = place.client(secure)
        State(DATA, left="hello\r\n.\r\n").reach(client)
        gate.reached.get(timeout=PATIENCE)
        client.reset()
        gate.open()
        assert take(place.ends) == "normal"
        assert place.mails.bodies == [b"hello\r\n"]
        place.assert_recovered()


@pytest.mark.parametrize("secure", [False, True], ids=["clear", "TLS"])
def test_one_that_resets_in_the_middle_of_a_reply(secure: bool, place: Place) -> None:
    with place.serve():
        client = place.client(secure)
        assert client.reply()[:3] == "220"
        client.send("EHLO client.test\r\n")
        assert client.socket.recv(7) == b"250-mx."
        client.reset()
        assert take(place.ends) == "normal"
        place.assert_recovered()


@pytest.mark.parametrize("secure", [False, True], ids=["clear", "TLS"])
def test_one_that_resets_while_long_replies_wait_to_be_read(secure: bool, place: Place) -> None:
    with place.serve(handle_other=LONG):
        client = place.server.client(int(secure))
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        if secure:
            secured(client, place.context)
        assert client.reply()[:3] == "220"
        client.socket.settimeout(0.1)
        with suppress(TimeoutError):  # in vain: the server reads nothing before its replies are read
            while True:
                client.send("XYZZY\r\n" * 10_000)
        client.reset()
        assert take(place.ends) == "normal"
        place.assert_recovered()
