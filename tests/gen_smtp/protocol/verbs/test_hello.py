import math
from typing import Any

import pytest

from gen_smtp.protocol.protocol import ProtocolConfig
from gen_smtp.protocol.questions import Hello, Mail, Refused, Withheld
from gen_smtp.protocol.verdicts import Accept, Decline, Drop, Fail
from tests.gen_smtp.protocol.client import (
    CONFIG,
    EHLO,
    LMTP,
    MAIL,
    TO_RCPT,
    Client,
    announcing,
    answering,
    check,
)

BUILT_IN = b"250-mx.example\r\n250-SIZE 10485760\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 SMTPUTF8\r\n"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"HELO\r\n", b"501 Syntax: HELO hostname\r\n"),
        (b"ehlo  \r\n", b"501 Syntax: EHLO hostname\r\n"),
        (b"LHLO\r\n", b"501 Syntax: LHLO hostname\r\n"),
        (b"LHLO x\r\n", b"500 Error: SMTP should send HELO or EHLO instead of LHLO\r\n"),
        (b"HELO x\r\n", b"250 mx.example\r\n"),
        (b"EHLO x\r\n", BUILT_IN),
        (b"EHLO \xff\r\n", b"501 Error: text is not valid UTF-8\r\n"),
        (b"EHLO \tx\t \r\n", BUILT_IN),
        (b"EHLO\t\r\n", b"501 Syntax: EHLO hostname\r\n"),
        (b"EHLO a\rb\r\n", b"501 Error: control characters are not allowed\r\n"),
    ],
)
@pytest.mark.parametrize("said", [b"", EHLO, TO_RCPT])
def test_hello_in_smtp(line: bytes, reply: bytes, said: bytes) -> None:
    check(line, reply, said=said)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"HELO\r\n", b"501 Syntax: HELO hostname\r\n"),
        (b"HELO x\r\n", b"500 Error: LMTP should replace HELO and EHLO with LHLO\r\n"),
        (b"EHLO x\r\n", b"500 Error: LMTP should replace HELO and EHLO with LHLO\r\n"),
        (b"LHLO x\r\n", BUILT_IN),
    ],
)
def test_hello_in_lmtp(line: bytes, reply: bytes) -> None:
    check(line, reply, LMTP, said=b"")


@pytest.mark.parametrize("verb", ["EHLO", "HELO", "ehlo "])
@pytest.mark.parametrize(
    ("said", "name"), [("host.test.", "host.test"), ("h.", "h"), (".", "."), ("a b.", "a b"), ("h..", "h..")]
)
def test_the_final_dot_of_a_name_is_dropped(verb: str, said: str, name: str) -> None:
    client = Client().sends(f"{verb} {said}\r\n".encode())
    assert client.steps[0].hostname == name  # type: ignore[union-attr]
    assert client.protocol.helo == name


def test_the_callback_gets_name_and_a_fresh_list() -> None:
    lists: list[Any] = []

    def answer(question: Any) -> Accept:
        lists.append(list(question.extensions))
        question.extensions.clear()
        return Accept()

    Client(answer=answer).sends(b"EHLO My.Name [x]\r\nEHLO y\r\nHELO z\r\n")
    assert (
        lists[0]
        == lists[1]
        == [("SIZE", "10485760"), ("8BITMIME", True), ("PIPELINING", True), ("SMTPUTF8", True)]
    )
    assert lists[2] == []
    assert Client().sends(b"EHLO My.Name [x]\r\n").steps[0].hostname == "My.Name [x]"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("extensions", "reply"),
    [
        ([], b"250 mx.example\r\n"),
        ([("x-foo", "a b")], b"250-mx.example\r\n250 X-FOO a b\r\n"),
        ([("SIZE", "0"), ("A", 1)], b"250-mx.example\r\n250 A 1\r\n"),
        ([("STARTTLS", True)], b"250 mx.example\r\n"),
        ([("AUTH", "PLAIN")], b"250 mx.example\r\n"),
        ([("A", None)], b"451 Error: internal server error\r\n"),
    ],
)
def test_the_callbacks_list_is_announced(extensions: Any, reply: bytes) -> None:
    check(b"EHLO x\r\n", reply, answer=announcing(*extensions), said=b"")


def test_withheld_extensions_are_notified_with_the_option_that_would_allow_them() -> None:
    client = Client(answer=announcing(("STARTTLS", True), ("AUTH", "PLAIN"))).sends(EHLO)
    assert client.of_kind(Withheld) == [
        Withheld("STARTTLS", "certfile"),
        Withheld("AUTH", "allow_insecure_auth"),
    ]
    assert dict(client.protocol.extensions) == {}


def test_extensions_are_those_announced_and_helo_clears_them() -> None:
    client = Client(said=EHLO)
    assert list(client.protocol.extensions) == ["SIZE", "8BITMIME", "PIPELINING", "SMTPUTF8"]
    client.sends(b"HELO x\r\nMAIL FROM:<a@b> SMTPUTF8\r\n")
    assert client.hears() == b"250 mx.example\r\n555 Unsupported option SMTPUTF8\r\n"
    assert dict(client.protocol.extensions) == {}


@pytest.mark.parametrize("hello", [b"HELO y\r\n", EHLO])
def test_an_accepted_hello_drops_the_transaction(hello: bytes) -> None:
    client = Client(said=TO_RCPT).sends(hello)
    assert client.protocol.transaction is None
    client.hears()
    assert client.sends(b"DATA\r\n").hears() == b"503 Error: need MAIL command\r\n"


