"""The hosts that take mail for a domain (RFC 5321 section 5.1, RFC 7505)."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from actors import run_long
from gen_smtp.client.protocol.errors import DeliveryError, PermanentFailure, TemporaryFailure
from gen_smtp.client.protocol.text.replies import own_reply

if TYPE_CHECKING:
    import dns.resolver

MOST_HOSTS = 20
"""Of a domain; no mail is lost if the twenty best hosts are asked and no others."""
LIFETIME = 30.0
"""Seconds that the name servers get for an answer."""


def hosts_of(domain: str, resolver: dns.resolver.Resolver | None = None) -> list[str]:
    """The hosts that take mail for a domain, best first, equal ones in random order; it waits, on the hub.

    A domain without mail exchangers is its own, and so is an address literal.

    Args:
        domain: a domain name, or an address literal in brackets.
        resolver: asks this one instead of the system's name servers.

    Raises:
        PermanentFailure: there is no such domain, or it takes no mail.
        TemporaryFailure: the name servers do not answer.
        ImportError: dnspython is not installed; it comes with the extra `dns`.
    """
    if domain.startswith("["):
        return [domain]
    found = run_long(_look_up, domain, resolver)
    if isinstance(found, DeliveryError):
        raise found
    return ordered(found)[:MOST_HOSTS] or [domain]


def ordered(exchangers: Iterable[tuple[int, str]]) -> list[str]:
    """The hosts of pairs of preference and name, best first, equal ones in random order."""
    hosts: list[str] = []
    for _, equal in groupby(sorted(exchangers), key=itemgetter(0)):
        names = [name for _, name in equal]
        random.shuffle(names)
        hosts += names
    return list(dict.fromkeys(hosts))


def load_dns() -> None:
    """Raises: ImportError: dnspython is not installed; says what to do."""
    try:
        import dns.resolver  # noqa: F401
    except ModuleNotFoundError as error:
        raise ImportError(
            "looking for mail exchangers needs dnspython: pip install 'gen-smtp[dns]'"
        ) from error


def _look_up(domain: str, resolver: dns.resolver.Resolver | None) -> list[tuple[int, str]] | DeliveryError:
    load_dns()
    import dns.exception
    import dns.resolver

    try:
        answer = (resolver or dns.resolver.get_default_resolver()).resolve(domain, "MX", lifetime=LIFETIME)
    except dns.resolver.NXDOMAIN:
        return PermanentFailure(own_reply(550, "5.1.2", f"There is no domain {domain}"))
    except dns.resolver.NoAnswer:
        return []
    except dns.exception.DNSException as error:
        return TemporaryFailure(own_reply(451, "4.4.3", f"No answer for the domain {domain}: {error}"))
    found = [(record.preference, str(record.exchange).rstrip(".")) for record in answer]
    if found == [(0, "")] or not any(name for _, name in found):
        return PermanentFailure(own_reply(556, "5.1.10", f"The domain {domain} takes no mail (null MX)"))
    return [(preference, name) for preference, name in found if name]
