"""XCLIENT: who may say it, what may be said, and that the dialogue begins again."""

from __future__ import annotations

from dataclasses import fields, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen_smtp.protocol.protocol import LocalProtocolError, ProtocolConfig
from gen_smtp.protocol.questions import (
    CLOSED,
    ClientFacts,
    Hello,
    Mail,
    OutOfOrder,
    Quit,
    Refused,
    UnknownCommand,
    XClient,
)
from gen_smtp.protocol.verdicts import Accept, Decline, Drop, Fail
from tests.gen_smtp.protocol.client import (
    CONFIG,
    EHLO,
    LMTP,
    TO_MAIL,
    Client,
    accept_all,
    announcing,
    answering,
    check,
)

ALLOWED = replace(CONFIG, xclient=True)
DENIED = replace(CONFIG, xclient=False)
AGAIN = b"220 ready again\r\n"
ATTRIBUTES = "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"


def said(text: str) -> bytes:
    return f"XCLIENT {text}\r\n".encode()


def fields_of(text: str) -> dict[str, Any]:
    """What an accepted XCLIENT says."""
    (step,) = check(said(text), AGAIN, ALLOWED).of_kind(XClient)
    assert isinstance(step, XClient)
    return step.fields


# --- Who -----------------------------------------------------------------------------------------


def test_it_is_announced_to_those_who_may_say_it() -> None:
    reply = Client(ALLOWED).sends(EHLO).hears().decode()
    assert f"\r\n250 XCLIENT {ATTRIBUTES}\r\n" in reply
    for config in (CONFIG, DENIED):
        assert b"XCLIENT" not in Client(config).sends(EHLO).hears()


def test_the_callback_has_the_last_word_on_the_announcement() -> None:
    assert b"XCLIENT" not in Client(ALLOWED, announcing(("SIZE", 1))).sends(EHLO).hears()
    assert b"XCLIENT" not in Client(DENIED, announcing(("XCLIENT", "NAME"))).sends(EHLO).hears()
    own = Client(CONFIG, announcing(("XCLIENT", "NAME"))).sends(EHLO).hears()
    assert own == b"250-mx.example\r\n250 XCLIENT NAME\r\n"  # a command of the callback's own


def test_others_are_refused_whatever_they_say() -> None:
    for text in ("ADDR=192.0.2.7", "", "nonsense", "ADDR=192.0.2.7\x07"):
        client = check(said(text), b"550 Error: insufficient authorization\r\n", DENIED)
        assert [type(each) for each in client.steps] == [Refused]


def test_a_server_that_does_not_know_it_asks_the_callback() -> None:
    reply = b"500 Error: command not recognized : 'XCLIENT'\r\n"
    client = check(said("ADDR=192.0.2.7"), reply)
    assert client.of_kind(UnknownCommand) == [UnknownCommand("XCLIENT", "ADDR=192.0.2.7")]


