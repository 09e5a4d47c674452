"""What users write for the client: gen_smtp's options, and more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any, Literal

from actors import run_blocking
from gen_smtp.client.protocol.hello import Hello, Tls
from gen_smtp.client.protocol.login import Credentials
from gen_smtp.client.protocol.refusals import OnEightBit
from gen_smtp.client.protocol.sasl import MECHANISMS
from gen_smtp.client.protocol.transaction import Chunking, Rules
from gen_smtp.client.routing.mta_sts import Policies
from gen_smtp.client.routing.queries import Resolver
from gen_smtp.client.stream import SockOpt
from gen_smtp.client.tls_options import ClientTls, client_context, client_tls_or_context
from gen_smtp.options.checks import (
    Check,
    OptionsError,
    check_fields,
    flag,
    limit_from,
    mail_domain,
    one_of,
    optional,
    read_record,
    shown_option,
    timeout,
    whole_number,
)
from gen_smtp.smtp_util import guess_FQDN

SMTP_PORT, SMTPS_PORT = 25, 465


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeouts:
    """Seconds that a server has for each reply (RFC 5321 section 4.5.3.2); `math.inf` is without end.

    Attributes:
        greeting, hello, mail, rcpt, data: for the greeting, EHLO and AUTH and TLS, MAIL, RCPT, and DATA.
        block: to take a piece of the message.
        final: for the reply to a message.
        quit: for the reply to QUIT.
        exchange: for all that is done with a message, and for all from connecting to login.
    """

    greeting: float = 300.0
    hello: float = 300.0
    mail: float = 300.0
    rcpt: float = 300.0
    data: float = 120.0
    block: float = 180.0
    final: float = 600.0
    quit: float = 5.0
    exchange: float = 3600.0

    def __post_init__(self) -> None:
        check_fields(self, dict.fromkeys(Timeouts.__dataclass_fields__, timeout))


@dataclass(frozen=True, kw_only=True)
class ClientOptions:
    """The options of a client. Those of gen_smtp's come first.

    Attributes:
        relay: the host that mail is given to: a name, an address, or with `family` the path of a socket. None
            has each recipient's mail go to the mail exchangers of its domain.
        port: its port; None is 25, and 465 with `ssl`.
        ssl: begin with TLS at once.
        tls: whether STARTTLS is said: `"always"` sends nothing without TLS.
        tls_options: ClientTls, a mapping of the same, or an `ssl.SSLContext`.
        auth: whether to log in: `"always"`, `"never"`, or if the server has a way that is known here.
        username, password: with what. A token is a password of XOAUTH2 and OAUTHBEARER.
        hostname: what the client calls itself; None guesses.
        retries: how often a host is tried again after a failure that may pass.
        trace_fun: called with a format and its arguments, as `logger.debug` is.
        protocol: `"smtp"` or `"lmtp"`.
        no_mx_lookups: connect to the relay itself, and not to its mail exchangers. None looks for these if
            the port is 25, the protocol SMTP without `ssl`, and the relay no address.
        sockopts: options of the socket: `(level, name, value)` each.
        on_transaction_error: what becomes of a connection of `open` after a message that was not taken.
        timeout: seconds to connect to an address.
        family: `"unix"` for the path of a socket.
        source_address: the address to connect from.
        auth_methods: the mechanisms to try, in order.
        allow_insecure_auth: send the password outside TLS as well.
        timeouts: Timeouts, or a mapping of the same.
        chunking: when BDAT takes the place of DATA: `"if_needed"`, for a binary message alone,
            `"if_available"` or `"never"`.
        on_8bit: what is done with octets of 8 bits for a server without 8BITMIME: `"recode"` or `"refuse"`.
        mta_sts: keep to the policies that domains publish (RFC 8461).
        dane: keep to the TLSA records of mail exchangers (RFC 7672).
        resolver: a `dns.resolver.Resolver` to ask; None asks the system's name servers.
        connections: how many there may be to a host; more mail waits.
        idle: seconds that a connection without mail is kept.
        messages: how many go over a connection before it is closed.

    Raises:
        OptionsError: for a value of the wrong type or out of range; a required option is missing.
    """

    relay: str | None = None
    port: int | None = None
    ssl: bool = False
    tls: Tls = "if_available"
    tls_options: ClientTls | SSLContext = field(default_factory=ClientTls)
    auth: Literal["always", "never", "if_available"] = "if_available"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    hostname: str | None = None
    retries: int = 1
    trace_fun: Callable[..., object] | None = None
    protocol: Literal["smtp", "lmtp"] = "smtp"
    no_mx_lookups: bool | None = None
    sockopts: Sequence[SockOpt] = ()
    on_transaction_error: Literal["quit", "reset"] = "quit"
    timeout: float = 30.0
    family: Literal["unix"] | None = None
    source_address: str | None = None
    auth_methods: Sequence[str] = tuple(MECHANISMS)
    allow_insecure_auth: bool = False
    timeouts: Timeouts = field(default_factory=Timeouts)
    chunking: Chunking = "if_needed"
    on_8bit: OnEightBit = "recode"
    mta_sts: bool = False
    dane: bool = False
    resolver: Any = None
    connections: int = 20
    idle: float = 30.0
    messages: int | float = 100

    def __post_init__(self) -> None:
        check_fields(self, _CHECKS)
        if self.auth == "always" and (self.username is None or self.password is None):
            raise OptionsError(
                'auth is "always", and there is nothing to log in with',
                option="username" if self.username is None else "password",
                allowed="a username and a password",
            )
        if self.family == "unix" and not self.relay:
            raise OptionsError("the path of the socket is missing", option="relay")

    # -- what is made of them -------------------------------------------------------------------------

    @property
    def own_port(self) -> int:
        """The port to connect to."""
        return self.port or (SMTPS_PORT if self.ssl else SMTP_PORT)

    @property
    def looks_for_exchangers(self) -> bool:
        """Whether the relay's mail exchangers are looked for."""
        if self.no_mx_lookups is not None:
            return not self.no_mx_lookups and self.family is None
        if self.protocol == "lmtp" or self.ssl or self.own_port != SMTP_PORT or self.family is not None:
            return False
        return self.relay is not None and self.relay != "localhost" and not is_address(self.relay)

    @cached_property
    def context(self) -> SSLContext:
        """The context for TLS. Raises: OptionsError."""
        if not isinstance(self.tls_options, ClientTls):
            return self.tls_options
        verify = self.ssl or self.tls == "always" or self.password is not None
        try:
            return client_context(self.tls_options, verify=verify)
        except OptionsError as error:
            raise error.within("tls_options") from error.__cause__

    @cached_property
    def asked(self) -> Resolver:
        """Who is asked about domains. Raises: ImportError."""
        return Resolver(self.resolver)

    @cached_property
    def policies(self) -> Policies:
        """The policies of domains (MTA-STS)."""
        return Policies(self.asked, self.with_authority.context)

    @cached_property
    def with_authority(self) -> ClientOptions:
        """The same, for a host that must have TLS and a certificate of a known authority."""
        tls = self.tls_options
        tls = replace(tls, verify=True, server_name=None) if isinstance(tls, ClientTls) else ClientTls()
        return replace(self, tls="always", tls_options=tls)

    @cached_property
    def with_dane(self) -> ClientOptions:
        """The same, for a host that must have TLS; what its certificate must be, DANE says."""
        return replace(self, tls="always", tls_options=ClientTls(verify=False))

    @property
    def server_name(self) -> str | None:
        """The name that certificates must be for, if that is not the host's."""
        return self.tls_options.server_name if isinstance(self.tls_options, ClientTls) else None

    @cached_property
    def hello(self) -> Hello:
        """How the client introduces itself. The first time it may ask the domain name system, and wait."""
        return Hello(self.hostname or run_blocking(guess_FQDN), self.protocol == "lmtp", self.tls)

    @cached_property
    def credentials(self) -> Credentials:
        """With what the client logs in."""
        return Credentials(
            self.username, self.password, self.auth, self.auth_methods, self.allow_insecure_auth
        )

    @cached_property
    def rules(self) -> Rules:
        """How messages go."""
        return Rules(self.protocol == "lmtp", self.chunking, self.on_8bit)

    @cached_property
    def strict_rules(self) -> Rules:
        """How they go by gen_smtp's own functions: to all recipients or to none."""
        return Rules(self.protocol == "lmtp", self.chunking, self.on_8bit, all_or_none=True)


