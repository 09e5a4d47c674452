"""The options of a server: typed records, and the way to them from Erlang-like lists of options."""

from __future__ import annotations

import math
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, cast

from gen_smtp import smtp_util
from gen_smtp.options.address_checks import inet6_address, inet_address, unix_path
from gen_smtp.options.checks import (
    Check,
    OptionsError,
    check_fields,
    file_path,
    flag,
    folder,
    greeting_delay,
    limit_from,
    mail_domain,
    one_of,
    optional,
    read_record,
    seconds,
    shown,
    whole_number,
)
from gen_smtp.options.deadlines import Deadlines, read_deadlines
from gen_smtp.options.limits import Limits, read_limits
from gen_smtp.options.socket_access import file_group, file_mode, no_access
from gen_smtp.options.tls import TlsOptions, is_context, make_context, tls_options_or_context
from gen_smtp.options.trusted_peers import TrustedPeers, trusted_peers

__all__ = [
    "Limits",
    "Listener",
    "ListenerOptions",
    "OptionsError",
    "SessionOptions",
    "TlsOptions",
    "parse_options",
]

DEFAULT_PORT = 2525
_SMTP_PORT = 25

ListenerConfiguration = Mapping[str, Any] | Sequence[tuple[str, Any]]
"""One listener's options as a mapping, or as an Erlang-like list of (key, value) pairs."""


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """What every session of a listener goes by: gen_smtp's `sessionoptions`.

    Attributes:
        allow_bare_newlines: what happens to a message with a CR or LF alone: it is refused (False), taken as
            it is (`"ignore"`), its newlines become CRLF (`"fix"`) or are removed (`"strip"`).
        hostname: the server's name in greetings, unless the listener has a `domain`.
        protocol: `"smtp"`, or `"lmtp"` (RFC 2033).
        certfile: a certificate in PEM form; stands before the one in `tls_options`.
        keyfile: its key; stands before the one in `tls_options`.
        tls_options: everything else about TLS: TlsOptions, a mapping of the same, or an `ssl.SSLContext`.
        allow_insecure_auth: offer AUTH without TLS too (RFC 4954 4).
        require_tls: answer 530 until the client has started TLS (RFC 3207 4).
        require_auth: answer 530 until the client has authenticated (RFC 4954 6).
        timeout: seconds to the client's next command (RFC 5321 4.5.3.2.7); `math.inf` is without end.
        deadlines: what everything else may take: Deadlines, or a mapping of the same.
        refuse_early_talkers: answer 554 to a client that sends something before the greeting, as programs do
            that only send spam (RFC 5321 4.3.1).
        greet_delay: seconds until `init` and the greeting, for such clients to give themselves away; 0 is at
            once, when only what came with the connection tells. Needs `refuse_early_talkers`, and is part of
            what the deadline `banner` allows.
        limits: how much of everything one client may bring: Limits, or a mapping of the same.
        spool_threshold: octets of a message that may be in memory before it is complete; what is more waits
            in a temporary file. None or `math.inf` writes no file.
        spool_directory: the folder for these files; None is the system's.
        callbackoptions: handed to the callback's `init` as it is.

    Raises:
        OptionsError: for a value of the wrong type or out of range, or for options that exclude each other.
    """

    allow_bare_newlines: Literal[False, "ignore", "fix", "strip"] = False
    hostname: str | None = None
    protocol: Literal["smtp", "lmtp"] = "smtp"
    certfile: str | None = None
    keyfile: str | None = None
    tls_options: TlsOptions | ssl.SSLContext | None = None
    allow_insecure_auth: bool = False
    require_tls: bool = False
    require_auth: bool = False
    timeout: float = 300.0
    deadlines: Deadlines = field(default_factory=Deadlines)
    refuse_early_talkers: bool = False
    greet_delay: float = 0.0
    limits: Limits = field(default_factory=Limits)
    spool_threshold: int | float = math.inf
    spool_directory: str | None = None
    # Often a password of some database; so it is not shown.
    callbackoptions: Any = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        check_fields(self, _SESSION_CHECKS)
        if is_context(self.tls_options) and (self.certfile or self.keyfile):
            raise OptionsError(
                "tls_options is an SSLContext, which has its own certificate",
                option="certfile" if self.certfile else "keyfile",
                allowed="load_cert_chain() of that context, or a mapping as tls_options",
            )
        self._check_greet_delay()

    def _check_greet_delay(self) -> None:
        if self.greet_delay and not self.refuse_early_talkers:
            raise OptionsError(
                "a delay alone is for nothing: it is there to find early talkers",
                option="greet_delay",
                allowed="together with refuse_early_talkers",
            )
        if self.greet_delay >= self.deadlines.banner:
            raise OptionsError(
                f"the deadline banner is over before: {shown(self.deadlines.banner)} seconds",
                option="greet_delay",
                allowed="less than deadlines.banner",
            )

    def tls_context(self) -> ssl.SSLContext | None:
        """The context for TLS, made when first asked for; None when no option speaks of TLS.

        Raises:
            OptionsError: a certificate or key can't be used, and why.
        """
        return self._tls_context

    @cached_property
    def spools(self) -> bool:
        """Whether large messages go to disk."""
        return self.spool_threshold < math.inf

    @cached_property
    def _tls_context(self) -> ssl.SSLContext | None:
        given = self.tls_options
        if is_context(given):
            return given
        if given is None and self.certfile is None and self.keyfile is None:
            return None
        try:
            return make_context(self._with_own_files(cast("TlsOptions | None", given) or TlsOptions()))
        except OptionsError as error:
            own = error.option in ("certfile", "keyfile") and (
                given is None or getattr(self, error.option) is not None
            )
            raise (error if own else error.within("tls_options")) from error.__cause__

    def _with_own_files(self, options: TlsOptions) -> TlsOptions:
        """`options` with this record's certificate and key in front. A key never outlives its certificate."""
        if self.certfile is not None:
            return replace(options, certfile=self.certfile, keyfile=self.keyfile)
        if self.keyfile is not None:
            return replace(options, keyfile=self.keyfile)
        return options


