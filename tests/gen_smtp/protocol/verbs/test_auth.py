import base64
from dataclasses import replace
from typing import Any

import pytest

from gen_smtp.protocol.protocol import Protocol, ProtocolConfig
from gen_smtp.protocol.questions import Authenticate, OutOfOrder, Refused, UnknownCommand
from gen_smtp.protocol.verdicts import Accept, Decline, Drop, Fail
from tests.gen_smtp.protocol.client import EHLO, MAIL, RCPT, Client, accept_all, announcing, answering, check

CONFIG = ProtocolConfig("mx.example", allow_insecure_auth=True)
OFFER = announcing(("AUTH", "PLAIN LOGIN CRAM-MD5"))
OK = b"235 Authentication successful.\r\n"
MALFORMED = b"501 Error: malformed authentication response\r\n"
BASE64 = b"501 Error: not base64 of UTF-8 text\r\n"
USERNAME, PASSWORD = b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n"
CHALLENGE = b"334 " + base64.b64encode(b"<1.2@mx.example>") + b"\r\n"


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


PLAIN = b64("\0user\0pass")


@pytest.mark.parametrize(
    ("sent", "heard", "step"),
    [
        (b"AUTH PLAIN " + PLAIN + b"\r\n", OK, Authenticate("plain", "user", "pass")),
        (b"auth plain\r\n" + PLAIN + b"\r\n", b"334 \r\n" + OK, Authenticate("plain", "user", "pass")),
        (b"AUTH PLAIN " + b64("user\0pass") + b"\r\n", OK, Authenticate("plain", "user", "pass")),
        (
            b"AUTH PLAIN " + b64("user\0user\0pass") + b"\r\n",
            OK,
            Authenticate("plain", "user", "pass", "user"),
        ),
        (
            b"AUTH PLAIN\r\n" + b64("x@y\0u\0p") + b"\r\n",
            b"334 \r\n" + OK,
            Authenticate("plain", "u", "p", "x@y"),
        ),
        (b"AUTH  PLAIN  " + PLAIN + b"\r\n", OK, Authenticate("plain", "user", "pass")),
        (
            b"AUTH LOGIN\r\n" + b64("user") + b"\r\n" + b64("pass") + b"\r\n",
            USERNAME + PASSWORD + OK,
            Authenticate("login", "user", "pass"),
        ),
        (
            b"AUTH LOGIN " + b64("user") + b"\r\n" + b64("pass") + b"\r\n",
            PASSWORD + OK,
            Authenticate("login", "user", "pass"),
        ),
        (b"AUTH LOGIN\r\n\r\n\r\n", USERNAME + PASSWORD + OK, Authenticate("login", "", "")),
        (b"AUTH LOGIN =\r\n\r\n", PASSWORD + OK, Authenticate("login", "", "")),
        (
            b"AUTH CRAM-MD5\r\n" + b64("user 0123") + b"\r\n",
            CHALLENGE + OK,
            Authenticate("cram-md5", "user", ("0123", "<1.2@mx.example>")),
        ),
    ],
)
def test_a_good_exchange_asks_the_callback(sent: bytes, heard: bytes, step: Authenticate) -> None:
    client = check(sent, heard, CONFIG, OFFER)
    assert client.of_kind(Authenticate) == [step]
    assert (client.protocol.user, client.protocol.authzid) == (step.username, step.authzid)


