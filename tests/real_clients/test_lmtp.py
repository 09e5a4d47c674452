"""LMTP with Python's smtplib, over TCP and unix sockets."""

from __future__ import annotations

import smtplib
from pathlib import Path

import pytest

from tests.real_clients.conftest import Serve
from tests.real_clients.tools.collector import PATIENCE, Collector
from tests.real_clients.tools.mails import MESSAGES, RECIPIENT, SENDER, stuff

LMTP = {"protocol": "lmtp"}


def test_every_message_arrives_over_tcp(serve: Serve, collector: Collector) -> None:
    served = serve(LMTP)
    with smtplib.LMTP(served.host, served.port, "client.example", timeout=PATIENCE) as client:
        for name, message in MESSAGES.items():
            client.sendmail(SENDER, [RECIPIENT], message, ["BODY=8BITMIME"])
            assert collector.mail().data == message, name


def test_every_message_arrives_over_a_unix_socket(
    serve: Serve, collector: Collector, short_path: Path
) -> None:
    path = str(short_path / "lmtp")
    served = serve(LMTP, family="unix", address=path)
    assert served.address == path
    with smtplib.LMTP(path, local_hostname="client.example", timeout=PATIENCE) as client:
        for name, message in MESSAGES.items():
            client.sendmail(SENDER, [RECIPIENT], message, ["BODY=8BITMIME"])
            mail = collector.mail()
            assert mail.data == message, name
            assert mail.peername is None


def test_over_ipv6(serve: Serve, collector: Collector, ipv6_loopback: str) -> None:
    served = serve(LMTP, family="inet6", address=ipv6_loopback)
    with smtplib.LMTP(served.host, served.port, "client.example", timeout=PATIENCE) as client:
        client.sendmail(SENDER, [RECIPIENT], MESSAGES["dots"])
    assert collector.mail().data == MESSAGES["dots"]


def test_one_reply_for_each_accepted_recipient(serve: Serve, collector: Collector) -> None:
    served = serve(LMTP)
    recipients = ["one@example.com", "full@example.com", "nobody@example.com", "one@example.com"]
    with smtplib.LMTP(served.host, served.port, "client.example", timeout=PATIENCE) as client:
        client.ehlo()
        client.mail(SENDER)
        assert [client.rcpt(each)[0] for each in recipients] == [250, 250, 550, 250]
        assert client.docmd("DATA")[0] == 354
        client.send(stuff(MESSAGES["dots"]))
        # smtplib itself reads but one reply after the message.
        replies = [client.getreply() for _ in range(3)]
        assert replies == [(250, b"delivered"), (552, b"mailbox full"), (250, b"delivered")]
        assert client.noop()[0] == 250
    assert collector.mail().recipients == ["one@example.com", "full@example.com", "one@example.com"]


def test_a_refused_message_has_one_reply_for_each_recipient_too(serve: Serve, collector: Collector) -> None:
    served = serve(LMTP)
    with smtplib.LMTP(served.host, served.port, "client.example", timeout=PATIENCE) as client:
        client.ehlo()
        client.mail(SENDER)
        client.rcpt(RECIPIENT)
        client.rcpt(RECIPIENT)
        client.docmd("DATA")
        client.send(b"Subject: bare\nnewline\r\n.\r\n")
        assert [client.getreply()[0] for _ in range(2)] == [550, 550]
        assert client.noop()[0] == 250
    assert collector.end() == "normal"
    assert collector.mails.empty()


def test_helo_and_ehlo_are_not_lmtp(serve: Serve) -> None:
    served = serve(LMTP)
    with smtplib.SMTP(served.host, served.port, "client.example", timeout=PATIENCE) as client:
        with pytest.raises(smtplib.SMTPHeloError) as refused:
            client.ehlo_or_helo_if_needed()
        assert refused.value.smtp_code == 500