# --- What ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NAME=client.test", {"name": "client.test", "name_error": None}),
        ("NAME=a_b-c.x--1.test.", {"name": "a_b-c.x--1.test.", "name_error": None}),
        ("NAME=[UNAVAILABLE]", {"name": None, "name_error": "permanent"}),
        ("NAME=[TempUnavail]", {"name": None, "name_error": "temporary"}),
        ("ADDR=192.0.2.7", {"address": IPv4Address("192.0.2.7")}),
        ("ADDR=IPV6:2001:DB8::7", {"address": IPv6Address("2001:db8::7")}),
        ("ADDR=ipv6:::ffff:192.0.2.7", {"address": IPv6Address("::ffff:192.0.2.7")}),
        ("ADDR=[unavailable]", {"address": None}),
        ("PORT=0", {"port": 0}),
        ("PORT=65535", {"port": 65535}),
        ("PORT=[UNAVAILABLE]", {"port": None}),
        ("PROTO=smtp", {"protocol": "SMTP"}),
        ("PROTO=ESMTP", {"protocol": "ESMTP"}),
        ("HELO=[192.0.2.7]", {"helo": "[192.0.2.7]"}),
        ("HELO=two+20words+3D+2B", {"helo": "two words=+"}),
        ("HELO=[UNAVAILABLE]", {"helo": None}),
        ("LOGIN=j+C3+b8rgen@x.test", {"login": "j\u00f8rgen@x.test"}),
        ("LOGIN=+5BUNAVAILABLE+5D", {"login": None}),
        # As nginx sends it; Postfix takes what is no xtext as it is.
        ("LOGIN=jane+lists@example.com", {"login": "jane+lists@example.com"}),
        ("LOGIN=jane+2Blists@example.com", {"login": "jane+lists@example.com"}),
        ("LOGIN=a=b+", {"login": "a=b+"}),
        ("LOGIN=a+FFb", {"login": "a+FFb"}),
        ("LOGIN=j\u00f8", {"login": "j\u00f8"}),
        ("LOGIN=[unavailable]", {"login": None}),
        # As Dovecot 2.3 sends it.
        ("ADDR=2001:db8::7", {"address": IPv6Address("2001:db8::7")}),
        ("HELO=client.test.", {"helo": "client.test"}),
        (
            "DESTADDR=198.51.100.1 DESTPORT=25",
            {"destination": IPv4Address("198.51.100.1"), "destination_port": 25},
        ),
        ("DESTADDR=IPV6:::1", {"destination": IPv6Address("::1")}),
        ("DESTADDR=[UNAVAILABLE] DESTPORT=[UNAVAILABLE]", {"destination": None, "destination_port": None}),
        ("addr=192.0.2.7  Port=1 ", {"address": IPv4Address("192.0.2.7"), "port": 1}),
    ],
)
def test_what_the_attributes_say(text: str, expected: dict[str, Any]) -> None:
    assert fields_of(text) == expected
    assert expected.keys() <= {field.name for field in fields(ClientFacts)}


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        # In Postfix's words, as its smtpd 3.7 gave them.
        ("", "Syntax: XCLIENT attribute=value..."),
        ("foo", "Syntax: XCLIENT attribute=value..."),
        ("NAME=", "Syntax: XCLIENT attribute=value..."),
        ("ADDR=1.2.3", "Bad ADDR syntax: 1.2.3"),
        ("PROTO=LMTP", "Bad PROTO syntax: LMTP"),
        ("BAR=x", "Bad XCLIENT attribute name: BAR"),
        ("NAME=+zz", "Bad NAME syntax: +zz"),
        ("ADDR=[TEMPUNAVAIL]", "Bad ADDR syntax: [TEMPUNAVAIL]"),
        # And what it takes, or can't tell from others.
        ("PORT=65536", "Bad PORT syntax: 65536"),
        ("PORT=025", "Bad PORT syntax: 025"),
        ("PORT=-1", "Bad PORT syntax: -1"),
        ("PORT=25x", "Bad PORT syntax: 25x"),
        ("ADDR=192.0.2.7 ADDR=192.0.2.8", "Error: ADDR twice"),
        ("ADDR=192.0.2.7 name", "Syntax: XCLIENT attribute=value..."),
        ("ADDR=[192.0.2.7]", "Bad ADDR syntax: [192.0.2.7]"),
        ("ADDR=192.0.2.07", "Bad ADDR syntax: 192.0.2.07"),
        ("ADDR=IPV6:192.0.2.7", "Bad ADDR syntax: IPV6:192.0.2.7"),
        ("ADDR=IPV6:fe80::1%eth0", "Bad ADDR syntax: IPV6:fe80::1%eth0"),
        ("DESTADDR=mx.test", "Bad DESTADDR syntax: mx.test"),
        ("DESTPORT=smtp", "Bad DESTPORT syntax: smtp"),
        ("NAME=two+20words", "Bad NAME syntax: two+20words"),
        ("NAME=-x.test", "Bad NAME syntax: -x.test"),
        ("NAME=x..test", "Bad NAME syntax: x..test"),
        ("NAME=x+0D+0Ay", "Bad NAME syntax: x+0D+0Ay"),
        ("HELO=x+0D+0AMAIL", "Bad HELO syntax: x+0D+0AMAIL"),
        ("HELO=a=b", "Bad HELO syntax: a=b"),
        ("HELO=x+", "Bad HELO syntax: x+"),
        ("HELO=x+4", "Bad HELO syntax: x+4"),
        ("HELO=+FF", "Bad HELO syntax: +FF"),
        ("LOGIN=joe+00", "Bad LOGIN syntax: joe+00"),
        ("LOGIN=joe+C2+85", "Bad LOGIN syntax: joe+C2+85"),
        ("LOGIN=a+b\x07", "Bad LOGIN syntax: a+b?"),
        ("LOGIN=a+b\u2028", "Bad LOGIN syntax: a+b?"),
        ("ADDR=fe80::1%eth0", "Bad ADDR syntax: fe80::1%eth0"),
        ("ADDR=2130706433", "Bad ADDR syntax: 2130706433"),
        ("\u017f=x", "Bad XCLIENT attribute name: ?"),
    ],
)
def test_what_is_wrong_is_refused_and_changes_nothing(text: str, reply: str) -> None:
    client = check(said(text), f"501 {reply}\r\n".encode(), ALLOWED)
    assert [type(each) for each in client.steps] == [Refused]
    assert client.protocol.helo == "client"