@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        (b"AUTH\r\n", b"504 Unrecognized authentication type\r\n"),
        (b"AUTH XOAUTH2 abc\r\n", b"504 Unrecognized authentication type\r\n"),
        (b"AUTH PLAIN LOGIN CRAM-MD5\r\n", BASE64),
        (b"AUTH PLAIN =\r\n", MALFORMED),
        (b"AUTH PLAIN " + PLAIN + b" more\r\n", BASE64),
        (b"AUTH PLAIN *\r\n", BASE64),
        (b"AUTH PLAIN " + b64("user") + b"\r\n", MALFORMED),
        (b"AUTH PLAIN " + b64("\0us\r\ner\0password") + b"\r\n", MALFORMED),
        (b"AUTH PLAIN " + b64("\0us\x85er\0password") + b"\r\n", MALFORMED),
        (b"AUTH PLAIN " + b64("a\nb\0user\0password") + b"\r\n", MALFORMED),
        (b"AUTH PLAIN " + b64("a\u2028\0user\0password") + b"\r\n", MALFORMED),
        (b"AUTH LOGIN\r\n" + b64("u\x1b[2J") + b"\r\n" + b64("p") + b"\r\n", USERNAME + PASSWORD + MALFORMED),
        (b"AUTH CRAM-MD5\r\n" + b64("us\ner 0123") + b"\r\n", CHALLENGE + MALFORMED),
        (b"AUTH PLAIN\r\n*\r\n", b"334 \r\n501 Authentication cancelled\r\n"),
        (b"AUTH PLAIN\r\n=\r\n", b"334 \r\n" + BASE64),
        (b"AUTH PLAIN\r\nQUIT\r\n", b"334 \r\n" + MALFORMED),
        (b"AUTH PLAIN\r\nNOOP\r\n", b"334 \r\n" + BASE64),
        (b"AUTH PLAIN\r\n\xff\r\n", b"334 \r\n" + BASE64),
        (b"AUTH PLAIN\r\n\r\n", b"334 \r\n" + MALFORMED),
        (b"AUTH PLAIN\r\n" + base64.b64encode(b"\0\xff\0x") + b"\r\n", b"334 \r\n" + BASE64),
        (b"AUTH LOGIN\r\n*\r\n", USERNAME + b"501 Authentication cancelled\r\n"),
        (b"AUTH LOGIN\r\n\r\n*\r\n", USERNAME + PASSWORD + b"501 Authentication cancelled\r\n"),
        (b"AUTH LOGIN\r\n!\r\n", USERNAME + BASE64),
        (b"AUTH CRAM-MD5 " + b64("user digest") + b"\r\n", MALFORMED),
        (b"AUTH CRAM-MD5 =\r\n", MALFORMED),
        (b"AUTH CRAM-MD5\r\n" + b64("oneword") + b"\r\n", CHALLENGE + MALFORMED),
        (b"AUTH PLAIN\r\n" + b"A" * 12289 + b"\r\n", b"334 \r\n500 Error: line too long\r\n"),
    ],
)
def test_a_bad_exchange_always_gets_its_reply_and_ends(sent: bytes, heard: bytes) -> None:
    client = check(sent, heard, CONFIG, OFFER)
    assert not client.of_kind(Authenticate)
    assert client.of_kind(Refused) == [Refused("AUTH", heard.decode().splitlines()[-1])]
    assert client.protocol.user is None


