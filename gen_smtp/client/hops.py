"""The next hops of mail: hosts, and what must be true of the TLS with each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from actors import run_long
from gen_smtp.client.options import ClientOptions
from gen_smtp.client.protocol.errors import DeliveryError, TemporaryFailure
from gen_smtp.client.protocol.text.replies import own_reply
from gen_smtp.client.routing.dane import Tlsa, tlsa_of
from gen_smtp.client.routing.exchangers import exchangers_of, no_answer
from gen_smtp.client.routing.mta_sts import Policy
from gen_smtp.client.routing.queries import NoAnswerError

Check = Literal["options", "authority", "dane"]


class Hop(NamedTuple):
    """A host to connect to.

    Attributes:
        host: its name or address, or the path of a socket.
        check: who says what its certificate must be: the client's options, a known authority (MTA-STS), or
            DANE. With the last two there is TLS or no mail.
        tlsa: for DANE, the records that can be used; if there are none, any certificate will do.
    """

    host: str
    check: Check = "options"
    tlsa: tuple[Tlsa, ...] = ()


def relay_hops(options: ClientOptions) -> list[Hop]:
    """The hops of the relay, best first; waits, on the hub.

    Raises:
        DeliveryError: it takes no mail.
    """
    assert options.relay is not None
    if options.looks_for_exchangers:
        return domain_hops(options.relay, options)
    if not options.dane or options.family is not None or options.relay.startswith("["):
        return [Hop(options.relay)]
    return _or_raise(run_long(_hops, [options.relay], True, None, options))


def domain_hops(domain: str, options: ClientOptions) -> list[Hop]:
    """The hops of a domain, best first, equal ones in random order; waits, on the hub.

    Args:
        domain: a domain name, or an address literal in brackets.
        options: the client's.

    Raises:
        PermanentFailure: there is no such domain, or it takes no mail.
        TemporaryFailure: the name servers do not answer, or no host may take the mail.
        ImportError: dnspython is not installed; it comes with the extra `dns`.
    """
    if domain.startswith("["):
        return [Hop(domain)]
    return _or_raise(run_long(_find, domain, options))


def _or_raise(found: list[Hop] | DeliveryError) -> list[Hop]:
    if isinstance(found, DeliveryError):
        raise found
    return found


def _find(domain: str, options: ClientOptions) -> list[Hop] | DeliveryError:
    found = exchangers_of(domain, options.asked)
    if isinstance(found, DeliveryError):
        return found
    policy = options.policies.of(domain) if options.mta_sts else None
    return _hops(found.hosts, found.secure, policy, options)


def _hops(
    hosts: Iterable[str], secure: bool, policy: Policy | None, options: ClientOptions
) -> list[Hop] | DeliveryError:
    """The hosts that may have mail. DANE comes before MTA-STS (RFC 8461 section 2)."""
    hops = []
    failure: DeliveryError | None = None
    for host in hosts:
        try:
            hop = _hop(host, secure, policy, options)
        except NoAnswerError as error:
            failure = no_answer(error)
            continue
        if hop is not None:
            hops.append(hop)
    if hops:
        return hops
    refused = own_reply(451, "4.7.5", "The domain's policy names none of its mail exchangers")
    return failure or TemporaryFailure(refused)


def _hop(host: str, secure: bool, policy: Policy | None, options: ClientOptions) -> Hop | None:
    if options.dane and secure:
        records = tlsa_of(host, options.own_port, options.asked)
        if records.must:
            return Hop(host, "dane", records.usable)
    if policy is None or policy.mode != "enforce":
        return Hop(host)
    return Hop(host, "authority") if policy.allows(host) else None