@pytest.mark.parametrize("attribute", ["NAME", "HELO"])
def test_names_may_have_255_characters(attribute: str) -> None:
    longest = ".".join(["x" * 63] * 4)
    assert len(longest) == 255
    assert longest in fields_of(f"{attribute}={longest}").values()
    reply = f"501 Bad {attribute} syntax: {'x' * 63}.\r\n"
    check(said(f"{attribute}={longest}x"), reply.encode(), ALLOWED)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60))
def test_a_login_comes_through_xtext(login: str) -> None:
    encoded = "".join(
        chr(octet) if chr(octet).isalnum() and octet < 128 else f"+{octet:02X}" for octet in login.encode()
    )
    assert fields_of(f"LOGIN={encoded}") == {"login": None if login == "[UNAVAILABLE]" else login}


@given(st.text(max_size=80))
def test_whatever_is_said_gets_one_reply(text: str) -> None:
    client = Client(ALLOWED).sends(said(text.replace("\n", " ")))
    assert client.hears()[:4] in (b"220 ", b"501 ")


# --- When, and what becomes of the dialogue --------------------------------------------------------


def test_it_may_be_the_first_command_and_said_again() -> None:
    client = Client(ALLOWED).sends(said("ADDR=192.0.2.7"), said("HELO=x"))
    assert client.hears() == AGAIN * 2


def test_not_in_a_mail_transaction() -> None:
    reply = b"503 Error: MAIL transaction in progress\r\n"
    for config in (ALLOWED, DENIED):
        client = check(said("ADDR=192.0.2.7"), reply, config, said=TO_MAIL)
        assert client.of_kind(OutOfOrder) == [OutOfOrder("XCLIENT")]
        assert client.protocol.transaction is not None


def test_what_the_client_before_said_is_forgotten() -> None:
    client = Client(replace(ALLOWED, allow_insecure_auth=True), announcing(("AUTH", "PLAIN"), ("SIZE", 9)))
    client.sends(EHLO + b"AUTH PLAIN AHUAcA==\r\n")
    protocol = client.protocol
    assert (protocol.user, protocol.max_size) == ("u", 9)
    client.hears()
    client.sends(said("ADDR=192.0.2.7"))
    assert client.hears() == AGAIN
    assert (protocol.helo, protocol.user, dict(protocol.extensions)) == (None, None, {})
    assert protocol.max_size == CONFIG.max_message_size
    client.sends(b"RCPT TO:<a@b>\r\n", b"DATA\r\n", b"AUTH PLAIN AHUAcA==\r\n")
    assert client.hears() == (
        b"503 Error: need MAIL command\r\n503 Error: send HELO/EHLO first\r\n503 Error: send EHLO first\r\n"
    )


