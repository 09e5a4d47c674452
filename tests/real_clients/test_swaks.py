"""swaks, the Swiss army knife for SMTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.real_clients.collector import PASSWORD, USERNAME, Collector
from tests.real_clients.conftest import Serve, Served
from tests.real_clients.mails import MESSAGES, RECIPIENT, SENDER, stuff

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


def test_ipv6(swaks: Swaks, serve: Serve, collector: Collector, ipv6_loopback: str) -> None:
    swaks(serve(family="inet6", address=ipv6_loopback))
    assert str(collector.mail().peername) == "::1"