def read_client_options(given: Any) -> ClientOptions:
    """The options from a mapping, from an Erlang-like list of (key, value) pairs, or as they are.

    Raises:
        OptionsError: names the option that is unknown or wrong, and what is allowed.
    """
    options = read_record(ClientOptions, given, {"tls_options": ClientTls, "timeouts": Timeouts})
    tls = options.tls_options
    if isinstance(tls, ClientTls) and (tls.cafile or tls.certfile or tls.ciphers):
        _ = options.context  # files are read now, and not with the first message
    return options


def need_relay(options: ClientOptions) -> ClientOptions:
    """The same options, if they name a relay: gen_smtp's `no_relay`. Raises: OptionsError."""
    if options.relay is None:
        raise OptionsError("no relay is given", option="relay", allowed="the host to give mail to")
    return options


def is_address(host: str) -> bool:
    """Whether a host is an IP address, and no name."""
    try:
        ip_address(host.strip("[]").removeprefix("IPv6:"))
    except ValueError:
        return False
    return True


# -- checks -------------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if isinstance(value, str) and value and value.isprintable():
        return value
    raise OptionsError(f"not text: {shown_option(value)}", allowed="text that is not empty")


def _host(value: Any) -> str:
    if isinstance(value, tuple):
        numbers = all(isinstance(part, int) for part in value)
        if numbers and len(value) == 4:
            value = ".".join(map(str, value))
        elif numbers and len(value) == 8:
            value = ":".join(f"{part:x}" for part in value)
    return _text(str(value) if hasattr(value, "exploded") else value)


