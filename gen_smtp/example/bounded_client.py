"""The standard library's SMTP client, with a bound to all that the host at the other end may do to it.

`smtplib` bounds the silence between two octets, and the length of a line. A host that sends an octet now and
then, or lines without end, would hold its thread and fill the memory for as long as it likes.
"""

from __future__ import annotations

import math
import smtplib
import socket
import time
from typing import Any

LONGEST_REPLY = 65536
"""Octets of a reply, all of its lines."""
LONGEST_LINE = 8192
_PIECE = 4096


class BoundedClient(smtplib.SMTP):
    """A connection to a host; it is made when this is.

    Args:
        host: its name or address.
        port: its port.
        hostname: what this side calls itself.
        silence: seconds that the host may be silent; `math.inf` is without end.
        due: when all must be over, by `time.monotonic`.

    Raises:
        OSError: the connection can't be made; from every method, that it is lost or out of time, or that the
            reply is too long.
    """

    def __init__(self, host: str, port: int, *, hostname: str, silence: float, due: float) -> None:
        self._silence = silence
        self._due = due
        self._received = b""
        super().__init__(host, port, local_hostname=hostname)

    def _seconds_left(self) -> float:
        left = self._due - time.monotonic()
        if left <= 0:
            self.close()
            raise TimeoutError("the host took too long altogether")
        return left

    def _patience(self) -> float | None:
        seconds = min(self._silence, self._seconds_left())
        return None if seconds == math.inf else seconds

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """`smtplib`'s way to let a subclass make the socket; a name may have any number of addresses."""
        failure = OSError(f"{host} has no address")
        for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                return socket.create_connection((str(address[0]), port), self._patience())
            except OSError as error:
                failure = error
        raise failure

    def send(self, s: Any) -> None:
        """Send all of it; a host that reads slowly has no more time than for everything."""
        if self.sock is not None:
            seconds = self._seconds_left()
            self.sock.settimeout(None if seconds == math.inf else seconds)
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        """The next reply: its code, -1 if it has none, and its lines without their codes."""
        texts: list[bytes] = []
        left = LONGEST_REPLY
        while True:
            line = self._line(min(left, LONGEST_LINE))
            left -= len(line)
            texts.append(line[4:].strip())
            if not line[:3].isdigit():
                return -1, b"\n".join(texts)
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(texts)

    def _line(self, longest: int) -> bytes:
        while b"\n" not in self._received:
            if len(self._received) > longest:
                self._lose("its reply is too long")
            try:
                piece = self._receive()
            except OSError as error:
                self._seconds_left()
                self._lose(str(error))
            if not piece:
                self._lose("it hung up")
            self._received += piece
        line, _, self._received = self._received.partition(b"\n")
        if len(line) > longest:
            self._lose("its reply is too long")
        return line

    def _receive(self) -> bytes:
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("please run connect() first")
        self.sock.settimeout(self._patience())
        return self.sock.recv(_PIECE)

    def _lose(self, why: str) -> None:
        self.close()
        raise smtplib.SMTPServerDisconnected(f"Connection unexpectedly closed: {why}")
