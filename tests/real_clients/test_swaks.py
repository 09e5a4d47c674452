"""swaks, the Swiss army knife for SMTP."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest

from gen_smtp.protocol.questions import ClientFacts
from tests.real_clients.conftest import Serve, Served
from tests.real_clients.tools.collector import PASSWORD, USERNAME, Collector
from tests.real_clients.tools.mails import MESSAGES, RECIPIENT, SENDER, stuff

RunClient = Callable[..., str]
Swaks = Callable[..., str]


@pytest.fixture
def swaks(run_client: RunClient, tmp_path: Path) -> Swaks:
    """`swaks(served, *arguments, message=..., exit_code=0)`: send one message; what swaks printed."""

    def run(
        target: Served, *arguments: str, message: bytes = MESSAGES["attachments"], exit_code: int = 0
    ) -> str:
        data = tmp_path / "data"
        # Without its fix-ups swaks sends the file as it is, and CRLF behind it.
        data.write_bytes(stuff(message).removesuffix(b"\r\n"))
        if isinstance(target.address, str):
            server = ["--socket", target.address]
        else:
            server = ["--server", target.host, "--port", str(target.port)]
        envelope = ["--helo", "swaks.example", "--from", SENDER, "--to", RECIPIENT]
        content = ["--no-data-fixup", "--data", f"@{data}", "--timeout", "20"]
        return run_client("swaks", *server, *envelope, *content, *arguments, exit_code=exit_code)

    return run


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_arrives_as_it_was_sent(
    swaks: Swaks, serve: Serve, collector: Collector, name: str
) -> None:
    swaks(serve(), "--hide-all", message=MESSAGES[name])
    mail = collector.mail()
    assert mail.data == MESSAGES[name]
    assert (mail.sender, mail.recipients, mail.helo) == (SENDER, [RECIPIENT], "swaks.example")


def test_starttls(
    swaks: Swaks, serve: Serve, with_certificate: dict[str, Any], collector: Collector, certificates: Any
) -> None:
    swaks(serve(with_certificate), "--tls", "--tls-verify", "--tls-ca-path", certificates.cafile)
    mail = collector.mail()
    assert mail.tls is not None
    assert mail.data == MESSAGES["attachments"]


@pytest.mark.parametrize("version", ["tlsv1_2", "tlsv1_3"])
def test_tls_on_connect(
    swaks: Swaks, serve: Serve, with_certificate: dict[str, Any], collector: Collector, version: str
) -> None:
    swaks(serve(with_certificate, protocol="ssl"), "--tls-on-connect", "--tls-protocol", version)
    mail = collector.mail()
    assert mail.tls is not None
    assert mail.tls.version == version.replace("tlsv1_", "TLSv1.")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_authenticates(
    swaks: Swaks, serve: Serve, with_certificate: dict[str, Any], collector: Collector, mechanism: str
) -> None:
    credentials = ["--auth", mechanism, "--auth-user", USERNAME, "--auth-password", PASSWORD]
    swaks(serve(with_certificate), "--tls", *credentials)
    assert collector.mail().user == USERNAME


def test_a_wrong_password_is_refused(
    swaks: Swaks, serve: Serve, with_certificate: dict[str, Any], collector: Collector
) -> None:
    wrong = ["--auth", "CRAM-MD5", "--auth-user", USERNAME, "--auth-password", "wrong"]
    authentication_failed = 28
    output = swaks(serve(with_certificate), "--tls", *wrong, exit_code=authentication_failed)
    assert "535 Authentication failed." in output
    assert collector.end() == "normal"
    assert collector.mails.empty()


def test_pipelining(swaks: Swaks, serve: Serve, collector: Collector) -> None:
    recipients = [f"user{number}@example.com" for number in range(40)]
    output = swaks(serve(), "--pipeline", "--to", ",".join(recipients), message=MESSAGES["dots"])
    mail = collector.mail()
    assert (mail.recipients, mail.data) == (recipients, MESSAGES["dots"])
    sent_at_once = output.index("-> DATA") < output.index("250 sender Ok")
    assert sent_at_once


@pytest.mark.parametrize("pipeline", [(), ("--pipeline",)])
def test_lmtp(swaks: Swaks, serve: Serve, collector: Collector, pipeline: tuple[str, ...]) -> None:
    served = serve({"protocol": "lmtp"})
    to = ["--to", f"{RECIPIENT},full@example.com"]
    output = swaks(served, "--protocol", "LMTP", *to, *pipeline)
    assert collector.mail().data == MESSAGES["attachments"]
    assert "LHLO swaks.example" in output
    assert output.index("250 delivered") < output.index("552 mailbox full")


@pytest.mark.parametrize("protocol", ["smtp", "lmtp"])
def test_a_unix_socket(
    swaks: Swaks, serve: Serve, collector: Collector, short_path: Path, protocol: str
) -> None:
    served = serve({"protocol": protocol}, family="unix", address=str(short_path / "mail"))
    swaks(served, "--protocol", "LMTP" if protocol == "lmtp" else "ESMTP")
    mail = collector.mail()
    assert mail.data == MESSAGES["attachments"]
    assert mail.peername is None


@pytest.mark.parametrize(
    ("version", "family", "command", "source"),
    [
        (1, "TCP4", [], "192.0.2.7"),
        (1, "TCP6", [], "2001:db8::7"),
        (2, "AF_INET", ["--proxy-protocol", "STREAM", "--proxy-command", "PROXY"], "192.0.2.7"),
        (2, "AF_INET6", ["--proxy-protocol", "STREAM", "--proxy-command", "PROXY"], "2001:db8::7"),
    ],
)
@pytest.mark.parametrize("tls", [(), ("--tls-on-connect",)])
def test_the_proxy_protocol(
    swaks: Swaks,
    serve: Serve,
    with_certificate: dict[str, Any],
    collector: Collector,
    version: int,
    family: str,
    command: list[str],
    source: str,
    tls: tuple[str, ...],
) -> None:
    served = serve(with_certificate, proxy_protocol=["127.0.0.1"], protocol="ssl" if tls else "tcp")
    here = ["--proxy-dest", "::1" if ":" in source else "127.0.0.1", "--proxy-dest-port", "25"]
    there = ["--proxy-source", source, "--proxy-source-port", "4711"]
    header = ["--proxy-version", str(version), "--proxy-family", family, *command, *there, *here]
    swaks(served, *header, *tls)
    mail = collector.mail()
    assert mail.data == MESSAGES["attachments"]
    assert mail.proxy is not None
    assert str(mail.peername) == str(mail.proxy.header.source) == source
    assert (mail.proxy.header.version, mail.proxy.header.source_port) == (version, 4711)
    assert (mail.tls is not None) == bool(tls)


def test_xclient(swaks: Swaks, serve: Serve, collector: Collector) -> None:
    facts = ["--xclient-name", "client.example", "--xclient-addr", "192.0.2.7", "--xclient-port", "4711"]
    more = ["--xclient-helo", "its hello", "--xclient-login", "joe", "--xclient-proto", "ESMTP"]
    there = ["--xclient-destaddr", "IPV6:2001:db8::1", "--xclient-destport", "25"]
    swaks(serve(xclient=["127.0.0.1"]), *facts, "--xclient-delim", *more, *there)
    mail = collector.mail()
    assert mail.data == MESSAGES["attachments"]
    assert (str(mail.peername), mail.user, mail.helo) == ("192.0.2.7", "joe", "swaks.example")
    assert mail.xclient == ClientFacts(
        name="client.example",
        address=IPv4Address("192.0.2.7"),
        port=4711,
        protocol="ESMTP",
        helo="its hello",
        login="joe",
        destination=IPv6Address("2001:db8::1"),
        destination_port=25,
    )


def test_xclient_is_not_offered_to_others(swaks: Swaks, serve: Serve, collector: Collector) -> None:
    xclient_failed = 33
    served = serve(xclient=["192.0.2.0/24"])
    output = swaks(served, "--xclient-addr", "192.0.2.7", exit_code=xclient_failed)
    assert "Host did not advertise XCLIENT" in output
    assert collector.end() == "normal"


def test_ipv6(swaks: Swaks, serve: Serve, collector: Collector, ipv6_loopback: str) -> None:
    swaks(serve(family="inet6", address=ipv6_loopback))
    assert str(collector.mail().peername) == "::1"
