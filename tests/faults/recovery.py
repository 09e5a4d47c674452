"""What must hold after every fault: new clients are served, and nothing of the old ones is left."""

from __future__ import annotations

import threading
from typing import Any

from gen_smtp.gen_smtp_server_session import ok
from tests.gen_smtp.live import DATA, Client, Server, behaviour, ended

BODY = "Subject: hello\r\n\r\nhello\r\n"


class Mails:
    """The messages that a server has taken, as their handler saw them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.bodies: list[bytes] = []

    def behaviour(self, **callbacks: Any) -> Any:
        """A behaviour that takes messages into `bodies`."""

        def handle_DATA(callback: Any, sender: str, recipients: list[str], body: bytes) -> Any:
            with self._lock:
                self.bodies.append(body)
            return ok("taken")

        return behaviour(**{"handle_DATA": handle_DATA, **callbacks})


def deliver(client: Client, body: str = BODY) -> None:
    """From the greeting to the last octet: a whole session with one message."""
    with client:
        assert client.reply()[:3] == "220"
        assert client.say(*DATA)[:3] == "354"
        client.send(body + ".\r\n")
        assert client.reply() == "250 taken"
        client.send("QUIT\r\n")
        assert client.rest() == "221 Bye\r\n"


def assert_recovered(server: Server) -> None:
    """A new client is served, and then there is no session and nothing that was counted for one.

    Its connection was accepted after those of the fault, whose sessions are all known by now.
    """
    deliver(server.client())
    assert_empty(server)


def assert_empty(server: Server) -> None:
    """All the sessions that there are end by themselves; then none is listed or counted any more."""
    proxy = server.ref.proxy()
    for session in proxy.all_sessions().get():
        ended(session)
    assert server.sessions == []
    assert proxy.session_count().get() == 0
    assert server.ref.actor()._counter.present == 0