@pytest.mark.parametrize("hello", [b"HELO bad\r\n", b"EHLO bad\r\n", b"LHLO bad\r\n", b"HELO\r\n"])
def test_a_refused_hello_changes_nothing(hello: bytes) -> None:
    def answer(question: Any) -> Any:
        if isinstance(question, Hello) and question.hostname == "bad":
            return Decline("554 invalid hostname")
        return Accept()

    client = Client(answer=answer, said=TO_RCPT).sends(hello)
    assert client.protocol.helo == "client"
    assert len(client.protocol.extensions) == 4
    client.hears()
    assert client.sends(b"DATA\r\n").hears().startswith(b"354 ")


def test_ehlo_with_an_empty_list_is_a_hello_all_the_same() -> None:
    check(MAIL, b"250 sender Ok\r\n", answer=announcing())


@pytest.mark.parametrize(
    ("verdict", "reply", "closes"),
    [
        (Decline("554 invalid hostname"), b"554 invalid hostname\r\n", False),
        (Decline(("554 no", "really")), b"554-no\r\n554 really\r\n", False),
        (Decline(), b"550 Error: refused\r\n", False),
        (Decline("421 full"), b"421 full\r\n", True),
        (Decline("252 as it is"), b"252 as it is\r\n", False),
        (Decline("354 go on"), b"451 Error: internal server error\r\n", False),
        (Fail(), b"451 Error: internal server error\r\n", False),
        (Fail(close=True), b"451 Error: internal server error\r\n", True),
        (Drop("554 go away"), b"554 go away\r\n", True),
    ],
)
@pytest.mark.parametrize("verb", [b"HELO", b"EHLO"])
def test_a_refused_hello_hears_the_message(verb: bytes, verdict: Any, reply: bytes, closes: bool) -> None:
    client = check(verb + b" x\r\n", reply, answer=answering(verdict, Hello), said=b"", closes=closes)
    refused = [] if reply.startswith(b"2") else [Refused(verb.decode(), reply.decode().rstrip())]
    assert client.of_kind(Refused) == refused
    assert client.protocol.helo is None


def test_replies_to_hello_never_carry_status_codes() -> None:
    def answer(question: Any) -> Any:
        if question.hostname == "bad":
            return Decline("554 invalid hostname")
        return Accept(extensions=[("ENHANCEDSTATUSCODES", True)]) if question.hostname == "client" else Fail()

    client = Client(answer=answer, said=EHLO)
    client.sends(b"EHLO bad\r\nEHLO\r\nLHLO x\r\nEHLO fail\r\nEHLO client\r\nNOOP\r\n")
    assert client.hears() == (
        b"554 invalid hostname\r\n501 Syntax: EHLO hostname\r\n"
        b"500 Error: SMTP should send HELO or EHLO instead of LHLO\r\n451 Error: internal server error\r\n"
        b"250-mx.example\r\n250 ENHANCEDSTATUSCODES\r\n250 2.0.0 Ok\r\n"
    )


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        (None, b"250 mx.example\r\n"),
        ("hello you", b"250 hello you\r\n"),
        ("250 whole reply", b"250 whole reply\r\n"),
        (("a", "b"), b"250-a\r\n250 b\r\n"),
    ],
)
def test_helo_may_have_a_text_of_its_own(text: Any, reply: bytes) -> None:
    check(b"HELO x\r\n", reply, answer=answering(Accept(text), Hello), said=b"")


# --- Limits --------------------------------------------------------------------------------------

TOO_LARGE = b"552 Estimated message length 101 exceeds limit of 100\r\n"
OK = b"250 sender Ok\r\n"
MAIL_101 = b"MAIL FROM:<a@b> SIZE=101\r\n"


@pytest.mark.parametrize(
    ("verdict", "hello", "reply"),
    [
        (Accept(extensions=[("SIZE", "100")]), EHLO, TOO_LARGE),
        (Accept(extensions=[("SIZE", 101)]), EHLO, OK),
        (Accept(extensions=[]), EHLO, OK),
        (Accept(max_size=100), b"HELO x\r\n", TOO_LARGE),
        (Accept(max_size=math.inf), b"HELO x\r\n", OK),
        (Accept(), b"HELO x\r\n", OK),
    ],
)
def test_hello_sets_the_limit(verdict: Any, hello: bytes, reply: bytes) -> None:
    check(MAIL_101, reply, answer=answering(verdict, Hello), said=hello)


def test_a_hello_that_says_nothing_of_the_limit_keeps_it() -> None:
    limits = iter([Accept(max_size=100), Accept(), Accept(extensions=[("8BITMIME", True)])])
    client = Client(answer=lambda question: next(limits), said=b"HELO a\r\nHELO b\r\nEHLO c\r\n")
    assert client.sends(MAIL_101).hears() == TOO_LARGE


def test_size_zero_lifts_the_limit() -> None:
    config = ProtocolConfig("mx.example", max_message_size=100)
    client = Client(config, announcing(("SIZE", "0")), said=EHLO)
    assert client.sends(b"MAIL FROM:<a@b> SIZE=99999999999999999999\r\n").hears() == OK
    assert client.of_kind(Mail) == [Mail("a@b")]


def test_without_a_limit_size_is_not_announced() -> None:
    config = ProtocolConfig("mx.example", max_message_size=math.inf)
    check(EHLO, b"250-mx.example\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 SMTPUTF8\r\n", config, said=b"")


@pytest.mark.parametrize("size", [0, -5, math.nan])
def test_a_limit_of_nothing_is_a_mistake(size: float) -> None:
    with pytest.raises(ValueError):
        ProtocolConfig("mx.example", max_message_size=size)


def test_the_name_is_kept() -> None:
    assert Client(CONFIG, said=b"EHLO one\r\nHELO two\r\n").protocol.helo == "two"
