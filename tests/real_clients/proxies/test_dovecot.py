"""Dovecot's LMTP and submission proxies in front of the server."""

from __future__ import annotations

import os
import smtplib
import tempfile
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest

from gen_smtp import gen_smtp_server
from gen_smtp.maildir.handler import MaildirHandler
from tests.real_clients.tools.collector import PASSWORD, PATIENCE, Collector
from tests.real_clients.tools.dovecot import Dovecot
from tests.real_clients.tools.mails import MESSAGES, RECIPIENT, SENDER

CLIENT = "127.0.0.9"
"""The client's address; Dovecot's own is 127.0.0.1."""
TAGGED = "jane+lists@example.com"
HOSTS = ("127.0.0.1",)

Start = Callable[..., Dovecot]


class Lmtp(smtplib.SMTP):
    """smtplib's own LMTP takes no address to come from."""

    ehlo_msg = "lhlo"


def listeners(**session: Any) -> list[dict[str, Any]]:
    """One for LMTP and one for SMTP; Dovecot may speak for others."""
    place = {"address": "127.0.0.1", "port": 0, "domain": "mx.example", "xclient": ["127.0.0.1"]}
    return [
        {**place, "sessionoptions": {**session, "protocol": "lmtp"}},
        {**place, "sessionoptions": session},
    ]


@pytest.fixture
def start(require_tool: Callable[[str], str]) -> Iterator[Callable[..., Any]]:
    """`start(lmtp, submission, *hosts)`: a Dovecot that is to be entered."""
    command = require_tool("dovecot")
    if os.geteuid() != 0:
        pytest.skip("only root can run Dovecot")
    with tempfile.TemporaryDirectory(prefix="gs-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)

        def start(addresses: list[Any], hosts: tuple[str, ...] = HOSTS) -> Dovecot:
            lmtp, submission = (address[1] for address in addresses)
            return Dovecot(command, folder, lmtp=lmtp, submission=submission, hosts=hosts)

        yield start


def test_the_clients_of_both_proxies_are_known(start: Start) -> None:
    collector = Collector()
    with (
        gen_smtp_server.running(collector.make, listeners()) as server,
        start(gen_smtp_server.addresses(server)) as dovecot,
    ):
        with Lmtp("127.0.0.1", dovecot.lmtp_port, "client.example", PATIENCE, (CLIENT, 0)) as client:
            assert client.sendmail(SENDER, [RECIPIENT], MESSAGES["attachments"]) == {}
        mail = collector.mail()
        assert mail.data.endswith(MESSAGES["attachments"])  # Dovecot puts a Received before it
        assert (mail.peername, mail.user) == (IPv4Address(CLIENT), None)
        assert mail.xclient is not None
        assert (mail.xclient.helo, mail.xclient.protocol) == ("client.example", "LMTP")
        with smtplib.SMTP(
            "127.0.0.1", dovecot.submission_port, "client.example", PATIENCE, (CLIENT, 0)
        ) as client:
            client.login(TAGGED, PASSWORD)
            assert client.sendmail(SENDER, [RECIPIENT], MESSAGES["attachments"]) == {}
        mail = collector.mail()
        assert mail.data == MESSAGES["attachments"]
        assert (mail.peername, mail.user, mail.helo) == (IPv4Address(CLIENT), TAGGED, "proxy.example")
        assert mail.xclient is not None
        assert (mail.xclient.helo, mail.xclient.protocol) == ("client.example", "ESMTP")


def test_received_names_the_clients_hello(start: Start, tmp_path: Path) -> None:
    options = listeners(callbackoptions={"maildir": tmp_path / "mail"})
    with (
        gen_smtp_server.running(MaildirHandler, options) as server,
        start(gen_smtp_server.addresses(server)) as dovecot,
        Lmtp("127.0.0.1", dovecot.lmtp_port, "client.example", PATIENCE, (CLIENT, 0)) as client,
    ):
        assert client.sendmail(SENDER, [RECIPIENT], b"Subject: x\r\n\r\nx\r\n") == {}
    (message,) = (tmp_path / "mail" / "new").iterdir()
    assert f"Received: from client.example ([{CLIENT}])" in message.read_text().splitlines()


def test_ipv6_addresses_come_without_their_prefix(start: Start, ipv6_loopback: str) -> None:
    collector = Collector()
    with (
        gen_smtp_server.running(collector.make, listeners()) as server,
        start(gen_smtp_server.addresses(server), (ipv6_loopback,)) as dovecot,
    ):
        for kind, port, user in (
            (Lmtp, dovecot.lmtp_port, None),
            (smtplib.SMTP, dovecot.submission_port, TAGGED),
        ):
            with kind(ipv6_loopback, port, "client.example", PATIENCE) as client:
                if user is not None:
                    client.login(user, PASSWORD)
                assert client.sendmail(SENDER, [RECIPIENT], MESSAGES["attachments"]) == {}
            mail = collector.mail()
            assert (mail.peername, mail.user) == (IPv6Address(ipv6_loopback), user)
