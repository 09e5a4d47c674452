"""The PROXY protocol's header, read whole and cut in every way."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gen_smtp.protocol.proxy.block import LONGEST_BLOCK, crc32c
from gen_smtp.protocol.proxy.header import ProxiedTls, ProxyHeader, ProxyHeaderError
from gen_smtp.protocol.proxy.line import LONGEST_LINE
from gen_smtp.protocol.proxy.reader import ProxyHeaderReader
from tests.gen_smtp.proxy_headers import (
    ALPN,
    AUTHORITY,
    CLIENT_CERT_CONN,
    CLIENT_CERT_SESS,
    CLIENT_SSL,
    CRC32C,
    LINE,
    LOCAL,
    NETNS,
    NOOP,
    PROXY,
    SIGNATURE,
    SSL,
    SSL_CIPHER,
    SSL_CN,
    SSL_KEY_ALG,
    SSL_SIG_ALG,
    SSL_VERSION,
    TCP4,
    TCP6,
    UNIQUE_ID,
    UNIX,
    block,
    inet,
    tls,
    unix,
    vector,
    with_checksum,
)

CLIENT = inet("192.0.2.7", 56324)
BLOCK = block(PROXY, TCP4, CLIENT)

Outcome = tuple[ProxyHeader | str | None, int]
"""The header, or what is wrong, or None for incomplete; and how many octets were taken before that."""


def read(octets: bytes, *cuts: int) -> Outcome:
    """Feed octets in pieces that end at `cuts`."""
    reader = ProxyHeaderReader()
    taken = 0
    for start, end in pairwise([0, *cuts, len(octets)]):
        try:
            used = reader.feed(octets[start:end])
        except ProxyHeaderError as error:
            return str(error), 0
        taken += used
        if reader.header is not None:
            return reader.header, taken
        assert used == end - start
    return None, taken


def read_everyhow(octets: bytes) -> ProxyHeader | str | None:
    """Feed octets whole, one by one, and with what follows: it must come to the same."""
    outcome = read(octets)
    assert read(octets, *range(1, len(octets))) == outcome
    if isinstance(outcome[0], ProxyHeader):
        assert outcome[1] == len(octets)
        assert read(octets + b"EHLO client.test\r\n") == outcome
    return outcome[0]


def header_of(octets: bytes) -> ProxyHeader:
    outcome = read_everyhow(octets)
    assert isinstance(outcome, ProxyHeader), outcome
    return outcome


def line(text: str) -> bytes:
    return f"{text}\r\n".encode()


# --- Version 1 -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "family", "source", "destination"),
    [
        ("TCP4", "inet", "192.0.2.7", "198.51.100.1"),
        ("TCP4", "inet", "255.255.255.255", "0.0.0.0"),
        ("TCP6", "inet6", "2001:db8::7", "2001:DB8:0:0:0:0:0:1"),
        ("TCP6", "inet6", "::", "::ffff:192.0.2.7"),
        ("TCP6", "inet6", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::1"),
    ],
)
@pytest.mark.parametrize(("source_port", "destination_port"), [(56324, 25), (0, 65535)])
def test_a_line_gives_both_addresses(
    protocol: str, family: str, source: str, destination: str, source_port: int, destination_port: int
) -> None:
    header = header_of(line(f"PROXY {protocol} {source} {destination} {source_port} {destination_port}"))
    assert (header.version, header.family) == (1, family)
    assert (header.source, header.source_port) == (ip_address(source), source_port)
    assert (header.destination, header.destination_port) == (ip_address(destination), destination_port)


UNKNOWN_REST = "PROXY UNKNOWN " + "f" * (LONGEST_LINE - len("PROXY UNKNOWN \r\n"))


@pytest.mark.parametrize(
    "text", ["PROXY UNKNOWN", "PROXY UNKNOWN ", "PROXY UNKNOWN any thing \xff\0", UNKNOWN_REST]
)
def test_an_unknown_client_is_a_header_without_addresses(text: str) -> None:
    assert header_of(text.encode("latin-1") + b"\r\n") == ProxyHeader(1)


@pytest.mark.parametrize(
    "text",
    [
        "PROXY TCP4 192.0.2.7 198.51.100.1 56324",
        "PROXY TCP4 192.0.2.7 198.51.100.1 56324 25 ",
        "PROXY TCP4 192.0.2.7 198.51.100.1 56324 25 26",
        "PROXY TCP4  192.0.2.7 198.51.100.1 56324 25",
        "PROXY TCP4\t192.0.2.7 198.51.100.1 56324 25",
        "PROXY  TCP4 192.0.2.7 198.51.100.1 56324 25",
        "PROXY tcp4 192.0.2.7 198.51.100.1 56324 25",
        "PROXY TCP5 192.0.2.7 198.51.100.1 56324 25",
        "PROXY UDP4 192.0.2.7 198.51.100.1 56324 25",
        "PROXY TCP4 192.0.2.07 198.51.100.1 56324 25",
        "PROXY TCP4 192.0.2 198.51.100.1 56324 25",
        "PROXY TCP4 192.0.2.256 198.51.100.1 56324 25",
        "PROXY TCP4 0x7f000001 198.51.100.1 56324 25",
        "PROXY TCP4 192.0.2.7/24 198.51.100.1 56324 25",
        "PROXY TCP4 2001:db8::7 2001:db8::1 56324 25",
        "PROXY TCP4 client.test mx.test 56324 25",
        "PROXY TCP6 192.0.2.7 198.51.100.1 56324 25",
        "PROXY TCP6 2001:db8::7 198.51.100.1 56324 25",
        "PROXY TCP6 fe80::1%eth0 2001:db8::1 56324 25",
        "PROXY TCP6 [2001:db8::7] 2001:db8::1 56324 25",
        "PROXY TCP6 2001:db8:::7 2001:db8::1 56324 25",
        "PROXY TCP6 2001:db8::00007 2001:db8::1 56324 25",
        "PROXY TCP4 192.0.2.7 198.51.100.1 65536 25",
        "PROXY TCP4 192.0.2.7 198.51.100.1 056324 25",
        "PROXY TCP4 192.0.2.7 198.51.100.1 +56324 25",
        "PROXY TCP4 192.0.2.7 198.51.100.1 -1 25",
        "PROXY TCP4 192.0.2.7 198.51.100.1 5_6 25",
        "PROXY TCP4 192.0.2.7 198.51.100.1  25",
        "PROXY TCP4 192.0.2.7 198.51.100.1 \u0665\u0666 25",
        "PROXY TCP4 192.0.2.\u0667 198.51.100.1 56324 25",
        "PROXY UNKNOWNS",
        "PROXY unknown",
        "PROXY ",
    ],
)
def test_a_line_with_anything_else_in_it_is_refused(text: str) -> None:
    assert read_everyhow(line(text)) == "neither TCP4 nor TCP6 with two addresses and two ports"


@pytest.mark.parametrize(
    "octets",
    [
        LINE.replace(b"\r\n", b"\n"),
        LINE.replace(b"\r\n", b"\r\r\n"),
        LINE.replace(b"\r\n", b"\r "),
        b"PROXY UNKNOWN \n\r\n",
        b"PROXY \r\r",
    ],
)
def test_a_line_ends_with_cr_and_lf_together(octets: bytes) -> None:
    assert read_everyhow(octets) == "a CR or LF alone"


@pytest.mark.parametrize("octets", [LINE[:-1], LINE[:-2], b"PROXY", b"P", b""])
def test_a_line_without_its_end_is_awaited(octets: bytes) -> None:
    assert read_everyhow(octets) is None


@pytest.mark.parametrize(
    ("length", "outcome"),
    [(LONGEST_LINE - 1, ProxyHeader(1)), (LONGEST_LINE, ProxyHeader(1))],
)
def test_a_line_may_have_107_octets(length: int, outcome: ProxyHeader) -> None:
    text = b"PROXY UNKNOWN ".ljust(length - 2, b"x")
    assert read_everyhow(text + b"\r\n") == outcome


@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n", b"x", b"x" * 5000])
def test_a_line_of_108_octets_is_refused_when_107_have_come(end: bytes) -> None:
    text = b"PROXY UNKNOWN ".ljust(LONGEST_LINE - 1, b"x")
    assert read_everyhow(text) is None
    outcome = "a CR or LF alone" if end == b"\n" else "no CRLF in the first 107 octets"
    assert read_everyhow(text + end) == outcome


# --- Neither -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "octets",
    [
        b"EHLO client.test\r\n",
        b"Q",
        b"proxy TCP4",
        b"PROXX",
        b"PROXY\tTCP4",
        b"\n",
        b"\r\n\r\n\r",
        SIGNATURE[:-1] + b"\r",
        b"\x16\x03\x01\x02\x00\x01",
        b"\0",
    ],
)
def test_what_begins_like_no_header_is_refused_at_once(octets: bytes) -> None:
    assert read_everyhow(octets) == "no PROXY header"
    assert read_everyhow(octets + b"x" * 200) == "no PROXY header"


# --- Version 2 -----------------------------------------------------------------------------------


def test_a_block_for_ipv4() -> None:
    assert header_of(BLOCK) == ProxyHeader(
        2, "inet", IPv4Address("192.0.2.7"), 56324, IPv4Address("198.51.100.1"), 25
    )


def test_a_block_for_ipv6() -> None:
    addresses = inet("2001:db8::7", 65535, "::ffff:198.51.100.1", 0)
    assert header_of(block(PROXY, TCP6, addresses)) == ProxyHeader(
        2, "inet6", IPv6Address("2001:db8::7"), 65535, IPv6Address("::ffff:198.51.100.1"), 0
    )


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (b"/run/client.sock", "/run/client.sock"),
        (b"", ""),
        (b"x" * 108, "x" * 108),
        (b"\0abstract", "?abstract"),
        (b"caf\xc3\xa9\xff\r\n/", "caf\u00e9\\xff??/"),
    ],
)
def test_a_block_for_unix_sockets_gives_paths_that_can_be_shown(source: bytes, shown: str) -> None:
    header = header_of(block(PROXY, UNIX, unix(source, b"/run/mail.sock")))
    assert header == ProxyHeader(2, "unix", shown, None, "/run/mail.sock", None)


@pytest.mark.parametrize("family", [0x00, TCP4, 0x35, 0xFF])
@pytest.mark.parametrize("rest", [b"", CLIENT, b"\xff" * 300])
def test_the_rest_of_a_local_block_is_skipped_unseen(family: int, rest: bytes) -> None:
    assert header_of(block(LOCAL, family, rest)) == ProxyHeader(2)


@pytest.mark.parametrize("family", [0x00, 0x01, 0x02, 0x10, 0x12, 0x20, 0x22, 0x30, 0x32])
@pytest.mark.parametrize("rest", [b"", CLIENT, b"\xff" * 300])
def test_datagrams_and_what_is_unspecified_give_no_address(family: int, rest: bytes) -> None:
    assert header_of(block(PROXY, family, rest)) == ProxyHeader(2)


@pytest.mark.parametrize("family", [0x03, 0x13, 0x1F, 0x40, 0x41, 0xF1])
def test_families_and_protocols_that_do_not_exist_are_refused(family: int) -> None:
    outcome = read_everyhow(block(PROXY, family, CLIENT))
    assert outcome == f"family {family >> 4}, protocol {family & 15}"


@pytest.mark.parametrize(
    ("octet", "outcome"),
    [
        (0x11, "version 1"),
        (1, "version 0"),
        (0x31, "version 3"),
        (0x22, "command 2"),
        (0x2F, "command 15"),
    ],
)
def test_other_versions_and_commands_are_refused(octet: int, outcome: str) -> None:
    assert read_everyhow(block(octet, TCP4, CLIENT)) == outcome


@pytest.mark.parametrize(("family", "size"), [(TCP4, 12), (TCP6, 36), (UNIX, 216)])
def test_a_block_has_room_for_its_addresses(family: int, size: int) -> None:
    assert header_of(block(PROXY, family, bytes(size))).family is not None
    assert read_everyhow(block(PROXY, family, bytes(size - 1))) == "too short for its addresses"


@pytest.mark.parametrize("command", [LOCAL, PROXY])
def test_a_block_may_have_4096_octets(command: int) -> None:
    room = LONGEST_BLOCK - len(BLOCK)
    longest = block(command, TCP4, CLIENT, vector(NOOP, bytes(room - 3)))
    assert len(longest) == LONGEST_BLOCK
    assert isinstance(read_everyhow(longest), ProxyHeader)
    longer = block(command, TCP4, CLIENT, vector(NOOP, bytes(room - 2)))
    assert read_everyhow(longer) == read_everyhow(longer[:16]) == "more than 4096 octets"
    assert read_everyhow(block(command, TCP4, length=65535)) == "more than 4096 octets"


@pytest.mark.parametrize("length", [1, 11, 12, 13, 15, 16, 27])
def test_a_block_without_its_end_is_awaited(length: int) -> None:
    assert read_everyhow(BLOCK[:length]) is None


# --- Type, length, value ---------------------------------------------------------------------------


def test_what_a_block_says_besides_addresses() -> None:
    header = header_of(
        block(
            PROXY,
            TCP4,
            CLIENT,
            vector(ALPN, b"smtp"),
            vector(AUTHORITY, "m\u00fcx.test".encode()),
            vector(NOOP, b"\xff\xff"),
            vector(UNIQUE_ID, b"\0\1\2"),
            vector(NETNS, b"blue"),
            vector(0xE0, b"custom"),
            vector(0x99, b""),
        )
    )
    assert (header.alpn, header.authority, header.unique_id, header.tls) == (
        b"smtp",
        "m\u00fcx.test",
        b"\0\1\2",
        None,
    )


def test_what_a_block_says_of_tls() -> None:
    facts = [
        vector(SSL_VERSION, b"TLSv1.3"),
        vector(SSL_CN, "J\u00f8rgen".encode()),
        vector(SSL_CIPHER, b"TLS_AES_256_GCM_SHA384"),
        vector(SSL_SIG_ALG, b"SHA256"),
        vector(SSL_KEY_ALG, b"RSA2048"),
        vector(0x77, b"later"),
    ]
    header = header_of(block(PROXY, TCP4, CLIENT, tls(CLIENT_SSL | CLIENT_CERT_CONN, 0, *facts)))
    assert header.tls == ProxiedTls("TLSv1.3", "TLS_AES_256_GCM_SHA384", "J\u00f8rgen", True)


@pytest.mark.parametrize(
    ("client", "verify", "verified"),
    [
        (CLIENT_SSL, 0, False),  # HAProxy says this of clients without a certificate
        (CLIENT_SSL, 1, False),
        (CLIENT_SSL | CLIENT_CERT_CONN, 0, True),
        (CLIENT_SSL | CLIENT_CERT_SESS, 0, True),
        (CLIENT_SSL | CLIENT_CERT_CONN | CLIENT_CERT_SESS, 0, True),
        (CLIENT_SSL | CLIENT_CERT_CONN, 1, False),
        (CLIENT_SSL | CLIENT_CERT_CONN, 1 << 31, False),
    ],
)
def test_a_certificate_is_verified_if_it_was_shown_and_found_good(
    client: int, verify: int, verified: bool
) -> None:
    header = header_of(block(PROXY, TCP4, CLIENT, tls(client, verify, vector(SSL_CN, b"joe"))))
    assert header.tls == ProxiedTls(common_name="joe", verified=verified)


def test_a_client_without_tls_has_none_whatever_else_is_said() -> None:
    header = header_of(block(PROXY, TCP4, CLIENT, tls(CLIENT_CERT_CONN, 0, vector(SSL_VERSION, b"TLSv1.3"))))
    assert header.tls is None


@pytest.mark.parametrize(
    ("vectors", "outcome"),
    [
        (b"\x04", "a value that goes beyond the end"),
        (b"\x04\0", "a value that goes beyond the end"),
        (b"\x04\0\1", "a value that goes beyond the end"),
        (b"\x04\xff\xff" + bytes(100), "a value that goes beyond the end"),
        (vector(ALPN, b"a") * 2, "alpn twice"),
        (vector(AUTHORITY, b"a") + vector(AUTHORITY, b"b"), "authority twice"),
        (vector(AUTHORITY, b"\xff"), "text that is not UTF-8"),
        (vector(AUTHORITY, b"a\r\nb"), "text with control characters"),
        (vector(AUTHORITY, "\u0085".encode()), "text with control characters"),
        (vector(UNIQUE_ID, bytes(129)), "a unique id of more than 128 octets"),
        (vector(CRC32C, bytes(3)), "a checksum that is none"),
        (vector(CRC32C, bytes(5)), "a checksum that is none"),
        (vector(CRC32C, bytes(4)), "a wrong checksum"),
        (vector(SSL, b"\1\0\0\0"), "too short for what it says of TLS"),
        (tls(CLIENT_SSL, 0, b"\x21\0\7TLS"), "a value that goes beyond the end"),
        (tls(CLIENT_SSL, 0, vector(SSL_CN, b"a"), vector(SSL_CN, b"b")), "common_name twice"),
        (tls(CLIENT_SSL, 0, vector(SSL_CN, b"a\0b")), "text with control characters"),
        (tls(CLIENT_SSL, 0, vector(SSL_VERSION, b"\xff")), "text that is not UTF-8"),
        (tls(0, 0) * 2, "tls twice"),
    ],
)
def test_a_wrong_value_makes_the_whole_header_wrong(vectors: bytes, outcome: str) -> None:
    assert read_everyhow(block(PROXY, TCP4, CLIENT, vectors)) == outcome


def test_a_unique_id_may_have_128_octets() -> None:
    assert header_of(block(PROXY, TCP4, CLIENT, vector(UNIQUE_ID, b"i" * 128))).unique_id == b"i" * 128


# --- The checksum --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "checksum"),
    [  # RFC 3720 appendix B.4
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_crc32c(data: bytes, checksum: int) -> None:
    assert crc32c(data) == checksum


def test_a_right_checksum_is_taken_wherever_it_stands() -> None:
    whole = with_checksum(PROXY, TCP4, CLIENT, vector(ALPN, b"smtp"))
    assert header_of(whole).alpn == b"smtp"
    reference = crc32c(block(PROXY, TCP4, CLIENT, vector(CRC32C, bytes(4)), vector(ALPN, b"smtp")))
    checksum = vector(CRC32C, reference.to_bytes(4))
    assert header_of(block(PROXY, TCP4, CLIENT, checksum, vector(ALPN, b"smtp"))).alpn == b"smtp"


@pytest.mark.parametrize("bit", range(32))
def test_a_checksum_with_one_bit_wrong_is_refused(bit: int) -> None:
    assert read_everyhow(with_checksum(PROXY, TCP4, CLIENT, wrong=1 << bit)) == "a wrong checksum"


@pytest.mark.parametrize("at", range(13, len(BLOCK)))
def test_a_checksum_shows_a_changed_octet_anywhere(at: int) -> None:
    octets = bytearray(with_checksum(PROXY, TCP4, CLIENT))
    octets[at] ^= 0x40
    assert not isinstance(read_everyhow(bytes(octets)), ProxyHeader)


# --- Whatever comes ------------------------------------------------------------------------------

VECTORS = st.builds(
    vector,
    st.sampled_from([ALPN, AUTHORITY, CRC32C, NOOP, UNIQUE_ID, SSL, 0xE0]),
    st.binary(max_size=40),
)
BLOCKS = st.builds(
    lambda command, family, start, vectors, rest: block(command, family, start, *vectors, rest),
    st.sampled_from([LOCAL, PROXY]) | st.integers(0, 255),
    st.sampled_from([TCP4, TCP6, UNIX]) | st.integers(0, 255),
    st.sampled_from([CLIENT, inet("2001:db8::7", 1), unix(b"/a", b"/b"), b""]),
    st.lists(VECTORS, max_size=4),
    st.binary(max_size=3),
)
LINES = st.builds(
    lambda words, end: b" ".join([b"PROXY", *words]) + end,
    st.lists(
        st.sampled_from([b"TCP4", b"TCP6", b"UNKNOWN", b"192.0.2.7", b"::1", b"25", b"", b"99999", b"\xff"]),
        max_size=7,
    ),
    st.sampled_from([b"\r\n", b"\n", b"\r", b""]),
)


@given(
    octets=BLOCKS
    | LINES
    | st.binary(max_size=30).map(lambda tail: SIGNATURE + tail)
    | st.binary(max_size=60),
    then=st.binary(max_size=20),
    cuts=st.lists(st.integers(0, 300), max_size=5),
)
@example(octets=LINE, then=b"", cuts=[43])
def test_cuts_do_not_matter_and_nothing_but_a_header_error_is_raised(
    octets: bytes, then: bytes, cuts: list[int]
) -> None:
    whole = octets + then
    pieces = sorted(min(cut, len(whole)) for cut in cuts)
    assert read(whole, *pieces) == read(whole, *range(1, len(whole))) == read(whole)


@given(
    address=st.ip_addresses(), port=st.integers(0, 65535), binary=st.booleans(), rest=st.binary(max_size=30)
)
def test_every_address_comes_through(
    address: IPv4Address | IPv6Address, port: int, binary: bool, rest: bytes
) -> None:
    if binary:
        family = TCP4 if address.version == 4 else TCP6
        octets = block(PROXY, family, inet(str(address), port, str(address), port))
    else:
        octets = line(f"PROXY TCP{address.version} {address} {address} {port} {port}")
    header, taken = read(octets + rest)
    assert isinstance(header, ProxyHeader)
    assert (header.source, header.source_port, taken) == (address, port, len(octets))
    assert (header.destination, header.destination_port) == (address, port)
