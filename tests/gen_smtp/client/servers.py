"""Servers for tests of the client: one that does what a test says, line by line, in threads of its own."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

PATIENCE = 5.0


class Peer:
    """A server's side of one connection. What the client does against expectation ends it with an error."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket: socket.socket = connected
        self.socket.settimeout(PATIENCE)
        self._held = b""

    def say(self, *lines: str) -> None:
        """Send lines at once."""
        self.socket.sendall("".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape"))

    def raw(self, octets: bytes) -> None:
        """Send octets as they are."""
        self.socket.sendall(octets)

    def line(self) -> str:
        """The client's next line; empty when it has closed."""
        return self._until(b"\r\n").decode("utf-8", "replace").removesuffix("\r\n")

    def message(self) -> bytes:
        """A message with its dots as they came, without its end."""
        if self._held.startswith(b".\r\n") or self._peek(3) == b".\r\n":
            self._held = self._held[3:]
            return b""
        return self._until(b"\r\n.\r\n").removesuffix(b".\r\n")

    def octets(self, count: int) -> bytes:
        """So many octets."""
        self._peek(count)
        taken, self._held = self._held[:count], self._held[count:]
        return taken

    def _peek(self, count: int) -> bytes:
        while len(self._held) < count and self._receive():
            pass
        return self._held[:count]

    def _until(self, end: bytes) -> bytes:
        while end not in self._held:
            if not self._receive():
                return b""
        taken, _, self._held = self._held.partition(end)
        return taken + end

    def _receive(self) -> bool:
        data = self.socket.recv(65536)
        self._held += data
        return bool(data)

    def expect(self, verb: str, *answers: str) -> str:
        """The next line, which begins with a verb; answered so."""
        line = self.line()
        assert line.upper().startswith(verb.upper()), f"{line!r} and not {verb}"
        if answers:
            self.say(*answers)
        return line

    def greet(self, *extensions: str) -> None:
        """The greeting, and the reply to EHLO or LHLO."""
        self.say("220 there ESMTP")
        hello = self.line()
        assert hello[1:4] == "HLO" or hello[:4] == "EHLO", hello
        lines = ["there", *extensions]
        self.say(*(f"250-{each}" for each in lines[:-1]), f"250 {lines[-1]}")

    def start_tls(self, certfile: str, keyfile: str) -> None:
        """TLS from here on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certfile, keyfile)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def envelope(self, recipients: int = 1) -> list[str]:
        """MAIL, RCPTs and DATA, all accepted."""
        said = [self.expect("MAIL", "250 Ok")]
        said += [self.expect("RCPT", "250 Ok") for _ in range(recipients)]
        return [*said, self.expect("DATA", "354 go on")]

    def take(self, answer: str = "250 taken", recipients: int = 1) -> bytes:
        """A whole transaction; the message."""
        self.envelope(recipients)
        message = self.message()
        self.say(answer)
        return message


class Server:
    """A server that runs a function for each connection, one after the other.

    Attributes:
        address: where it listens.
        failures: what its functions raised; looked at when it stops.
        connections: how many there were.
    """

    def __init__(self, *serve: Callable[[Peer], Any]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self.failures: list[BaseException] = []
        self.connections = 0
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    def options(self, **more: Any) -> dict[str, Any]:
        """The options of a client for it."""
        host, port = self.address
        return {"relay": host, "port": port, "hostname": "client.test", "retries": 0, **more}

    def _begin(self, function: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=function, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            serve = self._serve[min(self.connections, len(self._serve) - 1)]
            self.connections += 1
            self._begin(self._run, serve, connected)

    def _run(self, serve: Callable[[Peer], Any], connected: socket.socket) -> None:
        peer = Peer(connected)
        try:
            serve(peer)
        except (AssertionError, ssl.SSLError) as error:
            self.failures.append(error)
        except OSError:
            pass  # the client has closed, as it may
        finally:
            with contextlib.suppress(OSError):
                peer.socket.close()

    def stop(self) -> None:
        """Stop listening, and wait for the connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)


@contextmanager
def serving(*serve: Callable[[Peer], Any]) -> Generator[Server]:
    """A server for a `with` block: the functions serve a connection each, the last one all others.

    Raises:
        AssertionError: a client did something else than the functions expect.
    """
    server = Server(*serve)
    try:
        yield server
    finally:
        server.stop()
    for failure in server.failures:
        raise failure
