"""Mechanisms that gen_smtp does not have, in a server that runs."""

from __future__ import annotations

import base64
import logging
import queue
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from actors import events as actor_events
from gen_smtp import gen_smtp_server, gen_smtp_server_session
from gen_smtp.events import Authenticated, AuthenticationFailed, CallbackCrashed, ExtensionWithheld
from gen_smtp.gen_smtp_server_session import Behaviour, error, identified, ok
from gen_smtp.sasl import (
    AnonymousTrace,
    BearerToken,
    Challenge,
    ClientCertificate,
    Credentials,
    Mechanism,
    OAuthBearer,
)
from tests.certificates import Certificates
from tests.gen_smtp.live import Client, Queue, Server, behaviour, collected, everything, serving, take

INSECURE = {"allow_insecure_auth": True}
TOKEN = "t0p-s3cret-t0ken"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


BEARER = "AUTH OAUTHBEARER " + b64(f"n,a=alice,\1auth=Bearer {TOKEN}\1\1")
XOAUTH2 = "AUTH XOAUTH2 " + b64(f"user=alice\1auth=Bearer {TOKEN}\1\1")


class Otp(Mechanism):
    """A mechanism of one's own: a name, then a number."""

    name = "X-OTP"
    username = ""

    def answer(self, response: bytes) -> Any:
        if not self.username:
            self.username = response.decode()
            return Challenge(b"the number, please")
        if response == b"crash":
            raise RuntimeError(f"no good number: {response!r}, {self.facts.hostname}")
        if response == TOKEN.encode():
            raise KeyError(TOKEN)
        return Credentials(self.username, {"number": response.decode()})


def asking(verdict: Any = ok, **attributes: Any) -> tuple[type[Behaviour], Queue]:
    """A class that announces all its mechanisms, and a queue of what its handle_AUTH was given."""
    asked: Queue = queue.SimpleQueue()
    attributes.setdefault("mechanisms", ("PLAIN", "XOAUTH2", "OAUTHBEARER", "ANONYMOUS", Otp))

    def handle_EHLO(self: Behaviour, hostname: str, extensions: Any) -> Any:
        names = [each if isinstance(each, str) else each.name for each in self.mechanisms]
        return ok([("AUTH", " ".join(names)), ("STARTTLS", True)])

    def handle_AUTH(self: Behaviour, *args: Any) -> Any:
        asked.put((*args, self.session.authzid))
        if isinstance(verdict, BaseException):
            raise verdict
        return verdict

    return behaviour(handle_EHLO=handle_EHLO, handle_AUTH=handle_AUTH, **attributes), asked


def user_of(server: Server) -> str | None:
    (ref,) = server.sessions
    return gen_smtp_server_session.info(ref).user


@pytest.mark.parametrize(
    ("line", "given"),
    [
        (BEARER, ("oauthbearer", "alice", BearerToken(TOKEN), "alice")),
        (XOAUTH2, ("xoauth2", "alice", BearerToken(TOKEN), None)),
        ("AUTH ANONYMOUS " + b64("me@x"), ("anonymous", "anonymous", AnonymousTrace("me@x"), None)),
    ],
)
def test_the_callback_gets_typed_values(line: str, given: Any) -> None:
    module, asked = asking()
    with (
        collected(Authenticated) as told,
        serving(module, sessionoptions=INSECURE) as server,
        server.greeted("EHLO c.test") as client,
    ):
        assert client.say(line) == "235 Authentication successful."
        assert take(asked) == given
        assert user_of(server) == given[1]
        event = take(told)
        assert (event.mechanism, event.username) == given[:2]


def test_a_token_may_say_who_the_client_is() -> None:
    module, _ = asking(identified("alice@example.com", "hello"))
    line = "AUTH OAUTHBEARER " + b64(f"n,,\1auth=Bearer {TOKEN}\1\1")
    with (
        collected(Authenticated) as told,
        serving(module, sessionoptions=INSECURE) as server,
        server.greeted("EHLO c.test") as client,
    ):
        assert client.say(line) == "235 hello"
        assert user_of(server) == take(told).username == "alice@example.com"


def test_a_token_of_somebody_else_does_not_let_a_client_act_as_the_one_it_names() -> None:
    module, asked = asking(identified("mallory"))
    with (
        collected(AuthenticationFailed) as failures,
        serving(module, sessionoptions=INSECURE) as server,
        server.greeted("EHLO c.test") as client,
    ):
        assert client.say(BEARER)[:3] == "334"
        assert client.say("AQ==") == "535 Authentication failed."
        assert take(asked)[1] == take(failures).username == "alice"
        assert user_of(server) is None


