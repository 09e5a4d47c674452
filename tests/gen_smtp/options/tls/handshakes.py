"""TLS options as a listener has them, and handshakes in memory."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from gen_smtp.options.checks import OptionsError
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.options.parsing import parse_options
from tests.certificates import CertificateFiles

ROUND_TRIPS = 4


def parse(**sessionoptions: Any) -> ListenerOptions:
    """The record of a listener for implicit TLS."""
    (listener,) = parse_options([{"protocol": "ssl", "sessionoptions": sessionoptions}])
    return listener


def context_of(**tls_options: Any) -> ssl.SSLContext:
    """The context that these `tls_options` make."""
    context = parse(tls_options=tls_options).sessionoptions.tls_context()
    assert context is not None
    return context


def refused(**sessionoptions: Any) -> OptionsError:
    """The error that these session options get."""
    with pytest.raises(OptionsError) as caught:
        parse(**sessionoptions)
    assert caught.value.listener == 1
    return caught.value


def files_of(files: CertificateFiles) -> dict[str, str]:
    """A certificate as options."""
    return {"certfile": files.certfile, "keyfile": files.keyfile}


def client_context(cafile: str, own: CertificateFiles | None = None) -> ssl.SSLContext:
    """A client that trusts `cafile`, with a certificate of its own if it has one."""
    context = ssl.create_default_context(cafile=cafile)
    if own is not None:
        context.load_cert_chain(own.certfile, own.keyfile)
    return context


def handshake(
    server: ssl.SSLContext, client: ssl.SSLContext, name: str | None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends after a handshake in memory: the server's, the client's."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_end = server.wrap_bio(to_server, to_client, server_side=True)
    client_end = client.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(ROUND_TRIPS):
        for end in (client_end, server_end):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return server_end, client_end


def names_of(end: ssl.SSLObject) -> list[str]:
    """The names in the certificate that the other end showed."""
    certificate = end.getpeercert()
    assert certificate is not None
    return [str(entry[1]) for entry in certificate["subjectAltName"]]
