"""Python's smtplib over TCP, STARTTLS, implicit TLS and IPv6."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from ipaddress import ip_address
from typing import Any

import pytest

from tests.real_clients.conftest import Serve
from tests.real_clients.tools.collector import PASSWORD, PATIENCE, USERNAME, Collector
from tests.real_clients.tools.mails import (
    MESSAGES,
    RECIPIENT,
    SENDER,
    UTF8_RECIPIENT,
    UTF8_SENDER,
    with_utf8_headers,
)

Connect = Callable[[str], Any]


@pytest.fixture
def connect(serve: Serve, with_certificate: dict[str, Any], client_tls: ssl.SSLContext) -> Connect:
    """`connect(way)`: a context manager with a client that has said EHLO in clear, by STARTTLS or by SSL."""

    @contextmanager
    def make(way: str) -> Iterator[smtplib.SMTP]:
        served = serve(with_certificate, protocol="ssl" if way == "ssl" else "tcp")
        if way == "ssl":
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                "localhost", served.port, "client.example", context=client_tls, timeout=PATIENCE
            )
        else:
            client = smtplib.SMTP("localhost", served.port, "client.example", timeout=PATIENCE)
        with client:
            if way == "starttls":
                client.starttls(context=client_tls)
            client.ehlo()
            yield client

    return make


@pytest.mark.parametrize("way", ["clear", "starttls", "ssl"])
def test_every_message_arrives_as_it_was_sent(connect: Connect, collector: Collector, way: str) -> None:
    with connect(way) as client:
        for name, message in MESSAGES.items():
            assert client.sendmail(SENDER, RECIPIENT, message, ["BODY=8BITMIME"]) == {}
            mail = collector.mail()
            assert mail.data == message, name
            assert (mail.sender, mail.recipients, mail.helo) == (SENDER, [RECIPIENT], "client.example")
            assert (mail.tls is None) == (way == "clear")
            assert mail.parameters == {"SIZE": str(len(message)), "BODY": "8BITMIME"}
    assert collector.end() == "normal"


@pytest.mark.parametrize("way", ["starttls", "ssl"])
@pytest.mark.parametrize("initial_response", [True, False])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_authenticates(
    connect: Connect, collector: Collector, way: str, mechanism: str, initial_response: bool
) -> None:
    with connect(way) as client:
        client.user, client.password = USERNAME, PASSWORD
        method = getattr(client, "auth_" + mechanism.lower().replace("-", "_"))
        code, _ = client.auth(mechanism, method, initial_response_ok=initial_response)
        assert code == 235
        client.sendmail(SENDER, [RECIPIENT], MESSAGES["dots"])
    assert collector.mail().user == USERNAME


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_a_wrong_password_is_refused_and_the_session_goes_on(
    connect: Connect, collector: Collector, mechanism: str
) -> None:
    with connect("ssl") as client:
        client.esmtp_features["auth"] = mechanism
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login(USERNAME, "wrong")
        assert refused.value.smtp_code == 535
        client.sendmail(SENDER, [RECIPIENT], MESSAGES["dots"])
    assert collector.mail().user is None


def test_addresses_in_utf8_arrive_with_smtputf8(connect: Connect, collector: Collector) -> None:
    with connect("clear") as client:
        options = ["SMTPUTF8", "BODY=8BITMIME"]
        client.sendmail(UTF8_SENDER, [UTF8_RECIPIENT, RECIPIENT], with_utf8_headers(), options)
    mail = collector.mail()
    assert (mail.sender, mail.recipients) == (UTF8_SENDER, [UTF8_RECIPIENT, RECIPIENT])
    assert mail.parameters["SMTPUTF8"] is True
    assert mail.data == with_utf8_headers()


def test_send_message_with_addresses_in_utf8(connect: Connect, collector: Collector) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = UTF8_SENDER, UTF8_RECIPIENT, "Grüße"
    message.set_content("Grüße\n")
    with connect("starttls") as client:
        client.send_message(message)
    mail = collector.mail()
    assert (mail.sender, mail.recipients) == (UTF8_SENDER, [UTF8_RECIPIENT])
    assert f"From: {UTF8_SENDER}\r\n".encode() in mail.data


def test_an_address_in_utf8_without_smtputf8_is_refused(connect: Connect) -> None:
    with connect("clear") as client:
        client.command_encoding = "utf-8"
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            client.sendmail(UTF8_SENDER, [RECIPIENT], b"")
    assert refused.value.smtp_code == 553


def test_a_refused_recipient_does_not_keep_the_others_from_their_mail(
    connect: Connect, collector: Collector
) -> None:
    with connect("clear") as client:
        refused = client.sendmail(SENDER, ["nobody@example.com", RECIPIENT], MESSAGES["dots"])
        assert refused == {"nobody@example.com": (550, b"No such recipient")}
        assert collector.mail().recipients == [RECIPIENT]
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail(SENDER, ["nobody@example.com"], MESSAGES["dots"])
    assert collector.end() == "normal"
    assert collector.mails.empty()


def test_the_null_reverse_path_of_a_bounce(connect: Connect, collector: Collector) -> None:
    with connect("clear") as client:
        client.sendmail("<>", [RECIPIENT], MESSAGES["attachments"])
    assert collector.mail().sender == ""


def test_other_commands(connect: Connect) -> None:
    with connect("clear") as client:
        assert client.noop()[0] == 250
        assert client.verify(RECIPIENT)[0] == 252
        assert client.rset()[0] == 250
        assert client.docmd("EXPN", "list")[0] == 502  # known and not done (RFC 5321 section 4.2.4)
        assert client.helo("client.example") == (250, b"mx.example")


def test_over_ipv6(serve: Serve, collector: Collector, ipv6_loopback: str) -> None:
    served = serve(family="inet6", address=ipv6_loopback)
    with smtplib.SMTP(served.host, served.port, "client.example", timeout=PATIENCE) as client:
        client.sendmail(SENDER, [RECIPIENT], MESSAGES["attachments"])
    mail = collector.mail()
    assert mail.peername == ip_address("::1")
    assert mail.data == MESSAGES["attachments"]
