"""The callback options of `ForwardHandler`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gen_smtp.client.options import read_client_options
from gen_smtp.gen_smtp_client import ClientOptions
from gen_smtp.options.checks import (
    Check,
    OptionsError,
    as_mapping,
    check_fields,
    flag,
    one_of,
    option_names,
    optional,
    unknown_option,
    whole_number,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ForwardOptions:
    """What the session option `callbackoptions` says to `ForwardHandler`, beside the options of the client.

    Attributes:
        client: the next host, and how mail is given to it: the options of `gen_smtp_client`, which stand
            beside these. Without a `relay` mail goes to the mail exchangers of its recipients' domains.
        via: what the next host speaks, `"smtp"` or `"lmtp"`.
        when_some_fail: what a client of SMTP hears when some recipients have the message and some do not.
            `"refuse"` says who does not; a client that sends it again brings the others a second copy.
            `"report"` says 250, and sends the sender a report of those who do not.
        pass_on: who the client is, told to the next host: `"xforward"`, `"xclient"`, or None for nothing.
        dsn: offer DSN, since the next host has it.
        max_hops: a message with so many Received fields goes in circles, and is refused.
        protocol: taken since the command line's `--lmtp` sets it; what the session speaks is what counts.

    Raises:
        OptionsError: for a value of the wrong type or out of range.
    """

    client: ClientOptions = field(default_factory=ClientOptions)
    via: Literal["smtp", "lmtp"] = "smtp"
    when_some_fail: Literal["refuse", "report"] = "refuse"
    pass_on: Literal["xforward", "xclient"] | None = None
    dsn: bool = False
    max_hops: int = 50
    protocol: Literal["smtp", "lmtp"] = "smtp"

    def __post_init__(self) -> None:
        check_fields(self, _CHECKS)
        if self.via == "lmtp" and self.client.relay is None:
            raise OptionsError(
                "mail exchangers speak SMTP; LMTP needs the host it is spoken to",
                option="relay",
                allowed="a host, or with family 'unix' the path of a socket",
            )


_latest: list[tuple[Any, str, ForwardOptions]] = []
"""What was read last, with what it was read from. Each session has the same object, and a TLS context takes
ten milliseconds to make."""
_KEPT = 8


def kept_forward_options(given: Any, hostname: str) -> ForwardOptions:
    """As `read_forward_options`, once for each object and name."""
    for known, known_name, options in _latest:
        if known is given and known_name == hostname:
            return options
    options = read_forward_options(given, hostname)
    _latest.insert(0, (given, hostname, options))
    del _latest[_KEPT:]
    return options


def read_forward_options(given: Any, hostname: str | None = None) -> ForwardOptions:
    """The options from a mapping or an Erlang-like list of (key, value) pairs.

    Args:
        given: the options.
        hostname: what this side calls itself, if they do not say so.

    Raises:
        OptionsError: names the option that is unknown or wrong, and what is allowed.
    """
    if isinstance(given, ForwardOptions):
        return given
    own = [name for name in option_names(ForwardOptions) if name != "client"]
    known = list(dict.fromkeys([*own, *option_names(ClientOptions)]))
    try:
        options = as_mapping(given)
        for name in options:
            if name not in known:
                raise unknown_option(name, known)
        of_client = {name: value for name, value in options.items() if name not in own}
        of_client = {
            "hostname": hostname,
            **of_client,
            "protocol": _via(options),
        }
        client = read_client_options(of_client)
        return ForwardOptions(client=client, **{name: options[name] for name in own if name in options})
    except OptionsError as error:
        raise (error.within("callbackoptions") if error.option else error) from error.__cause__


def _via(options: Mapping[str, Any]) -> Any:
    try:
        return _CHECKS["via"](options.get("via", "smtp"))
    except OptionsError as error:
        raise error.within("via") from None


def to_domain(options: ClientOptions, domain: str) -> ClientOptions:
    """The options for the mail exchangers of a domain, or for an address literal."""
    return dataclasses.replace(options, relay=domain, tls_options=options.context)


def _client(value: Any) -> ClientOptions:
    return read_client_options(value)


_CHECKS: dict[str, Check] = {
    "client": _client,
    "via": one_of("smtp", "lmtp"),
    "when_some_fail": one_of("refuse", "report"),
    "pass_on": optional(one_of("xforward", "xclient")),
    "dsn": flag,
    "max_hops": whole_number(1, 10_000),
    "protocol": one_of("smtp", "lmtp"),
}
