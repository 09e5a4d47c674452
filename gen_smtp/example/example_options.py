"""The callback options of the example server."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from gen_smtp.options.checks import (
    Check,
    OptionsError,
    check_fields,
    flag,
    one_of,
    read_record,
    shown_option,
    timeout,
    whole_number,
)

_LARGEST_SIZE = 10**20 - 1  # RFC 1870 4: at most twenty digits


@dataclass(frozen=True, kw_only=True, slots=True)
class ExampleOptions:
    """What the session option `callbackoptions` may say to the example server.

    Attributes:
        auth: announce AUTH and STARTTLS.
        size: the largest message in octets; `math.inf`, or gen_smtp's word `"infinity"`, is without limit.
            None is 655360 after HELO, and the built-in 10485760 after EHLO.
        parse: decode every message as MIME, and log how that went.
        dump: with `parse`, write messages that can't be decoded to `dump/ID` in the current folder.
        relay: send every message on to the mail exchangers of its recipients' domains.
        relay_port: the port of those hosts.
        relay_timeout: seconds that such a host may be silent.
        relay_seconds: seconds that each of them may take for a message.
        protocol: `"lmtp"` answers for every recipient; it goes with the session option `protocol`.

    Raises:
        OptionsError: for a value of the wrong type or out of range.
    """

    auth: bool = False
    size: int | float | None = None
    parse: bool = False
    dump: bool = False
    relay: bool = False
    relay_port: int = 25
    relay_timeout: float = 60.0
    relay_seconds: float = 300.0
    protocol: Literal["smtp", "lmtp"] = "smtp"

    def __post_init__(self) -> None:
        check_fields(self, _CHECKS)


def read_example_options(given: Any) -> ExampleOptions:
    """The example's options from a mapping or an Erlang-like list of (key, value) pairs.

    Raises:
        OptionsError: names the option that is unknown or wrong, and what is allowed. One that is misspelt
            is not passed over: with `realy` for `relay`, mail would be accepted and go nowhere.
    """
    try:
        return read_record(ExampleOptions, given)
    except OptionsError as error:
        raise (error.within("callbackoptions") if error.option else error) from error.__cause__


def _size(value: Any) -> int | float | None:
    if value is None:
        return None
    if value in ("infinity", math.inf):
        return math.inf
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _LARGEST_SIZE:
        return int(value)
    raise OptionsError(
        f"not a size: {shown_option(value)}", allowed="a number of octets from 1, or math.inf for no limit"
    )


_CHECKS: dict[str, Check] = {
    "auth": flag,
    "size": _size,
    "parse": flag,
    "dump": flag,
    "relay": flag,
    "relay_port": whole_number(1, 65535),
    "relay_timeout": timeout,
    "relay_seconds": timeout,
    "protocol": one_of("smtp", "lmtp"),
}
