"""ANONYMOUS (RFC 4505): a client that has no name, and leaves a trace if it likes."""

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
