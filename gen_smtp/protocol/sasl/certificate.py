"""The certificate of a client, as a mechanism may need it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """The certificate that a client has shown in the TLS handshake, and that was verified there.

    Attributes:
        common_name: of its subject; empty if there is none.
        emails: the addresses it is made out to.
        hosts: the host names it is made out to.
        issuer: the common name of the authority that has signed it; empty if there is none.
        serial_number: in hexadecimal digits.
        facts: all of it, as `ssl.SSLSocket.getpeercert` gives it.
    """

    common_name: str = ""
    emails: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    issuer: str = ""
    serial_number: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """The certificate that `ssl.SSLSocket.getpeercert` tells of."""
        names = facts.get("subjectAltName", ())
        return cls(
            _common_name(facts.get("subject", ())),
            tuple(value for kind, value in names if kind == "email"),
            tuple(value for kind, value in names if kind == "DNS"),
            _common_name(facts.get("issuer", ())),
            facts.get("serialNumber", ""),
            facts,
        )

    @property
    def name(self) -> str:
        """Who the client is: the first of its addresses, its common name, its host names; else empty."""
        return next(filter(None, (*self.emails, self.common_name, *self.hosts)), "")


def _common_name(parts: Any) -> str:
    return next((value for part in parts for kind, value in part if kind == "commonName"), "")
