"""HELP, EXPN and ETRN: their form and place are the protocol's to judge, the rest is the callback's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gen_smtp.protocol.protocol import ProtocolConfig
from gen_smtp.protocol.questions import Hello, Refused, Required, UnknownCommand
from gen_smtp.protocol.verdicts import Accept, Decline, Fail, Silence, WholeReply
from tests.gen_smtp.protocol.client import (
    CONFIG,
    EHLO,
    LMTP,
    MAIL,
    RCPT,
    TO_MAIL,
    Client,
    accept_all,
    announcing,
    answering,
    check,
)

ALL = announcing(
    ("HELP", True), ("ETRN", True), ("EXPN", True), ("CHUNKING", True), ("AUTH", "PLAIN"), ("STARTTLS", True)
)
WITH_TLS = replace(CONFIG, starttls_available=True)
KNOWN = b"MAIL RCPT DATA RSET NOOP VRFY HELP QUIT"
HELP = b"214 Commands: HELO EHLO " + KNOWN + b"\r\n"


@pytest.mark.parametrize(
    ("line", "verdict", "reply"),
    [
        (b"HELP\r\n", Accept(), HELP),
        (b"help me\r\n", Accept(), HELP),
        (b"HELP\r\n", Accept("see https://example.com"), b"214 see https://example.com\r\n"),
        (b"HELP\r\n", Accept(("one", "two")), b"214-one\r\n214 two\r\n"),
        (b"HELP\r\n", Accept("211 all is well"), b"211 all is well\r\n"),
        (b"HELP\r\n", WholeReply("214 me"), b"214 me\r\n"),
        (b"HELP\r\n", Decline(), b"502 Error: HELP not implemented\r\n"),
        (b"HELP\r\n", Decline("504 no such topic"), b"504 no such topic\r\n"),
        (b"HELP\r\n", Fail(), b"451 Error: internal server error\r\n"),
        (b"HELP\r\n", Silence(), b""),
        (b"EXPN staff\r\n", Accept(), b"250 staff\r\n"),
        (b"EXPN staff\r\n", Accept(("A <a@x>", "B <b@x>")), b"250-A <a@x>\r\n250 B <b@x>\r\n"),
        (b"EXPN staff\r\n", Decline(), b"502 Error: EXPN not implemented\r\n"),
        (b"EXPN staff\r\n", Decline("550 no"), b"550 no\r\n"),
        (b"ETRN x.test\r\n", Accept(), b"250 OK, queuing for node x.test started\r\n"),
        (b"ETRN x.test\r\n", Accept("251 nothing waits"), b"251 nothing waits\r\n"),
        (b"ETRN x.test\r\n", Decline("459 not for you"), b"459 not for you\r\n"),
        (b"ETRN x.test\r\n", Decline(), b"502 Error: ETRN not implemented\r\n"),
    ],
)
def test_the_callback_answers(line: bytes, verdict: Any, reply: bytes) -> None:
    client = check(line, reply, answer=answering(verdict, UnknownCommand))
    verb, _, argument = line.decode().strip().partition(" ")
    assert client.of_kind(UnknownCommand) == [UnknownCommand(verb.upper(), argument)]


@pytest.mark.parametrize(
    ("said", "line", "reply"),
    [
        (EHLO, b"EXPN\r\n", b"501 Syntax: EXPN list\r\n"),
        (EHLO, b"ETRN\r\n", b"501 Syntax: ETRN domain\r\n"),
        (b"", b"ETRN x\r\n", b"503 Error: send EHLO first\r\n"),
        (TO_MAIL, b"ETRN x\r\n", b"503 Error: MAIL transaction in progress\r\n"),
        (TO_MAIL + RCPT, b"ETRN x\r\n", b"503 Error: MAIL transaction in progress\r\n"),
    ],
)
def test_form_and_place(said: bytes, line: bytes, reply: bytes) -> None:
    client = check(line, reply, answer=answering(Accept(), UnknownCommand), said=said)
    assert not client.of_kind(UnknownCommand)
    assert [type(step) for step in client.steps] == [Refused]


@pytest.mark.parametrize("said", [b"", EHLO, TO_MAIL])
def test_help_and_expn_are_for_everybody_at_any_time(said: bytes) -> None:
    answer = answering(Accept(), UnknownCommand)
    check(b"EXPN a\r\nHELP\r\n", b"250 a\r\n" + HELP, answer=answer, said=said)


@pytest.mark.parametrize(
    ("config", "said", "tls", "named"),
    [
        (LMTP, b"LHLO c\r\n", False, b"LHLO " + KNOWN + b" BDAT EXPN ETRN"),
        (
            replace(CONFIG, starttls_available=True),
            EHLO,
            False,
            b"HELO EHLO " + KNOWN + b" BDAT STARTTLS EXPN ETRN",
        ),
        (CONFIG, EHLO, True, b"HELO EHLO " + KNOWN + b" BDAT AUTH EXPN ETRN"),
    ],
)
def test_help_names_what_this_client_may_say(
    config: ProtocolConfig, said: bytes, tls: bool, named: bytes
) -> None:
    answer = answering(Accept(), UnknownCommand, ALL)
    check(b"HELP\r\n", b"214 Commands: " + named + b"\r\n", config, answer, said=said, tls=tls)


@pytest.mark.parametrize("verb", ["HELP", "EXPN", "ETRN"])
def test_the_driver_learns_whether_it_was_announced(verb: str) -> None:
    for answer, expected in ((ALL, True), (accept_all, False)):
        client = Client(answer=answer, said=EHLO).sends(f"{verb} x\r\n".encode())
        (question,) = client.of_kind(UnknownCommand)
        assert isinstance(question, UnknownCommand)
        assert question.announced is expected


def test_each_is_junk() -> None:
    config = replace(CONFIG, max_junk_commands=3)
    client = Client(config, answering(Accept(), UnknownCommand), said=EHLO)
    client.sends(b"HELP\r\nEXPN a\r\nETRN b\r\n")
    assert client.hears().endswith(b"421 Error: too many commands without a message\r\n")


# --- Texts of one's own ----------------------------------------------------------------------------


def test_the_first_line_of_the_hello_may_have_a_text() -> None:
    answer = answering(Accept("mx.example is glad", extensions=[("SIZE", "5"), ("X-ONE", True)]), Hello)
    check(b"EHLO x\r\n", b"250-mx.example is glad\r\n250-SIZE 5\r\n250 X-ONE\r\n", answer=answer, said=b"")
    answer = answering(Accept("mx.example is glad", extensions=[]), Hello)
    check(b"EHLO x\r\n", b"250 mx.example is glad\r\n", answer=answer, said=b"")


@pytest.mark.parametrize("what", ["tls", "auth"])
def test_what_is_required_may_be_said_in_other_words(what: str) -> None:
    config = replace(CONFIG, require_tls=what == "tls", require_auth=what == "auth")
    answer = answering(Decline("530 5.7.0 see https://example.com/help"), Required)
    client = check(MAIL, b"530 5.7.0 see https://example.com/help\r\n", config, answer)
    assert client.of_kind(Required) == [Required(what, "MAIL")]  # type: ignore[arg-type]
    assert client.of_kind(Refused) == [Refused("MAIL", "530 5.7.0 see https://example.com/help")]


def test_what_was_sent_ahead_counts_nothing_then_as_well() -> None:
    config = replace(CONFIG, require_auth=True, max_errors=2)
    answer = answering(Decline("530 log in"), Required)
    sent = MAIL + RCPT * 5 + b"DATA\r\n"
    check(sent, b"530 log in\r\n" * 7, config, answer)
    heard = Client(config, answer, said=EHLO).sends(sent * 2).hears()
    assert heard == b"530 log in\r\n" * 8 + b"421 Error: too many errors\r\n"
