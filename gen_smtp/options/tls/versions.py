"""The versions of TLS that can be offered, and what those need that no new server should talk (RFC 8996)."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Mapping
from typing import Any

from gen_smtp.options.checks import OptionsError, shown_option

ALL: Mapping[str, ssl.TLSVersion] = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
_OLD = {"TLSv1": ssl.HAS_TLSv1, "TLSv1.1": ssl.HAS_TLSv1_1}
"""Which of the old ones this OpenSSL was built with."""

OFFERED = tuple(name for name in ALL if _OLD.get(name, True))

CIPHERS_OF_OLD = "DEFAULT:@SECLEVEL=0"
"""Their signatures are made with MD5 and SHA-1, which OpenSSL 3 takes at no other level."""


def version(value: Any) -> ssl.TLSVersion:
    """The check of the option `minimum_version`."""
    for name in OFFERED:
        if value in (name, ALL[name]):
            return ALL[name]
    raise OptionsError(
        f"not a version of TLS to offer: {shown_option(value)}", allowed=", ".join(map(repr, OFFERED))
    )


def old_version(context: ssl.SSLContext) -> str | None:
    """The name of the oldest version that a context is told to talk, if that is older than TLS 1.2."""
    return next((name for name in _OLD if context.minimum_version == ALL[name]), None)


def set_minimum(context: ssl.SSLContext, minimum: ssl.TLSVersion, ciphers: str | None) -> None:
    """Set the oldest version to talk, and for an old one the ciphers that it needs, if none are given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the server warns, with the listener's name
        context.minimum_version = minimum
    if ciphers is None and old_version(context) is not None:
        context.set_ciphers(CIPHERS_OF_OLD)
