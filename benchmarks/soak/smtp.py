"""The clients' side of SMTP: plain blocking sockets, so that a break is seen where it happens."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.soak.ledger import Outcome
from benchmarks.soak.mails import SoakMail

PATIENCE = 60.0
"""Seconds of silence after which a client gives up; a server that is alive is never so slow."""

_LONGEST_LINE = 4096


class Broken(Exception):  # noqa: N818 - what happens to a connection, and is no fault of the program
    """The server, or something between, ended the connection."""


class Reply(NamedTuple):
    """A reply: the code, and its lines without it."""

    code: int
    lines: list[str]


def nothing() -> None:
    """What is done at each step, unless told otherwise."""


class Conversation:
    """A connection to the server.

    Args:
        connection: connected; closed by `close`.
        on_step: called whenever something was sent or has arrived.
    """

    def __init__(self, connection: socket.socket, on_step: Callable[[], object] = nothing) -> None:
        self._socket = connection
        self._on_step = on_step
        self._unread = b""

    # -- lines --------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Send octets.

        Raises:
            Broken: the connection has ended.
        """
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise Broken(str(error)) from error
        self._on_step()

    def reply(self) -> Reply:
        """The next reply.

        Raises:
            Broken: the connection has ended.
        """
        lines: list[bytes] = []
        while not lines or lines[-1][3:4] == b"-":
            lines.append(self._line())
        self._on_step()
        return Reply(int(lines[0][:3]), [line[4:].decode("ascii") for line in lines])

    def _line(self) -> bytes:
        while b"\n" not in self._unread:
            try:
                part = self._socket.recv(_LONGEST_LINE)
            except OSError as error:
                raise Broken(str(error)) from error
            if not part:
                raise Broken("the server hung up")
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        return line.removesuffix(b"\r")

    def command(self, *lines: str) -> int:
        """Send commands together (RFC 2920); the code of the last reply, or of the first that is negative."""
        self.send("".join(f"{line}\r\n" for line in lines).encode())
        codes = [self.reply().code for _ in lines]
        return next((code for code in codes if code >= 400), codes[-1])

    # -- messages -----------------------------------------------------------------------------------

    def deliver(self, mail: SoakMail, *, pipelined: bool = False, cuts: Sequence[int] = ()) -> Outcome:
        """Send a message; says how that ended, also when the connection breaks.

        Args:
            mail: the message.
            pipelined: send the envelope in one piece.
            cuts: where to cut the message into pieces that are sent one after the other.
        """
        envelope = [
            "MAIL FROM:<soak@client.example>",
            *(f"RCPT TO:<{each}>" for each in mail.recipients),
            "DATA",
        ]
        try:
            code = self.command(*envelope) if pipelined else self._one_by_one(envelope)
            if code != 354:
                return Outcome.REFUSED
            wire = mail.on_the_wire()
            last = max(cuts, default=0)
            for start, end in zip((0, *cuts), cuts, strict=False):
                self.send(wire[start:end])
        except Broken:
            return Outcome.CUT_OFF
        try:
            self.send(wire[last:])
            return Outcome.TAKEN if self.reply().code == 250 else Outcome.REFUSED
        except Broken:
            return Outcome.UNANSWERED

    def _one_by_one(self, lines: Sequence[str]) -> int:
        code = 0
        for line in lines:
            code = self.command(line)
            if code >= 400:
                break
        return code

    # -- ends ---------------------------------------------------------------------------------------

    def start_tls(self, context: ssl.SSLContext) -> None:
        """TLS from here on.

        Raises:
            Broken: the handshake failed.
        """
        try:
            self._socket = context.wrap_socket(self._socket)
        except OSError as error:
            raise Broken(str(error)) from error

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def connect(address: tuple[str, int], on_step: Callable[[], object] = nothing) -> Conversation:
    """A new connection whose banner was not read yet.

    Raises:
        Broken: nobody listens.
    """
    try:
        connection = socket.create_connection(address, timeout=PATIENCE)
    except OSError as error:
        raise Broken(str(error)) from error
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Conversation(connection, on_step)
