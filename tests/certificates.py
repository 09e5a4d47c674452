"""A certificate authority and certificates made for one test run, as PEM files in a temporary folder."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

KEY_PASSWORD = "correct horse"
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The PEM files of one certificate.

    Attributes:
        certfile: the certificate (the authority is not part of it: clients have that as `cafile`).
        keyfile: its private key.
    """

    certfile: str
    keyfile: str


@dataclass(frozen=True, slots=True)
class Certificates:
    """All that the tests need of TLS.

    Attributes:
        cafile: the authority's certificate, for clients to trust.
        rsa: RSA, for localhost, 127.0.0.1 and ::1.
        ecdsa: ECDSA, for the same names.
        encrypted: as `ecdsa`, its key encrypted with `password`.
        password: the password of `encrypted`.
        one: ECDSA, for the name one.example alone.
        two: ECDSA, for the name two.example alone.
        client: a client's, for the name client.example.
    """

    cafile: str
    rsa: CertificateFiles
    ecdsa: CertificateFiles
    encrypted: CertificateFiles
    password: str
    one: CertificateFiles
    two: CertificateFiles
    client: CertificateFiles


class Authority:
    """Signs certificates and writes them into `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gen_smtp test authority")])
        certificate = (
            _builder(self._name, self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.cafile = str(_write(folder / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM)))

    def issue(
        self, label: str, names: Sequence[str], key: PrivateKey, password: str | None = None
    ) -> CertificateFiles:
        """Write the certificate and the key for `names` to `label`.pem and `label`.key.

        Args:
            label: what the files are called.
            names: DNS names and IP addresses.
            key: the private key.
            password: encrypts the key file.
        """
        alternative_names = x509.SubjectAlternativeName([_general_name(name) for name in names])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            _builder(subject, self._name, key)
            .add_extension(alternative_names, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        certfile = _write(self._folder / f"{label}.pem", pem)
        keyfile = _write(self._folder / f"{label}.key", _key_bytes(key, password))
        return CertificateFiles(str(certfile), str(keyfile))


def make_certificates(folder: Path) -> Certificates:
    """Make the authority and every certificate of `Certificates` in `folder`."""
    authority = Authority(folder)

    def issue(label: str, *names: str, password: str | None = None) -> CertificateFiles:
        return authority.issue(label, names, ec.generate_private_key(ec.SECP256R1()), password)

    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return Certificates(
        cafile=authority.cafile,
        rsa=authority.issue("rsa", LOCAL_NAMES, rsa_key),
        ecdsa=issue("ecdsa", *LOCAL_NAMES),
        encrypted=issue("encrypted", *LOCAL_NAMES, password=KEY_PASSWORD),
        password=KEY_PASSWORD,
        one=issue("one", "one.example"),
        two=issue("two", "two.example"),
        client=issue("client", "client.example"),
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: PrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not signs_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_bytes(key: PrivateKey, password: str | None) -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password.encode())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
