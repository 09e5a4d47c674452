"""CRC32c, the Castagnoli checksum (RFC 4960 appendix B, RFC 3720 appendix B.4)."""

from functools import cache

_POLYNOMIAL = 0x82F63B78  # with its bits reversed


def crc32c(data: bytes) -> int:
    """The checksum of some octets."""
    table = _table()
    checksum = 0xFFFFFFFF
    for octet in data:
        checksum = checksum >> 8 ^ table[(checksum ^ octet) & 0xFF]
    return checksum ^ 0xFFFFFFFF


@cache
def _table() -> tuple[int, ...]:
    return tuple(map(_entry, range(256)))


def _entry(octet: int) -> int:
    for _ in range(8):
        octet = octet >> 1 ^ (_POLYNOMIAL if octet & 1 else 0)
    return octet
