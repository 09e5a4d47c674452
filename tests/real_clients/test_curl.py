"""curl, smtp:// and smtps://."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Certificates
from tests.real_clients.conftest import Serve
from tests.real_clients.tools.collector import PASSWORD, USERNAME, Collector
from tests.real_clients.tools.mails import MESSAGES, RECIPIENT, SENDER

Curl = Callable[..., str]

AUTHENTICATION_REFUSED = 67  # CURLE_LOGIN_DENIED
TLS_FAILED = 64  # CURLE_USE_SSL_FAILED
SENDING_REFUSED = 55  # CURLE_SEND_ERROR


@pytest.fixture
def curl(run_client: Callable[..., str], tmp_path: Path, certificates: Certificates) -> Curl:
    """`curl(scheme, port, *arguments, message=..., exit_code=0)`: send one message."""

    def run(
        scheme: str, port: int, *arguments: str, message: bytes = MESSAGES["attachments"], exit_code: int = 0
    ) -> str:
        upload = tmp_path / "message"
        upload.write_bytes(message)
        url = f"{scheme}://localhost:{port}/curl.example"
        envelope = ["--mail-from", SENDER, "--mail-rcpt", RECIPIENT, "--upload-file", str(upload)]
        options = ["--disable", "--silent", "--show-error", "--ipv4", "--noproxy", "*"]
        trust = ["--cacert", certificates.cafile]
        return run_client("curl", *options, *trust, *envelope, *arguments, url, exit_code=exit_code)

    return run


@pytest.mark.parametrize("name", [*MESSAGES, "empty"])
def test_every_message_arrives_as_it_was_sent(
    curl: Curl, serve: Serve, collector: Collector, name: str
) -> None:
    message = MESSAGES.get(name, b"")
    curl("smtp", serve().port, message=message)
    mail = collector.mail()
    assert mail.data == message
    assert (mail.sender, mail.recipients, mail.helo) == (SENDER, [RECIPIENT], "curl.example")


def test_starttls(curl: Curl, serve: Serve, with_certificate: dict[str, Any], collector: Collector) -> None:
    curl("smtp", serve(with_certificate).port, "--ssl-reqd", message=MESSAGES["5 MiB"])
    mail = collector.mail()
    assert mail.tls is not None
    assert mail.data == MESSAGES["5 MiB"]


def test_implicit_tls(
    curl: Curl, serve: Serve, with_certificate: dict[str, Any], collector: Collector
) -> None:
    curl("smtps", serve(with_certificate, protocol="ssl").port, message=MESSAGES["5 MiB"])
    mail = collector.mail()
    assert mail.tls is not None
    assert mail.data == MESSAGES["5 MiB"]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_the_proxy_protocol(
    curl: Curl, serve: Serve, with_certificate: dict[str, Any], collector: Collector, scheme: str
) -> None:
    protocol = "ssl" if scheme == "smtps" else "tcp"
    served = serve(with_certificate, proxy_protocol=["127.0.0.0/8"], protocol=protocol)
    curl(scheme, served.port, "--haproxy-protocol", "--interface", "127.0.0.9")
    mail = collector.mail()
    assert mail.data == MESSAGES["attachments"]
    assert str(mail.peername) == "127.0.0.9"
    assert mail.proxy is not None
    assert (mail.proxy.header.version, mail.proxy.header.destination_port) == (1, served.port)


def test_without_a_certificate_there_is_no_starttls(curl: Curl, serve: Serve, collector: Collector) -> None:
    curl("smtp", serve().port, "--ssl-reqd", exit_code=TLS_FAILED)
    assert collector.end() == "normal"
    assert collector.mails.empty()


@pytest.mark.parametrize("initial_response", [(), ("--sasl-ir",)])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_authenticates(
    curl: Curl,
    serve: Serve,
    with_certificate: dict[str, Any],
    collector: Collector,
    mechanism: str,
    initial_response: tuple[str, ...],
) -> None:
    credentials = ["--user", f"{USERNAME}:{PASSWORD}", "--login-options", f"AUTH={mechanism}"]
    curl("smtp", serve(with_certificate).port, "--ssl-reqd", *credentials, *initial_response)
    assert collector.mail().user == USERNAME


def test_a_wrong_password_is_refused(
    curl: Curl, serve: Serve, with_certificate: dict[str, Any], collector: Collector
) -> None:
    port = serve(with_certificate, protocol="ssl").port
    curl("smtps", port, "--user", f"{USERNAME}:wrong", exit_code=AUTHENTICATION_REFUSED)
    assert collector.end() == "normal"
    assert collector.mails.empty()


def test_a_message_that_says_it_is_too_large_is_refused_before_it_comes(
    curl: Curl, serve: Serve, collector: Collector
) -> None:
    port = serve({"callbackoptions": {"size": 1000}}).port
    output = curl("smtp", port, "--verbose", exit_code=SENDING_REFUSED)
    assert "552 Estimated message length" in output
    assert collector.end() == "normal"
    assert collector.mails.empty()


def test_several_recipients_one_of_them_refused(curl: Curl, serve: Serve, collector: Collector) -> None:
    others = ["--mail-rcpt", "nobody@example.com", "--mail-rcpt", "third@example.com"]
    curl("smtp", serve().port, *others, "--mail-rcpt-allowfails")
    assert collector.mail().recipients == [RECIPIENT, "third@example.com"]
