"""HAProxy in front of the server, with the configuration of docs/operations.md."""

from __future__ import annotations

import re
import smtplib
import ssl
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from gen_smtp import events
from gen_smtp.protocol.proxy.header import ProxiedTls
from tests.certificates import Certificates
from tests.gen_smtp.live import collected
from tests.real_clients.conftest import Serve, Served
from tests.real_clients.tools.collector import PASSWORD, PATIENCE, USERNAME, Collector, Mail
from tests.real_clients.tools.haproxy import HAProxy
from tests.real_clients.tools.mails import MESSAGES, RECIPIENT, SENDER
from tests.real_clients.tools.raw_client import RawClient

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
DOCUMENTED = re.compile(r"^```haproxy\n(.*?)^```", re.DOTALL | re.MULTILINE)
CLIENT = "127.0.0.9"
"""The client's address; HAProxy's own is 127.0.0.1."""
BALANCER = ["127.0.0.1"]
FACTS = "ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c,unique-id"

Run = Callable[..., AbstractContextManager[HAProxy]]


@pytest.fixture
def haproxy(require_tool: Callable[[str], str], certificates: Certificates, tmp_path: Path) -> Run:
    """`haproxy(smtp, submissions, {text: other})`: HAProxy with the document's configuration, changed."""
    pem = tmp_path / "mx.pem"
    parts = (certificates.rsa.certfile, certificates.rsa.keyfile)
    pem.write_bytes(b"".join(Path(part).read_bytes() for part in parts))
    found = DOCUMENTED.search(DOCUMENT.read_text(encoding="utf-8"))
    assert found is not None

    def run(
        smtp: Served, submissions: Served | None = None, changes: dict[str, str] | None = None
    ) -> HAProxy:
        places = {
            "/etc/haproxy/mx.pem": str(pem),
            "/etc/haproxy/clients.pem": certificates.cafile,
            "10.0.0.11:2525": place_of(smtp),
            "10.0.0.11:2526": place_of(submissions or smtp),
        }
        configuration = found[1]
        for text, other in {**(changes or {}), **places}.items():
            assert text in configuration
            configuration = configuration.replace(text, other)
        return HAProxy(require_tool("haproxy"), tmp_path, configuration, ":25", ":465")

    return run


def place_of(served: Served) -> str:
    """A server's address as HAProxy writes it."""
    is_path = isinstance(served.address, str)
    return f"unix@{served.address}" if is_path else f"{served.host}:{served.port}"


def send(client: smtplib.SMTP) -> None:
    """Send one message and hang up."""
    with client:
        client.ehlo("client.example")
        client.sendmail(SENDER, [RECIPIENT], MESSAGES["attachments"])


def smtp(balancer: HAProxy) -> smtplib.SMTP:
    """A client in clear."""
    host, port = balancer.addresses[":25"]
    return smtplib.SMTP(host, port, "client.example", PATIENCE, (CLIENT, 0))


def smtps(address: Any, context: ssl.SSLContext) -> smtplib.SMTP:
    """A client under TLS."""
    return smtplib.SMTP_SSL(
        "localhost",
        address[1],
        "client.example",
        timeout=PATIENCE,
        source_address=(CLIENT, 0),
        context=context,
    )


def checked(mail: Mail, version: int = 2) -> Any:
    """The header by which a message came, whole and from the client."""
    assert mail.data == MESSAGES["attachments"]
    assert mail.peername == IPv4Address(CLIENT)
    assert mail.proxy is not None
    assert mail.proxy.address == IPv4Address("127.0.0.1")
    assert (mail.proxy.header.source, mail.proxy.header.version) == (mail.peername, version)
    return mail.proxy.header


@pytest.mark.parametrize(("option", "version"), [("send-proxy ", 1), ("send-proxy-v2 ", 2)])
def test_the_client_is_known(
    haproxy: Run, serve: Serve, collector: Collector, option: str, version: int
) -> None:
    with haproxy(serve(proxy_protocol=BALANCER), changes={"send-proxy-v2 ": option}) as balancer:
        send(smtp(balancer))
        header = checked(collector.mail(), version)
        assert (str(header.destination), header.destination_port) == balancer.addresses[":25"]


