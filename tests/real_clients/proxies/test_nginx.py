"""nginx's mail proxy in front of the server, with the configuration of docs/operations.md among others."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Certificates
from tests.real_clients.conftest import Serve, Served
from tests.real_clients.tools.collector import PASSWORD, PATIENCE, USERNAME, Collector
from tests.real_clients.tools.mails import MESSAGES, RECIPIENT, SENDER
from tests.real_clients.tools.nginx import MAIL_MODULE, AuthServer, Nginx
from tests.real_clients.tools.raw_client import RawClient

DOCUMENT = Path(__file__).parents[3] / "docs" / "operations.md"
DOCUMENTED = re.compile(r"^```nginx\n(.*?)^```", re.DOTALL | re.MULTILINE)
CLIENT = "127.0.0.9"
"""The client's address; nginx's own is 127.0.0.1."""
HERE = ["127.0.0.1"]
TAGGED = "jane+lists@example.com"
"""A user whose name is no xtext."""
OPEN = """\
mail {
    server_name proxy.example;
    auth_http AUTH;
    server { listen 25; protocol smtp; smtp_auth none plain; }
}
"""

Run = Callable[..., Nginx]


@pytest.fixture
def nginx(require_tool: Callable[[str], str], certificates: Certificates, tmp_path: Path) -> Iterator[Run]:
    """`nginx(served, configuration)`: a running nginx in front of a server."""
    command = require_tool("nginx")
    if not MAIL_MODULE.exists():
        pytest.skip("nginx has no mail module here (Debian: libnginx-mod-mail)")
    with ExitStack() as stack:

        def run(served: Served, configuration: str = OPEN) -> Nginx:
            users = {USERNAME: PASSWORD, TAGGED: PASSWORD}
            asked = stack.enter_context(AuthServer(served.address, users))
            places = {
                "AUTH": f"127.0.0.1:{asked.port}/",
                "127.0.0.1:8080/auth": f"127.0.0.1:{asked.port}/auth",
                "/etc/nginx/mx.pem": certificates.rsa.certfile,
                "/etc/nginx/mx.key": certificates.rsa.keyfile,
            }
            for text, place in places.items():
                configuration = re.sub(rf"(?<= ){re.escape(text)}(?=;)", place, configuration)
            return stack.enter_context(Nginx(command, tmp_path, configuration))

        yield run


def smtp(proxy: Nginx) -> AbstractContextManager[smtplib.SMTP]:
    """A client in clear."""
    host, port = proxy.address
    return smtplib.SMTP(host, port, "client.example", PATIENCE, (CLIENT, 0))


def send(client: smtplib.SMTP) -> None:
    """Send a message that must arrive as it is."""
    assert client.sendmail(SENDER, [RECIPIENT], MESSAGES["attachments"]) == {}


def test_a_client_and_its_hello_are_known(nginx: Run, serve: Serve, collector: Collector) -> None:
    with smtp(nginx(serve(xclient=HERE))) as client:
        send(client)
    mail = collector.mail()
    assert mail.data == MESSAGES["attachments"]
    assert (mail.peername, mail.helo, mail.user) == (IPv4Address(CLIENT), "client.example", None)


@pytest.mark.parametrize("username", [USERNAME, TAGGED])
def test_a_login_comes_as_it_is(nginx: Run, serve: Serve, collector: Collector, username: str) -> None:
    with smtp(nginx(serve(xclient=HERE))) as client:
        client.login(username, PASSWORD)
        send(client)
    mail = collector.mail()
    assert (mail.peername, mail.helo, mail.user) == (IPv4Address(CLIENT), "client.example", username)


def test_a_client_without_a_hello(nginx: Run, serve: Serve, collector: Collector) -> None:
    """nginx says its own, then XCLIENT, then at once MAIL."""
    with RawClient(nginx(serve(xclient=HERE)).address) as client:
        assert client.reply().startswith("220")
        for line in (f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>", "DATA", "Subject: x\r\n\r\nx\r\n."):
            assert client.ask(line)[:3] in ("250", "354")
    assert collector.mail().helo == "proxy.example"


class TestTlsThatEndsAtNginx:
    @pytest.fixture
    def documented(self) -> str:
        found = DOCUMENTED.search(DOCUMENT.read_text(encoding="utf-8"))
        assert found is not None
        return found[1]

    @pytest.fixture
    def log_in(self, client_tls: ssl.SSLContext) -> Callable[[Any], smtplib.SMTP]:
        def log_in(proxy: Nginx) -> smtplib.SMTP:
            client = smtplib.SMTP("localhost", proxy.address[1], "client.example", PATIENCE)
            client.starttls(context=client_tls)
            client.login(TAGGED, PASSWORD)
            return client

        return log_in

    def test_it_is_trusted_with_the_documented_configuration(
        self,
        nginx: Run,
        serve: Serve,
        collector: Collector,
        documented: str,
        log_in: Callable[[Any], smtplib.SMTP],
    ) -> None:
        session = {"require_tls": True, "require_auth": True}
        proxy = nginx(serve(session, xclient=HERE, trust_proxied_tls=True), documented)
        with smtp(proxy) as client, pytest.raises(smtplib.SMTPNotSupportedError):
            client.login(TAGGED, PASSWORD)  # nginx lets nobody in without TLS
        with log_in(proxy) as client:
            send(client)
        mail = collector.mail()
        assert (mail.user, mail.tls, mail.data) == (TAGGED, None, MESSAGES["attachments"])

    def test_without_trust_require_tls_refuses_all_mail(
        self,
        nginx: Run,
        serve: Serve,
        documented: str,
        with_certificate: dict[str, Any],
        log_in: Callable[[Any], smtplib.SMTP],
    ) -> None:
        served = serve({**with_certificate, "require_tls": True}, xclient=HERE)
        with log_in(nginx(served, documented)) as client:
            assert client.mail(SENDER) == (530, b"Must issue a STARTTLS command first")