def _secret(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        return value
    raise OptionsError(f"not text, but of type {type(value).__name__}", allowed="text")


def _function(value: Any) -> Any:
    if callable(value):
        return value
    raise OptionsError(f"not a function: {shown_option(value)}", allowed="such as logger.debug")


def _sockopts(value: Any) -> tuple[SockOpt, ...]:
    if isinstance(value, list | tuple) and all(
        isinstance(each, list | tuple) and len(each) == 3 for each in value
    ):
        return tuple((level, name, setting) for level, name, setting in value)
    raise OptionsError(
        f"not socket options: {shown_option(value)}", allowed="[(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)]"
    )


def _methods(value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        names = tuple(str(each).upper() for each in value)
        if names and all(each in MECHANISMS for each in names):
            return names
    raise OptionsError(f"not mechanisms: {shown_option(value)}", allowed=", ".join(MECHANISMS))


def _timeouts(value: Any) -> Timeouts:
    return read_record(Timeouts, value)


def _retries(value: Any) -> int:
    return int(whole_number(0, 1000)(value))


_CHECKS: dict[str, Check] = {
    "relay": optional(_host),
    "port": optional(whole_number(1, 65535)),
    "ssl": flag,
    "tls": one_of("if_available", "always", "never"),
    "tls_options": client_tls_or_context,
    "auth": one_of("if_available", "always", "never"),
    "username": optional(_secret),
    "password": optional(_secret),
    "hostname": optional(mail_domain),
    "retries": _retries,
    "trace_fun": optional(_function),
    "protocol": one_of("smtp", "lmtp"),
    "no_mx_lookups": optional(flag),
    "sockopts": _sockopts,
    "on_transaction_error": one_of("quit", "reset"),
    "timeout": timeout,
    "family": optional(one_of("unix")),
    "source_address": optional(_host),
    "auth_methods": _methods,
    "allow_insecure_auth": flag,
    "timeouts": _timeouts,
    "chunking": one_of("if_needed", "if_available", "never"),
    "on_8bit": one_of("recode", "refuse"),
    "mta_sts": flag,
    "dane": flag,
    "connections": whole_number(1, 100_000),
    "idle": timeout,
    "messages": limit_from(1),
}
