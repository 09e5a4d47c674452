"""The option `lenient`: what devices send against the RFCs, in a form that harms nobody."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from gen_smtp.protocol.protocol import ProtocolConfig
from gen_smtp.protocol.questions import Authenticate, Hello, Mail, Rcpt, UnknownCommand, Verify
from gen_smtp.protocol.text.replies import NOT_UTF8
from tests.gen_smtp.protocol.client import EHLO, TO_MAIL, Client, accept_all, announcing, check

STRICT = ProtocolConfig("mx.example", allow_insecure_auth=True)
LENIENT = replace(STRICT, lenient=True)
AUTH = announcing(("AUTH", "PLAIN LOGIN CRAM-MD5"), ("SMTPUTF8", True))
LATIN_1 = "müller".encode("latin-1")
AS_TEXT = "m\udcfcller"
UTF8_ALONE = NOT_UTF8.plain


def b64(octets: bytes) -> bytes:
    return base64.b64encode(octets)


@pytest.mark.parametrize(
    ("said", "line", "strict", "lenient", "step"),
    [
        (EHLO, b"MAIL FROM:<ilo.@x>", b"501 Bad sender", b"250 sender Ok", Mail('"ilo."@x')),
        (EHLO, b"MAIL FROM:<a..b@x> SIZE=1", b"501 Bad sender", b"250 sender Ok", Mail('"a..b"@x')),
        (TO_MAIL, b"RCPT TO:<.c@x>", b"501 Bad recipient", b"250 recipient Ok", Rcpt('".c"@x')),
        (b"", b"VRFY a.", b"501 Syntax: VRFY", b'250 "a."', Verify('"a."')),
        (b"", b"EHLO " + LATIN_1, UTF8_ALONE, b"250-mx.example", Hello("EHLO", AS_TEXT, [])),
        (b"", b"HELO\t" + LATIN_1 + b".", UTF8_ALONE, b"250 mx.example", Hello("HELO", AS_TEXT, [])),
        (b"", b"NOOP " + LATIN_1, UTF8_ALONE, b"250 Ok", None),
        (TO_MAIL, b"RSET " + LATIN_1, UTF8_ALONE, b"250 Ok", None),
        (b"", b"QUIT " + LATIN_1, UTF8_ALONE, b"221 Bye", None),
        (b"", b"XFOO " + LATIN_1, UTF8_ALONE, b"500 Error: comm", UnknownCommand("XFOO", AS_TEXT)),
    ],
)
def test_it_takes_more(said: bytes, line: bytes, strict: bytes, lenient: bytes, step: Any) -> None:
    refused = Client(STRICT, AUTH, said=said).sends(line + b"\r\n")
    assert refused.hears().startswith(strict)
    taken = Client(LENIENT, AUTH, said=said).sends(line + b"\r\n")
    assert taken.hears().startswith(lenient)
    if step is not None:
        question = taken.of_kind(type(step))[0]
        assert (question if not isinstance(question, Hello) else replace(question, extensions=[])) == step


@pytest.mark.parametrize("config", [STRICT, LENIENT])
@pytest.mark.parametrize(
    ("said", "line"),
    [
        (EHLO, b"MAIL FROM:<" + LATIN_1 + b"@x>"),
        (EHLO, b"MAIL FROM:<" + LATIN_1 + b"@x> SMTPUTF8"),
        (EHLO, b"MAIL FROM:<a@x> SMTPUTF8 X=" + LATIN_1),
        (TO_MAIL, b"RCPT TO:<a@" + LATIN_1 + b".test>"),
        (TO_MAIL, b'RCPT TO:<"' + LATIN_1 + b'"@x.test>'),
        (TO_MAIL, b"RCPT TO:<@" + LATIN_1 + b":a@x.test>"),
        (b"", b"VRFY " + LATIN_1),
        (b"", b"AUTH PLAIN " + LATIN_1),
        (b"", b"DATA " + LATIN_1),
        (b"", LATIN_1),
        (b"", LATIN_1 + b" x"),
        (b"", b"XCLIENT LOGIN=" + LATIN_1),
    ],
)
def test_an_envelope_is_utf8_all_the_same(config: ProtocolConfig, said: bytes, line: bytes) -> None:
    """It is what other servers get to see."""
    for xclient in (None, False, True):
        client = Client(replace(config, xclient=xclient), AUTH, said=said).sends(line + b"\r\n")
        assert client.hears() == UTF8_ALONE


@pytest.mark.parametrize(
    ("sent", "step"),
    [
        (b"AUTH PLAIN " + b64(b"\0joe\0" + LATIN_1), Authenticate("plain", "joe", AS_TEXT)),
        (b"AUTH PLAIN\r\n" + b64(b"\0" + LATIN_1 + b"\0x"), Authenticate("plain", AS_TEXT, "x")),
        (
            b"AUTH LOGIN\r\n" + b64(b"joe") + b"\r\n" + b64(LATIN_1),
            Authenticate("login", "joe", AS_TEXT),
        ),
        (
            b"AUTH CRAM-MD5\r\n" + b64(LATIN_1 + b" 0123"),
            Authenticate("cram-md5", AS_TEXT, ("0123", "<1.2@mx.example>")),
        ),
    ],
)
def test_credentials(sent: bytes, step: Authenticate) -> None:
    strict = Client(STRICT, AUTH, said=EHLO).sends(sent + b"\r\n")
    assert strict.hears().endswith(b"501 Error: not base64 of UTF-8 text\r\n")
    lenient = Client(LENIENT, AUTH, said=EHLO).sends(sent + b"\r\n")
    assert lenient.hears().endswith(b"235 Authentication successful.\r\n")
    assert lenient.of_kind(Authenticate) == [step]


@pytest.mark.parametrize("config", [STRICT, LENIENT])
@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"EHLO a\rb", b"501 Error: control characters are not allowed\r\n"),
        (b"EHLO \xff\0", b"501 Error: "),
        (b"EHLO \xff\r\xfe", b"501 Error: "),
        (b"XFOO \xff\x1b[2J", b"501 Error: "),
        (b"AUTH PLAIN =\xff", b"501 Error: "),
        (b"AUTH PLAIN AGEAYg=", b"501 Error: not base64"),
        (b"AUTH PLAIN " + b64(b"\0a\nb\0c"), b"501 Error: malformed"),
        (b"MAIL FROM:<a b@x>", b"501 Bad sender"),
        (b"MAIL FROM:<a@b..c>", b"501 Bad sender"),
    ],
)
def test_it_takes_no_control_characters_and_no_nonsense(
    config: ProtocolConfig, line: bytes, reply: bytes
) -> None:
    client = Client(config, AUTH, said=EHLO).sends(line + b"\r\n")
    assert client.hears().startswith(reply)


def test_however_it_is_cut() -> None:
    hello = b"250-mx.example\r\n250-AUTH PLAIN LOGIN CRAM-MD5\r\n250 SMTPUTF8\r\n"
    check(b"EHLO " + LATIN_1 + b"\r\n", hello, LENIENT, AUTH)
    check(b"MAIL FROM:<ilo.@x.> SIZE=1\r\n", b"250 sender Ok\r\n", LENIENT, accept_all)
