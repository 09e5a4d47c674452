"""Mechanisms without a password: EXTERNAL (RFC 4422 appendix A) and ANONYMOUS (RFC 4505)."""

from dataclasses import dataclass
from typing import ClassVar

from gen_smtp.protocol.sasl.mechanism import Mechanism
from gen_smtp.protocol.sasl.steps import Credentials, Malformed, NotText, SaslStep

LONGEST_TRACE = 255
"""Characters (RFC 4505 section 2)."""

NOBODY = "anonymous"
"""The user name of all that come so."""


@dataclass(frozen=True, slots=True)
class AnonymousTrace:
    """What a client says of itself with ANONYMOUS: often its address. It proves nothing.

    Attributes:
        trace: the text; empty if it says nothing.
    """

    trace: str


class Anonymous(Mechanism):
    """One response, of up to 255 characters."""

    __slots__ = ()
    name: ClassVar[str] = "ANONYMOUS"

    def answer(self, response: bytes) -> SaslStep:
        trace = self.text(response)
        if trace is None:
            return NotText()
        # RFC 4505 section 3 forbids control characters; stringprep's other tables are of no use here.
        if len(trace) > LONGEST_TRACE or not trace.isprintable():
            return Malformed()
        return Credentials(NOBODY, AnonymousTrace(trace))


class External(Mechanism):
    """The client is who its certificate says.

    One response: whom the client wants to act as, or nothing for the one that the certificate names.
    """

    __slots__ = ()
    name: ClassVar[str] = "EXTERNAL"
    needs_certificate: ClassVar[bool] = True

    def answer(self, response: bytes) -> SaslStep:
        certificate, authzid = self.facts.certificate, self.text(response)
        if authzid is None:
            return NotText()
        if certificate is None or "\0" in authzid:
            return Malformed()
        return Credentials(certificate.name, certificate, authzid)
