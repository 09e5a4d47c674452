"""TLS options, and the context for TLS that is made of them once, when a server starts."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeGuard, cast

from gen_smtp.options.checks import (
    OptionsError,
    check_fields,
    file_path,
    host_name,
    one_of,
    optional,
    read_record,
    shown_option,
)

Password = str | bytes | Callable[[], str | bytes]

ALPN_NAMES = ("smtp", "esmtp", "lmtp")
"""What clients may call the protocol in ALPN. Exim takes the first two by default."""

_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_VERIFY_MODES = {False: ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, True: ssl.CERT_REQUIRED}
_MISMATCHES = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


class _PasswordNeeded(Exception):  # noqa: N818 - a signal, not a failure
    """A key is encrypted and there is no password for it."""


@dataclass(frozen=True, kw_only=True)
class TlsOptions:
    """What a server needs for TLS. Files are in PEM form; relative paths are relative to the current folder.

    Attributes:
        certfile: the certificate, and behind it those of the authorities between it and a known one.
        keyfile: its private key; None when that is in `certfile` as well.
        password: decrypts the key: text, bytes, or a function that returns either.
        cafile: the authorities whose client certificates are believed.
        verify: whether clients must show a certificate (True), may (`"optional"`), or are not asked (False).
        minimum_version: the oldest version to talk, `"TLSv1.2"` or `"TLSv1.3"` (RFC 8996 forbids older ones).
        ciphers: the cipher suites for TLS 1.2 in OpenSSL's notation.
        sni_hosts: other certificates, by the name that a client asks for (RFC 6066 3): TlsOptions, a mapping
            of the same, or an `ssl.SSLContext`. Whether clients are verified, and how old a version may be,
            is settled before the name counts, so both hold for all; a name without `cafile` has this one.

    Raises:
        OptionsError: for a value of the wrong type or out of range. Files are read by `make_context`.
    """

    certfile: str | None = None
    keyfile: str | None = None
    password: Password | None = field(default=None, repr=False)
    cafile: str | None = None
    verify: Literal[False, True, "optional"] = False
    minimum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    ciphers: str | None = None
    sni_hosts: Mapping[str, TlsOptions | ssl.SSLContext] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self, _CHECKS)
        if self.verify and self.cafile is None:
            raise OptionsError(
                f"{self.verify!r} asks for client certificates, but nothing says whose",
                option="verify",
                allowed="set cafile to the authorities that clients' certificates come from",
            )


def is_context(value: Any) -> TypeGuard[ssl.SSLContext]:
    """Whether a value is an SSLContext, also one made before gevent's monkey-patching replaced the class."""
    return callable(getattr(value, "wrap_bio", None))


def tls_options_or_context(value: Any) -> TlsOptions | ssl.SSLContext:
    """The check of the option `tls_options`, and of each of `sni_hosts`."""
    if not is_context(value):
        return read_record(TlsOptions, value)
    if value.protocol == ssl.PROTOCOL_TLS_CLIENT:
        raise OptionsError("an SSLContext for clients", allowed="ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)")
    return value


