"""gen_smtp's `smtp_util`: what a mail server needs around the protocol.

Addresses and MIME are the standard library's affair (`email.utils`, `email.message`).
"""

from __future__ import annotations

import email.utils
import hmac
import re
import secrets
import socket
from typing import TYPE_CHECKING, AnyStr

from gen_smtp.protocol.sasl.base64 import encode_challenge
from gen_smtp.protocol.sasl.mechanism import cram_challenge

if TYPE_CHECKING:
    import dns.resolver

__all__ = [
    "compare_secrets",
    "compute_cram_digest",
    "generate_message_id",
    "get_cram_string",
    "guess_FQDN",
    "mxlookup",
    "rfc5322_timestamp",
    "trim_crlf",
    "verify_cram_digest",
]

DNS_TIMEOUT = 30.0
"""Seconds that the name servers get for an answer."""
_CONTINUES = re.compile(rb"\r*[ \t]")  # behind CRs of allow_bare_newlines="ignore", too


def guess_FQDN() -> str:
    """The machine's fully qualified name, or `"localhost"` when its name can't be looked up.

    It may ask the domain name system, and wait for it.
    """
    try:
        found = socket.getaddrinfo(
            socket.gethostname(), None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME
        )
    except OSError:
        return "localhost"
    return found[0][3] or "localhost"


def separator_of(data: bytes) -> bytes:
    """What has to stand between header fields that a server puts in front of a message, and the message.

    A line that begins with a blank or a tab continues the field above it (RFC 5322 section 2.2.3). A message
    whose first line does so would go on with the server's own `Received`, and could give it another date. No
    header section begins so: an empty line makes such a message, unchanged, a body.

    Args:
        data: the message, or its beginning.

    Returns:
        an empty line, or nothing, as for every message in order.
    """
    return b"\r\n" if _CONTINUES.match(data) else b""


def compute_cram_digest(key: str, challenge: str) -> str:
    """The digest that a client has to answer a CRAM-MD5 challenge with (RFC 2195 section 2).

    Args:
        key: the password.
        challenge: the challenge as it was before base64, `<R1.R2@HOST>`.

    Returns:
        HMAC-MD5 in lower-case hexadecimal digits.
    """
    return hmac.digest(_octets(key), challenge.encode(), "md5").hex()


def verify_cram_digest(key: str, credential: tuple[str, str]) -> bool:
    """Whether the credential of a CRAM-MD5 exchange shows knowledge of the password, in constant time.

    Args:
        key: the password.
        credential: what `handle_AUTH` is given for `"cram-md5"`: the digest and the challenge.
    """
    digest, challenge = credential
    return compare_secrets(compute_cram_digest(key, challenge), digest.lower())


def compare_secrets(one: str, other: str) -> bool:
    """Whether two secrets are the same, in a time that does not tell how much of them is."""
    return hmac.compare_digest(_octets(one), _octets(other))


def _octets(secret: str) -> bytes:
    """As the client sent it; what is not UTF-8 comes with the session option `lenient`."""
    return secret.encode("utf-8", "surrogateescape")


def get_cram_string(hostname: str) -> str:
    """A fresh CRAM-MD5 challenge `<R1.R2@HOST>`, in base64 (RFC 2195 section 2).

    Args:
        hostname: the server's name.
    """
    return encode_challenge(cram_challenge(hostname).encode())


def trim_crlf(line: AnyStr) -> AnyStr:
    """A line without its end: the LFs at the end are removed, then the CRs before them."""
    if isinstance(line, str):
        return line.rstrip("\n").rstrip("\r")
    return line.rstrip(b"\n").rstrip(b"\r")


def rfc5322_timestamp() -> str:
    """The time now, in local time with its offset, for a Date header (RFC 5322 section 3.3)."""
    return email.utils.formatdate(localtime=True)


def generate_message_id() -> str:
    """A new Message-ID, `<` 32 hexadecimal digits `@` this machine's name `>` (RFC 5322 section 3.6.4)."""
    return f"<{secrets.token_hex(16)}@{guess_FQDN()}>"


def mxlookup(domain: str, *, resolver: dns.resolver.Resolver | None = None) -> list[tuple[int, str]]:
    """The mail exchangers of a domain (RFC 5321 section 5.1).

    It blocks: a callback calls it through `actors.run_blocking`.

    Args:
        domain: a domain name.
        resolver: asks this one instead of the system's name servers.

    Returns:
        Pairs of preference and host name, best first; an empty list when the domain has none or isn't there.
        A domain that takes no mail at all (RFC 7505) has the one pair `(0, ".")`.

    Raises:
        dns.exception.DNSException: no answer could be had, so there may or may not be mail exchangers.
        ImportError: dnspython is not installed; it comes with the extra `dns`.
    """
    # dnspython takes as long to import as all the rest, and only a relay needs it.
    try:
        import dns.resolver
    except ModuleNotFoundError as error:
        raise ImportError("mxlookup needs dnspython: pip install 'gen-smtp[dns]'") from error

    try:
        answer = (resolver or dns.resolver.Resolver()).resolve(domain, "MX", lifetime=DNS_TIMEOUT)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    return sorted((record.preference, str(record.exchange).rstrip(".") or ".") for record in answer)
