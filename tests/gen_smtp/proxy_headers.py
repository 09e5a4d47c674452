"""Headers of the PROXY protocol as a balancer would write them, and wrong ones."""

from __future__ import annotations

import ipaddress
import struct

SIGNATURE = bytes.fromhex("0D0A0D0A000D0A515549540A")
LOCAL, PROXY = 0x20, 0x21
TCP4, TCP6, UNIX = 0x11, 0x21, 0x31
ALPN, AUTHORITY, CRC32C, NOOP, UNIQUE_ID, SSL, NETNS = 0x01, 0x02, 0x03, 0x04, 0x05, 0x20, 0x30
SSL_VERSION, SSL_CN, SSL_CIPHER, SSL_SIG_ALG, SSL_KEY_ALG = 0x21, 0x22, 0x23, 0x24, 0x25
CLIENT_SSL, CLIENT_CERT_CONN, CLIENT_CERT_SESS = 0x01, 0x02, 0x04

LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n"


def block(command: int, family: int, *parts: bytes, length: int | None = None) -> bytes:
    """A header of version 2."""
    rest = b"".join(parts)
    return SIGNATURE + struct.pack("!BBH", command, family, len(rest) if length is None else length) + rest


def inet(source: str, source_port: int, destination: str = "198.51.100.1", port: int = 25) -> bytes:
    """The addresses of TCP over IPv4 or IPv6."""
    packed = [ipaddress.ip_address(each).packed for each in (source, destination)]
    return b"".join(packed) + struct.pack("!HH", source_port, port)


def unix(source: bytes, destination: bytes) -> bytes:
    """The addresses of unix sockets."""
    return struct.pack("108s108s", source, destination)


def vector(kind: int, value: bytes) -> bytes:
    """A value with its type and length."""
    return struct.pack("!BH", kind, len(value)) + value


def tls(client: int, verify: int, *vectors: bytes) -> bytes:
    """What a balancer says of the client's TLS."""
    return vector(SSL, struct.pack("!BI", client, verify) + b"".join(vectors))


def with_checksum(command: int, family: int, *parts: bytes, wrong: int = 0) -> bytes:
    """A header of version 2 with the checksum at its end, right or (by `wrong` bits) not."""
    zeroed = block(command, family, *parts, vector(CRC32C, bytes(4)))
    return zeroed[:-4] + struct.pack("!I", _crc32c(zeroed) ^ wrong)


def _crc32c(data: bytes) -> int:
    """Bit by bit, as RFC 3720 defines it: another way than the one that is tested."""
    remainder = 0xFFFFFFFF
    for octet in data:
        remainder ^= octet
        for _ in range(8):
            remainder = remainder >> 1 ^ (0x82F63B78 if remainder & 1 else 0)
    return remainder ^ 0xFFFFFFFF