def make_context(options: TlsOptions) -> ssl.SSLContext:
    """A server's context for TLS: files are read, key and certificate matched.

    Raises:
        OptionsError: a file is missing, not readable or not what it should be; the key belongs to another
            certificate or can't be decrypted; a cipher list that selects none.
    """
    if options.certfile is None:
        raise OptionsError(
            "TLS needs a certificate", option="certfile", allowed="the path of a file in PEM form"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = options.minimum_version
    # A client that renegotiates without end costs the server far more than itself.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(list(ALPN_NAMES))
    _load_key_pair(context, options.certfile, options.keyfile, options.password)
    if options.cafile is not None:
        _load_authorities(context, options.cafile)
    context.verify_mode = _VERIFY_MODES[options.verify]
    if options.ciphers is not None:
        _set_ciphers(context, options.ciphers)
    if options.sni_hosts:
        _choose_by_name(context, options)
    return context


def _load_key_pair(
    context: ssl.SSLContext, certfile: str, keyfile: str | None, password: Password | None
) -> None:
    _read("certfile", certfile)
    key = _read("certfile" if keyfile is None else "keyfile", keyfile or certfile)
    try:
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(certfile, keyfile, _no_password if password is None else password)
    except _PasswordNeeded:
        raise OptionsError(
            f"the key in {keyfile or certfile!r} is encrypted",
            option="password",
            allowed="the password of the key",
        ) from None
    except ssl.SSLError as error:
        raise _explain(error, certfile, keyfile, encrypted=b"ENCRYPTED" in key) from error
    except (TypeError, ValueError) as error:
        raise OptionsError(str(error), option="password") from error


def _explain(error: ssl.SSLError, certfile: str, keyfile: str | None, *, encrypted: bool) -> OptionsError:
    """OpenSSL says little more than "PEM lib"; find out which of the two files it means, and why."""
    option = "certfile" if keyfile is None else "keyfile"
    path = keyfile or certfile
    if error.reason in _MISMATCHES:
        return OptionsError(
            f"the key in {path!r} does not belong to the certificate in {certfile!r}", option=option
        )
    if not _holds_certificate(certfile):
        return OptionsError(f"there is no certificate in PEM form in {certfile!r}", option="certfile")
    if encrypted:
        return OptionsError(f"the password does not decrypt the key in {path!r}", option="password")
    if error.reason:
        return OptionsError(f"OpenSSL does not take {certfile!r}: {error.reason}", option="certfile")
    return OptionsError(f"there is no private key in PEM form in {path!r}", option=option)


def _holds_certificate(path: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
    except ssl.SSLError:
        return False
    return True


def _load_authorities(context: ssl.SSLContext, cafile: str) -> None:
    _read("cafile", cafile)
    try:
        context.load_verify_locations(cafile)
    except ssl.SSLError as error:
        raise OptionsError(f"there is no certificate in PEM form in {cafile!r}", option="cafile") from error


def _set_ciphers(context: ssl.SSLContext, ciphers: str) -> None:
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError as error:
        raise OptionsError(
            f"{ciphers!r} selects no cipher suite",
            option="ciphers",
            allowed="a list as `openssl ciphers` takes it",
        ) from error


def _choose_by_name(context: ssl.SSLContext, options: TlsOptions) -> None:
    contexts = {}
    for name, host in options.sni_hosts.items():
        try:
            contexts[name.lower()] = _context_of_host(host, options)
        except OptionsError as error:
            raise error.within(name).within("sni_hosts") from error.__cause__

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = contexts.get((name or "").lower(), context)

    context.sni_callback = choose


def _context_of_host(host: TlsOptions | ssl.SSLContext, options: TlsOptions) -> ssl.SSLContext:
    """The context for one name; what OpenSSL would silently not apply to one name alone is refused."""
    verify_mode = _VERIFY_MODES[host.verify] if isinstance(host, TlsOptions) else host.verify_mode
    if verify_mode not in (ssl.CERT_NONE, _VERIFY_MODES[options.verify]):
        raise _must_be_the_same("verify", options.verify)
    if host.minimum_version > options.minimum_version:
        raise _must_be_the_same("minimum_version", options.minimum_version.name)
    if not isinstance(host, TlsOptions):
        return host
    if host.sni_hosts:
        raise OptionsError("a name has no names of its own", option="sni_hosts")
    return make_context(replace(host, verify=options.verify, cafile=host.cafile or options.cafile))


def _must_be_the_same(option: str, value: object) -> OptionsError:
    return OptionsError(
        "is settled before the client names a host", option=option, allowed=f"{value!r}, as for all"
    )


def _read(option: str, path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise OptionsError(f"cannot read {path!r}: {error.strerror or error}", option=option) from error


def _no_password() -> str:
    raise _PasswordNeeded


def _password(value: Any) -> Password:
    if isinstance(value, str | bytes) or callable(value):
        return cast("Password", value)
    raise OptionsError("not a password", allowed="text, bytes, or a function that returns either")


def _version(value: Any) -> ssl.TLSVersion:
    for name, version in _VERSIONS.items():
        if value in (name, version):
            return version
    raise OptionsError(
        f"not a version of TLS to offer: {shown_option(value)}", allowed=", ".join(map(repr, _VERSIONS))
    )


def _ciphers(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise OptionsError(
        f"not a list of ciphers: {shown_option(value)}", allowed="a list as `openssl ciphers` takes it"
    )


def _sni_hosts(value: Any) -> dict[str, TlsOptions | ssl.SSLContext]:
    if not isinstance(value, Mapping):
        raise OptionsError(f"not a mapping: {shown_option(value)}", allowed="{host name: TLS options}")
    hosts = {}
    for name, host in value.items():
        try:
            hosts[host_name(name)] = tls_options_or_context(host)
        except OptionsError as error:
            raise error.within(str(name)) from error.__cause__
    return hosts


_CHECKS = {
    "certfile": optional(file_path),
    "keyfile": optional(file_path),
    "password": optional(_password),
    "cafile": optional(file_path),
    "verify": one_of(False, True, "optional"),
    "minimum_version": _version,
    "ciphers": optional(_ciphers),
    "sni_hosts": _sni_hosts,
}
