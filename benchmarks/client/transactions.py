"""One connection and one message after another, without pipelining: how long each reply takes."""

from __future__ import annotations

import socket
import time
from typing import Any

from benchmarks.client.connection import ENVELOPE, Address, connect, expect, hello, make_tls, message
from benchmarks.measure import percentiles

DOT_OCTETS = 3

_STEPS = tuple(zip(ENVELOPE, (b"250", b"250", b"354"), strict=True))


class Transactions:
    """Sends messages of `size` octets: `messages` of them, or for `seconds`.

    With `writes` of 2 the body is one write and the dot behind it another, without TCP_NODELAY, as most mail
    programs do it: Nagle's algorithm then sends the dot when the server has acknowledged the body.
    """

    def __init__(
        self,
        address: Address,
        size: int,
        messages: int | None = None,
        seconds: float | None = None,
        tls: bool = False,
        writes: int = 1,
    ) -> None:
        self._messages = messages
        self._seconds = seconds
        whole = message(size)
        self._pieces = (whole,) if writes == 1 else (whole[:-DOT_OCTETS], whole[-DOT_OCTETS:])
        self._connection = connect(address, make_tls() if tls else None)
        if writes > 1:
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        hello(self._connection)
        self._replies: list[float] = []

    def work(self) -> dict[str, Any]:
        """Send the messages; `latency` is that of replies to commands, `message_latency` from MAIL to 250."""
        self._replies = []
        whole: list[float] = []
        start = time.perf_counter()
        while not self._is_done(len(whole), time.perf_counter() - start):
            whole.append(self._send_one())
        return {
            "count": len(whole),
            "latency": percentiles(self._replies),
            "message_latency": percentiles(whole),
        }

    def _is_done(self, sent: int, seconds: float) -> bool:
        return sent == self._messages if self._seconds is None else seconds >= self._seconds

    def _send_one(self) -> float:
        start = before = time.perf_counter()
        for command, code in _STEPS:
            self._connection.sendall(command)
            expect(self._connection, code)
            now = time.perf_counter()
            self._replies.append(now - before)
            before = now
        for piece in self._pieces:
            self._connection.sendall(piece)
        expect(self._connection, b"250")
        return time.perf_counter() - start

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
