"""What all mechanisms have in common; mechanisms of one's own derive from it, too."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from gen_smtp.protocol.sasl.certificate import ClientCertificate
from gen_smtp.protocol.sasl.steps import Challenge, SaslStep

ChallengeMaker = Callable[[str], str]
"""Makes the challenge of a CRAM-MD5 exchange from the server's host name."""


def cram_challenge(hostname: str) -> str:
    """``<R1.R2@HOST>`` with two unpredictable numbers below 2^32 (RFC 2195 section 2)."""
    return f"<{secrets.randbelow(2**32)}.{secrets.randbelow(2**32)}@{hostname}>"


NonceMaker = Callable[[], str]
"""Makes a text that no exchange had before, of printable ASCII without commas (RFC 5802 section 5.1)."""


def fresh_nonce() -> str:
    """24 unpredictable characters."""
    return secrets.token_urlsafe(18)


@dataclass(frozen=True, slots=True)
class ExchangeFacts:
    """What an exchange may need to know.

    Attributes:
        hostname: the server's name.
        certificate: the client's, verified in the TLS handshake; None if it has shown none.
        make_challenge: makes the challenge of CRAM-MD5 from the server's name.
        make_nonce: makes what SCRAM has the client repeat.
        lenient: whether text may be no UTF-8; see `Mechanism.text`.
    """

    hostname: str
    certificate: ClientCertificate | None = None
    make_challenge: ChallengeMaker = cram_challenge
    make_nonce: NonceMaker = fresh_nonce
    lenient: bool = False


class Mechanism:
    """One exchange of one client. Its methods must not wait; `handle_AUTH` may.

    Args:
        facts: what it may need to know.

    Attributes:
        name: the mechanism's name in upper case, as EHLO announces it. `handle_AUTH` gets it in lower case.
        needs_certificate: whether it is there for clients alone that have shown a certificate.
        needs_keys: whether it needs a `handle_AUTH_keys` of the callback class, because it returns `Lookup`.
        facts: what it may need to know.
    """

    name: ClassVar[str]
    needs_certificate: ClassVar[bool] = False
    needs_keys: ClassVar[bool] = False

    __slots__ = ("facts",)

    def __init__(self, facts: ExchangeFacts) -> None:
        self.facts = facts

    @classmethod
    def missing(cls) -> str | None:
        """What the mechanism lacks here, and what to do; None for nothing. Asked when a server starts."""
        return None

    def begin(self, initial: bytes | None) -> SaslStep:
        """The first step.

        Args:
            initial: the initial response of the AUTH command; None if there is none. Where the client speaks
                first, an empty challenge asks for it.
        """
        return Challenge(b"") if initial is None else self.answer(initial)

    def answer(self, response: bytes) -> SaslStep:
        """The next step, after the client's response to the last challenge."""
        raise NotImplementedError(f"{type(self).__qualname__} has no answer()")

    def found(self, value: Any) -> SaslStep:
        """The next step after `Lookup`.

        Args:
            value: what `handle_AUTH_keys` has put into its `ok`; None for its `error`, where there is no such
                user. A client should not see the difference.
        """
        raise NotImplementedError(f"{type(self).__qualname__} has no found()")

    def refused(self) -> bytes | None:
        """A last challenge where `handle_AUTH` does not take the credentials; None for 535 at once.

        Whatever the client answers, it hears the 535 then.
        """
        return None

    def text(self, octets: bytes) -> str | None:
        """The text of octets in UTF-8; None if they are not. If lenient, of any (`surrogateescape`)."""
        try:
            return octets.decode("utf-8", "surrogateescape" if self.facts.lenient else "strict")
        except UnicodeDecodeError:
            return None
