"""SCRAM in a server that runs: the keys come from handle_AUTH_keys, and handle_AUTH has the last word."""

from __future__ import annotations

import base64
import logging
import sys
from typing import Any

import pytest
import scramp

from actors import events as actor_events
from gen_smtp import gen_smtp_server, gen_smtp_server_session
from gen_smtp.events import Authenticated, AuthenticationFailed, WrongCallbackValue
from gen_smtp.gen_smtp_server_session import Behaviour, BehaviourError, error, ok, stop
from gen_smtp.sasl import ScramKeys, ScramProof
from tests.gen_smtp.live import Client, behaviour, collected, everything, listener, serving, take

INSECURE = {"allow_insecure_auth": True}
PASSWORD = "correct horse"
KEYS = {
    name: ScramKeys.of_password(PASSWORD, name, iterations=4096) for name in ("SCRAM-SHA-1", "SCRAM-SHA-256")
}


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Keeping(Behaviour):
    """Has Alice's keys."""

    mechanisms = ("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256")

    def handle_EHLO(self, hostname: str, extensions: Any) -> Any:
        return ok([("AUTH", "PLAIN SCRAM-SHA-1 SCRAM-SHA-256")])

    def handle_AUTH_keys(self, mechanism: str, username: str) -> Any:
        return ok(KEYS[mechanism.upper()]) if username == "alice" else error

    def handle_AUTH(self, mechanism: str, username: str, credential: Any) -> Any:
        if isinstance(credential, ScramProof):
            return ok
        return ok if KEYS["SCRAM-SHA-256"].matches(credential) else error


def log_in(
    client: Client,
    name: str = "alice",
    password: str = PASSWORD,
    mechanism: str = "SCRAM-SHA-256",
    *,
    initial: bool = True,
) -> str:
    """The whole exchange; the last reply."""
    scram = scramp.ScramClient([mechanism], name, password)
    first = b64(scram.get_client_first())
    if initial:
        answer = client.say(f"AUTH {mechanism} {first}")
    else:
        assert client.say(f"AUTH {mechanism}") == "334 "
        answer = client.say(first)
    if not answer.startswith("334"):
        return answer
    scram.set_server_first(base64.b64decode(answer[4:]).decode())
    answer = client.say(b64(scram.get_client_final()))
    if not answer.startswith("334"):
        return answer
    scram.set_server_final(base64.b64decode(answer[4:]).decode())
    return client.say("")


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize("blocking", [frozenset(), frozenset({"handle_AUTH_keys", "handle_AUTH"})])
def test_who_knows_the_password_is_in(mechanism: str, initial: bool, blocking: frozenset[str]) -> None:
    module = type("Module", (Keeping,), {"blocking": blocking})
    with (
        collected(Authenticated) as told,
        serving(module, sessionoptions=INSECURE) as server,
        server.greeted("EHLO c.test") as client,
    ):
        assert log_in(client, mechanism=mechanism, initial=initial) == "235 Authentication successful."
        event = take(told)
        assert (event.mechanism, event.username) == (mechanism.lower(), "alice")
        (ref,) = server.sessions
        assert gen_smtp_server_session.info(ref).user == "alice"


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("nobody", PASSWORD), ("nobody", "x")])
def test_who_does_not_is_not_and_hears_nothing_of_who_there_is(name: str, password: str) -> None:
    with (
        collected(AuthenticationFailed) as failures,
        serving(Keeping, sessionoptions=INSECURE) as server,
        server.greeted("EHLO c.test") as client,
    ):
        assert log_in(client, name, password) == "535 Authentication failed."
        event = take(failures)
        assert (event.mechanism, event.username) == ("scram-sha-256", name)
        assert log_in(client) == "235 Authentication successful."
        assert not everything(failures)


def test_the_keys_may_come_from_a_coroutine() -> None:
    class Async(Keeping):
        async def handle_AUTH_keys(self, mechanism: str, username: str) -> Any:  # type: ignore[override]
            return ok(KEYS[mechanism.upper()]) if username == "alice" else error

    with serving(Async, sessionoptions=INSECURE) as server, server.greeted("EHLO c.test") as client:
        assert log_in(client, "nobody") == "535 Authentication failed."
        assert log_in(client) == "235 Authentication successful."


def test_the_same_keys_serve_plain() -> None:
    with serving(Keeping, sessionoptions=INSECURE) as server, server.greeted("EHLO c.test") as client:
        assert client.say("AUTH PLAIN " + b64("\0alice\0wrong")) == "535 Authentication failed."
        assert client.say("AUTH PLAIN " + b64(f"\0alice\0{PASSWORD}")) == "235 Authentication successful."


