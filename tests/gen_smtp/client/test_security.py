"""TLS, what is thrown away before it, and AUTH: against this project's own server and against liars."""

from __future__ import annotations

import ssl
from base64 import b64decode
from collections.abc import Generator
from typing import Any

import pytest

from gen_smtp import gen_smtp_client, gen_smtp_server
from gen_smtp.gen_smtp_client import (
    Client,
    Envelope,
    MissingRequirement,
    OptionsError,
    PermanentFailure,
    TemporaryFailure,
)
from gen_smtp.gen_smtp_server_session import Behaviour, error, ok
from gen_smtp.sasl import ScramKeys
from gen_smtp.smtp_util import compare_secrets, verify_cram_digest
from tests.certificates import Certificates
from tests.gen_smtp.client.servers import Peer, serving

MAIL = ("me@example.com", ["you@example.org"], b"Subject: hello\r\n\r\nhello\r\n")
NAME, PASSWORD, TOKEN = "mé", "pässword", "to.ken"
MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER")


class Guarded(Behaviour):
    """Takes mail of one user, and says by which mechanism and over what it came."""

    mechanisms = MECHANISMS
    used = ""

    def handle_EHLO(self, hostname: str, extensions: Any) -> Any:

        return ok([*extensions, ("AUTH", " ".join(MECHANISMS)), ("STARTTLS", True)])

    def handle_AUTH(self, mechanism: str, username: str, credential: Any) -> Any:
        right = {
            "cram-md5": lambda: verify_cram_digest(PASSWORD, credential),
            "xoauth2": lambda: credential.token == TOKEN,
            "oauthbearer": lambda: credential.token == TOKEN,
        }.get(mechanism, lambda: not isinstance(credential, str) or compare_secrets(PASSWORD, credential))
        if username != NAME or not right():
            return error("535 5.7.8 no")
        self.used = mechanism
        return ok

    def handle_AUTH_keys(self, mechanism: str, username: str) -> Any:
        return ok(ScramKeys.of_password(PASSWORD, mechanism.upper(), iterations=4096))

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        tls = self.session.tls
        return ok(f"{self.used or 'nobody'} over {tls.version if tls else 'clear'}")


def guarded(certificates: Certificates, **listener: Any) -> Any:
    tls = {"certfile": certificates.ecdsa.certfile, "keyfile": certificates.ecdsa.keyfile}
    session = {"tls_options": tls, **listener.pop("sessionoptions", {})}
    return gen_smtp_server.running(
        Guarded,
        [{"address": "127.0.0.1", "port": 0, "domain": "localhost", "sessionoptions": session, **listener}],
    )


@pytest.fixture(scope="module")
def options(certificates: Certificates) -> Generator[dict[str, Any]]:
    with guarded(certificates) as server:
        _, port = gen_smtp_server.addresses(server)[0]
        yield {
            "relay": "localhost",
            "port": port,
            "hostname": "client.test",
            "tls": "always",
            "tls_options": {"cafile": certificates.cafile},
            "username": NAME,
            "password": PASSWORD,
            "retries": 0,
        }


@pytest.mark.parametrize(
    "mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER"]
)
def test_each_mechanism_logs_in(options: dict[str, Any], mechanism: str) -> None:
    secret = TOKEN if mechanism in ("XOAUTH2", "OAUTHBEARER") else PASSWORD
    login = {"auth": "always", "auth_methods": [mechanism], "password": secret}
    receipt = gen_smtp_client.send_blocking(MAIL, {**options, **login})
    assert receipt == f"{mechanism.lower()} over TLSv1.3"


def test_scram_comes_first(options: dict[str, Any]) -> None:
    assert gen_smtp_client.send_blocking(MAIL, options) == "scram-sha-256 over TLSv1.3"


def test_auth_never_does_not_log_in(options: dict[str, Any]) -> None:
    assert gen_smtp_client.send_blocking(MAIL, {**options, "auth": "never"}) == "nobody over TLSv1.3"


