"""A server with all mechanisms of AUTH, inside TLS, which asks clients for their certificates."""

from __future__ import annotations

import functools
import queue
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Extensions, error, ok
from gen_smtp.sasl import AnonymousTrace, BearerToken, ClientCertificate, ScramKeys, ScramProof
from tests.certificates import Certificates
from tests.real_clients.conftest import Served
from tests.real_clients.tools.collector import PASSWORD, PATIENCE, USERNAME, CollectingServer, Collector

TOKEN = "ya29." + 280 * "Ab-9._~+/" + "=="
"""As long as a JWT, and longer than any other command may be; msmtp sends no more than 4,094."""
KEYS = {name: ScramKeys.of_password(PASSWORD, name) for name in ("SCRAM-SHA-1", "SCRAM-SHA-256")}


class SaslCollector(Collector):
    """Keeps what handle_AUTH was given, too."""

    def __init__(self) -> None:
        super().__init__()
        self.logins: queue.Queue[tuple[Any, ...]] = queue.Queue()

    def login(self) -> tuple[Any, ...]:
        """The next arguments of handle_AUTH, and the authorization identity; waits for them."""
        return self.logins.get(timeout=PATIENCE)


class SaslServer(CollectingServer):
    """Lets in who is USERNAME by whatever mechanism, and who shows a certificate or nothing.

    Option: `mechanisms`, their names as they are announced.
    """

    mechanisms = (*KEYS, "XOAUTH2", "OAUTHBEARER", "EXTERNAL", "ANONYMOUS")

    def __init__(self, collector: SaslCollector) -> None:
        super().__init__(collector)
        self._logins = collector.logins
        self._names = ""

    def init(self, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
        self._names = options["mechanisms"]
        return super().init(hostname, session_count, peername, options)

    def handle_EHLO(self, hostname: str, extensions: Extensions) -> Any:
        # gsasl 2.2.0 does not see STARTTLS in the last line.
        return ok([("STARTTLS", True), ("AUTH", self._names), *extensions])

    def handle_AUTH_keys(self, mechanism: str, username: str) -> Any:
        return ok(KEYS[mechanism.upper()]) if username == USERNAME else error

    def handle_AUTH(self, mechanism: str, username: str, credential: Any) -> Any:
        self._logins.put((mechanism, username, credential, self.session.authzid))
        match credential:
            case BearerToken(token=token):
                return ok if (username, token) == (USERNAME, TOKEN) else error
            case ScramProof() | ClientCertificate() | AnonymousTrace():
                return ok
        return error


@pytest.fixture
def sasl_collector() -> SaslCollector:
    """What the servers of `serve_sasl` take."""
    return SaslCollector()


@pytest.fixture
def serve_sasl(certificates: Certificates, sasl_collector: SaslCollector) -> Iterator[Any]:
    """`serve_sasl("XOAUTH2 ANONYMOUS")`: a server that offers these mechanisms behind STARTTLS."""
    with ExitStack() as stack:

        def start(mechanisms: str) -> Served:
            tls_options = {
                "certfile": certificates.rsa.certfile,
                "keyfile": certificates.rsa.keyfile,
                "cafile": certificates.cafile,
                "verify": "optional",
            }
            listener = {
                "domain": "mx.example",
                "address": "127.0.0.1",
                "port": 0,
                "sessionoptions": {"tls_options": tls_options, "callbackoptions": {"mechanisms": mechanisms}},
            }
            module = functools.partial(SaslServer, sasl_collector)
            server = stack.enter_context(gen_smtp_server.running(module, [listener]))
            return Served(server, gen_smtp_server.addresses(server)[0])

        yield start
