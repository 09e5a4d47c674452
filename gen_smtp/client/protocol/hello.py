"""The scripts from the greeting to TLS (RFC 5321 section 3.1 and 3.2, RFC 3207)."""

from __future__ import annotations

from typing import Literal, NamedTuple

from gen_smtp.client.protocol.errors import MissingRequirement, PermanentFailure, TemporaryFailure, failure_of
from gen_smtp.client.protocol.steps import Ask, Script, Security, StartTls, command
from gen_smtp.client.protocol.text.offer import Offer, read_offer
from gen_smtp.client.protocol.text.replies import Reply

Tls = Literal["always", "never", "if_available"]

_READY = 220


class Hello(NamedTuple):
    """How the client introduces itself.

    Attributes:
        hostname: the client's name.
        lmtp: by LHLO, and not by EHLO.
        tls: whether STARTTLS is said.
    """

    hostname: str
    lmtp: bool = False
    tls: Tls = "if_available"


def introduce(hello: Hello, security: Security) -> Script[Offer]:
    """Hear the greeting, say hello, and begin TLS if it is wanted: what the server offers in the end.

    Raises:
        DeliveryError: the server does not serve; it has no TLS, and TLS must be.
    """
    (greeting,) = yield Ask(b"", ("greeting",))
    if greeting.code != _READY:
        # As gen_smtp has it: all but 220 and 4yz is a refusal for good.
        raise (TemporaryFailure if greeting.temporary else PermanentFailure)(greeting, greeting.host)
    offer = yield from say_hello(hello, security)
    if hello.tls == "never" or security.secure:
        return offer
    if "STARTTLS" not in offer.extensions:
        return _without_tls(hello, offer, greeting)
    (reply,) = yield command("STARTTLS")
    if reply.code != _READY:
        if hello.tls == "always":
            raise failure_of(reply) if not reply.positive else MissingRequirement("tls", reply.host)
        return offer
    yield StartTls()
    return (yield from say_hello(hello, security))


def _without_tls(hello: Hello, offer: Offer, greeting: Reply) -> Offer:
    if hello.tls == "always":
        raise MissingRequirement("tls", greeting.host)
    return offer


def say_hello(hello: Hello, security: Security) -> Script[Offer]:
    """EHLO or LHLO, and HELO for a server that does not know EHLO.

    Raises:
        DeliveryError: the server takes none of them.
    """
    verb = "LHLO" if hello.lmtp else "EHLO"
    (reply,) = yield command(f"{verb} {hello.hostname}")
    if reply.positive:
        return read_offer(reply, secure=security.secure, verified=security.verified)
    if reply.temporary or hello.lmtp or security.secure:
        raise failure_of(reply)
    (reply,) = yield command(f"HELO {hello.hostname}")
    if not reply.positive:
        raise failure_of(reply)
    return Offer({})
