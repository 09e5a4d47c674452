"""The context for TLS, made of the options once, when a server starts."""

from __future__ import annotations

import ssl
from dataclasses import replace

from gen_smtp.options.checks import OptionsError
from gen_smtp.options.tls.key_pair import load_key_pair, read_file
from gen_smtp.options.tls.names import NameChooser
from gen_smtp.options.tls.record import KeyPair, TlsOptions
from gen_smtp.options.tls.versions import set_minimum

ALPN_NAMES = ("smtp", "esmtp", "lmtp")
"""What clients may call the protocol in ALPN. Exim takes the first two by default."""

_VERIFY_MODES = {False: ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, True: ssl.CERT_REQUIRED}


def make_context(options: TlsOptions) -> ssl.SSLContext:
    """A server's context for TLS: files are read, key and certificate matched.

    Raises:
        OptionsError: a file is missing, not readable or not what it should be; the key belongs to another
            certificate or can't be decrypted; two keys of one type; a cipher list that selects none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    set_minimum(context, options.minimum_version, options.ciphers)
    # A client that renegotiates without end costs the server far more than itself.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(list(ALPN_NAMES))
    _load_key_pairs(context, options)
    if options.cafile is not None:
        _load_authorities(context, options.cafile)
    context.verify_mode = _VERIFY_MODES[options.verify]
    if options.ciphers is not None:
        _set_ciphers(context, options.ciphers)
    if options.sni_hosts or options.sni_fun is not None:
        context.sni_callback = NameChooser(context, _contexts_of_hosts(options), options.sni_fun)
    return context


def _load_key_pairs(context: ssl.SSLContext, options: TlsOptions) -> None:
    """OpenSSL keeps one pair for each type of key: of two of one type the first would be lost in silence."""
    if options.certfile is None and (options.keyfile is not None or not options.certs_keys):
        raise OptionsError(
            "TLS needs a certificate", option="certfile", allowed="the path of a file in PEM form"
        )
    loaded: dict[str | None, str] = {}
    if options.certfile is not None:
        kind = load_key_pair(context, options.certfile, options.keyfile, options.password)
        loaded[kind] = options.certfile
    for number, pair in enumerate(options.certs_keys):
        try:
            _load_another(context, pair, loaded)
        except OptionsError as error:
            raise error.within(str(number)).within("certs_keys") from error.__cause__


def _load_another(context: ssl.SSLContext, pair: KeyPair, loaded: dict[str | None, str]) -> None:
    kind = load_key_pair(context, pair.certfile, pair.keyfile, pair.password)
    if kind is not None and kind in loaded:
        raise OptionsError(
            f"the key is {kind}, as that of {loaded[kind]!r} is",
            option="certfile",
            allowed="one certificate for each type of key: RSA beside ECDSA, for example",
        )
    loaded[kind] = pair.certfile


def _load_authorities(context: ssl.SSLContext, cafile: str) -> None:
    read_file("cafile", cafile)
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


def _contexts_of_hosts(options: TlsOptions) -> dict[str, ssl.SSLContext]:
    contexts = {}
    for name, host in options.sni_hosts.items():
        try:
            contexts[name] = _context_of_host(host, options)
        except OptionsError as error:
            raise error.within(name).within("sni_hosts") from error.__cause__
    return contexts


def _context_of_host(host: TlsOptions | ssl.SSLContext, options: TlsOptions) -> ssl.SSLContext:
    """The context for one name; what OpenSSL would silently not apply to one name alone is refused."""
    verify_mode = _VERIFY_MODES[host.verify] if isinstance(host, TlsOptions) else host.verify_mode
    if verify_mode not in (ssl.CERT_NONE, _VERIFY_MODES[options.verify]):
        raise _must_be_the_same("verify", options.verify)
    if host.minimum_version > max(options.minimum_version, ssl.TLSVersion.TLSv1_2):  # which is the default
        raise _must_be_the_same("minimum_version", options.minimum_version.name)
    if not isinstance(host, TlsOptions):
        return host
    for name in ("sni_hosts", "sni_fun"):
        if getattr(host, name):
            raise OptionsError("a name has no names of its own", option=name)
    cafile = host.cafile or options.cafile
    settled = replace(host, verify=options.verify, minimum_version=options.minimum_version, cafile=cafile)
    return make_context(settled)


def _must_be_the_same(option: str, value: object) -> OptionsError:
    return OptionsError(
        "is settled before the client names a host", option=option, allowed=f"{value!r}, as for all"
    )
