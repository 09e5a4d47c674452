"""Every state that a client can leave a dialogue in: what it has said until then, and what it owes."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

from gen_smtp.gen_smtp_server_session import ok
from tests.gen_smtp.live import DATA, MAIL, RCPT, Client

EXTENSIONS = [("AUTH", "PLAIN LOGIN CRAM-MD5"), ("STARTTLS", True), ("PIPELINING", True)]


@dataclass(frozen=True)
class State:
    """Where a dialogue stands.

    Attributes:
        said: the lines that the client has said, each of which was answered.
        left: what it has sent since, and read no reply to.
        greeted: whether it has read the greeting.
        in_message: whether the rest of a message is due; None where it depends on who is faster.
    """

    said: tuple[str, ...] = ()
    left: str = ""
    greeted: bool = True
    in_message: bool | None = False

    def reach(self, client: Client) -> None:
        """Bring a client that has just connected there."""
        if self.greeted:
            assert client.reply()[:3] == "220"
        for line in self.said:
            assert client.say(line)[:3] in ("250", "334", "354")
        client.send(self.left)


EHLO = ("EHLO client.test",)
STATES = {
    "connected": State(greeted=False),
    "greeted": State(),
    "in a command": State(left="EHLO client.te"),
    "EHLO": State(EHLO),
    "EHLO, its reply unread": State(left="EHLO client.test\r\n"),
    "AUTH PLAIN": State((*EHLO, "AUTH PLAIN")),
    "AUTH LOGIN, its user name": State((*EHLO, "AUTH LOGIN", "dXNlcg==")),
    "AUTH CRAM-MD5, in the response": State((*EHLO, "AUTH CRAM-MD5"), left="dXNlciA"),
    "MAIL": State(MAIL),
    "RCPT": State(RCPT),
    "DATA, its reply unread": State(RCPT, left="DATA\r\n", in_message=None),
    "DATA": State(DATA, in_message=True),
    "in a header": State(DATA, left="Subject: hel", in_message=True),
    "in a body": State(DATA, left="Subject: hello\r\n\r\nhello\r\n", in_message=True),
    "behind the dot": State(DATA, left="hello\r\n.", in_message=True),
    "before the last octet": State(DATA, left="hello\r\n.\r", in_message=True),
    "QUIT, its reply unread": State(left="QUIT\r\n"),
}


def callbacks() -> dict[str, Any]:
    """The callbacks that all these states can be reached with."""
    return {"handle_EHLO": ok(EXTENSIONS), "handle_AUTH": ok}


def secured(client: Client, context: ssl.SSLContext) -> Client:
    """The client, its TLS handshake done."""
    client._file.close()
    client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
    client._file = client.socket.makefile("rb")
    return client
