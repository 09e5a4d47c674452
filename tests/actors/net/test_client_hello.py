"""The protocols and the server that a client names in its first TLS message, however it is cut."""

from __future__ import annotations

import contextlib
import ssl
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.net.client_hello import MOST_OCTETS, NOTHING, ClientHello, ClientHelloReader

NAMES = ["h2", "http/1.1", "x" * 255]


def hello(
    names: list[str], version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, host: str | None = "x.test"
) -> bytes:
    """What OpenSSL sends first."""
    context = ssl.create_default_context()
    context.check_hostname = False
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


def read(*pieces: bytes) -> ClientHello | None:
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
    expected = ClientHello(tuple(name.encode() for name in names), "x.test")
    assert read(octets) == expected
    assert read(octets + b"more") == expected
    assert read(*(octets[i : i + 1] for i in range(len(octets)))) == expected
    for end in range(len(octets)):
        assert read(octets[:end]) is None
        assert read(octets[:end], octets[end:]) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (None, None),
        ("mx.example.com", "mx.example.com"),
        ("MX.Example.COM", "mx.example.com"),
        ("under_score.test", "under_score.test"),
        ("x" * 63 + ".test", "x" * 63 + ".test"),
        ("192.0.2.1", None),
    ],
)
def test_the_server_that_is_asked_for_is_found(host: str | None, expected: str | None) -> None:
    assert read(hello([], host=host)) == ClientHello((), expected)


def renamed(name: bytes, kind: int = 0) -> bytes:
    """A message that asks for another name of six octets, of another kind."""
    octets = hello([])
    assert octets.count(b"\0\0\x06x.test") == 1
    return octets.replace(b"\0\0\x06x.test", bytes([kind]) + b"\0\x06" + name)


@pytest.mark.parametrize("name", [b"a\nb.de", b"a\x1b[2Jb", b"a\xe9b.de", b"a b.de", b"a\0b.de", b"../../"])
def test_what_is_no_host_name_is_none(name: bytes) -> None:
    assert read(renamed(b"yy.test"[1:])) == ClientHello((), "y.test")
    assert read(renamed(name)) == NOTHING
    assert read(renamed(b"y.test", kind=1)) == NOTHING


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 100])
def test_a_message_may_come_in_several_records(size: int) -> None:
    octets = in_records(hello(NAMES), size)
    expected = ClientHello(tuple(name.encode() for name in NAMES), "x.test")
    assert read(octets) == expected
    assert read(*(octets[i : i + 1] for i in range(len(octets)))) == expected


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
    assert read(octets) == NOTHING


def test_a_message_that_goes_on_and_on_is_not_kept() -> None:
    record = bytes([22, 3, 1]) + struct.pack("!H", 16384)
    endless = record + bytes([1, 255, 255, 255]) + b"x" * 16380 + record
    assert len(endless) > MOST_OCTETS
    assert read(endless) == NOTHING
    assert read(*(endless[i : i + 100] for i in range(0, len(endless), 100))) == NOTHING


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 600), st.binary(max_size=4))
def test_whatever_a_client_sends_it_is_read_without_an_error(octets: bytes, at: int, patch: bytes) -> None:
    read(octets)
    good = hello(NAMES[:2])
    read(good[:at] + patch + good[at + len(patch) :])
