"""A line `METHOD target HTTP/x.y` ends the session, wherever a command or a response could stand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gen_smtp.protocol.protocol import ProtocolConfig
from gen_smtp.protocol.questions import CLOSED, AtLimit, Question, Refused
from tests.gen_smtp.protocol.client import (
    CONFIG,
    EHLO,
    LMTP,
    QUESTIONS,
    RCPT,
    TO_DATA,
    TO_MAIL,
    TO_RCPT,
    Client,
    accept_all,
    announcing,
    check,
)

REFUSED = b"421 Error: HTTP request to a mail server\r\n"
REQUESTS = [
    b"GET / HTTP/1.1",
    b"POST /mail?to=x HTTP/1.0",
    b"HEAD http://mx.example:2525/ HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"CONNECT mx.example:25 HTTP/1.1",
    b"PRI * HTTP/2.0",
    b"post / HTTP/1.1",
    b"GET /a b c HTTP/1.1",
    b"GET /\xff\x00\x7f HTTP/1.1",
    b" GET / HTTP/1.1",
    b"GET\t/\tHTTP/1.1",
    # What a page may choose, and an SMTP server knows:
    b"NOOP / HTTP/1.1",
    b"RSET /x HTTP/1.1",
    b"QUIT / HTTP/1.1",
    b"DATA / HTTP/1.1",
    b"HELO / HTTP/1.1",
    b"EHLO / HTTP/1.1",
    b"LHLO / HTTP/1.1",
    b"VRFY / HTTP/1.1",
    b"AUTH PLAIN HTTP/1.1",
    b"STARTTLS / HTTP/1.1",
    b"XCLIENT ADDR=192.0.2.1 HTTP/1.1",
    b"MAIL FROM:<a@b> HTTP/1.1",
    b"MAIL FROM:<a@b> SIZE=10 HTTP/1.1",
    b"MAIL /FROM:<a@b> HTTP/1.1",
    b"RCPT TO:<c@d> HTTP/1.1",
    # Longer than a line may be, also by its method alone:
    b"GET /" + b"x" * 3000 + b" HTTP/1.1",
    b"X" * 3000 + b" / HTTP/1.1",
]
HEADER = b"Host: mx.example\r\nContent-Length: 1000\r\n\r\nMAIL FROM:<evil@x>\r\n"
STATES = [
    (CONFIG, b"", False),
    (CONFIG, EHLO, False),
    (CONFIG, EHLO, True),
    (CONFIG, TO_MAIL, False),
    (CONFIG, TO_RCPT, False),
    (LMTP, b"", False),
    (LMTP, b"LHLO client\r\n", False),
    (replace(CONFIG, require_tls=True), EHLO, False),
    (replace(CONFIG, require_auth=True), EHLO, False),
    (replace(CONFIG, max_errors=1), EHLO, False),
    (replace(CONFIG, xclient=True), EHLO, False),
]


@pytest.mark.parametrize(("config", "said", "tls"), STATES)
@pytest.mark.parametrize("request_line", REQUESTS)
def test_it_is_answered_with_421_and_nothing_behind_it_is_run(
    request_line: bytes, config: ProtocolConfig, said: bytes, tls: bool
) -> None:
    client = check(request_line + b"\r\n", REFUSED, config, said=said, tls=tls, closes=True)
    assert client.steps == [Refused("", REFUSED.decode().rstrip())]
    everything = Client(config, said=said, tls=tls).sends(request_line + b"\r\n" + HEADER)
    assert (everything.hears(), everything.end) == (REFUSED, CLOSED)
    assert not everything.of_kind(*QUESTIONS)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_it_may_end_as_any_line_may(end: bytes) -> None:
    check(b"GET / HTTP/1.1" + end, REFUSED, closes=True)


@pytest.mark.parametrize("exchange", [b"AUTH PLAIN\r\n", b"AUTH LOGIN\r\n", b"AUTH LOGIN dQ==\r\n"])
@pytest.mark.parametrize("path", [b"/", b"/" + b"x" * 12289])
def test_in_an_auth_exchange_it_is_no_response(exchange: bytes, path: bytes) -> None:
    config = replace(CONFIG, allow_insecure_auth=True)
    answer = announcing(("AUTH", "PLAIN LOGIN"))
    expected = Client(config, answer, said=EHLO).sends(exchange).hears() + REFUSED
    sent = exchange + b"POST " + path + b" HTTP/1.1\r\n"
    client = check(sent, expected, config, answer, closes=True)
    assert not client.of_kind(AtLimit)


def test_with_status_codes_the_421_has_one() -> None:
    client = Client(answer=announcing(("ENHANCEDSTATUSCODES", True)), said=EHLO).sends(b"GET / HTTP/1.1\r\n")
    assert client.hears() == b"421 4.7.0 Error: HTTP request to a mail server\r\n"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"NOOP HTTP/1.1\r\n", b"250 Ok\r\n"),
        (b"HELO HTTP/1.1\r\n", b"250 mx.example\r\n"),
        (b"NOOP / HTTP/1.1 x\r\n", b"250 Ok\r\n"),
        (b"NOOP / HTTP/1.10\r\n", b"250 Ok\r\n"),
        (b"NOOP / HTTP/11\r\n", b"250 Ok\r\n"),
        (b"NOOP / http/1.1\r\n", b"250 Ok\r\n"),
        (b"NOOP / XHTTP/1.1\r\n", b"250 Ok\r\n"),
        (b"HTTP/1.1\r\n", b"500 Error: command not recognized : 'HTTP/1.1'\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"500 Error: command not recognized : 'HTTP/1.1'\r\n"),
        (b"GET /\r\n", b"500 Error: command not recognized : 'GET'\r\n"),
        (b"GET /" + b"x" * 3000 + b"\r\n", b"500 Error: line too long\r\n"),
        (b"GET /" + b"x" * 3000 + b" HTTP/1.1 \r\n", b"500 Error: line too long\r\n"),
    ],
)
def test_what_is_no_request_line_is_a_command_as_ever(line: bytes, reply: bytes) -> None:
    check(line, reply)


def test_in_a_message_it_is_a_line_like_any() -> None:
    client = Client(said=TO_DATA).sends(b"GET / HTTP/1.1\r\n.\r\n")
    assert client.hears() == b"250 Ok\r\n"
    assert client.message == b"GET / HTTP/1.1\r\n"


def test_behind_a_question_it_waits_for_the_verdict() -> None:
    heard: list[Any] = []

    def answer(question: Question) -> Any:
        heard.append(type(question).__name__)
        return accept_all(question)

    client = Client(answer=answer, said=EHLO)
    client.sends(TO_MAIL.removeprefix(EHLO) + RCPT + b"GET / HTTP/1.1\r\nDATA\r\n")
    assert heard == ["Hello", "Mail", "Rcpt"]
    assert client.hears() == b"250 sender Ok\r\n250 recipient Ok\r\n" + REFUSED
