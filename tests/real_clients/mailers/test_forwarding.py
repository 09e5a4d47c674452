"""ForwardHandler in front of a real Postfix, which takes mail by SMTP and hands it on by LMTP."""

from __future__ import annotations

import os
import smtplib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gen_smtp import gen_smtp_server
from gen_smtp.forward import ForwardHandler
from tests.certificates import Certificates
from tests.real_clients.tools.collector import Collector
from tests.real_clients.tools.mails import MESSAGES, RECIPIENT, SENDER
from tests.real_clients.tools.postfix import Postfix

CLIENT = ("127.0.0.9", 0)
"""The client's address; the server's own is 127.0.0.1."""
DOMAIN = RECIPIENT.partition("@")[2]


@pytest.fixture(scope="module")
def delivered() -> Collector:
    """What Postfix has handed on."""
    return Collector()


@pytest.fixture(scope="module")
def postfix(
    delivered: Collector, certificates: Certificates, require_tool: Callable[[str], str]
) -> Iterator[Postfix]:
    """A Postfix with a mailbox server behind it."""
    command = require_tool("postfix")
    if os.geteuid() != 0:
        pytest.skip("only root can run Postfix")
    options = {
        "address": "127.0.0.1",
        "port": 0,
        "domain": "box.example",
        "sessionoptions": {"protocol": "lmtp"},
    }
    with (
        tempfile.TemporaryDirectory(prefix="gs-", dir="/tmp") as name,
        gen_smtp_server.running(delivered.make, [options]) as server,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        way = f"lmtp:[127.0.0.1]:{gen_smtp_server.addresses(server)[0][1]}"
        with Postfix(command, folder, {DOMAIN: way}, certificates.cafile) as running:
            yield running


@contextmanager
def client_before(postfix: Postfix, **options: Any) -> Iterator[smtplib.SMTP]:
    """A client of a server that hands mail to Postfix."""
    options = {"relay": postfix.smtpd, "family": "unix", "tls": "never", **options}
    listener = {
        "address": "127.0.0.1",
        "port": 0,
        "domain": "gate.example",
        "sessionoptions": {"callbackoptions": options},
    }
    with (
        gen_smtp_server.running(ForwardHandler, [listener]) as server,
        smtplib.SMTP(
            *gen_smtp_server.addresses(server)[0], local_hostname="client.example", source_address=CLIENT
        ) as client,
    ):
        yield client


@pytest.mark.parametrize("name", ["attachments", "8-bit", "dots", "5 MiB"])
def test_a_message_arrives_as_it_was_sent_behind_the_fields_of_three_servers(
    postfix: Postfix, delivered: Collector, name: str
) -> None:
    message = MESSAGES[name]
    with client_before(postfix) as client:
        client.ehlo()
        assert client.mail(SENDER, [] if message.isascii() else ["BODY=8BITMIME"])[0] == 250
        assert client.rcpt(RECIPIENT)[0] == 250
        code, text = client.data(message)
    assert (code, text.startswith(b"2.0.0 Ok: queued as ")) == (250, True)  # Postfix's words
    mail = delivered.mail()
    fields, _, rest = mail.data.partition(message[:40])
    assert message[:40] + rest == message
    assert b"Received: from client.example ([127.0.0.9])\r\n\tby gate.example with ESMTP" in fields
    assert (mail.sender, mail.recipients) == (SENDER, [RECIPIENT])


def test_what_it_refuses_is_refused(postfix: Postfix) -> None:
    with client_before(postfix) as client:
        client.ehlo()
        client.mail(SENDER)
        assert client.rcpt("bob@elsewhere.example")[0] == 550
        assert client.rcpt(RECIPIENT)[0] == 250


def test_it_is_told_who_the_client_is(postfix: Postfix, delivered: Collector) -> None:
    with client_before(postfix, pass_on="xclient") as client:
        client.ehlo()
        client.mail(SENDER)
        client.rcpt(RECIPIENT)
        assert client.data(MESSAGES["dots"])[0] == 250
    received = delivered.mail().data.split(b"Received: ")[1]
    assert received.startswith(b"from gate.example (unknown [127.0.0.9])")  # it says its own hello again
