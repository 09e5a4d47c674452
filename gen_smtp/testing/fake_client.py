"""A client in the same process: a callback class is tried, and nothing listens on any port."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import pykka

from gen_smtp import gen_smtp_server
from gen_smtp.callbacks.behaviour import Module
from gen_smtp.options.parsing import ListenerConfiguration
from gen_smtp.testing.memory_server import connect, start_memory_server


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered.

    Attributes:
        code: three digits; 0 for the end of the connection.
        lines: the texts of its lines, without code.
    """

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines, joined by newlines."""
        return "\n".join(self.lines)

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


HUNG_UP = Reply(0, ())


class FakeClient:
    """A client of a server that has no port: the real protocol, session and callbacks, in this process.

        with FakeClient(MyServer) as client:
            assert client.greeting.code == 220
            client.say("EHLO client.example")
            client.say("MAIL FROM:<jane@example.com>")
            assert client.say("RCPT TO:<nobody@example.org>").code == 550

    Args:
        module: the callback class, as for `gen_smtp_server.start`.
        options: those of a listener; what concerns its socket has no effect.
        peer: the address and port that the client seems to have.
        timeout: seconds to wait for each reply.

    Attributes:
        greeting: what the server said first.

    Raises:
        OptionsError, BehaviourError: as `gen_smtp_server.start`.
    """

    def __init__(
        self,
        module: Module,
        options: ListenerConfiguration | None = None,
        *,
        peer: tuple[str, int] = ("127.0.0.1", 49152),
        timeout: float = 5.0,
    ) -> None:
        self.server = start_memory_server(module, options)
        self._socket = connect(self.server, peer)
        self._socket.settimeout(timeout)
        self._file = self._socket.makefile("rb")
        try:
            self.greeting = self.reply()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def say(self, line: str | bytes) -> Reply:
        """Send a line, without its CRLF, and wait for the reply.

        Raises:
            TimeoutError: no reply came in time.
        """
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reply()

    def send(self, data: bytes) -> None:
        """Send octets as they are."""
        self._socket.sendall(data)

    def reply(self) -> Reply:
        """The next reply; `HUNG_UP`, whose code is 0, when the server has closed the connection.

        Raises:
            TimeoutError: none came in time.
        """
        texts: list[str] = []
        while line := self._file.readline():
            code, more, text = line[:3], line[3:4], line[4:]
            texts.append(text.decode("utf-8", "replace").rstrip("\r\n"))
            if more != b"-":
                return Reply(int(code), tuple(texts))
        return HUNG_UP

    def send_message(self, sender: str, recipients: Sequence[str], data: bytes) -> list[Reply]:
        """Send a message, stuffed, in a transaction of its own; stops at the first refusal.

        Args:
            sender: the reverse-path.
            recipients: the forward-paths.
            data: the message, with CRLF at its line ends.

        Returns:
            the replies: to MAIL, to each RCPT, to DATA, and behind the message one, or in LMTP one for each
            recipient.
        """
        replies = [self.say(f"MAIL FROM:<{sender}>")]
        for recipient in recipients:
            if replies[-1].code >= 400:
                return replies
            replies.append(self.say(f"RCPT TO:<{recipient}>"))
        if replies[-1].code < 400:
            replies.append(self.say("DATA"))
        if replies[-1].code != 354:
            return replies
        self.send(_stuffed(data))
        count = len(recipients) if self._speaks_lmtp() else 1
        return [*replies, *(self.reply() for _ in range(count))]

    @property
    def session(self) -> pykka.ActorRef[Any]:
        """The session's reference: `tell` it something for handle_info.

        Raises:
            LookupError: it has ended, or was refused.
        """
        for ref in gen_smtp_server.sessions(self.server):
            return ref
        raise LookupError("there is no session: it has ended, or was refused")

    def close(self) -> None:
        """Hang up, and wait for the session's end."""
        self._file.close()
        self._socket.close()
        gen_smtp_server.stop(self.server, grace=0)

    def _speaks_lmtp(self) -> bool:
        return self.greeting.text.partition(" ")[2].startswith("LMTP")


def _stuffed(data: bytes) -> bytes:
    whole = data if data.endswith(b"\r\n") or not data else data + b"\r\n"
    stuffed = whole.replace(b"\r\n.", b"\r\n..")
    return (b"." + stuffed if stuffed.startswith(b".") else stuffed) + b".\r\n"
