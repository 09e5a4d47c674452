"""A client's side of TLS, one step at a time."""

from __future__ import annotations

import contextlib
import ssl

from tests.gen_smtp.live import Client


class Shake:
    """A client's side of a TLS handshake, one step at a time."""

    def __init__(self, client: Client, context: ssl.SSLContext) -> None:
        self.client = client
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.layer = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def step(self) -> bytes:
        """What the client would send next."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.layer.do_handshake()
        return self.outgoing.read()

    def hear(self) -> None:
        """Read something of the server's."""
        self.incoming.write(self.client.socket.recv(65536))

    def finish(self) -> bytes:
        """Do the rest, and read the first plaintext."""
        while flight := self.step():
            self.client.send(flight)
            self.hear()
        while True:
            try:
                return self.layer.read(1000)
            except ssl.SSLWantReadError:
                self.hear()