def test_a_refused_token_is_explained() -> None:
    class Mine(OAuthBearer):
        scope = "smtp"

    module, _ = asking(error("535 5.7.8 go and get another one"), mechanisms=[Mine])
    with serving(module, sessionoptions=INSECURE) as server, server.greeted("EHLO c.test") as client:
        assert client.say(BEARER) == "334 " + b64('{"status": "invalid_token", "scope": "smtp"}')
        assert client.say("AQ==") == "535 5.7.8 go and get another one"


class TestAMechanismOfOnesOwn:
    def test_has_its_steps(self) -> None:
        module, asked = asking()
        with serving(module, sessionoptions=INSECURE) as server, server.greeted("EHLO c.test") as client:
            assert client.say("AUTH X-OTP") == "334 "
            assert client.say(b64("alice")) == "334 " + b64("the number, please")
            assert client.say(b64("123456")) == "235 Authentication successful."
            assert take(asked) == ("x-otp", "alice", {"number": "123456"}, None)

    @pytest.mark.parametrize("word", ["crash", TOKEN])
    def test_that_raises_ends_this_session_alone_and_tells_no_secret(
        self, caplog: pytest.LogCaptureFixture, word: str
    ) -> None:
        caplog.set_level(logging.DEBUG)
        module, _ = asking()
        with (
            collected(CallbackCrashed) as crashes,
            serving(module, sessionoptions=INSECURE) as server,
            server.greeted("EHLO c.test") as client,
        ):
            client.say("AUTH X-OTP " + b64("alice"))
            assert client.say(b64(word)) == "451 Error: internal server error"
            assert client.rest() == ""
            assert take(crashes).callback == "the mechanism X-OTP"
            with server.greeted("EHLO c.test") as other:
                assert other.say(BEARER)[:3] == "235"
        formatted = "".join(logging.Formatter().format(record) for record in caplog.records)
        assert TOKEN not in formatted
        assert word not in formatted


@pytest.mark.parametrize(
    "verdict",
    [
        ok,
        error,
        identified("x"),
        BearerToken(TOKEN),
        (TOKEN,),
        RuntimeError(TOKEN),
        KeyError(f"x{TOKEN}"),
        ValueError(BearerToken(TOKEN)),
    ],
)
@pytest.mark.parametrize(
    "lines", [[BEARER, "AQ=="], [XOAUTH2, ""], ["AUTH XOAUTH2", XOAUTH2.split()[-1], ""]]
)
def test_no_token_is_logged_or_told(caplog: pytest.LogCaptureFixture, verdict: Any, lines: list[str]) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    unsubscribe = actor_events.subscribe(actor_events.Event, lambda event: told.append(repr(event)))
    module, _ = asking(verdict)
    try:
        with serving(module, sessionoptions=INSECURE) as server, server.greeted("EHLO c.test") as client:
            client.send("\r\n".join([*lines, "QUIT", ""]))
            client.rest()
    finally:
        unsubscribe()
    formatter = logging.Formatter()
    everything_said = "\n".join([*map(formatter.format, caplog.records), *told])
    for form in (TOKEN, *(line.split()[-1] for line in lines if len(line) > 20)):
        assert form not in everything_said


def test_what_is_announced_and_not_there_is_left_out_with_a_warning() -> None:
    module, _ = asking()
    names = " ".join(["PLAIN", "GSS" + "API"])  # put together, so that nobody can read it off the code
    module.handle_EHLO = lambda self, hostname, extensions: ok([("AUTH", names)])  # type: ignore[method-assign]
    with collected(ExtensionWithheld) as withheld, serving(module, sessionoptions=INSECURE) as server:
        for _ in range(2):
            with server.greeted() as client:
                assert client.say("EHLO c.test") == "250-mx.test\n250 AUTH PLAIN"
                assert client.say("AUTH GSSAPI") == "504 Unrecognized authentication type"
        (event,) = everything(withheld)
        assert "handle_EHLO lists AUTH GSSAPI, which is left out here; the callback class" in str(event)


