"""One connection and one message after another, without pipelining: how long each reply takes."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.client.connection import ENVELOPE, Address, connect, expect, hello, make_tls, message
from benchmarks.measure import percentiles

_STEPS = tuple(zip(ENVELOPE, (b"250", b"250", b"354"), strict=True))


class Transactions:
    """Sends messages of `size` octets: `messages` of them, or for `seconds`."""

    def __init__(
        self,
        address: Address,
        size: int,
        messages: int | None = None,
        seconds: float | None = None,
        tls: bool = False,
    ) -> None:
        self._messages = messages
        self._seconds = seconds
        self._message = message(size)
        self._connection = connect(address, make_tls() if tls else None)
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
        self._connection.sendall(self._message)
        expect(self._connection, b"250")
        return time.perf_counter() - start

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
