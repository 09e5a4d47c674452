"""SCRAM, EXTERNAL and ANONYMOUS of GNU SASL's gsasl, and of msmtp, which has them from there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gen_smtp.sasl import AnonymousTrace, ClientCertificate, ScramProof
from tests.certificates import Certificates
from tests.real_clients.sasl.conftest import KEYS, SaslCollector
from tests.real_clients.tools.collector import PASSWORD, USERNAME
from tests.real_clients.tools.mails import RECIPIENT, SENDER

NO_PERMISSION = 77
Client = Callable[..., str]
SCRAM = pytest.mark.parametrize("mechanism", KEYS)


@pytest.fixture
def gsasl(run_client: Client, certificates: Certificates) -> Client:
    """`gsasl(port, mechanism, *arguments, exit_code=0)`: log in, and say QUIT; "" is any mechanism."""

    def run(port: int, mechanism: str, *arguments: str, exit_code: int = 0) -> str:
        # Inside TLS gsasl 2.2.0 fails by itself without --no-cb, where the server has no SCRAM-...-PLUS.
        tls = [f"--x509-ca-file={certificates.cafile}", "--no-cb"]
        where = ["--smtp", *([f"--mechanism={mechanism}"] if mechanism else []), *tls]
        return run_client("gsasl", *where, *arguments, "localhost", str(port), exit_code=exit_code)

    return run


@pytest.fixture
def shows(certificates: Certificates) -> list[str]:
    """Arguments of gsasl with which it shows a certificate."""
    client = certificates.client
    return [f"--x509-cert-file={client.certfile}", f"--x509-key-file={client.keyfile}"]


def user(name: str = USERNAME, password: str = PASSWORD) -> list[str]:
    """Arguments of gsasl."""
    return [f"--authentication-id={name}", f"--password={password}"]


class TestGsasl:
    @SCRAM
    def test_with_the_password_trusts_the_server_as_the_server_trusts_it(
        self, gsasl: Client, serve_sasl: Any, sasl_collector: SaslCollector, mechanism: str
    ) -> None:
        output = gsasl(serve_sasl(mechanism).port, mechanism, *user())
        assert "235 Authentication successful." in output
        assert "Client authentication finished (server trusted)" in output
        assert sasl_collector.login() == (mechanism.lower(), USERNAME, ScramProof(KEYS[mechanism]), None)

    @SCRAM
    @pytest.mark.parametrize("credentials", [user(password="wrong"), user("nobody@example.com")])
    def test_with_a_wrong_name_or_password_hears_no(
        self, gsasl: Client, serve_sasl: Any, sasl_collector: SaslCollector, mechanism: str, credentials: Any
    ) -> None:
        output = gsasl(serve_sasl(mechanism).port, mechanism, *credentials, exit_code=1)
        assert "535 Authentication failed." in output
        assert sasl_collector.logins.empty()

    @SCRAM
    def test_may_name_itself_and_nobody_else(
        self, gsasl: Client, serve_sasl: Any, sasl_collector: SaslCollector, mechanism: str
    ) -> None:
        port = serve_sasl(mechanism).port
        gsasl(port, mechanism, *user(), f"--authorization-id={USERNAME}")
        assert sasl_collector.login()[-1] == USERNAME
        output = gsasl(port, mechanism, *user(), "--authorization-id=a,b=c", exit_code=1)
        assert "535 Authentication failed." in output
        assert sasl_collector.logins.empty()

    def test_takes_the_best_of_what_there_is(self, gsasl: Client, serve_sasl: Any) -> None:
        port = serve_sasl("ANONYMOUS SCRAM-SHA-1 SCRAM-SHA-256").port
        assert "AUTH SCRAM-SHA-256\n" in gsasl(port, "", *user())

    def test_with_a_certificate_is_who_that_says(
        self, gsasl: Client, serve_sasl: Any, sasl_collector: SaslCollector, shows: list[str]
    ) -> None:
        port = serve_sasl("EXTERNAL").port
        output = gsasl(port, "EXTERNAL", *shows, "--authorization-id=client.example")
        assert "235 Authentication successful." in output
        mechanism, username, certificate, authzid = sasl_collector.login()
        assert (mechanism, username, authzid) == ("external", "client.example", "client.example")
        assert isinstance(certificate, ClientCertificate)
        assert "535 " in gsasl(port, "EXTERNAL", *shows, "--authorization-id=root", exit_code=1)

    def test_without_a_certificate_is_not_offered_external(self, gsasl: Client, serve_sasl: Any) -> None:
        port = serve_sasl("EXTERNAL ANONYMOUS").port
        output = gsasl(port, "EXTERNAL", "--authorization-id=client.example", exit_code=1)
        assert "504 Unrecognized authentication type" in output

    def test_may_be_nobody(self, gsasl: Client, serve_sasl: Any, sasl_collector: SaslCollector) -> None:
        gsasl(serve_sasl("ANONYMOUS").port, "ANONYMOUS", "--anonymous-token=me@here.example")
        trace = AnonymousTrace("me@here.example")
        assert sasl_collector.login() == ("anonymous", "anonymous", trace, None)


@pytest.fixture
def msmtp(run_client: Client, certificates: Certificates) -> Client:
    """`msmtp(port, mechanism, *arguments, exit_code=0)`: send a message."""

    def run(port: int, mechanism: str, *arguments: str, exit_code: int = 0) -> str:
        tls = ["--tls=on", "--tls-starttls=on", f"--tls-trust-file={certificates.cafile}"]
        where = ["--file=/dev/null", "--host=localhost", f"--port={port}", f"--auth={mechanism.lower()}"]
        every = [*where, *tls, *arguments, f"--from={SENDER}", RECIPIENT]
        return run_client("msmtp", *every, input=b"Subject: hello\n\nhello\n", exit_code=exit_code)

    return run


class TestMsmtp:
    @SCRAM
    def test_brings_its_mail_by_scram(
        self, msmtp: Client, serve_sasl: Any, sasl_collector: SaslCollector, mechanism: str
    ) -> None:
        login = [f"--user={USERNAME}", f"--passwordeval=printf '%s' '{PASSWORD}'"]
        msmtp(serve_sasl(mechanism).port, mechanism, *login)
        assert sasl_collector.mail().user == USERNAME

    @SCRAM
    def test_shows_the_reply_to_a_wrong_password(
        self, msmtp: Client, serve_sasl: Any, mechanism: str
    ) -> None:
        login = [f"--user={USERNAME}", "--passwordeval=echo wrong"]
        output = msmtp(serve_sasl(mechanism).port, mechanism, *login, exit_code=NO_PERMISSION)
        assert "535 Authentication failed." in output

    def test_brings_its_mail_by_its_certificate(
        self, msmtp: Client, serve_sasl: Any, sasl_collector: SaslCollector, certificates: Certificates
    ) -> None:
        client = certificates.client
        shows = [f"--tls-cert-file={client.certfile}", f"--tls-key-file={client.keyfile}"]
        msmtp(serve_sasl("EXTERNAL").port, "EXTERNAL", *shows, "--user=client.example")
        assert sasl_collector.mail().user == "client.example"
