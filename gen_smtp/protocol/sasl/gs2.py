"""The header that begins the first message of OAUTHBEARER and of SCRAM (RFC 5801 section 4, RFC 5802)."""

import re
from typing import NamedTuple

_HEADER = re.compile(r"(n|y|p=[A-Za-z0-9.\-]+),(?:a=([^,]+))?,", re.ASCII)
_NOT_ESCAPED = re.compile("=(?!2C|3D)")


class Gs2Header(NamedTuple):
    """What the header says, and what comes behind it.

    Attributes:
        flag: `n`, `y`, or `p=` and the type of the channel binding that the client uses.
        authzid: whom the client wants to act as; None if it does not say so.
        rest: the message behind the header.
    """

    flag: str
    authzid: str | None
    rest: str


def parse_gs2(message: str) -> Gs2Header | None:
    """Take the header off a message; None if there is no good one.

    A comma in the name stands there as ``=2C``, and an equals sign as ``=3D``.
    """
    matched = _HEADER.match(message)
    if matched is None:
        return None
    flag, name = matched.groups()
    if name is not None:
        if _NOT_ESCAPED.search(name) is not None or "\0" in name:
            return None
        name = name.replace("=2C", ",").replace("=3D", "=")
    return Gs2Header(flag, name, message[matched.end() :])
