"""A client that breaks off an exchange which is over, as Go's `net/smtp` does."""

from __future__ import annotations

import logging
import queue
from typing import Any

import pytest

from gen_smtp.gen_smtp_server_session import error, ok
from tests.gen_smtp.live import Queue, behaviour, serving

PLAIN = "AUTH PLAIN AGFsaWNlAHdyb25n"


def test_go_hears_what_it_expects_and_no_callback_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    """`smtp.Client.Auth` sends `*` and QUIT after any reply but 334 and 235, and expects a 501 first."""
    caplog.set_level(logging.INFO)
    asked: Queue = queue.SimpleQueue()

    def handle_other(self: Any, verb: str, args: str) -> Any:
        asked.put(verb)
        return error("500 what?")

    module = behaviour(
        handle_EHLO=lambda self, hostname, extensions: ok([("AUTH", "PLAIN")]),
        handle_AUTH=error("535 5.7.8 no"),
        handle_other=handle_other,
    )
    with (
        serving(module, sessionoptions={"allow_insecure_auth": True}) as server,
        server.greeted("EHLO localhost") as client,
    ):
        assert client.say(PLAIN) == "535 5.7.8 no"
        assert client.say("*") == "501 Authentication cancelled"
        assert client.say("QUIT") == "221 Bye"
    assert asked.empty()
    assert "AUTH refused: 501 Authentication cancelled" in caplog.text


def test_without_the_extension_it_is_answered_so_as_well() -> None:
    with serving() as server, server.greeted("EHLO localhost") as client:
        assert client.say(PLAIN) == "502 Error: AUTH not implemented"
        assert client.say("*") == "501 Authentication cancelled"
        assert client.say("STARTTLS") == "502 Error: STARTTLS not offered"