def test_a_server_at_a_unix_socket(
    haproxy: Run, serve: Serve, collector: Collector, short_path: Path
) -> None:
    served = serve(family="unix", address=str(short_path / "mail"), proxy_protocol=["unix"])
    with haproxy(served) as balancer:
        send(smtp(balancer))
        mail = collector.mail()
        assert mail.peername == IPv4Address(CLIENT)
        assert mail.proxy is not None
        assert mail.proxy.address is None


def test_tls_that_ends_at_haproxy(
    haproxy: Run, serve: Serve, collector: Collector, client_tls: ssl.SSLContext, certificates: Certificates
) -> None:
    smtp_server = serve(proxy_protocol=BALANCER)
    submissions = serve({"require_tls": True}, proxy_protocol=BALANCER, trust_proxied_tls=True)
    with haproxy(smtp_server, submissions) as balancer:
        client = smtps(balancer.addresses[":465"], client_tls)
        client.login(USERNAME, PASSWORD)
        send(client)
        mail = collector.mail()
        assert mail.user == USERNAME
        assert mail.tls is None
        said = checked(mail).tls
        assert said == ProxiedTls("TLSv1.3", None, None, verified=False)
        client_tls.load_cert_chain(certificates.client.certfile, certificates.client.keyfile)
        send(smtps(balancer.addresses[":465"], client_tls))
        said = checked(collector.mail()).tls
        assert said == ProxiedTls("TLSv1.3", None, "client.example", verified=True)


def test_all_that_haproxy_can_say(
    haproxy: Run, serve: Serve, collector: Collector, client_tls: ssl.SSLContext
) -> None:
    changes = {
        "send-proxy-v2-ssl-cn": f"send-proxy-v2 proxy-v2-options {FACTS}",
        "listen submissions": 'listen submissions\n    unique-id-format "%ci:%cp"',
    }
    with haproxy(serve(proxy_protocol=BALANCER), changes=changes) as balancer:
        client = smtps(balancer.addresses[":465"], client_tls)
        assert isinstance(client.sock, ssl.SSLSocket)
        cipher = client.sock.cipher()
        send(client)
        header = checked(collector.mail())
        assert cipher is not None
        assert header.tls == ProxiedTls("TLSv1.3", cipher[0], None, verified=False)
        assert header.authority == "localhost"
        assert header.unique_id == f"{CLIENT}:{header.source_port}".encode()


def test_tls_that_only_passes_through_haproxy(
    haproxy: Run,
    serve: Serve,
    collector: Collector,
    with_certificate: dict[str, Any],
    client_tls: ssl.SSLContext,
) -> None:
    served = serve(with_certificate, protocol="ssl", proxy_protocol=BALANCER)
    changes = {"option smtpchk EHLO haproxy.example.com": "", " check": ""}
    with haproxy(served, changes=changes) as balancer:
        send(smtps(balancer.addresses[":25"], client_tls))
        mail = collector.mail()
        assert checked(mail).tls is None
        assert mail.tls is not None


def test_its_health_check_finds_the_server_well(haproxy: Run, serve: Serve, collector: Collector) -> None:
    served = serve(proxy_protocol=BALANCER)
    with (
        collected(events.ProxyHeaderRefused) as refused,
        haproxy(served, changes={" check": " check inter 100ms"}) as balancer,
    ):
        assert collector.end() == "normal"  # a session that says its hello for HAProxy itself
        deadline = time.monotonic() + PATIENCE
        while "L7OK" not in (status := balancer.ask("show stat")):
            assert time.monotonic() < deadline, status
        assert refused.empty()


def test_without_the_header_nobody_is_served(haproxy: Run, serve: Serve) -> None:
    served = serve(proxy_protocol=BALANCER)
    changes = {"send-proxy-v2 check": "", "option smtpchk EHLO haproxy.example.com": ""}
    with (
        collected(events.ProxyHeaderRefused) as refused,
        haproxy(served, changes=changes) as balancer,
        RawClient(balancer.addresses[":25"]) as client,
    ):
        client.send("EHLO raw.example")
        assert client.rest() == b""
        assert refused.get(timeout=PATIENCE).reason == "no PROXY header"
