"""The options of a whole server: what all its listeners and sessions share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from gen_smtp.option_checks import Check, OptionsError, check_fields, limit_from, read_record

MEBIOCTET = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """What a server as a whole goes by. With several workers each of them is a server of its own.

    Attributes:
        max_sessions: sessions at one time, over all listeners; while there are so many, connections wait in
            the system's backlogs. None or `math.inf` sets no limit, here and below.
        max_buffered: octets that the messages under way may take in memory, over all sessions. A DATA that
            comes when they are used up, and a message that would cross them, are answered with 452.

    Raises:
        OptionsError: for a value of the wrong type or out of range.
    """

    max_sessions: int | float = 10_000
    max_buffered: int | float = 256 * MEBIOCTET

    def __post_init__(self) -> None:
        check_fields(self, _CHECKS)


ServerConfiguration: TypeAlias = ServerOptions | Mapping[str, Any] | Sequence[tuple[str, Any]] | None
"""A server's options: the record, a mapping, or an Erlang-like list of (key, value) pairs."""


def parse_server_options(given: ServerConfiguration = None) -> ServerOptions:
    """The record of a server's options; None is the defaults.

    Raises:
        OptionsError: what is wrong, with the option and what is allowed.
    """
    try:
        return ServerOptions() if given is None else read_record(ServerOptions, given)
    except OptionsError as error:
        raise error.within("serveroptions") from error.__cause__


_CHECKS: dict[str, Check] = {
    "max_sessions": limit_from(1),
    "max_buffered": limit_from(1),
}
