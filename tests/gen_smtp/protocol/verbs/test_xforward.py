"""XFORWARD: who may say it, what may be said, and how long it counts."""

from __future__ import annotations

from dataclasses import fields, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen_smtp.protocol.protocol import Protocol, ProtocolConfig
from gen_smtp.protocol.questions import Forwarded, ForwardedFacts, Mail, OutOfOrder, Refused, UnknownCommand
from gen_smtp.protocol.verdicts import Decline
from tests.gen_smtp.protocol.client import (
    CONFIG,
    EHLO,
    LMTP,
    MAIL,
    RCPT,
    TO_MAIL,
    Client,
    announcing,
    answering,
    check,
)

ALLOWED = replace(CONFIG, xforward=True)
DENIED = replace(CONFIG, xforward=False)
OK = b"250 Ok\r\n"
ATTRIBUTES = "NAME ADDR PORT PROTO HELO IDENT SOURCE"
CLIENT = "NAME=client.test ADDR=192.0.2.7"
FACTS = ForwardedFacts(name="client.test", address=IPv4Address("192.0.2.7"))


def said(text: str) -> bytes:
    return f"XFORWARD {text}\r\n".encode()


# --- Who -----------------------------------------------------------------------------------------


def test_it_is_announced_to_those_who_may_say_it() -> None:
    assert f"\r\n250 XFORWARD {ATTRIBUTES}\r\n" in Client(ALLOWED).sends(EHLO).hears().decode()
    for config in (CONFIG, DENIED):
        assert b"XFORWARD" not in Client(config).sends(EHLO).hears()
    assert b"XFORWARD" not in Client(DENIED, announcing(("XFORWARD", "NAME"))).sends(EHLO).hears()
    both = Client(replace(ALLOWED, xclient=True)).sends(EHLO).hears().decode()
    assert both.index("XCLIENT NAME") < both.index("XFORWARD NAME")


def test_others_are_refused_whatever_they_say() -> None:
    for text in (CLIENT, "", "nonsense", "NAME=x\x07"):
        client = check(said(text), b"550 Error: insufficient authorization\r\n", DENIED)
        assert [type(each) for each in client.steps] == [Refused]
        assert client.protocol.forwarded is None


def test_a_server_that_does_not_know_it_asks_the_callback() -> None:
    client = check(said(CLIENT), b"500 Error: command not recognized : 'XFORWARD'\r\n")
    assert client.of_kind(UnknownCommand) == [UnknownCommand("XFORWARD", CLIENT)]


def test_the_right_to_the_one_is_none_to_the_other() -> None:
    denied = b"550 Error: insufficient authorization\r\n"
    check(said(CLIENT), denied, replace(DENIED, xclient=True))
    check(b"XCLIENT ADDR=192.0.2.7\r\n", denied, replace(ALLOWED, xclient=False))


# --- What ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NAME=client.test", {"name": "client.test"}),
        ("name=[Unavailable]", {"name": None}),
        ("ADDR=192.0.2.7", {"address": IPv4Address("192.0.2.7")}),
        ("ADDR=IPV6:2001:DB8::7", {"address": IPv6Address("2001:db8::7")}),
        ("ADDR=[UNAVAILABLE]", {"address": None}),
        ("PORT=25", {"port": 25}),
        ("PORT=[UNAVAILABLE]", {"port": None}),
        ("PROTO=ESMTPSA", {"protocol": "ESMTPSA"}),
        ("PROTO=a+20local+20one", {"protocol": "a?local?one"}),
        ("HELO=client.test", {"helo": "client.test"}),
        ("HELO=+3Cb+3E(c)+22@;+5C", {"helo": "?b??c?????"}),
        ("HELO=[192.0.2.7]", {"helo": "[192.0.2.7]"}),
        ("HELO=a+b=c", {"helo": "a+b=c"}),  # no xtext, as of Postfix before version 2.3
        ("IDENT=4Fx+2B1", {"ident": "4Fx+1"}),
        ("IDENT=\u00fc", {"ident": "?"}),
        ("SOURCE=LOCAL", {"source": "local"}),
        ("SOURCE=remote", {"source": "remote"}),
        ("SOURCE=[UNAVAILABLE]", {"source": None}),
        (f"{CLIENT}\tPORT=1 ", {"name": "client.test", "address": IPv4Address("192.0.2.7"), "port": 1}),
    ],
)
def test_what_the_attributes_say(text: str, expected: dict[str, Any]) -> None:
    client = check(said(text), OK, ALLOWED)
    assert client.steps == [Forwarded(replace(ForwardedFacts(), **expected))]
    assert client.protocol.forwarded == client.steps[0].facts


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("", "Syntax: XFORWARD attribute=value..."),
        ("NAME", "Syntax: XFORWARD attribute=value..."),
        ("NAME=", "Syntax: XFORWARD attribute=value..."),
        ("LOGIN=joe", "Bad XFORWARD attribute name: LOGIN"),
        ("NAME=-x", "Bad NAME syntax: -x"),
        ("NAME=[TEMPUNAVAIL]", "Bad NAME syntax: [TEMPUNAVAIL]"),
        ("ADDR=client.test", "Bad ADDR syntax: client.test"),
        ("PORT=70000", "Bad PORT syntax: 70000"),
        ("SOURCE=here", "Bad SOURCE syntax: here"),
        ("PROTO=" + "x" * 65, "Bad PROTO syntax: " + "x" * 64),
        ("HELO=" + "x" * 256, "Bad HELO syntax: " + "x" * 64),
        ("IDENT=a+0D+0Ab", "Bad IDENT syntax: a+0D+0Ab"),
        ("IDENT=a\x07", "Bad IDENT syntax: a?"),
        ("PORT=1 PORT=2", "Error: PORT twice"),
        (f"{CLIENT} PORT=x", "Bad PORT syntax: x"),
    ],
)
def test_what_is_wrong_is_refused_and_changes_nothing(text: str, reply: str) -> None:
    client = check(said(text), f"501 {reply}\r\n".encode(), ALLOWED, said=EHLO + said("NAME=before.test"))
    assert client.protocol.forwarded == ForwardedFacts(name="before.test")


