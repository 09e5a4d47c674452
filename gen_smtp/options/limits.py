"""The limits of a session: sizes and counts, none of them a time."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from gen_smtp.options.checks import Check, check_fields, limit_from, read_record, whole_number
from gen_smtp.protocol.text.content import DEFAULT_MAX_SIZE

_LARGEST = 2**31 - 1
_LARGEST_SIZE = 10**20 - 1  # RFC 1870 4: at most twenty digits


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much of everything one client may bring: the session option `limits`.

    Sizes are in octets. None may be less than what RFC 5321 4.5.3.1 promises every client. Where no limit
    is possible, `math.inf` or None asks for it.

    Attributes:
        command_line: the longest command line, with its CRLF; 500 for a longer one.
        auth_line: the longest line of an AUTH exchange, without its CRLF; 500 for a longer one (RFC 4954 4).
        discarded_line: how much of an overlong line is thrown away; 421 for a longer one.
        text_line: the longest line of a message, with its CRLF and without a stuffed dot; 500 for the
            message with a longer one.
        message_size: the largest message, as SIZE announces it; 552 for a larger one. handle_HELO and
            handle_EHLO may set another for their client.
        recipients: of one message; 452 for more. From twice as many on each counts as a junk command.
        errors: 5yz replies without a message taken in between, but for those to AUTH; 421 behind the last
            (RFC 5321 7.8).
        junk_commands: commands that bring no message nearer, without one taken in between; 421 behind the
            last. They are NOOP, RSET, VRFY, a HELO, EHLO or LHLO that is not the first, what handle_other
            answers, and every command with a 4yz reply.
        auth_failures: 5yz replies to AUTH in the whole session; 421 behind the last (RFC 4954 9).
        messages: taken in the whole session; 421 for another MAIL.

    Raises:
        OptionsError: for a value of the wrong type or out of range.
    """

    command_line: int = 2048
    auth_line: int = 12288
    discarded_line: int = 65536
    text_line: int | float = math.inf
    message_size: int | float = DEFAULT_MAX_SIZE
    recipients: int = 1000
    errors: int | float = 20
    junk_commands: int | float = 100
    auth_failures: int | float = 6
    messages: int | float = math.inf

    def __post_init__(self) -> None:
        check_fields(self, _CHECKS)

    def for_protocol(self) -> dict[str, Any]:
        """The same by the names that `ProtocolConfig` has for them."""
        return {f"max_{field.name}": getattr(self, field.name) for field in dataclasses.fields(self)}


def read_limits(given: Any) -> Limits:
    """Limits from a mapping or an Erlang-like list of (key, value) pairs, or as they are.

    Raises:
        OptionsError: names the limit that is unknown or wrong, and what is allowed.
    """
    return read_record(Limits, given)


# The lowest values are those of RFC 5321 4.5.3.1, and of RFC 4954 4 and 9.
_CHECKS: dict[str, Check] = {
    "command_line": whole_number(512, _LARGEST),
    "auth_line": whole_number(12288, _LARGEST),
    "discarded_line": whole_number(512, _LARGEST),
    "text_line": limit_from(1000),
    "message_size": limit_from(65536, _LARGEST_SIZE),
    "recipients": whole_number(100, _LARGEST),
    "errors": limit_from(1),
    "junk_commands": limit_from(1),
    "auth_failures": limit_from(3),
    "messages": limit_from(1),
}
