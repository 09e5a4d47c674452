"""Blanks and tabs, how many ever, stand where one blank may stand, and behind a command: for every verb."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen_smtp.protocol.protocol import ProtocolConfig
from tests.gen_smtp.protocol.client import EHLO, TO_MAIL, TO_RCPT, Client, announcing, check

CONFIG = ProtocolConfig("mx.example", allow_insecure_auth=True, xclient=True)
OFFERS_ALL = announcing(("SIZE", "1000"), ("8BITMIME", True), ("SMTPUTF8", True), ("AUTH", "PLAIN LOGIN"))
WHITE = st.text(" \t", min_size=1, max_size=3)
USER = base64.b64encode(b"\0joe\0secret").decode()
SESSION = [
    "XCLIENT NAME=client.test ADDR=192.0.2.1 PORT=25",
    "EHLO client.test",
    f"AUTH PLAIN {USER}",
    "MAIL FROM:<a@b> SIZE=10 BODY=8BITMIME",
    "RCPT TO:<c@d>",
    "RCPT TO:<e@f> X-ONE X-TWO=2",
    'RCPT TO:<"g h"@i>',
    "RSET",
    "MAIL FROM: <> SMTPUTF8",
    "RCPT TO: c@d",
    "VRFY <e@f>",
    "VRFY g@h SMTPUTF8",
    "NOOP",
    "X-OTHER one two",
    "DATA",
]
"""A command a line; each blank outside quotes, and each end of a line, may be any white space."""


def heard(lines: list[str]) -> tuple[bytes, list[Any], Any]:
    client = Client(CONFIG, OFFERS_ALL).sends(*(f"{line}\r\n".encode() for line in lines))
    transaction = client.protocol.transaction
    assert transaction is not None
    assert client.protocol.in_message
    kept = (transaction.sender, transaction.mail_params, transaction.recipients, transaction.rcpt_params)
    return client.hears(), client.steps, kept


@st.composite
def spread_out(draw: st.DrawFn) -> list[str]:
    """The session with other white space."""
    lines = []
    for line in SESSION:
        pieces = line.replace('"g h"', '"g\N{NO-BREAK SPACE}h"').split(" ")
        joined = "".join(f"{piece}{draw(WHITE)}" for piece in pieces)
        lines.append(joined.replace("\N{NO-BREAK SPACE}", " "))
    return lines


@settings(max_examples=60, deadline=None)
@given(spread_out())
def test_any_white_space_is_one_blank(lines: list[str]) -> None:
    replies, steps, kept = heard(lines)
    right, right_steps, right_kept = heard(SESSION)
    assert replies == right
    assert kept == right_kept
    assert [step for step in steps if type(step).__name__ != "UnknownCommand"] == [
        step for step in right_steps if type(step).__name__ != "UnknownCommand"
    ]


@pytest.mark.parametrize(
    ("said", "line", "reply"),
    [
        (EHLO, b"MAIL FROM:<a@example.com>  SIZE=10", b"250 sender Ok\r\n"),
        (EHLO, b"MAIL FROM:<a@example.com>\tSIZE=10\t", b"250 sender Ok\r\n"),
        (EHLO, b"MAIL\tFROM:\t<a@example.com> SIZE=10 \t BODY=8BITMIME ", b"250 sender Ok\r\n"),
        (EHLO, b"MAIL FROM:\ta@example.com\tSIZE=10", b"250 sender Ok\r\n"),
        (TO_MAIL, b"RCPT TO:\t<c@d> \t", b"250 recipient Ok\r\n"),
        (TO_MAIL, b"\tRCPT  TO:  <c@d>\t\tX", b"250 recipient Ok\r\n"),
        (TO_RCPT, b"RSET\t", b"250 Ok\r\n"),
        (TO_RCPT, b"DATA \t", b"354 enter mail, end with line containing only '.'\r\n"),
        (b"", b"EHLO\tclient\t", b"250-mx.example\r\n250 8BITMIME\r\n"),
        (b"", b"HELO client \t", b"250 mx.example\r\n"),
        (b"", b"QUIT\t ", b"221 Bye\r\n"),
        (b"", b"VRFY \ta@b\t", b"250 a@b\r\n"),
    ],
)
def test_examples(said: bytes, line: bytes, reply: bytes) -> None:
    client = Client(CONFIG, announcing(("8BITMIME", True)), said=said)
    assert client.sends(line + b"\r\n").hears() == reply


@pytest.mark.parametrize("behind", [b"\r", b"\0", b"\x0b", b"\x0c", b"\r\t", b"\xc2\x85", b"\xe2\x80\xa8"])
@pytest.mark.parametrize(
    "line", [b"MAIL FROM:<a@b>%sSIZE=1", b"MAIL FROM:%s<a@b>", b"MAIL FROM:<a@b> %s SIZE=1"]
)
def test_nothing_else_is_white_space(line: bytes, behind: bytes) -> None:
    """What another server may take for the end of a line least of all."""
    check(line % behind + b"\r\n", b"501 Error: control characters are not allowed\r\n")


def test_lines_of_an_exchange_end_where_their_base64_does() -> None:
    client = Client(CONFIG, OFFERS_ALL, said=EHLO)
    client.sends(b"AUTH\tLOGIN\t\r\n", b"am9l\t \r\n", b" \tc2VjcmV0\t\r\n")
    assert client.hears().endswith(b"235 Authentication successful.\r\n")
    client = Client(CONFIG, OFFERS_ALL, said=EHLO).sends(b"AUTH PLAIN\t=\t\r\n")
    assert client.hears() == b"501 Error: malformed authentication response\r\n"
    client = Client(CONFIG, OFFERS_ALL, said=EHLO).sends(b"AUTH LOGIN\r\n", b"\t*\t\r\n")
    assert client.hears().endswith(b"501 Authentication cancelled\r\n")


@pytest.mark.parametrize("white", [b" ", b"\t", b"\t ", b"  "])
def test_an_auth_with_a_long_response_is_one_with_any_white_space(white: bytes) -> None:
    response = base64.b64encode(b"\0joe\0" + b"x" * 6000)
    client = Client(CONFIG, OFFERS_ALL, said=EHLO).sends(
        b"AUTH" + white + b"PLAIN" + white + response + b"\r\n"
    )
    assert client.hears() == b"235 Authentication successful.\r\n"


@pytest.mark.parametrize("line", [b"BDAT\t4\tLAST", b"bdat  4 \t LAST\t", b"\tBDAT 4   LAST "])
def test_a_chunk(line: bytes) -> None:
    client = Client(CONFIG, announcing(("CHUNKING", True)), said=TO_RCPT).sends(line + b"\r\n", b"ab\r\n")
    assert client.hears() == b"250 Ok\r\n"
    assert client.message == b"ab\r\n"
