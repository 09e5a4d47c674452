"""Passwords are in no log, no traceback and no event, and comparing them tells nothing of them."""

from __future__ import annotations

import base64
import hmac
import logging
import queue
from typing import Any

import pytest

from actors import events as actor_events
from gen_smtp import smtp_util
from gen_smtp.gen_smtp_server_session import error, ok
from tests.gen_smtp.live import Queue, behaviour, serving, take

SECRET = "Tr0ub4dor&3"
PLAIN = "AUTH PLAIN " + base64.b64encode(f"\0user\0{SECRET}".encode()).decode()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _raises(self: Any, mechanism: str, username: str, credential: Any) -> Any:
    raise RuntimeError(f"there is no database to find {username} in")


RESULTS = [_raises, ok, error, error("535 no"), {"password": SECRET}, (SECRET,), SECRET]


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize(
    "lines",
    [
        [PLAIN],
        ["AUTH PLAIN", PLAIN.split()[-1]],
        ["AUTH LOGIN", encoded("user"), encoded(SECRET)],
        ["AUTH LOGIN " + encoded("user"), encoded(SECRET)],
    ],
)
def test_no_password_is_logged_or_told(
    caplog: pytest.LogCaptureFixture, result: Any, lines: list[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    unsubscribe = actor_events.subscribe(actor_events.Event, lambda event: told.append(repr(event)))
    module = behaviour(
        handle_EHLO=lambda self, hostname, extensions: ok([*extensions, ("AUTH", "PLAIN LOGIN")]),
        handle_AUTH=result,
    )
    try:
        options = {"allow_insecure_auth": True}
        with serving(module, sessionoptions=options) as server, server.greeted("EHLO client.test") as client:
            for line in lines:
                client.say(line)
    finally:
        unsubscribe()
    formatter = logging.Formatter()
    everything_said = "\n".join([*map(formatter.format, caplog.records), *told])
    for form in (SECRET, encoded(SECRET), PLAIN.split()[-1]):
        assert form not in everything_said


def test_a_log_line_can_not_be_forged(caplog: pytest.LogCaptureFixture, witness: Any, seen: Queue) -> None:
    caplog.set_level(logging.DEBUG)
    forged = "2026-01-01 CRITICAL all is lost"
    with serving(witness) as server, server.greeted() as client:
        client.send(f"EHLO a\rb\x0b{forged}\r\nVRFY x\x85{forged}\r\nQUIT\r\n".encode())
        client.rest()
    formatted = [logging.Formatter().format(record) for record in caplog.records]
    assert not [line for text in formatted for line in text.splitlines() if line.startswith(forged)]


def test_credentials_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: Queue = queue.SimpleQueue()
    real = hmac.compare_digest

    def watch(one: Any, other: Any) -> bool:
        compared.put((one, other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watch)
    assert not smtp_util.compare_secrets("almost right", "almost righ")
    assert take(compared) == (b"almost right", b"almost righ")
    digest = smtp_util.compute_cram_digest(SECRET, "<1.2@h>")
    assert smtp_util.verify_cram_digest(SECRET, (digest, "<1.2@h>"))
    assert take(compared) == (digest.encode(), digest.encode())
