"""A certificate and its private key: loaded into a context, and looked at if OpenSSL does not take them."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from typing import Any, cast

from gen_smtp.options.checks import OptionsError

Password = str | bytes | Callable[[], str | bytes]

_MISMATCHES = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
_FIRST_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----")
_SUBJECT_PUBLIC_KEY_INFO = 5
"""Behind serial number, signature algorithm, issuer, validity and subject (RFC 5280 section 4.1)."""
_VERSION_TAG = 0xA0
_KEY_TYPES = {
    "2a864886f70d010101": "RSA",  # RFC 8017 appendix C
    "2a864886f70d01010a": "RSASSA-PSS",
    "2a8648ce3d0201": "ECDSA",  # RFC 5480 section 2.1.1
    "2b6570": "Ed25519",  # RFC 8410 section 3
    "2b6571": "Ed448",
}


class _PasswordNeeded(Exception):  # noqa: N818 - a signal, not a failure
    """A key is encrypted and there is no password for it."""


def load_key_pair(
    context: ssl.SSLContext, certfile: str, keyfile: str | None, password: Password | None
) -> str | None:
    """Have a context show a certificate.

    Args:
        context: the context.
        certfile: the path of the certificate and its chain, in PEM form.
        keyfile: the path of its key; None if that is in `certfile`.
        password: decrypts the key.

    Returns:
        the type of the key, of which a context has one each; None if it is not known.

    Raises:
        OptionsError: one of the files can't be used, and why.
    """
    certificate = read_file("certfile", certfile)
    key = read_file("certfile" if keyfile is None else "keyfile", keyfile or certfile)
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
    return key_type(certificate)


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


def read_file(option: str, path: str) -> bytes:
    """The file that an option names. Raises OptionsError: it can't be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise OptionsError(f"cannot read {path!r}: {error.strerror or error}", option=option) from error


def _no_password() -> str:
    raise _PasswordNeeded


def check_password(value: Any) -> Password:
    """The check of the option `password`."""
    if isinstance(value, str | bytes) or callable(value):
        return cast("Password", value)
    raise OptionsError("not a password", allowed="text, bytes, or a function that returns either")


# -- the type of a key ------------------------------------------------------------------------------


def key_type(pem: bytes) -> str | None:
    """The type of the key that the first certificate of a file is for; Python's `ssl` does not tell it.

    Args:
        pem: the file, whose certificate OpenSSL has taken.

    Returns:
        such as `"RSA"` or `"ECDSA"`, of others the object identifier of the algorithm in hexadecimal digits;
        None if the file is not in the usual form.
    """
    found = _FIRST_CERTIFICATE.search(pem.decode("ascii", "replace"))
    if found is None:
        return None
    (certificate,) = _elements(ssl.PEM_cert_to_DER_cert(found[0]))
    fields = [content for tag, content in _elements(_elements(certificate[1])[0][1]) if tag != _VERSION_TAG]
    (algorithm, *_) = _elements(fields[_SUBJECT_PUBLIC_KEY_INFO])
    identifier = _elements(algorithm[1])[0][1].hex()
    return _KEY_TYPES.get(identifier, identifier)


def _elements(der: bytes) -> list[tuple[int, bytes]]:
    """The tags and contents of DER, one level of it (X.690 section 8.1)."""
    found, start = [], 0
    while start < len(der):
        tag, length = der[start], der[start + 1]
        start += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(der[start : start + size], "big")
            start += size
        found.append((tag, der[start : start + length]))
        start += length
    return found
