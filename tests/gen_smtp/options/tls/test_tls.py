"""TLS options: certificates and keys are read when a server starts, every fault in them has its own error."""

from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gen_smtp.options.checks import OptionsError
from gen_smtp.options.session import SessionOptions
from gen_smtp.options.tls.record import TlsOptions
from tests.certificates import Certificates, make_certificates
from tests.gen_smtp.options.tls.handshakes import (
    client_context,
    context_of,
    files_of,
    handshake,
    names_of,
    parse,
    refused,
)


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates of an authority that nobody here trusts."""
    return make_certificates(tmp_path_factory.mktemp("strangers"))


class TestContext:
    @pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
    def test_serves_the_certificate(self, certificates: Certificates, kind: str) -> None:
        context = context_of(**files_of(getattr(certificates, kind)))
        _, client = handshake(context, client_context(certificates.cafile), "localhost")
        assert "localhost" in names_of(client)
        assert client.version() == "TLSv1.3"

    def test_is_made_once(self, certificates: Certificates) -> None:
        session = parse(**files_of(certificates.rsa)).sessionoptions
        assert session.tls_context() is session.tls_context()

    def test_from_certfile_and_keyfile_of_the_session(self, certificates: Certificates) -> None:
        context = parse(**files_of(certificates.ecdsa)).sessionoptions.tls_context()
        assert context is not None
        _, client = handshake(context, client_context(certificates.cafile), "localhost")
        assert "localhost" in names_of(client)

    def test_from_the_sessions_files_before_those_of_tls_options(self, certificates: Certificates) -> None:
        session = parse(**files_of(certificates.one), tls_options=files_of(certificates.two)).sessionoptions
        context = session.tls_context()
        assert context is not None
        _, client = handshake(context, client_context(certificates.cafile), "one.example")
        assert names_of(client) == ["one.example"]

    def test_from_a_ready_context(self, certificates: Certificates) -> None:
        ready = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        assert parse(tls_options=ready).sessionoptions.tls_context() is ready

    def test_from_one_file_with_certificate_and_key(self, certificates: Certificates, tmp_path: Path) -> None:
        both = tmp_path / "both.pem"
        both.write_bytes(
            Path(certificates.rsa.certfile).read_bytes() + Path(certificates.rsa.keyfile).read_bytes()
        )
        context = context_of(certfile=both)
        _, client = handshake(context, client_context(certificates.cafile), "localhost")
        assert "localhost" in names_of(client)

    @pytest.mark.parametrize("wrap", [str, str.encode, lambda password: lambda: password])
    def test_from_an_encrypted_key(self, certificates: Certificates, wrap: Any) -> None:
        context = context_of(**files_of(certificates.encrypted), password=wrap(certificates.password))
        _, client = handshake(context, client_context(certificates.cafile), "localhost")
        assert client.version() is not None

    def test_from_paths_relative_to_the_current_folder(
        self, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(Path(certificates.rsa.certfile).parent)
        assert parse(certfile="rsa.pem", keyfile="rsa.key").sessionoptions.tls_context() is not None

    def test_of_typed_options(self, certificates: Certificates) -> None:
        tls = TlsOptions(certfile=certificates.rsa.certfile, keyfile=certificates.rsa.keyfile)
        assert SessionOptions(tls_options=tls).tls_context() is not None

    def test_of_erlangs_list_of_pairs(self, certificates: Certificates) -> None:
        session = parse(tls_options=list(files_of(certificates.rsa).items())).sessionoptions
        assert session.tls_context() is not None


class TestVersions:
    def test_tls_1_2_is_the_oldest_by_default(self, certificates: Certificates) -> None:
        assert context_of(**files_of(certificates.rsa)).minimum_version is ssl.TLSVersion.TLSv1_2

    @pytest.mark.parametrize("version", ["TLSv1.3", ssl.TLSVersion.TLSv1_3])
    def test_a_client_older_than_the_minimum_is_turned_away(
        self, certificates: Certificates, version: Any
    ) -> None:
        context = context_of(**files_of(certificates.rsa), minimum_version=version)
        client = client_context(certificates.cafile)
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
            handshake(context, client, "localhost")

    @pytest.mark.parametrize(
        "version",
        ["SSLv3", ssl.TLSVersion.SSLv3, ssl.TLSVersion.MINIMUM_SUPPORTED, "1.2", None, 3, ["TLSv1.2"]],
    )
    def test_others_are_refused(self, version: Any) -> None:
        error = refused(tls_options={"certfile": "x", "minimum_version": version})
        assert error.option == "sessionoptions.tls_options.minimum_version"
        assert error.allowed == "'TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'"

    def test_ciphers_are_chosen_from_the_list(self, certificates: Certificates) -> None:
        context = context_of(**files_of(certificates.rsa), ciphers="ECDHE-RSA-CHACHA20-POLY1305")
        client = client_context(certificates.cafile)
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        server_end, _ = handshake(context, client, "localhost")
        cipher = server_end.cipher()
        assert cipher is not None
        assert cipher[0] == "ECDHE-RSA-CHACHA20-POLY1305"

    @pytest.mark.parametrize("ciphers", ["NO-SUCH-CIPHER", "", 5])
    def test_ciphers_that_select_none(self, certificates: Certificates, ciphers: Any) -> None:
        error = refused(tls_options={**files_of(certificates.rsa), "ciphers": ciphers})
        assert error.option == "sessionoptions.tls_options.ciphers"


class TestClientCertificates:
    def test_are_not_asked_for_by_default(self, certificates: Certificates) -> None:
        context = context_of(**files_of(certificates.rsa))
        server_end, _ = handshake(
            context, client_context(certificates.cafile, certificates.client), "localhost"
        )
        assert server_end.getpeercert() is None

    @pytest.mark.parametrize("verify", [True, "optional"])
    def test_of_a_known_authority_are_believed(self, certificates: Certificates, verify: Any) -> None:
        context = context_of(**files_of(certificates.rsa), cafile=certificates.cafile, verify=verify)
        server_end, _ = handshake(
            context, client_context(certificates.cafile, certificates.client), "localhost"
        )
        assert names_of(server_end) == ["client.example"]

    @pytest.mark.parametrize("verify", [True, "optional"])
    def test_of_strangers_are_refused(
        self, certificates: Certificates, strangers: Certificates, verify: Any
    ) -> None:
        context = context_of(**files_of(certificates.rsa), cafile=certificates.cafile, verify=verify)
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(context, client_context(certificates.cafile, strangers.client), "localhost")

    def test_are_demanded_by_true(self, certificates: Certificates) -> None:
        context = context_of(**files_of(certificates.rsa), cafile=certificates.cafile, verify=True)
        with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
            handshake(context, client_context(certificates.cafile), "localhost")

    def test_may_be_missing_with_optional(self, certificates: Certificates) -> None:
        context = context_of(**files_of(certificates.rsa), cafile=certificates.cafile, verify="optional")
        server_end, _ = handshake(context, client_context(certificates.cafile), "localhost")
        assert server_end.getpeercert() is None

    @pytest.mark.parametrize("verify", [True, "optional"])
    def test_need_an_authority(self, certificates: Certificates, verify: Any) -> None:
        error = refused(tls_options={**files_of(certificates.rsa), "verify": verify})
        assert error.option == "sessionoptions.tls_options.verify"
        assert "cafile" in str(error.allowed)

    def test_need_an_authority_in_pem_form(self, certificates: Certificates) -> None:
        error = refused(tls_options={**files_of(certificates.rsa), "cafile": certificates.rsa.keyfile})
        assert error.option == "sessionoptions.tls_options.cafile"


class TestNames:
    @pytest.fixture
    def context(self, certificates: Certificates) -> ssl.SSLContext:
        """A server with a certificate for each of three names."""
        ready = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ready.load_cert_chain(certificates.two.certfile, certificates.two.keyfile)
        hosts = {"one.example": files_of(certificates.one), "Two.Example": ready}
        return context_of(**files_of(certificates.rsa), sni_hosts=hosts)

    @pytest.mark.parametrize("name", ["one.example", "two.example"])
    def test_a_client_is_shown_the_certificate_of_the_name_it_asks_for(
        self, certificates: Certificates, context: ssl.SSLContext, name: str
    ) -> None:
        _, client = handshake(context, client_context(certificates.cafile), name)
        assert names_of(client) == [name]

    @pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
    def test_any_other_name_and_none_get_the_first_certificate(
        self, certificates: Certificates, context: ssl.SSLContext, name: str
    ) -> None:
        _, client = handshake(context, client_context(certificates.cafile), name)
        assert "localhost" in names_of(client)

    def test_all_verify_clients_as_the_listener_does(self, certificates: Certificates) -> None:
        hosts = {"one.example": files_of(certificates.one)}
        context = context_of(
            **files_of(certificates.rsa), cafile=certificates.cafile, verify=True, sni_hosts=hosts
        )
        server_end, _ = handshake(
            context, client_context(certificates.cafile, certificates.client), "one.example"
        )
        assert names_of(server_end) == ["client.example"]
        with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
            handshake(context, client_context(certificates.cafile), "one.example")

    def test_may_trust_an_authority_of_their_own(
        self, certificates: Certificates, strangers: Certificates
    ) -> None:
        hosts = {"one.example": {**files_of(certificates.one), "cafile": strangers.cafile}}
        context = context_of(
            **files_of(certificates.rsa), cafile=certificates.cafile, verify=True, sni_hosts=hosts
        )
        server_end, _ = handshake(
            context, client_context(certificates.cafile, strangers.client), "one.example"
        )
        assert names_of(server_end) == ["client.example"]

    @pytest.mark.parametrize("verify", [True, "optional"])
    def test_cannot_verify_clients_alone(self, certificates: Certificates, verify: Any) -> None:
        host = {**files_of(certificates.one), "cafile": certificates.cafile, "verify": verify}
        error = refused(tls_options={**files_of(certificates.rsa), "sni_hosts": {"one.example": host}})
        assert error.option == "sessionoptions.tls_options.sni_hosts.one.example.verify"

    def test_cannot_verify_clients_alone_with_a_context_either(self, certificates: Certificates) -> None:
        ready = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ready.verify_mode = ssl.CERT_REQUIRED
        error = refused(tls_options={**files_of(certificates.rsa), "sni_hosts": {"one.example": ready}})
        assert error.option == "sessionoptions.tls_options.sni_hosts.one.example.verify"

    def test_cannot_have_a_newer_minimum_alone(self, certificates: Certificates) -> None:
        host = {**files_of(certificates.one), "minimum_version": "TLSv1.3"}
        error = refused(tls_options={**files_of(certificates.rsa), "sni_hosts": {"one.example": host}})
        assert error.option == "sessionoptions.tls_options.sni_hosts.one.example.minimum_version"

    def test_have_no_names_of_their_own(self, certificates: Certificates) -> None:
        host = {**files_of(certificates.one), "sni_hosts": {"a.example": files_of(certificates.two)}}
        error = refused(tls_options={**files_of(certificates.rsa), "sni_hosts": {"one.example": host}})
        assert error.option == "sessionoptions.tls_options.sni_hosts.one.example.sni_hosts"

    def test_have_certificates_that_are_read_at_start(self, certificates: Certificates) -> None:
        host = {"certfile": "missing.pem"}
        error = refused(tls_options={**files_of(certificates.rsa), "sni_hosts": {"one.example": host}})
        assert error.option == "sessionoptions.tls_options.sni_hosts.one.example.certfile"
        assert "No such file" in str(error)

    @pytest.mark.parametrize(
        "hosts", [["one.example"], None, "one.example", {"*.example": {}}, {5: {}}, {"a b": {}}]
    )
    def test_are_host_names(self, certificates: Certificates, hosts: Any) -> None:
        error = refused(tls_options={**files_of(certificates.rsa), "sni_hosts": hosts})
        assert str(error.option).startswith("sessionoptions.tls_options.sni_hosts")


class TestFaultsInFiles:
    """Each is given once as the session's own option and once inside `tls_options`."""

    @pytest.fixture(params=["sessionoptions", "sessionoptions.tls_options"])
    def place(self, request: pytest.FixtureRequest) -> str:
        """Where the options stand."""
        return str(request.param)

    @staticmethod
    def error_at(place: str, **options: Any) -> OptionsError:
        """The error for these options at that place."""
        return refused(**options) if place == "sessionoptions" else refused(tls_options=options)

    def test_a_missing_certificate(self, certificates: Certificates, place: str) -> None:
        error = self.error_at(place, certfile="missing.pem", keyfile=certificates.rsa.keyfile)
        assert error.option == f"{place}.certfile"
        assert error.problem == "cannot read 'missing.pem': No such file or directory"
        assert isinstance(error.__cause__, FileNotFoundError)

    def test_a_missing_key(self, certificates: Certificates, place: str) -> None:
        error = self.error_at(place, certfile=certificates.rsa.certfile, keyfile="missing.key")
        assert error.option == f"{place}.keyfile"
        assert error.problem == "cannot read 'missing.key': No such file or directory"

    def test_a_folder(self, certificates: Certificates, place: str, tmp_path: Path) -> None:
        error = self.error_at(place, certfile=certificates.rsa.certfile, keyfile=tmp_path)
        assert error.option == f"{place}.keyfile"
        assert error.problem == f"cannot read {str(tmp_path)!r}: Is a directory"

    @pytest.mark.parametrize(("certificate", "key"), [("ecdsa", "one"), ("ecdsa", "rsa"), ("rsa", "ecdsa")])
    def test_a_key_of_another_certificate(
        self, certificates: Certificates, place: str, certificate: str, key: str
    ) -> None:
        certfile, keyfile = getattr(certificates, certificate).certfile, getattr(certificates, key).keyfile
        error = self.error_at(place, certfile=certfile, keyfile=keyfile)
        assert error.option == f"{place}.keyfile"
        assert error.problem == f"the key in {keyfile!r} does not belong to the certificate in {certfile!r}"

    @pytest.mark.parametrize(
        "content", ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    )
    def test_a_file_that_is_no_certificate(
        self, certificates: Certificates, place: str, tmp_path: Path, content: str
    ) -> None:
        broken = tmp_path / "broken.pem"
        broken.write_text(content)
        error = self.error_at(place, certfile=broken, keyfile=certificates.rsa.keyfile)
        assert error.option == f"{place}.certfile"
        assert error.problem == f"there is no certificate in PEM form in {str(broken)!r}"

    @pytest.mark.parametrize(
        "content", ["", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
    )
    def test_a_file_that_is_no_key(
        self, certificates: Certificates, place: str, tmp_path: Path, content: str
    ) -> None:
        broken = tmp_path / "broken.key"
        broken.write_text(content)
        error = self.error_at(place, certfile=certificates.rsa.certfile, keyfile=broken)
        assert error.option == f"{place}.keyfile"
        assert error.problem == f"there is no private key in PEM form in {str(broken)!r}"

    def test_a_certificate_without_its_key(self, certificates: Certificates, place: str) -> None:
        certfile = certificates.rsa.certfile
        error = self.error_at(place, certfile=certfile)
        assert error.option == f"{place}.certfile"
        assert error.problem == f"there is no private key in PEM form in {certfile!r}"

    def test_a_key_without_its_certificate(self, certificates: Certificates, place: str) -> None:
        error = self.error_at(place, keyfile=certificates.rsa.keyfile)
        assert error.option == f"{place}.certfile"
        assert error.problem == "TLS needs a certificate"

    def test_an_encrypted_key_without_its_password(self, certificates: Certificates, place: str) -> None:
        error = self.error_at(place, **files_of(certificates.encrypted))
        assert error.option == "sessionoptions.tls_options.password"
        assert error.problem == f"the key in {certificates.encrypted.keyfile!r} is encrypted"

    @pytest.mark.parametrize("password", ["s3cret", b"s3cret", "s3cret" * 300, lambda: "s3cret", lambda: 5])
    def test_an_encrypted_key_with_a_wrong_password(self, certificates: Certificates, password: Any) -> None:
        error = refused(tls_options={**files_of(certificates.encrypted), "password": password})
        assert error.option == "sessionoptions.tls_options.password"
        assert "s3cret" not in str(error)


class TestContextsGiven:
    def test_of_a_client_are_refused(self) -> None:
        error = refused(tls_options=ssl.create_default_context())
        assert error.option == "sessionoptions.tls_options"
        assert "clients" in error.problem

    @pytest.mark.parametrize("option", ["certfile", "keyfile"])
    def test_leave_no_place_for_another_certificate(self, certificates: Certificates, option: str) -> None:
        ready = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        error = refused(tls_options=ready, **{option: certificates.rsa.certfile})
        assert error.option == f"sessionoptions.{option}"


class TestMonkeyPatchedProgram:
    """gevent puts a class of its own in the place of `ssl.SSLContext`."""

    PROGRAM = """
import ssl, sys
before = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
from gevent import monkey
monkey.patch_all()
from gen_smtp.options.parsing import parse_options
from gen_smtp.options.session import SessionOptions
assert SessionOptions(tls_options=before).tls_context() is before
certfile, keyfile = sys.argv[1:]
hosts = {"one.example": before}
files = {"certfile": certfile, "keyfile": keyfile, "minimum_version": "TLSv1.3", "sni_hosts": hosts}
(listener,) = parse_options([{"protocol": "ssl", "sessionoptions": {"tls_options": files}}])
assert listener.sessionoptions.tls_context().minimum_version is ssl.TLSVersion.TLSv1_3
print("made")
"""

    def test_makes_contexts_and_takes_those_made_before(self, certificates: Certificates) -> None:
        run = subprocess.run(
            [sys.executable, "-c", self.PROGRAM, certificates.rsa.certfile, certificates.rsa.keyfile],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[4],
            timeout=30,
        )
        assert run.stdout == "made\n", run.stderr
