"""A real Postfix relays mail into the server: SMTP, SMTP with verified STARTTLS, LMTP over TCP and unix."""

from __future__ import annotations

import os
import smtplib
import tempfile
from collections.abc import Callable, Iterator
from email import message_from_bytes
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour
from tests.certificates import Certificates
from tests.real_clients.tools.collector import Collector, Mail
from tests.real_clients.tools.mails import (
    MESSAGES,
    SENDER,
    UTF8_RECIPIENT,
    UTF8_SENDER,
    with_utf8_headers,
)
from tests.real_clients.tools.postfix import Postfix

WAYS = {
    "smtp": "smtp:[127.0.0.1]:{smtp}",
    "tls": "smtptls:[localhost]:{tls}",
    "lmtp": "lmtp:inet:127.0.0.1:{lmtp}",
    "unix": "lmtp:unix:{unix}",
}


@pytest.fixture(scope="module")
def delivered() -> Collector:
    """What Postfix has handed on."""
    return Collector()


@pytest.fixture(scope="module")
def relay(
    delivered: Collector, certificates: Certificates, require_tool: Callable[[str], str]
) -> Iterator[Postfix]:
    """Postfix, which hands mail for way.example on as `WAYS` says."""
    command = require_tool("postfix")
    if os.geteuid() != 0:
        pytest.skip("only root can run Postfix")
    with tempfile.TemporaryDirectory(prefix="gs-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        path = folder / "lmtp.sock"
        options = _listeners(path, certificates)
        with gen_smtp_server.running(delivered.make, options) as server:
            path.chmod(0o666)  # Postfix's client is not root
            addresses = gen_smtp_server.addresses(server)
            ports = {way: address[1] for way, address in zip(WAYS, addresses[:3], strict=False)}
            transports = {f"{way}.example": to.format(**ports, unix=path) for way, to in WAYS.items()}
            transports[UTF8_RECIPIENT.partition("@")[2]] = transports["smtp.example"]
            transports["smtpfwd.example"] = f"smtpfwd:[127.0.0.1]:{ports['smtp']}"
            transports["lmtpfwd.example"] = f"lmtpfwd:unix:{path}"
            transports[SENDER.partition("@")[2]] = transports["smtp.example"]
            with Postfix(command, folder, transports, certificates.cafile) as postfix:
                yield postfix


def _listeners(path: Path, certificates: Certificates) -> list[dict[str, object]]:
    status_codes = {"announce": [("ENHANCEDSTATUSCODES", True)]}
    certificate = {"certfile": certificates.ecdsa.certfile, "keyfile": certificates.ecdsa.keyfile}
    loopback = {"address": "127.0.0.1", "port": 0, "domain": "mx.example"}
    lmtp = {"protocol": "lmtp", "callbackoptions": status_codes}
    return [
        {**loopback, "xforward": ["127.0.0.1"], "sessionoptions": {}},
        {**loopback, "sessionoptions": {**certificate, "require_tls": True}},
        {**loopback, "sessionoptions": lmtp},
        {
            "family": "unix",
            "address": str(path),
            "domain": "mx.example",
            "xforward": ["unix"],
            "sessionoptions": lmtp,
        },
    ]


XCLIENT = (
    "XCLIENT ADDR=192.0.2.7 NAME=client.example PORT=4711",
    "EHLO client.example",
    "XCLIENT HELO=its+20hello PROTO=esmtp DESTADDR=192.0.2.1 DESTPORT=25",
    "XCLIENT ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL]",
    "xclient addr=192.0.2.7",
    "XCLIENT",
    "XCLIENT ADDR",
    "XCLIENT ADDR=",
    "XCLIENT ADDR=1.2.3",
    "XCLIENT ADDR=IPV6:192.0.2.7",
    "XCLIENT ADDR=[TEMPUNAVAIL]",
    "XCLIENT NAME=+zz",
    "XCLIENT PROTO=LMTP",
    "XCLIENT FOO=bar",
    "HELO client.example",
    "MAIL FROM:<a@client.example>",
    "XCLIENT ADDR=192.0.2.7",
    "RSET",
    "XCLIENT ADDR=192.0.2.8",
    "QUIT",
)


def test_its_smtpd_answers_xclient_as_this_server_does(relay: Postfix) -> None:
    options = {"address": "127.0.0.1", "port": 0, "xclient": ["127.0.0.1"]}
    with gen_smtp_server.running(Behaviour, [options]) as server:
        (address,) = gen_smtp_server.addresses(server)
        with relay.client() as theirs, smtplib.SMTP(*address) as ours:
            for line in XCLIENT:
                assert (line, ours.docmd(line)[0]) == (line, theirs.docmd(line)[0])


XCLIENT_OF_A_CLIENT = "XCLIENT NAME=spike.example ADDR=192.0.2.7 PORT=4711 HELO=the+2Bone PROTO=ESMTP"


@pytest.mark.parametrize("way", ["smtpfwd", "lmtpfwd"])
def test_it_says_by_xforward_whom_it_has_a_message_from(
    relay: Postfix, delivered: Collector, way: str
) -> None:
    with relay.client() as client:
        assert client.docmd(XCLIENT_OF_A_CLIENT)[0] == 220
        client.ehlo("the+one")
        for _ in range(2):  # in one session, if Postfix keeps it
            assert client.sendmail(SENDER, [f"bob@{way}.example"], MESSAGES["dots"]) == {}
        for _ in range(2):
            mail = delivered.mail()
            facts = mail.xforward
            assert facts is not None
            assert mail.peername in (None, IPv4Address("127.0.0.1"))
            assert (facts.name, str(facts.address), facts.port) == ("spike.example", "192.0.2.7", 4711)
            assert (facts.helo, facts.protocol, facts.source) == ("the+one", "ESMTP", "remote")
            assert facts.ident is not None
            assert facts.ident.encode() in mail.data.partition(b"Subject:")[0]  # Postfix's own queue id


def test_it_says_so_only_if_it_is_told_to(relay: Postfix, delivered: Collector) -> None:
    with relay.client() as client:
        assert client.sendmail(SENDER, ["bob@smtp.example"], MESSAGES["dots"]) == {}
    assert delivered.mail().xforward is None


@pytest.fixture
def send(relay: Postfix) -> Iterator[Callable[..., None]]:
    """`send(message, *recipients, sender=..., utf8=False)`: give Postfix a message to relay."""
    with relay.client() as client:

        def one(message: bytes, *recipients: str, sender: str = SENDER, utf8: bool = False) -> None:
            options = ["BODY=8BITMIME", *(["SMTPUTF8"] if utf8 else [])]
            assert client.sendmail(sender, recipients, message, options) == {}

        yield one


def content(mail: Mail) -> bytes:
    """The message without the Received line (three physical ones) that Postfix has put before it."""
    received, by, date, rest = mail.data.split(b"\r\n", 3)
    assert received.startswith(b"Received: from")
    assert by.startswith(b"\t")
    assert date.startswith(b"\t")
    return rest


@pytest.mark.parametrize(
    "name", ["attachments", "utf-8 headers", "8-bit", "dots", "long lines", "NUL", "5 MiB"]
)
@pytest.mark.parametrize("way", WAYS)
def test_every_message_arrives_as_it_was_sent(
    send: Callable[..., None], delivered: Collector, way: str, name: str
) -> None:
    send(MESSAGES[name], f"bob@{way}.example")
    mail = delivered.mail()
    assert content(mail) == MESSAGES[name]
    assert (mail.sender, mail.recipients, mail.helo) == (SENDER, [f"bob@{way}.example"], "relay.example")
    assert (mail.tls is not None) == (way == "tls")
    assert (mail.peername is None) == (way == "unix")


def test_addresses_in_utf8(send: Callable[..., None], delivered: Collector) -> None:
    send(with_utf8_headers(), UTF8_RECIPIENT, sender=UTF8_SENDER, utf8=True)
    mail = delivered.mail()
    assert (mail.sender, mail.recipients) == (UTF8_SENDER, [UTF8_RECIPIENT])
    assert mail.parameters["SMTPUTF8"] is True
    assert content(mail) == with_utf8_headers()


@pytest.mark.parametrize("way", WAYS)
def test_many_recipients_in_one_transaction(
    send: Callable[..., None], delivered: Collector, way: str
) -> None:
    recipients = [f"user{number}@{way}.example" for number in range(50)]
    send(MESSAGES["dots"], *recipients)
    mail = delivered.mail()
    assert sorted(mail.recipients) == sorted(recipients)
    assert content(mail) == MESSAGES["dots"]


@pytest.mark.parametrize("way", ["smtp", "lmtp"])
def test_a_refused_recipient_makes_postfix_tell_the_sender(
    send: Callable[..., None], delivered: Collector, way: str
) -> None:
    send(MESSAGES["dots"], f"nobody@{way}.example", f"bob@{way}.example")
    first, second = sorted((delivered.mail(), delivered.mail()), key=lambda mail: mail.sender)
    assert (first.sender, first.recipients) == ("", [SENDER])
    assert "No such recipient" in report_on(first)
    assert second.recipients == [f"bob@{way}.example"]


def test_lmtp_tells_what_became_of_each_recipient(send: Callable[..., None], delivered: Collector) -> None:
    send(MESSAGES["dots"], "bob@unix.example", "full@unix.example")
    bounce, message = sorted((delivered.mail(), delivered.mail()), key=lambda mail: mail.sender)
    assert sorted(message.recipients) == ["bob@unix.example", "full@unix.example"]
    report = report_on(bounce)
    assert "full@unix.example" in report
    assert "mailbox full" in report
    assert "bob@unix.example" not in report


def test_two_hundred_messages_at_once(
    relay: Postfix, delivered: Collector, run_client: Callable[..., str]
) -> None:
    recipient = "bob@smtp.example"
    run_client("smtp-source", "-s", "10", "-m", "200", "-N", "-t", recipient, f"unix:{relay.smtpd}")
    recipients = [delivered.mail().recipients for _ in range(200)]
    assert {each for (each,) in recipients} == {f"{number}{recipient}" for number in range(1, 201)}


def report_on(bounce: Mail) -> str:
    """The part of a bounce that says what was not delivered (RFC 3464)."""
    parts = message_from_bytes(bounce.data).walk()
    return next(part.as_string() for part in parts if part.get_content_type() == "message/delivery-status")
