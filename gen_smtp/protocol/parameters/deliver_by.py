"""DELIVERBY: until when a message is to be delivered (RFC 2852)."""

import re
from dataclasses import dataclass
from typing import Literal

from gen_smtp.protocol.parameters.reading import TOO_SHORT, Family, Given, bad
from gen_smtp.protocol.text.replies import StandardReply

_BY = re.compile(r"([+-]?[0-9]{1,9});([NnRr])([Tt])?")
_SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class DeliverBy:
    """What BY says.

    Attributes:
        seconds: from now; 0 or less if the time is over, which only a mode of N allows.
        mode: what becomes of a message that is late: it is returned (R), or its sender is told (N).
        trace: whether the sender is to be told where the message goes.
    """

    seconds: int
    mode: Literal["R", "N"]
    trace: bool = False


def read_by(given: Given) -> DeliverBy | StandardReply:
    """BY: by when, and what becomes of a message that is late."""
    found = _BY.fullmatch(given.text)
    if found is None:
        return bad(given, "seconds, a semicolon, R or N, perhaps T")
    seconds = int(found[1])
    if found[2] in "Nn":
        return DeliverBy(seconds, "N", found[3] is not None)
    if seconds <= 0:
        return bad(given, "more than no seconds with R")
    least = _SECONDS.match(given.offered)
    if least is not None and seconds < int(least[0]):
        return TOO_SHORT(keyword=given.keyword, limit=least[0])
    return DeliverBy(seconds, "R", found[3] is not None)


MAIL: Family = {"BY": read_by}
