"""The clients' side of SMTP: plain blocking sockets, so that a break is seen where it happens."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.soak.ledger import Outcome
from benchmarks.soak.mails import SoakMail

PATIENCE = 60.0
"""Seconds of silence after which a client gives up; a server that is alive is never so slow."""

SENDER = "soak@client.example"

_LONGEST_LINE = 4096
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class Broken(Exception):  # noqa: N818 - what happens to a connection, and is no fault of the program
    """The server, this client, or something between has ended the connection."""


class Reply(NamedTuple):
    """A reply: the code, and the first line without it."""

    code: int
    text: str


def nothing() -> None:
    """What is done at each step, unless told otherwise."""


class Conversation:
    """A connection to the server.

    Args:
        connection: connected; closed by `close`.
        on_step: called whenever something was sent or has arrived; what it raises ends the conversation.
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
        first = line = self._line()
        while line[3:4] == b"-":
            line = self._line()
        self._on_step()
        return Reply(int(first[:3]), first[4:].decode("ascii"))

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

    def command(self, *lines: str) -> Reply:
        """Send commands in one piece (RFC 2920); the first negative reply, or the last.

        Raises:
            Broken: the connection has ended.
        """
        self.send("".join(f"{line}\r\n" for line in lines).encode())
        replies = [self.reply() for _ in lines]
        return next((each for each in replies if each.code >= 400), replies[-1])

    # -- messages -----------------------------------------------------------------------------------

    def envelope(self, mail: SoakMail, *, pipelined: bool = False) -> Reply:
        """MAIL, RCPT and DATA; 354 if all is well.

        Raises:
            Broken: the connection has ended.
        """
        recipients = (f"RCPT TO:<{each}>" for each in mail.recipients)
        lines = (f"MAIL FROM:<{SENDER}>", *recipients, "DATA")
        if pipelined:
            return self.command(*lines)
        for line in lines:
            reply = self.command(line)
            if reply.code >= 400:
                break
        return reply

    def start_tls(self, context: ssl.SSLContext) -> None:
        """TLS from here on.

        Raises:
            Broken: the handshake failed.
        """
        try:
            self._socket = context.wrap_socket(self._socket)
        except OSError as error:
            raise Broken(str(error)) from error

    # -- ends ---------------------------------------------------------------------------------------

    def finish_sending(self) -> None:
        """Send nothing more, but go on reading.

        Raises:
            Broken: the connection has ended.
        """
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise Broken(str(error)) from error

    def reset(self) -> None:
        """Break the connection: the server gets a RST."""
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


class Delivery:
    """One attempt to send a message. It always has an outcome for each recipient, however it ended.

    Args:
        conversation: greeted.
        mail: the message.
        lmtp: whether each recipient has a reply of his own (RFC 2033 4.2).

    Attributes:
        outcomes: one for each recipient.
        refusal: the reply, where there was a negative one.
        seconds: from the end of the message to the first reply, once that is there.
    """

    def __init__(self, conversation: Conversation, mail: SoakMail, *, lmtp: bool = False) -> None:
        self.mail = mail
        self.outcomes = [Outcome.CUT_OFF] * len(mail.recipients)
        self.refusal: Reply | None = None
        self.seconds: float | None = None
        self._conversation = conversation
        self._lmtp = lmtp

    @property
    def is_taken(self) -> bool:
        """Whether all recipients have it, and the client knows."""
        return all(outcome is Outcome.TAKEN for outcome in self.outcomes)

    def run(self, *, pipelined: bool = False, cuts: Sequence[int] = (), half_close: bool = False) -> None:
        """Send it.

        Args:
            pipelined: send the envelope in one piece.
            cuts: where to cut the message into pieces that are sent one after the other.
            half_close: send nothing more behind it.

        Raises:
            Broken: the connection has ended.
        """
        reply = self._conversation.envelope(self.mail, pipelined=pipelined)
        if reply.code != 354:
            self.refusal = reply
            self.outcomes = [Outcome.REFUSED] * len(self.outcomes)
            return
        wire = self.mail.on_the_wire()
        for start, end in zip((0, *cuts), cuts, strict=False):
            self._conversation.send(wire[start:end])
        self.outcomes = [Outcome.UNANSWERED] * len(self.outcomes)
        self._conversation.send(wire[max(cuts, default=0) :])
        if half_close:
            self._conversation.finish_sending()
        self._hear()

    def _hear(self) -> None:
        everyone, sent_at = range(len(self.outcomes)), time.monotonic()
        for whose in [[number] for number in everyone] if self._lmtp else [everyone]:
            reply = self._conversation.reply()
            if self.seconds is None:
                self.seconds = time.monotonic() - sent_at
            if reply.code != 250:
                self.refusal = reply
            for number in whose:
                self.outcomes[number] = Outcome.TAKEN if reply.code == 250 else Outcome.REFUSED


def connect(
    address: tuple[str, int], on_step: Callable[[], object] = nothing, source: str = "127.0.0.1"
) -> Conversation:
    """A new connection whose banner was not read yet.

    Args:
        address: the server's.
        on_step: for the `Conversation`.
        source: the address to come from.

    Raises:
        Broken: nobody listens.
    """
    try:
        connection = socket.create_connection(address, timeout=PATIENCE, source_address=(source, 0))
    except OSError as error:
        raise Broken(str(error)) from error
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Conversation(connection, on_step)