def test_a_wrong_password_fails_for_good(options: dict[str, Any]) -> None:
    wrong = {**options, "auth": "always", "password": "wrong", "auth_methods": ["PLAIN", "SCRAM-SHA-256"]}
    with pytest.raises(PermanentFailure) as raised:
        gen_smtp_client.open(wrong)
    assert (raised.value.reason, raised.value.stage) == ("auth_failed", "no_more_hosts")


def test_a_certificate_for_another_name_is_refused(options: dict[str, Any]) -> None:
    other = {**options, "tls_options": {**options["tls_options"], "server_name": "mx.example"}}
    with pytest.raises(TemporaryFailure) as raised:
        gen_smtp_client.open(other)
    assert raised.value.reason == "tls_failed"
    assert isinstance(raised.value.__cause__, ssl.SSLCertVerificationError)


def test_an_authority_that_nobody_knows_is_refused_where_tls_must_be(options: dict[str, Any]) -> None:
    with pytest.raises(TemporaryFailure):
        gen_smtp_client.open({**options, "tls_options": {}})


def test_without_a_password_tls_for_the_asking_takes_any_certificate(options: dict[str, Any]) -> None:
    plain = {name: options[name] for name in ("relay", "port", "hostname")}
    assert gen_smtp_client.send_blocking(MAIL, plain) == "nobody over TLSv1.3"


def test_implicit_tls(certificates: Certificates, options: dict[str, Any]) -> None:
    with guarded(certificates, protocol="ssl") as server:
        _, port = gen_smtp_server.addresses(server)[0]
        receipt = gen_smtp_client.send_blocking(MAIL, {**options, "port": port, "ssl": True})
    assert receipt == "scram-sha-256 over TLSv1.3"


def test_tls_always_sends_nothing_in_clear() -> None:
    said: list[str] = []

    def serve(peer: Peer) -> None:
        peer.greet("AUTH PLAIN")
        said.append(peer.line())

    with serving(serve) as server, pytest.raises(MissingRequirement) as raised:
        gen_smtp_client.send_blocking(MAIL, server.options(tls="always", username=NAME, password=PASSWORD))
    assert (raised.value.reason, said) == ("tls", ["QUIT"])


def test_starttls_that_is_refused_is_no_reason_for_clear_text() -> None:
    def serve(peer: Peer) -> None:
        peer.greet("STARTTLS")
        peer.expect("STARTTLS", "454 4.7.0 not now")
        peer.expect("QUIT")

    with serving(serve) as server, pytest.raises(TemporaryFailure) as raised:
        gen_smtp_client.open(server.options(tls="always"))
    assert raised.value.reply is not None
    assert raised.value.reply.enhanced == "4.7.0"


@pytest.mark.parametrize(("mechanisms", "said"), [("PLAIN LOGIN XOAUTH2", 0), ("PLAIN CRAM-MD5", 1)])
def test_a_password_does_not_go_in_clear(mechanisms: str, said: int) -> None:
    """What is offered outside TLS may be offered by anybody on the way."""

    def serve(peer: Peer) -> None:
        peer.greet(f"AUTH {mechanisms}")
        for _ in range(said):
            peer.expect("AUTH CRAM-MD5", "504 no")
        peer.expect("MAIL", "530 5.7.0 log in first")
        peer.line()

    with serving(serve) as server, pytest.raises(PermanentFailure):
        gen_smtp_client.send_blocking(
            MAIL, server.options(username=NAME, password=PASSWORD, auth_methods=["CRAM-MD5", "PLAIN"])
        )


def test_a_password_goes_in_clear_if_that_is_allowed() -> None:
    def serve(peer: Peer) -> None:
        peer.greet("AUTH=PLAIN")  # as servers of before RFC 2554 wrote
        line = peer.expect("AUTH PLAIN", "235 2.7.0 in")
        assert b64decode(line.split()[-1]).decode() == f"\0{NAME}\0{PASSWORD}"
        peer.take()
        peer.line()

    with serving(serve) as server:
        options = server.options(username=NAME, password=PASSWORD, allow_insecure_auth=True)
        assert gen_smtp_client.send_blocking(MAIL, options) == "taken"