@contextmanager
def certified(
    server: Server, certificates: Certificates, *, shows: bool = True, starttls: bool = True
) -> Generator[tuple[Client, str]]:
    """A client inside TLS, with its certificate or without; and the answer to its EHLO."""
    context = ssl.create_default_context(cafile=certificates.cafile)
    if shows:
        context.load_cert_chain(certificates.client.certfile, certificates.client.keyfile)
    with server.client() as client:
        if starttls:
            client.reply()
            client.say("EHLO c.test")
            assert client.say("STARTTLS")[:3] == "220"
        client.start_tls(context)
        if not starttls:
            client.reply()
        yield client, client.say("EHLO c.test")


class TestExternal:
    def options(self, certificates: Certificates) -> dict[str, Any]:
        tls_options = {
            "certfile": certificates.ecdsa.certfile,
            "keyfile": certificates.ecdsa.keyfile,
            "cafile": certificates.cafile,
            "verify": "optional",
        }
        return {"tls_options": tls_options}

    def test_is_who_the_certificate_says(self, certificates: Certificates) -> None:
        module, asked = asking(mechanisms=("EXTERNAL", "PLAIN"))
        with (
            serving(module, sessionoptions=self.options(certificates)) as server,
            certified(server, certificates) as (client, heard),
        ):
            assert heard == "250-mx.test\n250 AUTH EXTERNAL PLAIN"
            assert client.say("AUTH EXTERNAL =") == "235 Authentication successful."
            mechanism, username, credential, authzid = take(asked)
            assert (mechanism, username, authzid) == ("external", "client.example", None)
            assert isinstance(credential, ClientCertificate)
            assert (credential.common_name, credential.hosts) == ("client.example", ("client.example",))
            assert credential.issuer == "gen_smtp test authority"
            assert user_of(server) == "client.example"

    def test_may_act_as_nobody_else(self, certificates: Certificates) -> None:
        module, asked = asking(mechanisms=("EXTERNAL", "PLAIN"))
        with (
            serving(module, sessionoptions=self.options(certificates)) as server,
            certified(server, certificates) as (client, _),
        ):
            assert client.say("AUTH EXTERNAL " + b64("root")) == "535 Authentication failed."
            assert asked.empty()
            assert client.say("AUTH EXTERNAL " + b64("client.example"))[:3] == "235"

    def test_is_not_offered_to_a_client_that_shows_none(self, certificates: Certificates) -> None:
        module, _ = asking(mechanisms=("EXTERNAL", "PLAIN"))
        with (
            serving(module, sessionoptions=self.options(certificates)) as server,
            certified(server, certificates, shows=False) as (client, heard),
        ):
            assert heard == "250-mx.test\n250 AUTH PLAIN"
            assert client.say("AUTH EXTERNAL =") == "504 Unrecognized authentication type"

    def test_is_offered_under_tls_from_the_start(self, certificates: Certificates) -> None:
        module, _ = asking(mechanisms=("EXTERNAL", "PLAIN"))
        options = self.options(certificates)
        with (
            serving(module, protocol="ssl", sessionoptions=options) as server,
            certified(server, certificates, starttls=False) as (client, heard),
        ):
            assert heard == "250-mx.test\n250 AUTH EXTERNAL PLAIN"
            assert client.say("AUTH EXTERNAL =")[:3] == "235"

    def test_does_not_take_a_proxys_certificate_for_its_clients(self, certificates: Certificates) -> None:
        module, _ = asking(mechanisms=("EXTERNAL", "PLAIN"))
        options = {"xclient": ["127.0.0.1"], "sessionoptions": self.options(certificates)}
        with serving(module, **options) as server, certified(server, certificates) as (client, heard):
            assert "EXTERNAL" in heard
            assert client.say("XCLIENT ADDR=192.0.2.7")[:3] == "220"
            assert "EXTERNAL" not in client.say("EHLO c.test")


def test_a_change_of_code_changes_the_mechanisms() -> None:
    old, _ = asking(mechanisms=("PLAIN",))
    new, _ = asking(mechanisms=("XOAUTH2",))
    usual, _ = asking(mechanisms=Behaviour.mechanisms)
    with serving(old, sessionoptions=INSECURE) as server, server.greeted() as client:
        for module, names in (
            (old, "PLAIN"),
            (new, "XOAUTH2"),
            (usual, "PLAIN LOGIN CRAM-MD5"),
            (old, "PLAIN"),
        ):
            gen_smtp_server.change_code(server.ref, module)
            assert client.say("EHLO c.test") == f"250-mx.test\n250 AUTH {names}"
