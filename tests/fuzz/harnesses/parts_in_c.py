"""The parts in C beside those in Python: whatever is given to both, both do the same."""

from __future__ import annotations

import _socket
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from gen_smtp.protocol.text.newlines import look_in_python

Look = Callable[[bytes], bool]
MakeSocket = Callable[..., Any]
Call = Callable[["_Ends", int], Any]

OCTETS = bytes(range(251)) * 400
"""What is sent, from the front."""
MOST_STEPS = 60


def check_newlines(data: bytes, look: Look) -> None:
    """Both find a bare newline in the same octets, wherever these begin."""
    for start in range(min(len(data), 3) + 1):
        octets = data[start:]
        assert look(octets) is look_in_python(octets), octets


def check_socket(data: bytes, make: MakeSocket) -> None:
    """Both sockets answer the same calls in the same way.

    Args:
        data: says which calls; two octets for each.
        make: the class in C.
    """
    steps = [(data[at] % len(_CALLS), data[at + 1]) for at in range(0, len(data) - 1, 2)]
    with contextlib.closing(_Ends(_socket.socket)) as known, contextlib.closing(_Ends(make)) as compared:
        for number, (call, value) in enumerate(steps[:MOST_STEPS]):
            expected, got = (_outcome(_CALLS[call], ends, value) for ends in (known, compared))
            assert got == expected, (number, call, value)


class _Ends:
    """A socket of a class, which does not block, and its peer.

    Attributes:
        made: the socket.
        peer: the other end.
        heirs: sockets that have the numbers of descriptors that were given back.
    """

    def __init__(self, make: MakeSocket) -> None:
        ours, self.peer = socket.socketpair()
        self.made = make(ours.family, ours.type, 0, ours.detach())
        self.made.setblocking(False)
        self.peer.setblocking(False)
        self.heirs: list[socket.socket] = []

    def inherit(self) -> None:
        """Whoever still uses a number that was given back, uses one of these from now on."""
        self.heirs += socket.socketpair()

    def close(self) -> None:
        for each in (self.made, self.peer, *self.heirs):
            each.close()


def _outcome(call: Call, ends: _Ends, value: int) -> Any:
    try:
        return call(ends, value)
    except OSError as error:
        return type(error), error.errno
    except (BufferError, OverflowError, TypeError, ValueError) as error:
        return type(error)


def _size(value: int) -> int:
    """From few octets to more than are received on the stack, and 0."""
    return value * value


def _close(ends: _Ends, value: int) -> None:
    if value < 16:  # not too often
        ends.made.close()
        ends.inherit()


def _detach(ends: _Ends, value: int) -> bool:
    descriptor = ends.made.detach() if value < 16 else -1
    if descriptor >= 0:
        socket.close(descriptor)
        ends.inherit()
    return bool(descriptor >= 0)


_CALLS: list[Call] = [
    lambda ends, value: ends.made.recv(_size(value)),
    lambda ends, value: ends.made.recv(_size(value), socket.MSG_PEEK),
    lambda ends, value: ends.made.send(OCTETS[: _size(value)]),
    lambda ends, value: ends.made.send(memoryview(OCTETS)[value : value + _size(value)]),
    lambda ends, value: ends.made.send(bytearray(OCTETS[:value]), socket.MSG_NOSIGNAL),
    lambda ends, value: ends.peer.send(OCTETS[: _size(value)]),
    lambda ends, value: ends.peer.send(OCTETS[: value + 1]),
    lambda ends, value: ends.peer.recv(_size(value)),
    lambda ends, value: ends.peer.close() if value < 16 else None,
    lambda ends, value: ends.made.shutdown(value % 3) if value < 16 else None,
    _close,
    _detach,
    lambda ends, value: ends.made.fileno() < 0,
    lambda ends, value: ends.made.recv(-value),
    lambda ends, value: ends.made.recv("many" if value % 2 else 1.5),
    lambda ends, value: ends.made.recv(1 << (4 * (value % 32)), socket.MSG_PEEK) if value % 32 > 16 else None,
    lambda ends, value: ends.made.recv() if value % 2 else ends.made.recv(1, 0, 0),
    lambda ends, value: ends.made.recv(1, "flags") if value % 2 else ends.made.send(b"", 1 << 70),
    lambda ends, value: ends.made.send("text" if value % 2 else None),
    lambda ends, value: ends.made.send() if value % 2 else ends.made.send(b"", 0, ()),
    lambda ends, value: ends.made.send(memoryview(OCTETS)[:: value % 3 + 2]),
]
"""By its number, a call on the socket that is checked, on its peer, or on both."""
