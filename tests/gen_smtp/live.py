"""A running server and a raw client for tests: every line that is sent and every reply can be seen."""

from __future__ import annotations

import queue
import socket
import ssl
import struct
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Self

from actors import GeventRef
from actors import events as actor_events
from actors.runtime.links import wait_down
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, Module, ok

PATIENCE = 10.0
"""Seconds after which a test that waits in vain fails. No test that passes waits so long."""

DOMAIN = "mx.test"
Queue = queue.SimpleQueue[Any]


class Client:
    """One connection. Replies are read whole, their lines joined by a newline.

    Args:
        address: of the server, as `gen_smtp_server.addresses` gives it.
        source: the client's own address, such as `127.0.0.2`.
    """

    def __init__(self, address: Any, source: str | None = None) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)
        try:
            if source is not None:
                self.socket.bind((source, 0))
            self.socket.connect(address)
        except BaseException:
            self.socket.close()
            raise
        self._file = self.socket.makefile("rb")

    def reply(self) -> str:
        """The next reply; empty when the server has closed the connection."""
        lines: list[str] = []
        while not lines or lines[-1][3:4] == "-":
            line = self._file.readline()
            if not line:
                break
            lines.append(line.decode("ascii").removesuffix("\r\n"))
        return "\n".join(lines)

    def send(self, text: str | bytes) -> None:
        """Send text or octets as they are."""
        self.socket.sendall(text.encode() if isinstance(text, str) else text)

    def say(self, *lines: str) -> str:
        """Send command lines, each after the reply to the one before; the last one's reply."""
        answer = ""
        for line in lines:
            self.send(f"{line}\r\n")
            answer = self.reply()
        return answer

    def rest(self) -> str:
        """All that comes until the server closes the connection."""
        return self._file.read().decode("ascii")

    def start_tls(self, context: ssl.SSLContext, name: str | None = "localhost") -> None:
        """Do the handshake; everything is said inside TLS from now on.

        Args:
            context: what the client goes by.
            name: the server's name, as the client asks for it; None names none.
        """
        self._file.close()
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        self._file = self.socket.makefile("rb")

    def reset(self) -> None:
        """Break the connection: the server gets a RST instead of an end of stream."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


MAIL = ("EHLO client.test", "MAIL FROM:<a@x.test>")
RCPT = (*MAIL, "RCPT TO:<b@y.test>")
DATA = (*RCPT, "DATA")
MESSAGE = "Subject: hello\r\n\r\nhello\r\n.\r\n"


class Server:
    """A running server, as tests use it.

    Attributes:
        ref: its reference.
        addresses: where it listens.
    """

    def __init__(self, ref: GeventRef[Any]) -> None:
        self.ref = ref
        self.addresses = gen_smtp_server.addresses(ref)

    def client(self, listener: int = 0, source: str | None = None) -> Client:
        """A connection that nothing was read from."""
        return Client(self.addresses[listener], source)

    @contextmanager
    def greeted(self, *lines: str) -> Generator[Client]:
        """A connection whose banner was read and which has said `lines`."""
        with self.client() as client:
            assert client.reply().startswith("220")
            client.say(*lines)
            yield client

    @property
    def sessions(self) -> list[Any]:
        """The references of the live sessions."""
        return gen_smtp_server.sessions(self.ref)

    def set_grace(self, seconds: float) -> None:
        """Have sessions get so many seconds when the server stops."""
        self.ref.proxy().grace = seconds


def listener(**options: Any) -> dict[str, Any]:
    """A listener's options: on loopback, at a port that the system chooses."""
    return {"address": "127.0.0.1", "port": 0, "domain": DOMAIN, **options}


@contextmanager
def serving(module: Module = Behaviour, /, *, serveroptions: Any = None, **options: Any) -> Generator[Server]:
    """A server with one listener, for the length of a `with` block.

    Args:
        module: its callback module.
        serveroptions: the limits of the whole server.
        options: the listener's options.
    """
    with gen_smtp_server.running(module, [listener(**options)], serveroptions=serveroptions) as ref:
        yield Server(ref)


def behaviour(**callbacks: Any) -> type[Behaviour]:
    """A class that takes messages, with callbacks and attributes of the test's own.

    A callback that is no function is what a callback of that name returns.
    """

    namespace: dict[str, Any] = {"handle_DATA": lambda self, sender, recipients, data: ok("taken")}
    for name, value in callbacks.items():
        is_result = (name == "init" or name.startswith("handle_")) and not hasattr(value, "__get__")
        namespace[name] = returning(value) if is_result else value
    return type("Scripted", (Behaviour,), namespace)


def returning(value: Any) -> Callable[..., Any]:
    """A callback that returns `value`, whatever it is asked."""
    return lambda self, *args: value


def ended(ref: Any) -> Any:
    """Wait for an actor's end; its exit reason."""
    reason = wait_down(ref, PATIENCE)
    return ref.exit_reason if reason == "noproc" else reason


@contextmanager
def collected(event_type: type[actor_events.Event]) -> Generator[Queue]:
    """A queue of the events of a type. An event is in the log before it is in here."""
    events: Queue = queue.SimpleQueue()
    unsubscribe = actor_events.subscribe(event_type, events.put)
    try:
        yield events
    finally:
        unsubscribe()


def take(source: Queue) -> Any:
    """The next item of a queue that another thread fills."""
    return source.get(timeout=PATIENCE)


def everything(source: Queue) -> list[Any]:
    """All items that are in a queue now."""
    return [source.get_nowait() for _ in range(source.qsize())]
