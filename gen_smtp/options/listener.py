"""The options of a listener, and the record of one as it runs."""

from __future__ import annotations

import socket
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from gen_smtp import smtp_util
from gen_smtp.options.addresses import (
    TrustedPeers,
    file_group,
    file_mode,
    inet6_address,
    inet_address,
    no_access,
    trusted_peers,
    unix_path,
)
from gen_smtp.options.checks import (
    Check,
    OptionsError,
    check_fields,
    flag,
    mail_domain,
    one_of,
    optional,
    whole_number,
)
from gen_smtp.options.session import SessionOptions, read_session_options

DEFAULT_PORT = 2525
_SMTP_PORT = 25


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
        mode: the permissions of a unix socket's file, `0o660` or `"660"`: a process that may write may
            connect. The default is what the process's umask leaves.
        group: the group that the file of a unix socket belongs to, by name or number.
        proxy_protocol: the networks, as text or `ipaddress` objects, of balancers that begin each connection
            with the header of the PROXY protocol, version 1 or 2; `"unix"` stands for the peers of a unix
            socket. Without that header, and from elsewhere, connections are closed: a listener has either
            direct clients or proxied ones. None: nobody sends it.
        trust_proxied_tls: a client that has TLS with the balancer, as the header says, counts as in TLS here:
            for `require_tls`, for AUTH, and STARTTLS is not offered to it. So does every client for whom a
            peer speaks by XCLIENT, which doesn't say whether it has TLS.
        xclient: the networks of clients that may speak for others by XCLIENT, written as for
            `proxy_protocol`. What they say of a client and its login is believed. None: nobody.
        xforward: the networks of clients that may say by XFORWARD from whom they have a message, written as
            for `proxy_protocol`. None: nobody.
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
    xforward: TrustedPeers | None = None
    sessionoptions: SessionOptions = field(default_factory=SessionOptions)

    def __post_init__(self) -> None:
        check_fields(self, _LISTENER_CHECKS)
        check_fields(self, _FAMILY_CHECKS[self.family])
        self._check_file()
        if self.trust_proxied_tls and self.proxy_protocol is None and self.xclient is None:
            raise OptionsError(
                "there is no proxy where the client's TLS could end",
                option="trust_proxied_tls",
                allowed="together with proxy_protocol or xclient",
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

        Nothing else is looked at again: a folder that is gone, say, has nothing to do with certificates.

        Raises:
            OptionsError: they can't be used, and why.
        """
        fresh = copy(self)
        object.__setattr__(fresh, "sessionoptions", self.sessionoptions.without_tls_context())
        check_tls(fresh)
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


def check_tls(listener: ListenerOptions) -> None:
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


def _no_port(value: Any) -> None:
    if value is not None:
        raise OptionsError("a unix socket has no port", allowed="family unix without port")


def _inet_port(value: Any) -> int:
    return DEFAULT_PORT if value is None else cast("int", whole_number(0, 65535)(value))


_LISTENER_CHECKS: dict[str, Check] = {
    "domain": optional(mail_domain),
    "protocol": one_of("tcp", "ssl"),
    "family": one_of("inet", "inet6", "unix"),
    "backlog": whole_number(1, 2**31 - 1),
    "proxy_protocol": optional(trusted_peers),
    "trust_proxied_tls": flag,
    "xclient": optional(trusted_peers),
    "xforward": optional(trusted_peers),
    "sessionoptions": read_session_options,
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
