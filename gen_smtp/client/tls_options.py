"""The options of TLS for a client, and the context made of them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any

from gen_smtp.options.checks import (
    OptionsError,
    check_fields,
    file_path,
    flag,
    host_name,
    optional,
    read_record,
    shown_option,
)
from gen_smtp.options.tls.key_pair import Password, check_password, load_key_pair
from gen_smtp.options.tls.names import is_context
from gen_smtp.options.tls.versions import set_minimum, version


@dataclass(frozen=True, kw_only=True)
class ClientTls:
    """What a client wants of TLS. Files are in PEM form.

    Attributes:
        verify: whether the server's certificate must be good, and for its name. None is True if TLS must be
            (`tls` is `"always"`, or `ssl`) or if there is a password to send. Else it is False: mail goes in
            clear to a server without TLS, so one with a certificate of its own making is no worse.
        cafile: the authorities that are believed; None are those of the system.
        server_name: the name that the certificate must be for; None is the host that was connected to.
        certfile, keyfile, password: the client's own certificate, its key, and what decrypts that.
        minimum_version: the oldest version to talk.
        ciphers: the cipher suites for TLS 1.2 and older in OpenSSL's notation.

    Raises:
        OptionsError: for a value of the wrong type.
    """

    verify: bool | None = None
    cafile: str | None = None
    server_name: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    password: Password | None = field(default=None, repr=False)
    minimum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    ciphers: str | None = None

    def __post_init__(self) -> None:
        check_fields(self, _CHECKS)


def client_tls_or_context(value: Any) -> ClientTls | ssl.SSLContext:
    """The check of the client's option `tls_options`."""
    if not is_context(value):
        return read_record(ClientTls, value)
    if value.protocol == ssl.PROTOCOL_TLS_SERVER:
        raise OptionsError("an SSLContext for servers", allowed="ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)")
    return value


def client_context(options: ClientTls, *, verify: bool) -> ssl.SSLContext:
    """The context of a client.

    Args:
        options: as given.
        verify: whether certificates are checked, where the options do not say.

    Raises:
        OptionsError: a file can't be read, or is not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    set_minimum(context, options.minimum_version, options.ciphers)
    if options.verify is False or (options.verify is None and not verify):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif options.cafile is None:
        context.load_default_certs()
    if options.cafile is not None:
        _load_authorities(context, options.cafile)
    if options.certfile is not None:
        load_key_pair(context, options.certfile, options.keyfile, options.password)
    if options.ciphers is not None:
        _set_ciphers(context, options.ciphers)
    return context


def _load_authorities(context: ssl.SSLContext, cafile: str) -> None:
    try:
        context.load_verify_locations(cafile)
    except OSError as error:
        raise OptionsError(f"no certificates can be read from {cafile!r}", option="cafile") from error


def _set_ciphers(context: ssl.SSLContext, ciphers: str) -> None:
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError as error:
        raise OptionsError(f"no cipher is selected by {shown_option(ciphers)}", option="ciphers") from error


_CHECKS = {
    "verify": optional(flag),
    "cafile": optional(file_path),
    "server_name": optional(host_name),
    "certfile": optional(file_path),
    "keyfile": optional(file_path),
    "password": optional(check_password),
    "minimum_version": version,
    "ciphers": optional(lambda value: _text(value)),
}


def _text(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise OptionsError(f"not text: {shown_option(value)}", allowed="text that is not empty")