class TestMailStraightBehindIt:
    """Filters that passed on the client's hello before say no other; Postfix takes MAIL then."""

    @pytest.mark.parametrize(
        ("hello", "asked"),
        [
            (b"EHLO client", ("EHLO", "client")),
            (b"HELO client", ("HELO", "client")),
            (b"EHLO client\r\nHELO other", ("HELO", "other")),
        ],
    )
    def test_the_hello_before_is_asked_about_again(self, hello: bytes, asked: tuple[str, str]) -> None:
        client = Client(ALLOWED, said=hello + b"\r\n").sends(said("ADDR=192.0.2.7"), b"MAIL FROM:<a@b>\r\n")
        assert client.hears() == AGAIN + b"250 sender Ok\r\n"
        first, question, mail = client.steps
        assert isinstance(first, XClient)
        assert isinstance(question, Hello)
        assert (question.verb, question.hostname) == asked
        assert mail == Mail("a@b")
        assert client.protocol.helo == asked[1]

    def test_its_parameters_are_those_that_the_new_hello_would_offer(self) -> None:
        answer = announcing(("SIZE", 100), ("ENHANCEDSTATUSCODES", True))
        client = Client(ALLOWED, answer, said=EHLO).sends(said("ADDR=192.0.2.7"))
        client.hears()
        client.sends(b"MAIL FROM:<a@b> SIZE=101\r\nMAIL FROM:<a@b> BODY=8BITMIME\r\nMAIL FROM:<a@b>\r\n")
        assert client.hears() == (
            b"552 5.3.4 Estimated message length 101 exceeds limit of 100\r\n"
            b"555 5.5.4 Unsupported option BODY\r\n"
            b"250 2.1.0 sender Ok\r\n"
        )
        assert len(client.of_kind(Hello)) == 1

    def test_the_name_in_xclient_stands_before_the_peers(self) -> None:
        client = Client(ALLOWED, said=EHLO).sends(
            said("HELO=its.own"), said("ADDR=192.0.2.7"), b"MAIL FROM:<a@b>\r\n"
        )
        assert client.hears() == AGAIN * 2 + b"250 sender Ok\r\n"
        assert client.protocol.helo == "its.own"

    def test_in_lmtp(self) -> None:
        client = Client(replace(LMTP, xclient=True), said=b"LHLO there\r\n")
        client.sends(said("PROTO=LMTP"), b"MAIL FROM:<a@b>\r\n")
        assert client.hears() == AGAIN + b"250 sender Ok\r\n"
        assert client.of_kind(Hello)[0].verb == "LHLO"  # type: ignore[union-attr]

    def test_only_where_there_was_a_hello(self) -> None:
        client = Client(ALLOWED).sends(said("ADDR=192.0.2.7 HELO=x"), b"MAIL FROM:<a@b>\r\n")
        assert client.hears() == AGAIN + b"503 Error: send HELO/EHLO first\r\n"
        refusing = answering(Decline("550 no"), Hello)
        client = Client(ALLOWED, refusing).sends(EHLO, said("ADDR=192.0.2.7"), b"MAIL FROM:<a@b>\r\n")
        assert client.hears() == b"550 no\r\n" + AGAIN + b"503 Error: send HELO/EHLO first\r\n"

    @pytest.mark.parametrize(
        ("verdict", "reply", "closes"),
        [
            (Decline("554 not you"), b"554 not you\r\n", False),
            (Fail(), b"451 Error: internal server error\r\n", False),
            (Drop("421 away"), b"421 away\r\n", True),
            (Accept(close=True), b"250 sender Ok\r\n", True),
            (Accept(extensions=[("no name", 1)]), b"451 Error: internal server error\r\n", False),
        ],
    )
    def test_a_hello_that_is_refused_now_refuses_the_mail(
        self, verdict: Any, reply: bytes, closes: bool
    ) -> None:
        def answer(question: Any) -> Any:
            return (
                verdict if isinstance(question, Hello) and client.of_kind(XClient) else accept_all(question)
            )

        client = Client(ALLOWED, said=EHLO)
        client.answer = answer
        client.sends(said("ADDR=192.0.2.7") + b"MAIL FROM:<a@b>\r\n")
        assert client.hears() == AGAIN + reply
        assert (client.end is CLOSED) == closes
        if not closes:
            client.sends(b"MAIL FROM:<a@b>\r\n")  # asked once more
            assert client.hears() == reply
            assert client.protocol.transaction is None

    def test_the_policy_stands_before_it(self) -> None:
        client = Client(replace(ALLOWED, require_tls=True), said=EHLO)
        client.sends(said("ADDR=192.0.2.7"), b"MAIL FROM:<a@b>\r\n")
        assert client.hears() == AGAIN + b"530 Must issue a STARTTLS command first\r\n"
        assert not client.of_kind(Hello)

    def test_tls_forgets_it(self) -> None:
        config = replace(ALLOWED, starttls_available=True)
        answer = announcing(("STARTTLS", True))
        client = Client(config, answer, said=EHLO).sends(said("ADDR=192.0.2.7"), EHLO, b"STARTTLS\r\n")
        client.protocol.tls_established()
        client.hears()
        client.sends(b"MAIL FROM:<a@b>\r\n")
        assert client.hears() == b"503 Error: send HELO/EHLO first\r\n"

    def test_however_it_is_cut(self) -> None:
        data = said("ADDR=192.0.2.7") + b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
        check(data, AGAIN + b"250 sender Ok\r\n250 recipient Ok\r\n", ALLOWED)