def test_handle_auth_has_the_last_word() -> None:
    asked: list[Any] = []

    class Locked(Keeping):
        def handle_AUTH(self, mechanism: str, username: str, credential: Any) -> Any:
            asked.append((mechanism, username, credential))
            return error("535 5.7.8 The account is locked")

    with serving(Locked, sessionoptions=INSECURE) as server, server.greeted("EHLO c.test") as client:
        assert log_in(client) == "535 5.7.8 The account is locked"
    assert asked == [("scram-sha-256", "alice", ScramProof(KEYS["SCRAM-SHA-256"]))]


def test_failures_count() -> None:
    options = {**INSECURE, "limits": {"auth_failures": 3}}
    with serving(Keeping, sessionoptions=options) as server, server.greeted("EHLO c.test") as client:
        for _ in range(3):
            assert log_in(client, password="wrong") == "535 Authentication failed."
        assert client.reply() == "421 Error: too many authentication failures"


@pytest.mark.parametrize(
    ("result", "reply"),
    [
        (error("454 4.7.0 The database is away"), "454 4.7.0 The database is away"),
        (error("535 No"), "535 No"),
        (stop("why", "421 Go away"), "421 Go away"),
        (ok, "451 Error: internal server error"),
        (KEYS["SCRAM-SHA-256"], "451 Error: internal server error"),
        (ok("text"), "451 Error: internal server error"),
        (ok(KEYS["SCRAM-SHA-1"]), "451 Error: internal server error"),
    ],
)
def test_what_else_handle_auth_keys_may_say(
    caplog: pytest.LogCaptureFixture, result: Any, reply: str
) -> None:
    caplog.set_level(logging.DEBUG)
    module = type("Module", (Keeping,), {"handle_AUTH_keys": lambda self, mechanism, username: result})
    with serving(module, sessionoptions=INSECURE) as server, server.greeted("EHLO c.test") as client:
        assert log_in(client) == reply
    formatted = "".join(logging.Formatter().format(record) for record in caplog.records)
    assert "stored_key" not in formatted
    assert repr(KEYS["SCRAM-SHA-256"].stored_key) not in formatted


def test_a_bare_ok_is_a_wrong_value() -> None:
    module = type("Module", (Keeping,), {"handle_AUTH_keys": lambda self, mechanism, username: ok})
    with (
        collected(WrongCallbackValue) as wrong,
        serving(module, sessionoptions=INSECURE) as server,
        server.greeted("EHLO c.test") as client,
    ):
        log_in(client)
        assert take(wrong).callback == "handle_AUTH_keys"


def test_no_key_is_logged_or_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    unsubscribe = actor_events.subscribe(actor_events.Event, lambda event: told.append(repr(event)))
    keys = KEYS["SCRAM-SHA-256"]

    class Leaky(Keeping):
        def handle_AUTH(self, mechanism: str, username: str, credential: Any) -> Any:
            if username == "alice":
                raise KeyError(credential)
            return keys.text()

        def handle_AUTH_keys(self, mechanism: str, username: str) -> Any:
            if username == "row":
                return (keys.salt, keys.stored_key)
            if username == "error":
                raise ValueError(keys.stored_key, keys.text() + "\n")
            return ok(keys)

    try:
        with serving(Leaky, sessionoptions=INSECURE) as server:
            for name in ("alice", "bob", "row", "error"):
                with server.greeted("EHLO c.test") as client:
                    log_in(client, name)
    finally:
        unsubscribe()
    formatter = logging.Formatter()
    everything_said = "\n".join([*map(formatter.format, caplog.records), *told])
    for secret in (keys.stored_key, keys.server_key):
        assert repr(secret)[2:-1] not in everything_said
        assert base64.b64encode(secret).decode() not in everything_said


class TestAtTheStart:
    def refused(self, module: type[Behaviour]) -> str:
        with pytest.raises(BehaviourError) as raised:
            gen_smtp_server.check(module, [listener()])
        return str(raised.value)

    def test_a_class_without_keys_is_an_error(self) -> None:
        module = behaviour(mechanisms=("SCRAM-SHA-256",))
        assert "mechanisms has SCRAM-SHA-256: it needs a handle_AUTH_keys" in self.refused(module)

    def test_a_server_without_scramp_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "scramp", None)
        assert "SCRAM needs scramp: pip install 'gen-smtp[scram]'" in self.refused(Keeping)
        gen_smtp_server.check(behaviour(), [listener()])