@dataclass(frozen=True, kw_only=True)
class ListenerOptions:
    """What one listener is to be.

    Attributes:
        domain: the server's name in greetings; stands before `hostname` of the session options.
        address: where to listen: an address or a host name; with family unix a path, or `@name` for a name in
            Linux's abstract namespace, which has no file. The default is every
            address of the family: `0.0.0.0` or `::`.
        port: from 0 (the system chooses) to 65535; None with family unix only.
        protocol: `"tcp"`, or `"ssl"` for TLS from the first octet.
        family: `"inet"`, `"inet6"` (IPv6 alone) or `"unix"`.
        backlog: connections that the system keeps waiting to be accepted.
        mode: the permissions of a unix socket's file, `0o660` or `"660"`: who may write may connect. The
            default is what the process's umask leaves.
        group: the group that the file of a unix socket belongs to, by name or number.
        proxy_protocol: the networks, as text or `ipaddress` objects, of balancers that begin each connection
            with the header of the PROXY protocol, version 1 or 2; `"unix"` stands for the peers of a unix
            socket. Without that header, and from elsewhere, connections are closed: a listener has either
            direct clients or proxied ones. None: nobody sends it.
        trust_proxied_tls: a client that has TLS with the balancer, as the header says, counts as one that has
            TLS here: for `require_tls`, for AUTH, and STARTTLS is not offered to it.
        xclient: the networks of clients that may speak for others by XCLIENT, written as for
            `proxy_protocol`; who says who else has connected, and logged in, is believed. None: nobody.
        sessionoptions: SessionOptions, or a mapping of the same.

    Raises:
        OptionsError: for a value of the wrong type or out of range, or for options that exclude each other.
    """

    domain: str | None = None
    # None is only what is given: __post_init__ puts in the family's default.
    address: str = cast("str", None)
    port: int | None = None
    protocol: Literal["tcp", "ssl"] = "tcp"
    family: Literal["inet", "inet6", "unix"] = "inet"
    backlog: int = 4096
    mode: int | None = None
    group: int | None = None
    proxy_protocol: TrustedPeers | None = None
    trust_proxied_tls: bool = False
    xclient: TrustedPeers | None = None
    sessionoptions: SessionOptions = field(default_factory=SessionOptions)

    def __post_init__(self) -> None:
        check_fields(self, _LISTENER_CHECKS)
        check_fields(self, _FAMILY_CHECKS[self.family])
        self._check_file()
        if self.trust_proxied_tls and self.proxy_protocol is None:
            raise OptionsError(
                "only a PROXY header tells of the client's TLS",
                option="trust_proxied_tls",
                allowed="together with proxy_protocol",
            )
        if self.sessionoptions.protocol == "lmtp" and self.port == _SMTP_PORT:
            raise OptionsError(
                "LMTP is not for port 25 (RFC 2033 5)",
                option="port",
                allowed="any other port, or family unix",
            )

    def _check_file(self) -> None:
        """An abstract name has neither owner nor permissions: all of the machine may connect."""
        for name in ("mode", "group"):
            if getattr(self, name) is not None and self.address.startswith("@"):
                raise OptionsError(
                    "an abstract name has no file", option=name, allowed="for the path of a file only"
                )

    def with_certificates_read_again(self) -> ListenerOptions:
        """The same options with the certificates and keys that the files hold now.

        Raises:
            OptionsError: they can't be used, and why.
        """
        fresh = replace(self, sessionoptions=replace(self.sessionoptions))
        _check_tls(fresh)
        return fresh

    def hostname(self) -> str:
        """The server's name: `domain`, else the session option hostname, else the machine's name."""
        return self.domain or self.sessionoptions.hostname or smtp_util.guess_FQDN()


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener as it runs: gen_smtp's record `listener`.

    Attributes:
        hostname: the name the server gives itself there.
        port: the port it is really bound to; None with family unix.
        socket: the listening socket; to look at, for its listener alone uses and closes it.
        sessionoptions: what its sessions go by.
        listenoptions: what it was started with.
    """

    hostname: str
    port: int | None
    socket: socket.socket
    sessionoptions: SessionOptions
    listenoptions: ListenerOptions


def parse_options(
    options: Sequence[ListenerConfiguration | ListenerOptions] | None = None,
) -> tuple[ListenerOptions, ...]:
    """Check a server's options, load certificates and keys, and give one record per listener.

    Args:
        options: a list with one mapping, list of (key, value) pairs or ListenerOptions per listener; None is
            one listener with the defaults.

    Raises:
        OptionsError: what is wrong, with the listener's number, the option and what is allowed.
    """
    if options is None:
        return (ListenerOptions(),)
    _check_shape(options)
    return tuple(_parse_listener(number, given) for number, given in enumerate(options, 1))


def _check_shape(options: Any) -> None:
    allowed = 'a list with one mapping per listener, such as [{"port": 2525}]'
    if isinstance(options, Mapping | ListenerOptions) or _looks_like_pairs(options):
        raise OptionsError("these are the options of one listener; put them into a list", allowed=allowed)
    if not isinstance(options, list | tuple):
        raise OptionsError(f"not a list of options: {shown(options)}", allowed=allowed)
    if not options:
        raise OptionsError("the list of options is empty: no listener, no server", allowed=allowed)


def _looks_like_pairs(options: Any) -> bool:
    first = options[0] if isinstance(options, list | tuple) and options else None
    return isinstance(first, tuple) and len(first) == 2 and isinstance(first[0], str)


def _parse_listener(number: int, given: Any) -> ListenerOptions:
    try:
        listener = read_record(ListenerOptions, given, {"sessionoptions": SessionOptions})
        _check_tls(listener)
    except OptionsError as error:
        raise error.of_listener(number) from error.__cause__
    return listener


def _check_tls(listener: ListenerOptions) -> None:
    """Load the certificates, and refuse a listener that could take no mail without them."""
    session = listener.sessionoptions
    try:
        has_tls = session.tls_context() is not None
    except OptionsError as error:
        raise error.within("sessionoptions") from error.__cause__
    if has_tls:
        return
    certificate = "a certificate in sessionoptions: certfile and keyfile, or tls_options"
    if listener.protocol == "ssl":
        raise OptionsError("'ssl' needs a certificate", option="protocol", allowed=certificate)
    if listener.trust_proxied_tls:
        return
    if session.require_tls:
        raise OptionsError(
            "nobody can start TLS here", option="sessionoptions.require_tls", allowed=certificate
        )
    if session.require_auth and not session.allow_insecure_auth:
        raise OptionsError(
            "nobody can authenticate here: AUTH is offered inside TLS only",
            option="sessionoptions.require_auth",
            allowed=f"{certificate}; or allow_insecure_auth",
        )


def _session_options(value: Any) -> SessionOptions:
    inner = {"tls_options": TlsOptions, "deadlines": Deadlines, "limits": Limits}
    return read_record(SessionOptions, value, inner)


def _no_port(value: Any) -> None:
    if value is not None:
        raise OptionsError("a unix socket has no port", allowed="family unix without port")


def _inet_port(value: Any) -> int:
    return DEFAULT_PORT if value is None else cast("int", whole_number(0, 65535)(value))


_SESSION_CHECKS: dict[str, Check] = {
    "allow_bare_newlines": one_of(False, "ignore", "fix", "strip"),
    "hostname": optional(mail_domain),
    "protocol": one_of("smtp", "lmtp"),
    "certfile": optional(file_path),
    "keyfile": optional(file_path),
    "tls_options": optional(tls_options_or_context),
    "allow_insecure_auth": flag,
    "require_tls": flag,
    "require_auth": flag,
    "timeout": seconds,
    "deadlines": read_deadlines,
    "refuse_early_talkers": flag,
    "greet_delay": greeting_delay,
    "limits": read_limits,
    "spool_threshold": limit_from(0),
    "spool_directory": optional(folder),
}
_LISTENER_CHECKS: dict[str, Check] = {
    "domain": optional(mail_domain),
    "protocol": one_of("tcp", "ssl"),
    "family": one_of("inet", "inet6", "unix"),
    "backlog": whole_number(1, 2**31 - 1),
    "proxy_protocol": optional(trusted_peers),
    "trust_proxied_tls": flag,
    "xclient": optional(trusted_peers),
    "sessionoptions": _session_options,
}
_FAMILY_CHECKS: dict[str, dict[str, Check]] = {
    "inet": {"address": inet_address, "port": _inet_port, "mode": no_access, "group": no_access},
    "inet6": {"address": inet6_address, "port": _inet_port, "mode": no_access, "group": no_access},
    "unix": {
        "address": unix_path,
        "port": _no_port,
        "mode": optional(file_mode),
        "group": optional(file_group),
    },
}
