"""The protocols that a client names in its first TLS message, however it is cut."""

from __future__ import annotations

import contextlib
import ssl
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.net.client_hello import MOST_OCTETS, ClientHelloReader

NAMES = ["h2", "http/1.1", "x" * 255]


def hello(names: list[str], version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, host: str = "x.test") -> bytes:
    """What OpenSSL sends first."""
    context = ssl.create_default_context()
    context.maximum_version = version
    if names:
        context.set_alpn_protocols(names)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    layer = context.wrap_bio(incoming, outgoing, server_hostname=host)
    with contextlib.suppress(ssl.SSLWantReadError):
        layer.do_handshake()
    return outgoing.read()


def in_records(octets: bytes, size: int) -> bytes:
    """The same handshake message, in records of so many octets (RFC 8446 section 5.1)."""
    message = octets[5:]
    parts = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(octets[:3] + struct.pack("!H", len(part)) + part for part in parts)


def protocols(*pieces: bytes) -> tuple[bytes, ...] | None:
    reader = ClientHelloReader()
    for piece in pieces:
        found = reader.feed(piece)
        if found is not None:
            return found
    return None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("names", [[], ["smtp"], NAMES])
def test_they_are_found_in_what_openssl_sends(names: list[str], version: ssl.TLSVersion) -> None:
    octets = hello(names, version)
    expected = tuple(name.encode() for name in names)
    assert protocols(octets) == expected
    assert protocols(octets + b"more") == expected
    assert protocols(*(octets[i : i + 1] for i in range(len(octets)))) == expected
    for end in range(len(octets)):
        assert protocols(octets[:end]) is None
        assert protocols(octets[:end], octets[end:]) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 100])
def test_a_message_may_come_in_several_records(size: int) -> None:
    octets = in_records(hello(NAMES), size)
    expected = tuple(name.encode() for name in NAMES)
    assert protocols(octets) == expected
    assert protocols(*(octets[i : i + 1] for i in range(len(octets)))) == expected


@pytest.mark.parametrize(
    "octets",
    [
        b"EHLO there\r\n",
        b"GET / HTTP/1.1\r\n",
        bytes([21, 3, 1, 0, 2, 2, 40, 0, 0]),
        bytes([22, 3, 1, 0, 0, 0, 0, 0, 0]),
        bytes([22, 3, 1, 0, 4, 2, 0, 0, 0]),
        bytes([22, 3, 1, 0, 4, 1, 0, 0, 0]),
    ],
)
def test_what_is_no_hello_names_none(octets: bytes) -> None:
    assert protocols(octets) == ()


def test_a_message_that_goes_on_and_on_is_not_kept() -> None:
    record = bytes([22, 3, 1]) + struct.pack("!H", 16384)
    endless = record + bytes([1, 255, 255, 255]) + b"x" * 16380 + record
    assert len(endless) > MOST_OCTETS
    assert protocols(endless) == ()
    assert protocols(*(endless[i : i + 100] for i in range(0, len(endless), 100))) == ()


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 600), st.binary(max_size=4))
def test_whatever_a_client_sends_it_is_read_without_an_error(octets: bytes, at: int, patch: bytes) -> None:
    protocols(octets)
    good = hello(NAMES[:2])
    protocols(good[:at] + patch + good[at + len(patch) :])
