"""Certificates for tests, made once for a process, and the contexts of both sides."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable

NAMES = ("localhost", "127.0.0.1", "::1")
ALERT_INTERNAL_ERROR = ssl.ALERT_DESCRIPTION_INTERNAL_ERROR


@functools.cache
def _authority() -> tuple[object, object]:
    try:
        import trustme
    except ModuleNotFoundError as error:
        raise RuntimeError("certificates for tests need trustme: pip install 'gen-smtp[testing]'") from error
    authority = trustme.CA()
    return authority, authority.issue_cert(*NAMES)


def server_context(fails: Callable[[], bool]) -> ssl.SSLContext:
    """The server's side.

    Args:
        fails: asked at each handshake whether it shall fail.

    Raises:
        RuntimeError: trustme is not installed.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION
    _authority()[1].configure_cert(context)  # type: ignore[attr-defined]
    context.sni_callback = lambda *_: ALERT_INTERNAL_ERROR if fails() else None
    return context


def client_context() -> ssl.SSLContext:
    """The client's side: believes that certificate, and no other one.

    Raises:
        RuntimeError: trustme is not installed.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _authority()[0].configure_trust(context)  # type: ignore[attr-defined]
    return context


def authority_pem() -> bytes:
    """The authority's certificate in PEM form, for programs that take a file.

    Raises:
        RuntimeError: trustme is not installed.
    """
    return bytes(_authority()[0].cert_pem.bytes())  # type: ignore[attr-defined]
