"""EXTERNAL (RFC 4422 appendix A), ANONYMOUS (RFC 4505), and the certificate that the former needs."""

from __future__ import annotations

from typing import Any

import pytest

from gen_smtp.protocol.sasl.certificate import ClientCertificate
from gen_smtp.protocol.sasl.mechanism import ExchangeFacts
from gen_smtp.protocol.sasl.no_password import Anonymous, AnonymousTrace, External
from gen_smtp.protocol.sasl.steps import Challenge, Credentials, Malformed, NotText

# As `getpeercert` gives it.
FACTS: dict[str, Any] = {
    "subject": ((("countryName", "DE"),), (("commonName", "printer-7"),)),
    "issuer": ((("commonName", "Our CA"),),),
    "serialNumber": "0AFF",
    "subjectAltName": (("DNS", "printer-7.example"), ("email", "p7@example.com"), ("DNS", "p7.example")),
}
CERTIFICATE = ClientCertificate.of(FACTS)


def test_a_certificate_as_it_is_told() -> None:
    assert (
        ClientCertificate(
            "printer-7", ("p7@example.com",), ("printer-7.example", "p7.example"), "Our CA", "0AFF"
        )
        == CERTIFICATE
    )
    assert CERTIFICATE.facts is FACTS
    assert ClientCertificate.of({}) == ClientCertificate()


@pytest.mark.parametrize(
    ("certificate", "name"),
    [
        (CERTIFICATE, "p7@example.com"),
        (ClientCertificate("cn", (), ("host",)), "cn"),
        (ClientCertificate("", (), ("host", "other")), "host"),
        (ClientCertificate(), ""),
    ],
)
def test_who_a_client_is_by_its_certificate(certificate: ClientCertificate, name: str) -> None:
    assert certificate.name == name


@pytest.mark.parametrize(
    ("response", "authzid"), [(b"", None), (b"other", "other"), (b"p7@example.com",) * 2]
)
def test_external_takes_the_certificate_for_the_name(response: bytes, authzid: bytes | str | None) -> None:
    external = External(ExchangeFacts("h", CERTIFICATE))
    assert external.begin(None) == Challenge(b"")
    step = external.answer(response)
    assert isinstance(step, Credentials)
    expected = authzid.decode() if isinstance(authzid, bytes) else authzid
    assert (step.username, step.credential, step.authzid) == ("p7@example.com", CERTIFICATE, expected)


def test_external_without_a_certificate_or_with_no_name() -> None:
    assert External(ExchangeFacts("h")).answer(b"") == Malformed()
    assert External(ExchangeFacts("h", CERTIFICATE)).answer(b"\0") == Malformed()
    assert External(ExchangeFacts("h", CERTIFICATE)).answer(b"\xff") == NotText()


@pytest.mark.parametrize("trace", ["", "sirhc", "someone@example.com", "ü" * 255])
def test_anonymous_leaves_a_trace(trace: str) -> None:
    step = Anonymous(ExchangeFacts("h")).begin(trace.encode())
    assert isinstance(step, Credentials)
    assert (step.username, step.credential, step.authzid) == ("anonymous", AnonymousTrace(trace), None)


@pytest.mark.parametrize("trace", ["a\nb", "a\x1b[2J", "\0", "a\u2028b", "x" * 256])
def test_anonymous_takes_no_control_characters_and_no_novels(trace: str) -> None:
    assert Anonymous(ExchangeFacts("h")).answer(trace.encode()) == Malformed()


def test_anonymous_wants_text() -> None:
    assert Anonymous(ExchangeFacts("h")).answer(b"\xff") == NotText()
