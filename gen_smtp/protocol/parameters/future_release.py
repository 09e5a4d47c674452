"""FUTURERELEASE: a message that is to wait (RFC 4865).

EHLO announces the longest interval, in seconds, and the last date. Nobody here knows the time: that a date is
over is the callback's to say.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from gen_smtp.protocol.parameters.date_time import parse_date_time
from gen_smtp.protocol.parameters.reading import TOO_FAR, Family, Given, bad
from gen_smtp.protocol.text.replies import StandardReply

_SECONDS = re.compile(r"[1-9][0-9]{0,8}")
_BOTH = "no HOLDFOR and HOLDUNTIL together"


@dataclass(frozen=True, slots=True)
class Hold:
    """How long a message is to wait: one of the two.

    Attributes:
        seconds: from now.
        until: until then.
    """

    seconds: int | None = None
    until: datetime | None = None


def read_holdfor(given: Given) -> Hold | StandardReply:
    """HOLDFOR: seconds."""
    if "HOLDUNTIL" in given.mail:
        return bad(given, _BOTH)
    if _SECONDS.fullmatch(given.text) is None:
        return bad(given, "1 to 999999999 seconds")
    longest = given.offered.split(" ")[0]
    if _SECONDS.fullmatch(longest) is not None and int(given.text) > int(longest):
        return TOO_FAR(keyword=given.keyword, limit=f"{longest} seconds")
    return Hold(seconds=int(given.text))


def read_holduntil(given: Given) -> Hold | StandardReply:
    """HOLDUNTIL: a date with its time."""
    if "HOLDFOR" in given.mail:
        return bad(given, _BOTH)
    until = parse_date_time(given.text)
    if until is None:
        return bad(given, "a date and time as in 2027-01-31T23:59:59Z")
    latest = parse_date_time(given.offered.rpartition(" ")[2])
    if latest is not None and until > latest:
        return TOO_FAR(keyword=given.keyword, limit=latest.isoformat())
    return Hold(until=until)


MAIL: Family = {"HOLDFOR": read_holdfor, "HOLDUNTIL": read_holduntil}
