"""Questions to the domain name system, by dnspython. They block: the hub asks them in worker threads."""

from __future__ import annotations

import copy
import errno
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import dns.resolver

LIFETIME = 30.0
"""Seconds that the name servers get for an answer."""
_PAYLOAD = 1232
"""Octets of an answer by UDP: what no network cuts in pieces (DNS flag day 2020)."""


class NoAnswerError(Exception):
    """The name servers do not answer, or say that they can't; there may or may not be such a record."""


class Found(NamedTuple):
    """An answer.

    Attributes:
        records: what there is; empty for nothing.
        exists: whether there is such a name.
        secure: whether a server that is trusted has validated the answer by DNSSEC.
    """

    records: tuple[Any, ...]
    exists: bool = True
    secure: bool = False


class Resolver:
    """Asks name servers.

    Args:
        resolver: a `dns.resolver.Resolver` of the user's, whose word on DNSSEC is trusted. None asks the
            system's name servers, which are trusted in that if they are on this machine: what others say can
            be changed on the way.

    Attributes:
        is_own: whether the user has given one.

    Raises:
        ImportError: dnspython is not installed; it comes with the extra `dns`.
    """

    def __init__(self, resolver: dns.resolver.Resolver | None) -> None:
        try:
            import dns.flags
            import dns.resolver
        except ModuleNotFoundError as error:
            raise ImportError(
                "looking for mail exchangers needs dnspython: pip install 'gen-smtp[dns]'"
            ) from error
        self.is_own = resolver is not None
        self._asked = copy.copy(resolver) if resolver is not None else dns.resolver.Resolver()
        self._asked.use_edns(0, dns.flags.DO, _PAYLOAD)
        self._asked.flags = dns.flags.RD | dns.flags.AD
        self._trusted = self.is_own or all(map(_is_loopback, self._asked.nameservers))

    def ask(self, name: str, kind: str) -> Found:
        """The records of a name.

        Args:
            name: absolute, with a final dot or without.
            kind: such as `"MX"`.

        Raises:
            NoAnswerError: there is no answer.
        """
        import dns.exception
        import dns.flags
        import dns.resolver

        try:
            answer = self._asked.resolve(
                f"{name.rstrip('.')}.", kind, lifetime=LIFETIME, raise_on_no_answer=False
            )
        except dns.resolver.NXDOMAIN:
            return Found((), False)
        except (dns.exception.DNSException, ValueError) as error:
            raise NoAnswerError(f"{name} {kind}: {error}") from error
        secure = self._trusted and bool(answer.response.flags & dns.flags.AD)
        return Found(tuple(answer.rrset or ()), True, secure)


def _is_loopback(nameserver: object) -> bool:
    try:
        return ip_address(str(nameserver)).is_loopback
    except ValueError:
        return False


def addresses_of(host: str, resolver: Resolver) -> list[str]:
    """The addresses of a host. It blocks.

    Raises:
        OSError: it has none, or there is no answer.
    """
    try:
        answers = [resolver.ask(host, kind) for kind in ("A", "AAAA")]
    except NoAnswerError as error:
        raise OSError(errno.EAGAIN, str(error)) from error
    found = [str(record.address) for answer in answers for record in answer.records]
    if not found:
        raise OSError(errno.EADDRNOTAVAIL, f"{host} has no address")
    return found
