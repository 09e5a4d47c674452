"""The hosts that take mail for a domain (RFC 5321 section 5.1, RFC 7505)."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from gen_smtp.client.protocol.errors import DeliveryError, PermanentFailure, TemporaryFailure
from gen_smtp.client.protocol.text.replies import own_reply
from gen_smtp.client.routing.queries import NoAnswerError, Resolver

MOST_HOSTS = 20
"""Of a domain; no mail is lost if the twenty best hosts are asked and no others."""


class Exchangers(NamedTuple):
    """The hosts of a domain.

    Attributes:
        hosts: best first, equal ones in random order.
        secure: whether that was validated by DNSSEC.
    """

    hosts: list[str]
    secure: bool


def exchangers_of(domain: str, resolver: Resolver) -> Exchangers | DeliveryError:
    """The hosts that take mail for a domain; a failure if there are none. It blocks.

    A domain without mail exchangers is its own.
    """
    try:
        found = resolver.ask(domain, "MX")
    except NoAnswerError as error:
        return no_answer(error)
    if not found.exists:
        return PermanentFailure(own_reply(550, "5.1.2", f"There is no domain {domain}"))
    pairs = [(record.preference, str(record.exchange).rstrip(".")) for record in found.records]
    if pairs and not any(name for _, name in pairs):
        return PermanentFailure(own_reply(556, "5.1.10", f"The domain {domain} takes no mail (null MX)"))
    hosts = ordered((preference, name) for preference, name in pairs if name)
    return Exchangers(hosts[:MOST_HOSTS] or [domain], found.secure)


def no_answer(error: NoAnswerError) -> DeliveryError:
    """The failure that comes of no answer."""
    return TemporaryFailure(own_reply(451, "4.4.3", f"The name servers do not answer: {error}"))


def ordered(exchangers: Iterable[tuple[int, str]]) -> list[str]:
    """The hosts of pairs of preference and name, best first, equal ones in random order."""
    hosts: list[str] = []
    for _, equal in groupby(sorted(exchangers), key=itemgetter(0)):
        names = [name for _, name in equal]
        random.shuffle(names)
        hosts += names
    return list(dict.fromkeys(hosts))
