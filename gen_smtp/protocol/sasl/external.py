"""EXTERNAL (RFC 4422 appendix A): the client is who its TLS certificate says."""

from typing import ClassVar

from gen_smtp.protocol.sasl.mechanism import Mechanism
from gen_smtp.protocol.sasl.steps import Credentials, Malformed, NotText, SaslStep


class External(Mechanism):
    """One response: whom the client wants to act as, or nothing for the one that the certificate names."""

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