def test_replies_in_clear_behind_starttls_are_thrown_away(certificates: Certificates) -> None:
    """Somebody on the way could write the reply to EHLO, and so choose how the client logs in."""
    pair = certificates.ecdsa

    def serve(peer: Peer) -> None:
        peer.greet("STARTTLS")
        peer.expect("STARTTLS")
        peer.say("220 go", "250-injected", "250 AUTH PLAIN", "235 2.7.0 in")
        peer.start_tls(pair.certfile, pair.keyfile)
        peer.expect("EHLO", "250-there", "250 SIZE 1000")
        peer.take()
        peer.line()

    with serving(serve) as server:
        options = server.options(
            username=NAME, password=PASSWORD, tls_options={"cafile": certificates.cafile}
        )
        with Client(options) as client:
            connection = client.connect()
            assert dict(connection.extensions) == {"SIZE": "1000"}
            assert connection.deliver(Envelope("a@b.example", ["c@d.example"]), b"x").ok
            connection.close()


def test_an_offer_in_clear_does_not_count_inside_tls(certificates: Certificates) -> None:
    pair = certificates.ecdsa

    def serve(peer: Peer) -> None:
        peer.greet("STARTTLS", "AUTH PLAIN", "SMTPUTF8")
        peer.expect("STARTTLS", "220 go")
        peer.start_tls(pair.certfile, pair.keyfile)
        peer.expect("EHLO", "250 there")
        peer.expect("QUIT", "221 bye")

    with serving(serve) as server:
        with Client(server.options(tls_options={"verify": False})) as client:
            connection = client.connect()
        assert dict(connection.extensions) == {}
        connection.close()


def test_if_tls_fails_and_need_not_be_the_host_is_asked_in_clear() -> None:
    def broken(peer: Peer) -> None:
        peer.greet("STARTTLS")
        peer.expect("STARTTLS", "220 go", "this is no TLS")
        peer.octets(1)

    def clear(peer: Peer) -> None:
        peer.greet("STARTTLS")
        peer.take("250 in clear")
        peer.line()

    with serving(broken, clear) as server:
        assert gen_smtp_client.send_blocking(MAIL, server.options()) == "in clear"
    with serving(broken, clear) as server, pytest.raises(TemporaryFailure) as raised:
        gen_smtp_client.send_blocking(MAIL, server.options(tls="always"))
    assert (raised.value.reason, server.connections) == ("tls_failed", 1)


def test_a_server_that_does_not_prove_itself_gets_no_password() -> None:
    said: list[str] = []

    def lie(peer: Peer) -> None:
        peer.greet("AUTH SCRAM-SHA-256 PLAIN")
        peer.expect("AUTH SCRAM-SHA-256")
        peer.say("235 2.7.0 welcome")
        said.append(peer.line())

    with serving(lie) as server, pytest.raises(PermanentFailure) as raised:
        options = server.options(username="me", password="secret", allow_insecure_auth=True)
        gen_smtp_client.send_blocking(MAIL, options)
    assert (raised.value.reason, said) == ("auth_failed", ["QUIT"])


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("tls_options", {"cafile": "/nowhere.pem"}, "tls_options.cafile"),
        ("tls_options", {"certifle": "x"}, "tls_options.certifle"),
        ("tls_options", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "tls_options"),
        ("auth_methods", ["DIGEST-MD5"], "auth_methods"),
        ("timeouts", {"greeting": 300_000}, "timeouts.greeting"),
        ("trace_fun", 1, "trace_fun"),
        ("sockopts", [1], "sockopts"),
    ],
)
def test_wrong_options_are_named(option: str, value: Any, named: str) -> None:
    with pytest.raises(OptionsError) as raised:
        Client({"relay": "x", option: value})
    assert raised.value.option == named