class TestTlsThatEndsAtThePeer:
    TRUSTING = replace(ALLOWED, xclient_tls=True, starttls_available=True)

    def test_the_client_counts_as_in_tls(self) -> None:
        answer = announcing(("STARTTLS", True), ("AUTH", "PLAIN"))
        client = Client(replace(self.TRUSTING, require_tls=True), answer, said=EHLO)
        client.sends(b"MAIL FROM:<a@b>\r\n")
        assert client.hears() == b"530 Must issue a STARTTLS command first\r\n"  # the peer itself does not
        client.sends(said("ADDR=192.0.2.7"), EHLO, b"MAIL FROM:<a@b>\r\n")
        assert client.hears() == AGAIN + b"250-mx.example\r\n250 AUTH PLAIN\r\n250 sender Ok\r\n"
        assert client.protocol.transmission_type() == "ESMTPS"

    def test_a_command_that_is_refused_brings_none(self) -> None:
        client = Client(self.TRUSTING, said=EHLO).sends(said("ADDR=x"))
        assert not client.protocol.tls


def test_proto_lmtp_is_for_lmtp() -> None:
    config: ProtocolConfig = replace(LMTP, xclient=True)
    (step,) = Client(config).sends(said("PROTO=LMTP")).of_kind(XClient)
    assert step == XClient({"protocol": "LMTP"})
    check(said("PROTO=LMTP"), b"501 Bad PROTO syntax: LMTP\r\n", ALLOWED)


def test_a_login_is_a_user_until_the_next_xclient() -> None:
    config = replace(ALLOWED, allow_insecure_auth=True, require_auth=True)
    client = Client(config, announcing(("AUTH", "PLAIN")), said=said("LOGIN=joe") + EHLO)
    assert client.protocol.user == "joe"
    client.sends(b"AUTH PLAIN AHUAcA==\r\n", b"MAIL FROM:<a@b>\r\n", b"RSET\r\n")
    assert client.hears() == b"503 Error: already authenticated\r\n250 sender Ok\r\n250 Ok\r\n"
    client.sends(said("HELO=x"), EHLO)
    client.hears()
    client.sends(b"MAIL FROM:<a@b>\r\n")
    assert client.hears() == b"530 Authentication required\r\n"


def test_pipelined_commands_wait_for_the_greeting() -> None:
    whole = said("ADDR=192.0.2.7") + b"HELO there\r\nNOOP\r\nQUIT\r\n"
    expected = AGAIN + b"250 mx.example\r\n250 Ok\r\n221 Bye\r\n"
    client = check(whole, expected, ALLOWED, closes=True)
    assert client.protocol.helo == "there"
    assert client.of_kind(Quit) == [Quit()]


def test_the_policy_for_clients_is_for_the_client_alone() -> None:
    config = replace(ALLOWED, require_tls=True, require_auth=True)
    client = Client(config).sends(said("ADDR=192.0.2.7"), EHLO)
    client.hears()
    client.sends(b"MAIL FROM:<a@b>\r\n")
    assert client.hears() == b"530 Must issue a STARTTLS command first\r\n"
    unknown = replace(CONFIG, require_tls=True)
    check(said("ADDR=192.0.2.7"), b"530 Must issue a STARTTLS command first\r\n", unknown, noop=b"250 Ok\r\n")


