"""Names and certificates in a server that runs."""

from __future__ import annotations

import queue
import shutil
import ssl
from pathlib import Path
from typing import Any

import pytest

from gen_smtp import gen_smtp_server, gen_smtp_server_session
from gen_smtp.events import OldTlsOffered
from gen_smtp.gen_smtp_server_session import Behaviour, ok
from tests.certificates import CertificateFiles, Certificates
from tests.gen_smtp.live import Queue, Server, behaviour, collected, everything, listener, serving, take


def files_of(files: CertificateFiles) -> dict[str, str]:
    return {"certfile": files.certfile, "keyfile": files.keyfile}


@pytest.fixture
def context(certificates: Certificates) -> ssl.SSLContext:
    """A client that trusts the authority, and takes any of its names."""
    made = ssl.create_default_context(cafile=certificates.cafile)
    made.check_hostname = False
    return made


def shown_to(server: Server, context: ssl.SSLContext, name: str | None) -> str:
    """The first name in the certificate that a client gets."""
    with server.client() as client:
        client.start_tls(context, name)
        certificate: Any = client.socket.getpeercert()  # type: ignore[attr-defined]
        return str(certificate["subjectAltName"][0][1])


@pytest.mark.parametrize(
    ("name", "told"), [("MX.Example", "mx.example"), ("localhost", "localhost"), (None, None)]
)
@pytest.mark.parametrize("starttls", [True, False])
def test_the_name_that_a_client_asks_for_is_a_fact(
    certificates: Certificates, context: ssl.SSLContext, name: str | None, told: str | None, starttls: bool
) -> None:
    seen: Queue = queue.SimpleQueue()

    def handle_EHLO(self: Behaviour, hostname: str, extensions: Any) -> Any:
        seen.put(self.session.tls and self.session.tls.server_name)
        return ok([*extensions, ("STARTTLS", True)])

    module = behaviour(handle_EHLO=handle_EHLO)
    options = {"protocol": "tcp" if starttls else "ssl", "sessionoptions": files_of(certificates.rsa)}
    with serving(module, **options) as server, server.client() as client:
        if starttls:
            client.reply()
            client.say("EHLO c.test")
            assert take(seen) is None
            client.say("STARTTLS")
        client.start_tls(context, name)
        if not starttls:
            client.reply()
        client.say("EHLO c.test")
        assert take(seen) == told
        (ref,) = server.sessions
        tls = gen_smtp_server_session.info(ref).tls
        assert tls is not None
        assert tls.server_name == told


def test_a_context_of_the_users_own_tells_it_too(certificates: Certificates, context: ssl.SSLContext) -> None:
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(certificates.rsa.certfile, certificates.rsa.keyfile)
    asked: list[Any] = []
    own.sni_callback = lambda connection, name, initial: asked.append(name)  # type: ignore[assignment]
    options = {"protocol": "ssl", "sessionoptions": {"tls_options": own}}
    with serving(**options) as server, server.client() as client:
        client.start_tls(context, "mx.example")
        client.reply()
        (ref,) = server.sessions
        tls = gen_smtp_server_session.info(ref).tls
        assert tls is not None
        assert tls.server_name == "mx.example"
    assert asked == ["mx.example"]


def test_reloading_reads_all_pairs_and_keeps_the_function(
    certificates: Certificates, context: ssl.SSLContext, tmp_path: Path
) -> None:
    """One of a name with a star, one that a function chooses, and one of a pair beside another."""
    files = {name: str(tmp_path / name) for name in ("certfile", "keyfile")}

    def copy(source: CertificateFiles) -> None:
        shutil.copy(source.certfile, files["certfile"])
        shutil.copy(source.keyfile, files["keyfile"])

    copy(certificates.one)
    tls_options = {
        **files_of(certificates.rsa),
        "certs_keys": [files],
        "sni_hosts": {"*.example": files},
        "sni_fun": lambda name: "any.example" if name == "else.test" else None,
    }
    # With ECDSA ciphers alone a client gets the pair that was put beside the RSA one.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    with serving(protocol="ssl", sessionoptions={"tls_options": tls_options}) as server:
        names = ("x.example", "else.test", "other.test")
        assert [shown_to(server, context, name) for name in names] == ["one.example"] * 3
        copy(certificates.two)
        gen_smtp_server.reload_tls(server.ref)
        assert [shown_to(server, context, name) for name in names] == ["two.example"] * 3


@pytest.mark.skipif(not ssl.HAS_TLSv1, reason="this OpenSSL has no TLS 1.0")
class TestOldVersions:
    def test_are_warned_of_when_the_listener_opens(self, certificates: Certificates) -> None:
        old = {"sessionoptions": {"tls_options": {**files_of(certificates.rsa), "minimum_version": "TLSv1"}}}
        with collected(OldTlsOffered) as warnings, serving(**old) as server:
            event = take(warnings)
            assert (event.domain, event.address, event.version) == ("mx.test", "127.0.0.1", "TLSv1")
            assert "talks TLSv1, which is broken (RFC 8996)" in str(event)
            gen_smtp_server.add_listener(server.ref, listener(**old))
            assert take(warnings).version == "TLSv1"
            gen_smtp_server.reload_tls(server.ref)
            assert everything(warnings) == []

    def test_of_a_context_too(self, certificates: Certificates) -> None:
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(certificates.rsa.certfile, certificates.rsa.keyfile)
        with pytest.warns(DeprecationWarning, match="is deprecated"):
            own.minimum_version = ssl.TLSVersion.TLSv1_1
        with collected(OldTlsOffered) as warnings, serving(sessionoptions={"tls_options": own}):
            assert take(warnings).version == "TLSv1.1"

    def test_new_ones_need_no_warning(self, certificates: Certificates) -> None:
        tls_options = {**files_of(certificates.rsa), "minimum_version": "TLSv1.2"}
        with collected(OldTlsOffered) as warnings, serving(sessionoptions={"tls_options": tls_options}):
            assert everything(warnings) == []