def test_a_line_of_an_exchange_may_have_12288_octets() -> None:
    password = "p" * (12288 // 4 * 3 - 6)
    line = b64("\0user\0" + password)
    assert len(line) == 12288
    check(b"AUTH PLAIN\r\n" + line + b"\r\n", b"334 \r\n" + OK, CONFIG, OFFER)


def test_a_line_of_an_exchange_that_never_ends_closes() -> None:
    heard = b"334 \r\n421 Error: line too long\r\n"
    check(b"AUTH PLAIN\r\n" + b"A" * 65537, heard, CONFIG, OFFER, closes=True)


ENCRYPTION = b"538 Encryption required for requested authentication mechanism\r\n"
NOT_IMPLEMENTED = b"502 Error: AUTH not implemented\r\n"


@pytest.mark.parametrize(
    ("config", "answer", "tls", "said", "heard"),
    [
        (ProtocolConfig("h"), OFFER, False, EHLO, ENCRYPTION),
        (ProtocolConfig("h"), OFFER, True, EHLO, OK),
        (CONFIG, OFFER, False, EHLO, OK),
        (CONFIG, accept_all, False, EHLO, NOT_IMPLEMENTED),
        (ProtocolConfig("h"), accept_all, False, EHLO, NOT_IMPLEMENTED),
        (ProtocolConfig("h"), OFFER, False, EHLO + b"HELO x\r\n", NOT_IMPLEMENTED),
        (CONFIG, OFFER, False, b"HELO x\r\n", NOT_IMPLEMENTED),
        (CONFIG, OFFER, False, b"", b"503 Error: send EHLO first\r\n"),
        (CONFIG, OFFER, False, EHLO + MAIL, b"503 Error: AUTH not allowed during a mail transaction\r\n"),
        (
            CONFIG,
            OFFER,
            False,
            EHLO + MAIL + RCPT,
            b"503 Error: AUTH not allowed during a mail transaction\r\n",
        ),
        (
            CONFIG,
            OFFER,
            False,
            EHLO + b"AUTH PLAIN " + PLAIN + b"\r\n",
            b"503 Error: already authenticated\r\n",
        ),
        (CONFIG, announcing(("AUTH", "LOGIN")), False, EHLO, b"504 Unrecognized authentication type\r\n"),
        (
            CONFIG,
            announcing(("AUTH", "XPLAIN login")),
            False,
            EHLO,
            b"504 Unrecognized authentication type\r\n",
        ),
        (CONFIG, announcing(("AUTH", True)), False, EHLO, b"504 Unrecognized authentication type\r\n"),
        (CONFIG, announcing(("auth", "plain")), False, EHLO, OK),
    ],
)
def test_when_auth_may_be_used(
    config: ProtocolConfig, answer: Any, tls: bool, said: bytes, heard: bytes
) -> None:
    check(b"AUTH PLAIN " + PLAIN + b"\r\n", heard, config, answer, said=said, tls=tls)


def test_auth_without_hello_is_out_of_order() -> None:
    assert Client(CONFIG).sends(b"AUTH PLAIN\r\n").of_kind(OutOfOrder) == [OutOfOrder("AUTH")]


@pytest.mark.parametrize(
    ("verdict", "heard", "closes"),
    [
        (Accept("welcome"), b"235 welcome\r\n", False),
        (Decline(), b"535 Authentication failed.\r\n", False),
        (Decline("454 try later"), b"454 try later\r\n", False),
        (Decline("535 no", close=True), b"535 no\r\n", True),
        (Fail(), b"451 Error: internal server error\r\n", False),
        (Drop("421 enough"), b"421 enough\r\n", True),
    ],
)
def test_the_verdict_on_credentials(verdict: Any, heard: bytes, closes: bool) -> None:
    answer = answering(verdict, Authenticate, OFFER)
    client = check(b"AUTH PLAIN " + PLAIN + b"\r\n", heard, CONFIG, answer, closes=closes)
    assert client.protocol.user == ("user" if isinstance(verdict, Accept) else None)


def test_after_a_failure_the_client_may_try_again() -> None:
    client = Client(CONFIG, answering(Decline(), Authenticate, OFFER), said=EHLO)
    client.sends(b"AUTH PLAIN " + PLAIN + b"\r\n")
    client.answer = accept_all
    client.sends(b"AUTH PLAIN " + PLAIN + b"\r\n")
    assert client.hears() == b"535 Authentication failed.\r\n" + OK


def test_real_challenges_are_unpredictable() -> None:
    heard = set()
    for _ in range(5):
        protocol = Protocol(CONFIG)
        protocol.greet("x")
        protocol.feed(EHLO + b"AUTH CRAM-MD5\r\n")
        protocol.next_step()
        protocol.respond(Accept(extensions=[("AUTH", "CRAM-MD5")]))
        protocol.next_step()
        heard.add(protocol.data_to_send().splitlines()[-1])
    assert len(heard) == 5


# --- A cancellation behind the end ---------------------------------------------------------------

CANCELLED = b"501 Authentication cancelled\r\n"


@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        (b"AUTH PLAIN " + PLAIN + b"\r\n", b"535 Authentication failed.\r\n"),
        (b"AUTH PLAIN\r\n" + PLAIN + b"\r\n", b"334 \r\n535 Authentication failed.\r\n"),
        (b"AUTH XOAUTH2\r\n", b"504 Unrecognized authentication type\r\n"),
        (b"AUTH PLAIN x\r\n", BASE64),
        (b"AUTH PLAIN\r\n*\r\n", b"334 \r\n" + CANCELLED),
    ],
)
def test_a_cancellation_behind_a_refusal_is_no_command(sent: bytes, heard: bytes) -> None:
    answer = answering(Decline(), Authenticate, OFFER)
    client = check(sent + b"*\r\nQUIT\r\n", heard + CANCELLED + b"221 Bye\r\n", CONFIG, answer, closes=True)
    assert not client.of_kind(UnknownCommand)
    assert Refused("AUTH", "501 Authentication cancelled") in client.steps


def test_so_it_is_where_auth_comes_too_early() -> None:
    sent = b"AUTH PLAIN\r\n*\r\n"
    check(sent, b"503 Error: send EHLO first\r\n" + CANCELLED, CONFIG, OFFER, said=b"")
    required = ProtocolConfig("mx.example", require_tls=True)
    check(sent, b"530 Must issue a STARTTLS command first\r\n" + CANCELLED, required)


def test_a_cancellation_is_neither_an_error_nor_a_failure_and_can_not_go_on_for_ever() -> None:
    config = replace(CONFIG, max_errors=1, max_auth_failures=3, max_junk_commands=2)
    client = Client(config, answering(Decline(), Authenticate, OFFER), said=EHLO)
    attempt = b"AUTH PLAIN " + PLAIN + b"\r\n*\r\n"
    reply = b"535 Authentication failed.\r\n" + CANCELLED
    assert client.sends(attempt).hears() == reply
    too_much = b"421 Error: too many commands without a message\r\n"
    assert client.sends(attempt).hears() == reply + too_much


@pytest.mark.parametrize("between", [b"", b"NOOP\r\n", b"*\r\n", b"* x\r\n"])
def test_anywhere_else_it_is_a_command_that_nobody_knows(between: bytes) -> None:
    said = EHLO + (b"AUTH PLAIN " + PLAIN + b"\r\n" if between else b"") + between
    client = Client(CONFIG, answering(Decline(), Authenticate, OFFER), said=said).sends(b"*\r\n")
    assert client.of_kind(UnknownCommand) == [UnknownCommand("*", "")]