def test_tls_stays() -> None:
    config = replace(ALLOWED, starttls_available=True)
    client = Client(config, announcing(("STARTTLS", True), ("XCLIENT", ATTRIBUTES)), tls=True)
    client.sends(said("ADDR=192.0.2.7"), EHLO)
    assert client.hears() == AGAIN + f"250-mx.example\r\n250 XCLIENT {ATTRIBUTES}\r\n".encode()
    assert client.protocol.tls


def test_lmtp_knows_it_too() -> None:
    config: ProtocolConfig = replace(LMTP, xclient=True)
    client = Client(config).sends(said("ADDR=192.0.2.7"), b"LHLO x\r\n")
    assert client.hears().startswith(AGAIN + b"250-mx.example\r\n")


@pytest.mark.parametrize(
    ("verdict", "reply", "closes"),
    [
        (Decline(), b"550 Error: insufficient authorization\r\n", False),
        (Decline("421 Later"), b"421 Later\r\n", True),
        (Fail(), b"451 Error: internal server error\r\n", False),
        (Drop("554 No"), b"554 No\r\n", True),
    ],
)
def test_a_driver_that_does_not_accept_leaves_nobody_logged_in(
    verdict: Any, reply: bytes, closes: bool
) -> None:
    client = check(said("LOGIN=joe"), reply, ALLOWED, answering(verdict, XClient), closes=closes)
    assert (client.protocol.helo, client.protocol.user) == (None, None)


def test_a_shutdown_that_came_before_is_said_after_the_greeting() -> None:
    client = Client(ALLOWED)
    client.protocol.feed(said("ADDR=192.0.2.7") + b"NOOP\r\n")
    assert isinstance(client.protocol.next_step(), XClient)
    assert not client.protocol.shut_down()
    client.protocol.greet("again")
    client.run()
    assert client.hears() == b"220 again\r\n421 mx.example Service shutting down\r\n"


def test_the_new_client_may_be_refused() -> None:
    client = Client(ALLOWED)
    client.protocol.feed(said("ADDR=192.0.2.7") + b"NOOP\r\n")
    assert isinstance(client.protocol.next_step(), XClient)
    client.protocol.refuse(("554-Not", "you"))
    assert client.hears() == b"554-Not\r\n554 you\r\n"
    assert client.protocol.closing


def test_the_greeting_may_have_several_lines_and_has_no_status_code() -> None:
    client = Client(ALLOWED, announcing(("ENHANCEDSTATUSCODES", True)), said=EHLO)
    client.protocol.feed(said("ADDR=192.0.2.7"))
    assert isinstance(client.protocol.next_step(), XClient)
    client.protocol.greet(["one", "two"])
    assert client.hears() == b"220-one\r\n220 two\r\n"
    with pytest.raises(LocalProtocolError):
        client.protocol.greet("three")


def test_a_bare_accept_greets_with_the_host_name() -> None:
    client = Client(ALLOWED)
    client.protocol.feed(said("ADDR=192.0.2.7"))
    assert isinstance(client.protocol.next_step(), XClient)
    client.protocol.respond(Accept())
    assert client.hears() == b"220 mx.example ESMTP\r\n"


def test_what_comes_behind_it_is_pipelined_and_not_early() -> None:
    config = replace(ALLOWED, refuse_early_talkers=True)
    check(said("ADDR=192.0.2.7") + b"NOOP\r\n", AGAIN + b"250 Ok\r\n", config)


def test_faults_of_the_client_before_are_not_the_new_ones() -> None:
    config = replace(ALLOWED, max_errors=3)
    faults = b"MAIL\r\n" * 2
    client = Client(config).sends(faults, said("ADDR=192.0.2.7"), faults, b"NOOP\r\n")
    assert client.hears().endswith(b"250 Ok\r\n")


def test_the_messages_of_the_new_client_are_counted_against_the_limit() -> None:
    config = replace(ALLOWED, max_messages=1)
    message = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhello\r\n.\r\n"
    client = Client(config).sends(said("ADDR=192.0.2.7"), b"HELO new\r\n", message, message)
    assert client.hears().endswith(b"421 Error: too many messages in one session\r\n")
