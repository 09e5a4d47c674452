"""openssl s_client: a TLS client of its own, by STARTTLS in SMTP and LMTP and from the first octet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.certificates import Certificates
from tests.real_clients.collector import Collector
from tests.real_clients.conftest import Serve
from tests.real_clients.mails import MESSAGES, RECIPIENT, SENDER, stuff

Connect = Callable[..., str]

VERSIONS = {"-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"}


def session(hello: str, message: bytes) -> bytes:
    """A whole session, all of it sent at once."""
    envelope = f"{hello} openssl.example\r\nMAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n"
    return envelope.encode() + stuff(message) + b"QUIT\r\n"


@pytest.fixture
def s_client(run_client: Callable[..., str], certificates: Certificates) -> Connect:
    """`s_client(port, *arguments, input=...)`: talk until the server closes; what came."""

    def run(port: int, *arguments: str, input: bytes = b"", exit_code: int = 0) -> str:
        trust = ["-CAfile", certificates.cafile, "-verify_return_error", "-verify_hostname", "localhost"]
        connect = ["-connect", f"127.0.0.1:{port}", "-quiet"]
        return run_client(
            "openssl", "s_client", *connect, *trust, *arguments, input=input, exit_code=exit_code
        )

    return run


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("key", ["rsa", "ecdsa", "encrypted"])
def test_starttls(
    s_client: Connect,
    serve: Serve,
    collector: Collector,
    certificates: Certificates,
    version: str,
    key: str,
) -> None:
    files = getattr(certificates, key)
    tls = {"certfile": files.certfile, "keyfile": files.keyfile, "password": certificates.password}
    port = serve({"tls_options": tls}).port
    lines = session("EHLO", MESSAGES["attachments"])
    output = s_client(port, "-starttls", "smtp", "-name", "openssl.example", version, input=lines)
    mail = collector.mail()
    assert mail.tls is not None
    assert mail.tls.version == VERSIONS[version]
    assert mail.data == MESSAGES["attachments"]
    assert output.rstrip().endswith("221 Bye")
    assert "STARTTLS" not in output[output.index("250-mx.example") :]


@pytest.mark.parametrize("version", VERSIONS)
def test_implicit_tls(
    s_client: Connect, serve: Serve, with_certificate: dict[str, Any], collector: Collector, version: str
) -> None:
    port = serve(with_certificate, protocol="ssl").port
    output = s_client(port, version, input=session("EHLO", MESSAGES["5 MiB"]))
    assert collector.mail().data == MESSAGES["5 MiB"]
    assert "220 mx.example ESMTP" in output
    assert "250-STARTTLS" not in output


def test_starttls_in_lmtp(
    s_client: Connect, serve: Serve, with_certificate: dict[str, Any], collector: Collector
) -> None:
    port = serve(with_certificate | {"protocol": "lmtp"}).port
    starttls = ["-starttls", "lmtp", "-name", "openssl.example"]
    s_client(port, *starttls, input=session("LHLO", MESSAGES["NUL"]))
    mail = collector.mail()
    assert mail.tls is not None
    assert mail.data == MESSAGES["NUL"]


def test_a_version_older_than_the_minimum_is_refused(
    s_client: Connect, serve: Serve, certificates: Certificates, collector: Collector
) -> None:
    tls = {
        "certfile": certificates.ecdsa.certfile,
        "keyfile": certificates.ecdsa.keyfile,
        "minimum_version": "TLSv1.3",
    }
    port = serve({"tls_options": tls}, protocol="ssl").port
    output = s_client(port, "-tls1_2", exit_code=1)
    assert "alert protocol version" in output
    s_client(port, "-tls1_3", input=session("EHLO", MESSAGES["dots"]))
    assert collector.mail().data == MESSAGES["dots"]


def test_a_client_that_does_not_believe_the_certificate_leaves(
    s_client: Connect, serve: Serve, certificates: Certificates, collector: Collector
) -> None:
    tls = {"certfile": certificates.one.certfile, "keyfile": certificates.one.keyfile}
    port = serve({"tls_options": tls}).port
    output = s_client(port, "-starttls", "smtp", input=session("EHLO", MESSAGES["dots"]), exit_code=1)
    assert "hostname mismatch" in output.lower()
    assert collector.end() == "normal"
    assert collector.mails.empty()
