"""NOOPs: one at a time, timed; or as many as the server takes."""

from __future__ import annotations

import selectors
import time
from typing import Any

from benchmarks.client.connection import Address, ReplyError, connect, expect, hello
from benchmarks.measure import percentiles

_NOOP = b"NOOP\r\n"
_MANY = _NOOP * 2000


class Noops:
    """Says NOOP for `seconds`, `pause` after each reply."""

    def __init__(self, address: Address, seconds: float, pause: float = 0.001) -> None:
        self._seconds = seconds
        self._pause = pause
        self._connection = connect(address)
        hello(self._connection)

    def work(self) -> dict[str, Any]:
        """Ask and wait for the reply; `latency` is how long it took."""
        taken = []
        end = time.perf_counter() + self._seconds
        while time.perf_counter() < end:
            start = time.perf_counter()
            self._connection.sendall(_NOOP)
            expect(self._connection, b"250")
            taken.append(time.perf_counter() - start)
            time.sleep(self._pause)
        return {"count": len(taken), "latency": percentiles(taken)}

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class Flood:
    """Sends pipelined NOOPs for `seconds` as fast as the server takes them."""

    def __init__(self, address: Address, seconds: float) -> None:
        self._seconds = seconds
        self._connection = connect(address)
        hello(self._connection)
        self._connection.setblocking(False)
        self._unsent = b""
        self._replies = 0

    def work(self) -> dict[str, Any]:
        """Flood the server; counts the replies."""
        self._replies = 0
        end = time.perf_counter() + self._seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
            while time.perf_counter() < end:
                for _, events in selector.select(1.0):
                    self._exchange(events)
        return {"count": self._replies}

    def _exchange(self, events: int) -> None:
        if events & selectors.EVENT_READ:
            part = self._connection.recv(1 << 18)
            if not part:
                raise ReplyError("the server hung up on the flood")
            self._replies += part.count(b"\n")
        if events & selectors.EVENT_WRITE:
            unsent = self._unsent or _MANY
            self._unsent = unsent[self._connection.send(unsent) :]

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
