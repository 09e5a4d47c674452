"""RFC 2034: with ENHANCEDSTATUSCODES announced, every reply that may carry a code carries one."""

import re
from typing import Any

import pytest

from gen_smtp.protocol.protocol import ProtocolConfig
from gen_smtp.protocol.questions import Mail, MessageComplete, Rcpt
from gen_smtp.protocol.verdicts import Accept, Decline
from tests.gen_smtp.protocol.client import EHLO, MAIL, RCPT, Client, announcing, answering

OFFER = announcing(("ENHANCEDSTATUSCODES", True), ("AUTH", "PLAIN LOGIN"), ("SMTPUTF8", True))
CONFIG = ProtocolConfig("h", allow_insecure_auth=True, max_recipients=2)


def heard(sent: bytes, answer: Any = OFFER, **options: Any) -> bytes:
    return Client(CONFIG, answer, said=EHLO, **options).sends(sent).hears()


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        (b"NOOP\r\n", b"250 2.0.0 Ok\r\n"),
        (MAIL, b"250 2.1.0 sender Ok\r\n"),
        (b"MAIL FROM:<a@@b>\r\n", b"501 5.1.7 Bad sender address syntax\r\n"),
        (b"MAIL FROM:<a@b> SIZE=x\r\n", b"501 5.5.4 Syntax error in parameters\r\n"),
        (
            b"MAIL FROM:<a@b> SIZE=99999999\r\n",
            b"552 5.3.4 Estimated message length 99999999 exceeds limit of 10485760\r\n",
        ),
        (
            "MAIL FROM:<ü@b>\r\n".encode(),
            b"553 5.6.7 Error: this address needs the SMTPUTF8 parameter\r\n",
        ),
        (RCPT, b"503 5.5.1 Error: need MAIL command\r\n"),
        (b"VRFY\r\n", b"501 5.5.4 Syntax: VRFY username/address\r\n"),
        (b"\r\n", b"500 5.5.2 Error: bad syntax\r\n"),
        (b"foo\r\n", b"500 5.0.0 Error: command not recognized : 'FOO'\r\n"),
        (b"AUTH X\r\n", b"504 5.5.4 Unrecognized authentication type\r\n"),
        (b"AUTH PLAIN AHUAcA==\r\n", b"235 2.7.0 Authentication successful.\r\n"),
        (b"AUTH LOGIN\r\n*\r\n", b"334 VXNlcm5hbWU6\r\n501 5.7.0 Authentication cancelled\r\n"),
        (b"QUIT\r\n", b"221 2.0.0 Bye\r\n"),
    ],
)
def test_replies_of_the_protocol(sent: bytes, reply: bytes) -> None:
    assert heard(sent) == reply


@pytest.mark.parametrize(
    ("verdict", "reply"),
    [
        (Accept("fine"), b"250 2.0.0 fine\r\n"),
        (Accept("2.1.5 fine"), b"250 2.1.5 fine\r\n"),
        (Accept(("a", "2.1.5 b")), b"250-2.0.0 a\r\n250 2.1.5 b\r\n"),
        (Accept("251 elsewhere"), b"251 2.0.0 elsewhere\r\n"),
        (Decline("550 No"), b"550 5.0.0 No\r\n"),
        (Decline("550 5.1.1 No"), b"550 5.1.1 No\r\n"),
        (Decline("450 5.1.1 No"), b"450 4.0.0 5.1.1 No\r\n"),
        (Decline(), b"550 5.0.0 Error: refused\r\n"),
    ],
)
def test_replies_of_callbacks(verdict: Any, reply: bytes) -> None:
    assert heard(MAIL, answering(verdict, Mail, OFFER)) == reply


def test_a_whole_transaction() -> None:
    answer = answering(Accept("queued"), MessageComplete, answering(Accept(), Rcpt, OFFER))
    assert heard(MAIL + RCPT * 3 + b"DATA\r\n.\r\nRSET\r\n", answer) == (
        b"250 2.1.0 sender Ok\r\n"
        + b"250 2.1.5 recipient Ok\r\n" * 2
        + b"452 4.5.3 Error: too many recipients\r\n"
        b"354 enter mail, end with line containing only '.'\r\n250 2.0.0 queued\r\n250 2.0.0 Ok\r\n"
    )


def test_helo_takes_the_codes_back() -> None:
    assert heard(b"HELO x\r\nNOOP\r\n") == b"250 h\r\n250 Ok\r\n"


def test_shutting_down_and_timing_out() -> None:
    for end, reply in (("shut_down", b"421 4.3.2 h Service shutting down\r\n"), ("time_out", b"421 4.4.2 ")):
        client = Client(CONFIG, OFFER, said=EHLO)
        getattr(client.protocol, end)()
        assert client.hears().startswith(reply)


def test_lmtp_answers_with_codes_for_every_recipient() -> None:
    client = Client(ProtocolConfig("h", lmtp=True), OFFER, said=b"LHLO x\r\n" + MAIL + RCPT + RCPT)
    client.sends(b"DATA\r\na\nb\r\n.\r\n")
    assert (
        re.findall(rb"550 5\.6\.0 Bare newline detected: LF without CR in line 1\r\n", client.hears())
        == [b"550 5.6.0 Bare newline detected: LF without CR in line 1\r\n"] * 2
    )
