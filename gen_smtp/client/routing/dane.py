"""DANE for SMTP (RFC 7672): TLSA records say which certificate a host has, if DNSSEC vouches for them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from gen_smtp.client.routing.queries import Resolver

DANE_EE, FULL_CERTIFICATE, PUBLIC_KEY = 3, 0, 1
_EXPLICIT = 0xA0
"""The tag of the version, which certificates of version 1 do not have."""

_MATCHING: Mapping[int, Callable[[bytes], bytes]] = {
    0: lambda octets: octets,
    1: lambda octets: hashlib.sha256(octets).digest(),
    2: lambda octets: hashlib.sha512(octets).digest(),
}


class Tlsa(NamedTuple):
    """A TLSA record that can be used: of DANE-EE, the only usage that needs no authority.

    Attributes:
        selector: what of the certificate is meant: all of it, or its public key.
        matching: how that was shortened.
        data: what must come out.
    """

    selector: int
    matching: int
    data: bytes


class TlsaRecords(NamedTuple):
    """What a host has published.

    Attributes:
        usable: the records that can be used.
        must: whether there are any, so that there must be TLS.
    """

    usable: tuple[Tlsa, ...] = ()
    must: bool = False


def tlsa_of(host: str, port: int, resolver: Resolver) -> TlsaRecords:
    """The TLSA records of a host; none if DNSSEC does not vouch for its address and for them. It blocks.

    Raises:
        NoAnswerError: there is no answer, or one that is not valid.
    """
    if not _has_secure_address(host, resolver):
        return TlsaRecords()
    found = resolver.ask(f"_{port}._tcp.{host}", "TLSA")
    if not found.secure or not found.records:
        return TlsaRecords()
    usable = tuple(
        Tlsa(record.selector, record.mtype, bytes(record.cert))
        for record in found.records
        if record.usage == DANE_EE and record.selector in (0, 1) and record.mtype in _MATCHING
    )
    return TlsaRecords(usable, must=True)


def _has_secure_address(host: str, resolver: Resolver) -> bool:
    """RFC 7672 section 2.2.2: without it many a name server would not answer a question for TLSA."""
    answers = [resolver.ask(host, kind) for kind in ("A", "AAAA")]
    with_address = [answer for answer in answers if answer.records]
    return bool(with_address) and all(answer.secure for answer in with_address)


def is_vouched_for(certificate: bytes, records: Iterable[Tlsa]) -> bool:
    """Whether a certificate, in DER, is one that the records mean."""
    for record in records:
        octets = certificate if record.selector == FULL_CERTIFICATE else public_key_of(certificate)
        if hmac.compare_digest(_MATCHING[record.matching](octets), record.data):
            return True
    return False


def public_key_of(certificate: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a certificate in DER (RFC 5280 section 4.1), as it stands there."""
    fields = [field for field in _inside(_inside(certificate)[0]) if field[0] != _EXPLICIT]
    return fields[5]  # behind serial number, signature, issuer, validity and subject


def _inside(element: bytes) -> list[bytes]:
    """The elements inside an element of DER, each with its tag and length (X.690 section 8.1)."""
    content = element[_head_of(element) :]
    found = []
    while content:
        end = _head_of(content) + _length_of(content)
        found.append(content[:end])
        content = content[end:]
    return found


def _head_of(element: bytes) -> int:
    return 2 + (element[1] & 0x7F if element[1] & 0x80 else 0)


def _length_of(element: bytes) -> int:
    first = element[1]
    return int.from_bytes(element[2 : 2 + (first & 0x7F)], "big") if first & 0x80 else first
