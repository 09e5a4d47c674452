"""Sessions that only begin and end, and sessions that stay."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any

from benchmarks.client.connection import Address, connect, connect_many, hello, make_tls, say_quit
from benchmarks.measure import percentiles


class Sessions:
    """Opens `sessions` connections, one after another: greeting, EHLO, QUIT; for `seconds` at the most.

    `tls` starts TLS first; `resume` offers the TLS session of the connection before.
    """

    def __init__(
        self,
        address: Address,
        sessions: int,
        seconds: float = 10.0,
        tls: bool = False,
        resume: bool = False,
    ) -> None:
        self._address = address
        self._sessions = sessions
        self._seconds = seconds
        self._tls = make_tls() if tls else None
        self._resume = resume
        self._resumed = 0

    def work(self) -> dict[str, Any]:
        """Open and close them; `latency` is from connect to the reply to QUIT."""
        self._resumed = 0
        taken: list[float] = []
        end = time.perf_counter() + self._seconds
        while len(taken) < self._sessions and (start := time.perf_counter()) < end:
            connection = self._run_one()
            taken.append(time.perf_counter() - start)
            connection.close()
        return {"count": len(taken), "latency": percentiles(taken), "resumed": self._resumed}

    def _run_one(self) -> socket.socket:
        connection = connect(self._address, self._tls)
        hello(connection)
        if self._tls is not None and self._resume and isinstance(connection, ssl.SSLSocket):
            self._resumed += bool(connection.session_reused)
            self._tls.session = connection.session
        say_quit(connection)
        return connection

    def close(self) -> None:
        """Nothing is open."""


class Idle:
    """Holds `sessions` connections that have said EHLO."""

    def __init__(self, address: Address, sessions: int) -> None:
        self._connections = connect_many(address, sessions)

    def work(self) -> dict[str, Any]:
        """Do nothing."""
        return {"count": len(self._connections)}

    def close(self) -> None:
        """Hang up."""
        for connection in self._connections:
            connection.close()
