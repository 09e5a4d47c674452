"""TLS as clients see it: certificates by name, clients' certificates, what must not be trusted or run."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import pytest

from tests.certificates import CertificateFiles, Certificates
from tests.real_clients.conftest import Serve
from tests.real_clients.tools.collector import PATIENCE, Collector
from tests.real_clients.tools.mails import RECIPIENT, SENDER
from tests.real_clients.tools.raw_client import RawClient, greeted


def files(certificate: CertificateFiles) -> dict[str, Any]:
    """As TLS options."""
    return {"certfile": certificate.certfile, "keyfile": certificate.keyfile}


def common_name(certificate: dict[str, Any]) -> str:
    """The name that a certificate, as getpeercert gives it, is for."""
    return str(dict(pair for group in certificate["subject"] for pair in group)["commonName"])


@pytest.fixture
def by_name(certificates: Certificates) -> dict[str, Any]:
    """TLS options with three certificates: for localhost, one.example and two.example."""
    hosts = {"one.example": files(certificates.one), "two.example": files(certificates.two)}
    return {"tls_options": {**files(certificates.ecdsa), "sni_hosts": hosts}}


@pytest.mark.parametrize("protocol", ["tcp", "ssl"])
@pytest.mark.parametrize("name", ["one.example", "two.example", "localhost"])
def test_the_certificate_is_the_one_for_the_name_that_the_client_asks_for(
    serve: Serve, by_name: dict[str, Any], client_tls: ssl.SSLContext, protocol: str, name: str
) -> None:
    served = serve(by_name, protocol=protocol)
    if protocol == "ssl":
        client = RawClient(served.address, client_tls, name)
    else:
        client = greeted(served.address)
        assert client.ask("STARTTLS") == "220 OK"
        client.start_tls(client_tls, name)
    with client:
        assert common_name(client.socket.getpeercert()) == name


def test_a_name_nobody_knows_gets_the_usual_certificate(
    serve: Serve, by_name: dict[str, Any], client_tls: ssl.SSLContext
) -> None:
    client_tls.check_hostname = False
    served = serve(by_name, protocol="ssl")
    with RawClient(served.address, client_tls, "three.example") as client:
        assert common_name(client.socket.getpeercert()) == "localhost"


@pytest.mark.parametrize("verify", [True, "optional"])
def test_a_callback_sees_the_clients_certificate(
    serve: Serve, collector: Collector, certificates: Certificates, client_tls: ssl.SSLContext, verify: Any
) -> None:
    options = {**files(certificates.rsa), "cafile": certificates.cafile, "verify": verify}
    served = serve({"tls_options": options}, protocol="ssl")
    client_tls.load_cert_chain(certificates.client.certfile, certificates.client.keyfile)
    with RawClient(served.address, client_tls) as client:
        deliver(client)
    mail = collector.mail()
    assert mail.tls is not None
    assert mail.tls.client_certificate is not None
    assert common_name(mail.tls.client_certificate) == "client.example"
    assert mail.tls.version == "TLSv1.3"


def test_a_client_without_certificate_is_served_where_it_is_optional(
    serve: Serve, collector: Collector, certificates: Certificates, client_tls: ssl.SSLContext
) -> None:
    options = {**files(certificates.rsa), "cafile": certificates.cafile, "verify": "optional"}
    served = serve({"tls_options": options}, protocol="ssl")
    with RawClient(served.address, client_tls) as client:
        deliver(client)
    mail = collector.mail()
    assert mail.tls is not None
    assert mail.tls.client_certificate is None


def test_a_client_without_certificate_is_refused_where_it_is_demanded(
    serve: Serve, certificates: Certificates, client_tls: ssl.SSLContext
) -> None:
    options = {**files(certificates.rsa), "cafile": certificates.cafile, "verify": True}
    served = serve({"tls_options": options}, protocol="ssl")
    client_tls.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match=r"(?i)handshake failure|certificate required"):
        RawClient(served.address, client_tls)


def test_commands_sent_in_clear_behind_starttls_are_never_run(
    serve: Serve, collector: Collector, with_certificate: dict[str, Any], client_tls: ssl.SSLContext
) -> None:
    served = serve(with_certificate)
    with greeted(served.address) as client:
        injected = ["EHLO evil.example", f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>"]
        assert client.ask("STARTTLS", *injected) == "220 OK"
        client.start_tls(client_tls)
        # The first reply inside TLS is to the first command inside TLS, and nothing was begun.
        assert client.ask("NOOP") == "250 Ok"
        assert client.ask("DATA") == "503 Error: send HELO/EHLO first"
        deliver(client, greeted=True)
    assert collector.mail().helo == "raw.example"
    assert collector.mails.empty()


def test_hello_and_transaction_are_forgotten_with_starttls(
    serve: Serve, collector: Collector, with_certificate: dict[str, Any], client_tls: ssl.SSLContext
) -> None:
    served = serve(with_certificate)
    with greeted(served.address) as client:
        assert client.ask(f"MAIL FROM:<{SENDER}>").startswith("250")
        assert client.ask("STARTTLS") == "220 OK"
        client.start_tls(client_tls)
        assert client.ask(f"RCPT TO:<{RECIPIENT}>").startswith("503")
        assert client.ask(f"MAIL FROM:<{SENDER}>") == "503 Error: send HELO/EHLO first"
        extensions = client.ask("EHLO raw.example")
        assert "STARTTLS" not in extensions
        assert "AUTH PLAIN LOGIN CRAM-MD5" in extensions
        assert client.ask("STARTTLS") == "500 TLS already negotiated"


@pytest.mark.parametrize("protocol", ["tcp", "ssl"])
def test_garbage_instead_of_a_handshake_ends_the_connection_and_nothing_else(
    serve: Serve,
    collector: Collector,
    with_certificate: dict[str, Any],
    client_tls: ssl.SSLContext,
    protocol: str,
) -> None:
    served = serve(with_certificate, protocol=protocol)
    with RawClient(served.address) if protocol == "ssl" else greeted(served.address) as client:
        if protocol == "tcp":
            assert client.ask("STARTTLS") == "220 OK"
        client.send(f"EHLO plain.example\r\nMAIL FROM:<{SENDER}>")
        assert b"250" not in client.rest()
    with RawClient(served.address, client_tls if protocol == "ssl" else None) as client:
        deliver(client)
    assert collector.mail().sender == SENDER
    if protocol == "tcp":
        assert collector.error()[0] == "ssl_handshake_error"


def test_one_silent_tls_client_keeps_no_other_waiting(
    serve: Serve, collector: Collector, with_certificate: dict[str, Any], client_tls: ssl.SSLContext
) -> None:
    served = serve(with_certificate, protocol="ssl")
    silent = [socket.create_connection(served.address, timeout=PATIENCE) for _ in range(20)]
    try:
        with RawClient(served.address, client_tls) as client:
            deliver(client)
        assert collector.mail().sender == SENDER
    finally:
        for each in silent:
            each.close()


def test_require_tls_lets_nothing_pass_before_starttls(
    serve: Serve, collector: Collector, with_certificate: dict[str, Any], client_tls: ssl.SSLContext
) -> None:
    served = serve(with_certificate | {"require_tls": True})
    with greeted(served.address) as client:
        assert client.ask(f"MAIL FROM:<{SENDER}>") == "530 Must issue a STARTTLS command first"
        assert client.ask("VRFY x@example.com").startswith("530")
        assert client.ask("NOOP") == "250 Ok"
        assert client.ask("STARTTLS") == "220 OK"
        client.start_tls(client_tls)
        deliver(client, greeted=True)
    assert collector.mail().tls is not None


def deliver(client: RawClient, *, greeted: bool = False) -> None:
    """Send a small message, from the banner on unless it was read already."""
    if not greeted:
        assert client.reply().startswith("220 ")
    assert client.ask("EHLO raw.example").startswith("250-")
    assert client.ask(f"MAIL FROM:<{SENDER}>").startswith("250 ")
    assert client.ask(f"RCPT TO:<{RECIPIENT}>").startswith("250 ")
    assert client.ask("DATA").startswith("354 ")
    assert client.ask("Subject: hello", "", "hello", ".") == "250 queued"
    assert client.ask("QUIT") == "221 Bye"
