"""The options of TLS, and their checks."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gen_smtp.options.checks import (
    OptionsError,
    check_fields,
    file_path,
    one_of,
    optional,
    read_record,
    shown_option,
)
from gen_smtp.options.tls.key_pair import Password, check_password
from gen_smtp.options.tls.names import SniFun, is_context, sni_name
from gen_smtp.options.tls.versions import version


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """A certificate and its key, in files in PEM form.

    Attributes:
        certfile: the certificate, and behind it those of the authorities between it and a known one.
        keyfile: its private key; None when that is in `certfile` as well.
        password: decrypts the key: text, bytes, or a function that returns either.

    Raises:
        OptionsError: for a value of the wrong type.
    """

    certfile: str
    keyfile: str | None = None
    password: Password | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_fields(self, _PAIR_CHECKS)


@dataclass(frozen=True, kw_only=True)
class TlsOptions:
    """What a server needs for TLS. Files are in PEM form; relative paths are relative to the current folder.

    Attributes:
        certfile: the certificate, and behind it those of the authorities between it and a known one.
        keyfile: its private key; None when that is in `certfile` as well.
        password: decrypts the key: text, bytes, or a function that returns either.
        certs_keys: more pairs for the same names, with keys of other types (RSA beside ECDSA): KeyPair, or
            mappings of the same. OpenSSL takes the one that the client can check.
        cafile: the authorities whose client certificates are believed.
        verify: whether clients must show a certificate (True), may (`"optional"`), or are not asked (False).
        minimum_version: the oldest version to talk, `"TLSv1.2"` or `"TLSv1.3"`. For a listener of old devices
            also `"TLSv1.1"` or `"TLSv1"`, if OpenSSL has them: RFC 8996 forbids them, and the log warns.
        ciphers: the cipher suites for TLS 1.2 and older in OpenSSL's notation. For an old version the default
            is all that OpenSSL has, at its security level 0.
        sni_hosts: other certificates, by the name that a client asks for (RFC 6066 3): TlsOptions, a mapping
            of the same, or an `ssl.SSLContext`. `*` stands for the first label: `"*.example.com"`. Whether
            clients are verified, and how old a version may be, is settled before the name counts, so both
            hold for all; a name without `cafile` has this one.
        sni_fun: called with a name that is not in `sni_hosts`, in small letters. It returns an
            `ssl.SSLContext`, a name of `sni_hosts`, or None for this certificate. It runs in the hub, in the
            middle of the handshake, and must not wait.

    Raises:
        OptionsError: for a value of the wrong type or out of range. Files are read by `make_context`.
    """

    certfile: str | None = None
    keyfile: str | None = None
    password: Password | None = field(default=None, repr=False)
    certs_keys: Sequence[KeyPair] = ()
    cafile: str | None = None
    verify: Literal[False, True, "optional"] = False
    minimum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    ciphers: str | None = None
    sni_hosts: Mapping[str, TlsOptions | ssl.SSLContext] = field(default_factory=dict)
    sni_fun: SniFun | None = None

    def __post_init__(self) -> None:
        check_fields(self, _CHECKS)
        if self.verify and self.cafile is None:
            raise OptionsError(
                f"{self.verify!r} asks for client certificates, but nothing says whose",
                option="verify",
                allowed="set cafile to the authorities that clients' certificates come from",
            )


def tls_options_or_context(value: Any) -> TlsOptions | ssl.SSLContext:
    """The check of the option `tls_options`, and of each of `sni_hosts`."""
    if not is_context(value):
        return read_record(TlsOptions, value)
    if value.protocol == ssl.PROTOCOL_TLS_CLIENT:
        raise OptionsError("an SSLContext for clients", allowed="ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)")
    return value


def _certs_keys(value: Any) -> tuple[KeyPair, ...]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        raise OptionsError(
            f"not a list: {shown_option(value)}", allowed="[{'certfile': ..., 'keyfile': ...}, ...]"
        )
    pairs = []
    for number, pair in enumerate(value):
        try:
            pairs.append(read_record(KeyPair, pair))
        except OptionsError as error:
            raise error.within(str(number)) from error.__cause__
        except TypeError:
            raise OptionsError(
                "a pair without certfile", option=str(number), allowed="certfile and keyfile"
            ) from None
    return tuple(pairs)


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
            hosts[sni_name(name)] = tls_options_or_context(host)
        except OptionsError as error:
            raise error.within(str(name)) from error.__cause__
    return hosts


def _sni_fun(value: Any) -> Any:
    if callable(value):
        return value
    raise OptionsError(
        f"not a function: {shown_option(value)}", allowed="a function of the name that a client asks for"
    )


_PAIR_CHECKS = {
    "certfile": file_path,
    "keyfile": optional(file_path),
    "password": optional(check_password),
}
_CHECKS = {
    "certfile": optional(file_path),
    "keyfile": optional(file_path),
    "password": optional(check_password),
    "certs_keys": _certs_keys,
    "cafile": optional(file_path),
    "verify": one_of(False, True, "optional"),
    "minimum_version": version,
    "ciphers": optional(_ciphers),
    "sni_hosts": _sni_hosts,
    "sni_fun": optional(_sni_fun),
}
