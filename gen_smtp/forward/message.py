"""The message on its way: a field is added, its hops are counted, and each host gets a copy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from gevent.queue import Queue

from gen_smtp.callbacks.stream import MessageStream
from gen_smtp.smtp_util import separator_of

LONGEST_HEADER = 256 * 1024
"""Octets of a header that are looked at for Received fields."""
AHEAD = 4
"""Pieces that the fastest of several hosts may be ahead of the slowest."""

_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)
_END_OF_HEADER = re.compile(rb"^\r?\n", re.MULTILINE)


def read_head(stream: MessageStream) -> bytes:
    """The beginning of a message, up to the end of its header if that is not too far off.

    Raises:
        IncompleteMessage: the message ended early.
    """
    head = bytearray()
    looked_at = 0
    while len(head) < LONGEST_HEADER and (piece := stream.read1()):
        head += piece
        if _END_OF_HEADER.search(head, looked_at):
            break
        looked_at = head.rfind(b"\n") + 1
    return bytes(head)


def header_of(head: bytes) -> bytes:
    """The header of a message, as far as it was read."""
    end = _END_OF_HEADER.search(head)
    return head[: end.start()] if end else head


def hops_of(header: bytes) -> int:
    """How many servers the message has come through (RFC 5321 section 6.3)."""
    return len(_RECEIVED.findall(header))


def with_field(field: bytes, head: bytes, stream: MessageStream) -> Iterator[bytes]:
    """The message with a trace field in front, in pieces."""
    return chain((field + separator_of(head) + head,), stream.chunks())


class Branch:
    """One host's copy of a message that goes to several, to be read by another greenlet.

    Attributes:
        fault: what has cut the message off, for the reader to raise.
    """

    def __init__(self) -> None:
        self._pieces: Queue[bytes | None] = Queue(AHEAD)
        self._is_read = True
        self.fault: BaseException | None = None

    def put(self, piece: bytes | None) -> None:
        """Hand a piece on, None behind the last one; waits for the reader."""
        if self._is_read:
            self._pieces.put(piece)

    def cut(self, fault: BaseException) -> None:
        """The message won't be complete; the reader must not take it for whole. It waits for nobody."""
        self.fault = fault
        if self._is_read and self._pieces.empty():
            self._pieces.put_nowait(None)

    def leave(self) -> None:
        """The reader reads no more: whoever waits for it goes on."""
        self._is_read = False
        while not self._pieces.empty():
            self._pieces.get()

    def __iter__(self) -> Iterator[bytes]:
        while (piece := self._pieces.get()) is not None:
            if self.fault is not None:
                break
            yield piece
        if self.fault is not None:
            raise self.fault


def divide(message: Iterable[bytes], branches: list[Branch]) -> None:
    """Give a message to all branches, as fast as the slowest of them is read.

    Raises:
        IncompleteMessage: the message ended early, which the branches' readers hear, too.
    """
    try:
        for piece in message:
            for branch in branches:
                branch.put(piece)
    except BaseException as fault:
        for branch in branches:
            branch.cut(fault)
        raise
    for branch in branches:
        branch.put(None)
