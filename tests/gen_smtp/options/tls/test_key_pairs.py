"""Several certificates for one name, and old versions of TLS."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gen_smtp.options.tls.key_pair import key_type
from tests.certificates import Authority, Certificates
from tests.gen_smtp.options.tls.handshakes import (
    client_context,
    context_of,
    files_of,
    handshake,
    parse,
    refused,
)

OLD = pytest.mark.skipif(not ssl.HAS_TLSv1, reason="this OpenSSL has no TLS 1.0")


def cipher_of(context: ssl.SSLContext, certificates: Certificates, ciphers: str) -> str:
    """What a TLS 1.2 client with these ciphers gets."""
    client = client_context(certificates.cafile)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers(ciphers)
    end, _ = handshake(context, client, "localhost")
    cipher = end.cipher()
    assert cipher is not None
    return cipher[0]


class TestCertsKeys:
    def both(self, certificates: Certificates) -> list[dict[str, Any]]:
        """RSA and ECDSA in all the ways in which they can be given."""
        rsa, ecdsa = files_of(certificates.rsa), files_of(certificates.ecdsa)
        encrypted = {**files_of(certificates.encrypted), "password": certificates.password}
        return [
            {**rsa, "certs_keys": [ecdsa]},
            {**ecdsa, "certs_keys": [rsa]},
            {"certs_keys": [rsa, ecdsa]},
            {"certs_keys": (list(rsa.items()), encrypted)},
        ]

    @pytest.mark.parametrize("number", range(4))
    def test_a_client_gets_the_one_that_it_can_check(self, certificates: Certificates, number: int) -> None:
        context = context_of(**self.both(certificates)[number])
        assert "ECDSA" in cipher_of(context, certificates, "ECDHE-ECDSA-AES128-GCM-SHA256")
        assert "RSA" in cipher_of(context, certificates, "ECDHE-RSA-AES128-GCM-SHA256")

    def test_a_name_may_have_several_too(self, certificates: Certificates) -> None:
        hosts = {"localhost": {"certs_keys": [files_of(certificates.rsa), files_of(certificates.ecdsa)]}}
        context = context_of(**files_of(certificates.one), sni_hosts=hosts)
        assert "ECDSA" in cipher_of(context, certificates, "ECDHE-ECDSA-AES128-GCM-SHA256")
        assert "RSA" in cipher_of(context, certificates, "ECDHE-RSA-AES128-GCM-SHA256")

    def test_go_with_a_certificate_of_the_session(self, certificates: Certificates) -> None:
        tls_options = {"certs_keys": [files_of(certificates.ecdsa)]}
        context = parse(**files_of(certificates.rsa), tls_options=tls_options).sessionoptions.tls_context()
        assert context is not None
        assert "ECDSA" in cipher_of(context, certificates, "ECDHE-ECDSA-AES128-GCM-SHA256")
        assert "RSA" in cipher_of(context, certificates, "ECDHE-RSA-AES128-GCM-SHA256")

    def test_two_of_one_type_are_refused(self, certificates: Certificates) -> None:
        error = refused(
            tls_options={**files_of(certificates.one), "certs_keys": [files_of(certificates.two)]}
        )
        assert error.option == "sessionoptions.tls_options.certs_keys.0.certfile"
        assert error.problem == f"the key is ECDSA, as that of {certificates.one.certfile!r} is"

    @pytest.mark.parametrize(
        ("pairs", "option"),
        [
            ({"certfile": "x"}, ""),
            ("x", ""),
            (5, ""),
            (["x"], ".0"),
            ([{"keyfile": "x"}], ".0"),
            ([{"certfile": "x", "cafile": "y"}], ".0.cafile"),
            ([{"certfile": 5}], ".0.certfile"),
            ([{"certfile": "missing.pem"}], ".0.certfile"),
        ],
    )
    def test_what_is_wrong_with_one_is_found_in_its_place(
        self, certificates: Certificates, pairs: Any, option: str
    ) -> None:
        error = refused(tls_options={**files_of(certificates.rsa), "certs_keys": pairs})
        assert error.option == f"sessionoptions.tls_options.certs_keys{option}"

    def test_a_key_of_another_certificate(self, certificates: Certificates) -> None:
        pair = {"certfile": certificates.ecdsa.certfile, "keyfile": certificates.one.keyfile}
        error = refused(tls_options={**files_of(certificates.rsa), "certs_keys": [pair]})
        assert error.option == "sessionoptions.tls_options.certs_keys.0.keyfile"

    def test_without_any_there_is_no_certificate(self, certificates: Certificates) -> None:
        error = refused(tls_options={"certs_keys": []})
        assert error.problem == "TLS needs a certificate"
        pairs = [files_of(certificates.rsa)]
        error = refused(tls_options={"keyfile": certificates.rsa.keyfile, "certs_keys": pairs})
        assert error.problem == "TLS needs a certificate"


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048), "RSA"),
        (lambda: ec.generate_private_key(ec.SECP384R1()), "ECDSA"),
        (ed25519.Ed25519PrivateKey.generate, "Ed25519"),
    ],
)
def test_the_type_of_a_key_is_read_from_its_certificate(tmp_path: Path, make: Any, name: str) -> None:
    files = Authority(tmp_path).issue("x", ["localhost"], make())
    assert key_type(Path(files.certfile).read_bytes()) == name


def test_the_type_of_something_else_is_not_known() -> None:
    assert key_type(b"hello") is None


def old_client(certificates: Certificates, newest: ssl.TLSVersion) -> ssl.SSLContext:
    """A client that knows nothing newer."""
    client = client_context(certificates.cafile)
    client.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match=r"TLSVersion.TLSv1 is deprecated"):
        client.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        client.maximum_version = newest
    return client


class TestOldVersions:
    @OLD
    @pytest.mark.parametrize("version", ["TLSv1", "TLSv1.1"])
    def test_may_be_talked(self, certificates: Certificates, version: str) -> None:
        context = context_of(**files_of(certificates.rsa), minimum_version=version)
        client = old_client(certificates, getattr(ssl.TLSVersion, version.replace(".", "_")))
        end, _ = handshake(context, client, "localhost")
        assert end.version() == version

    @OLD
    def test_new_ones_are_talked_all_the_same(self, certificates: Certificates) -> None:
        hosts = {"one.example": files_of(certificates.one)}
        context = context_of(**files_of(certificates.rsa), minimum_version="TLSv1", sni_hosts=hosts)
        for name in ("localhost", "one.example"):
            end, _ = handshake(context, client_context(certificates.cafile), name)
            assert end.version() == "TLSv1.3"

    def test_the_default_talks_none(self, certificates: Certificates) -> None:
        client = old_client(certificates, ssl.TLSVersion.TLSv1_1)
        with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
            handshake(context_of(**files_of(certificates.rsa)), client, "localhost")

    @OLD
    def test_ciphers_that_are_given_are_used(self, certificates: Certificates) -> None:
        context = context_of(
            **files_of(certificates.rsa), minimum_version="TLSv1", ciphers="AES128-SHA:@SECLEVEL=0"
        )
        assert {each["name"] for each in context.get_ciphers() if "TLS_" not in each["name"]} == {
            "AES128-SHA"
        }