@given(st.text(max_size=80))
def test_whatever_is_said_gets_one_reply_and_is_bland(text: str) -> None:
    client = Client(ALLOWED).sends(said(text.replace("\n", " ")))
    assert client.hears()[:4] in (b"250 ", b"501 ")
    for facts in (step.facts for step in client.of_kind(Forwarded)):
        values = [getattr(facts, field.name) for field in fields(facts)]
        assert all(value.isascii() and value.isprintable() for value in values if isinstance(value, str))


# --- How long ------------------------------------------------------------------------------------


def test_attributes_add_up_until_the_transaction_ends() -> None:
    client = Client(ALLOWED, said=EHLO).sends(said(CLIENT), said("HELO=its.hello"))
    assert client.protocol.forwarded == replace(FACTS, helo="its.hello")
    client.sends(MAIL, RCPT, b"DATA\r\n")
    assert client.protocol.forwarded == replace(FACTS, helo="its.hello")
    client.sends(b"hello\r\n.\r\n")
    assert client.protocol.forwarded is None
    client.sends(said("PORT=1"))
    assert client.protocol.forwarded == ForwardedFacts(port=1)


@pytest.mark.parametrize(
    "end",
    [
        b"RSET\r\n",
        MAIL + b"RSET\r\n",
        MAIL + RCPT + EHLO,
        EHLO,
        MAIL + RCPT + b"DATA\r\nbare\nnewline\r\n.\r\n",
        b"STARTTLS\r\n",
    ],
)
def test_every_end_of_it_forgets_them(end: bytes) -> None:
    config = replace(ALLOWED, starttls_available=True)
    client = Client(config, announcing(("STARTTLS", True)), said=EHLO).sends(said(CLIENT), end)
    if client.protocol.handshaking:
        client.protocol.tls_established()
    assert client.protocol.forwarded is None


def test_xclient_forgets_them() -> None:
    client = Client(replace(ALLOWED, xclient=True), said=EHLO)
    client.sends(said(CLIENT), b"XCLIENT ADDR=192.0.2.9\r\n")
    assert client.protocol.forwarded is None


@pytest.mark.parametrize(
    "line", [b"MAIL FROM:<no@x>\r\n", b"MAIL FROM:<a@b> SIZE=x\r\n", b"MAIL nonsense\r\n"]
)
def test_a_mail_that_is_refused_has_opened_none(line: bytes) -> None:
    client = Client(ALLOWED, answering(Decline(), Mail), said=EHLO).sends(said(CLIENT), line)
    assert client.protocol.transaction is None
    assert client.protocol.forwarded == FACTS


def test_not_in_a_mail_transaction() -> None:
    reply = b"503 Error: MAIL transaction in progress\r\n"
    for config in (ALLOWED, DENIED):
        client = check(said(CLIENT), reply, config, said=TO_MAIL)
        assert client.of_kind(OutOfOrder) == [OutOfOrder("XFORWARD")]
        assert client.protocol.forwarded is None


def test_it_may_be_pipelined_and_comes_without_a_hello_too() -> None:
    check(said(CLIENT) + EHLO.replace(b"EHLO", b"HELO"), OK + b"250 mx.example\r\n", ALLOWED, said=b"")
    client = check(said(CLIENT) + MAIL + RCPT, OK + b"250 sender Ok\r\n250 recipient Ok\r\n", ALLOWED)
    assert client.protocol.forwarded == FACTS


def test_lmtp_knows_it_too() -> None:
    config: ProtocolConfig = replace(LMTP, xforward=True)
    check(said(CLIENT), OK, config, said=b"LHLO x\r\n")


def test_other_connections_have_no_room_for_it() -> None:
    protocol = Protocol(ALLOWED)
    protocol.greet("ready")
    protocol.hear(said(CLIENT))
    assert protocol.data_to_send().endswith(b"550 Error: insufficient authorization\r\n")
    assert protocol.forwarded is None
