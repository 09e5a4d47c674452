"""Parameters that mark a message or a recipient: MT-PRIORITY, REQUIRETLS, RRVS."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gen_smtp.protocol.parameters.date_time import parse_date_time
from gen_smtp.protocol.parameters.reading import Family, Given, bad
from gen_smtp.protocol.text.replies import StandardReply

_PRIORITY = re.compile(r"-?[1-9]|0")


@dataclass(frozen=True, slots=True)
class ValidSince:
    """The recipient must have had the address since then (RFC 7293).

    Attributes:
        date: when the sender last knew that.
        otherwise: what is to happen if it has not: the message is rejected, or goes on.
    """

    date: datetime
    otherwise: Literal["reject", "continue"] = "reject"


def read_priority(given: Given) -> int | StandardReply:
    """MT-PRIORITY: from -9 to 9 (RFC 6710)."""
    if _PRIORITY.fullmatch(given.text) is None:
        return bad(given, "a number from -9 to 9")
    return int(given.text)


def read_require_tls(given: Given) -> Literal[True] | StandardReply:
    """REQUIRETLS: the message goes on in verified TLS or not at all (RFC 8689)."""
    return True if given.value is True else bad(given, "no value")


def read_valid_since(given: Given) -> ValidSince | StandardReply:
    """RRVS: since when the recipient must have had the address."""
    written, semicolon, action = given.text.partition(";")
    date = parse_date_time(written)
    if date is None or (semicolon and action not in ("C", "c", "R", "r")):
        return bad(given, "a date and time as in 2027-01-31T23:59:59Z, perhaps with ;C or ;R")
    return ValidSince(date, "continue" if action in ("C", "c") and semicolon else "reject")


PRIORITY: Family = {"MT-PRIORITY": read_priority}
REQUIRE_TLS: Family = {"REQUIRETLS": read_require_tls}
VALID_SINCE: Family = {"RRVS": read_valid_since}
