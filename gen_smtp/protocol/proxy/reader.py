"""Reads the header of the PROXY protocol, of either version, as its octets come."""

from gen_smtp.protocol.proxy.block import LONGEST_BLOCK, SIGNATURE, end_of_block, parse_block
from gen_smtp.protocol.proxy.header import ProxyHeader, ProxyHeaderError
from gen_smtp.protocol.proxy.line import LINE_START, end_of_line, parse_line


class ProxyHeaderReader:
    """Reads one header; how its octets are cut doesn't matter."""

    __slots__ = ("_seen", "header")

    def __init__(self) -> None:
        self._seen = b""
        self.header: ProxyHeader | None = None
        """The header, once all of it has come."""

    @property
    def started(self) -> bool:
        """Whether anything has come."""
        return self._seen != b""

    def feed(self, data: bytes) -> int:
        """Take in what comes next; nothing after the header.

        Returns how many octets of ``data`` are the header's: all of them, until it is complete. Raises
        ProxyHeaderError as soon as it can't become a header.
        """
        before = len(self._seen)
        self._seen += data[: LONGEST_BLOCK - before]
        # A fault is looked for in the shortest beginning that shows it, so that it is the same for every cut.
        if LINE_START.startswith(self._seen[: len(LINE_START)]):
            end, is_line = end_of_line(self._seen), True
        elif SIGNATURE.startswith(self._seen[: len(SIGNATURE)]):
            end, is_line = end_of_block(self._seen), False
        else:
            raise ProxyHeaderError("no PROXY header")
        if end is None:
            return len(data)
        header = self._seen[:end]
        self.header = parse_line(header) if is_line else parse_block(header)
        return end - before
