"""Watch sessions with monitors: `python examples/observe_sessions.py`.

An observer monitors each session and hears of its end, once, and why, whatever ended it: a client that
said QUIT, a callback that crashed, a kill, the stop of the server.
"""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Callable
from typing import Any

from actors import Down, GeventActor, GeventRef, Monitor, call, current, launch, wait_down
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, ok


class Observer(GeventActor):
    """Knows why each session ended."""

    def __init__(self) -> None:
        super().__init__()
        self.watched: dict[Monitor, str] = {}

    def on_receive(self, message: Any) -> None:
        match message:
            case ("watch", name, session):
                self.watched[self.monitor(session)] = name
            case Down(monitor, _, reason):
                print(f"{self.watched.pop(monitor)} ended: {reason!r}")


class Observed(Behaviour):
    """Has itself watched when it knows its client's name."""

    def handle_HELO(self, hostname: str) -> Any:
        call("observer", ("watch", hostname, current()))
        return ok

    def handle_VRFY(self, address: str) -> Any:
        raise LookupError(f"who is {address}?")


def connect(server: gen_smtp_server.ServerRef, name: str) -> tuple[smtplib.SMTP, GeventRef[Any]]:
    """A client and its session."""
    client = smtplib.SMTP(*gen_smtp_server.addresses(server)[0])
    client.helo(name)
    return client, gen_smtp_server.sessions(server)[-1]  # type: ignore[return-value]


def main() -> None:
    logging.getLogger("gen_smtp").setLevel(logging.CRITICAL)  # the crash below is meant
    logging.getLogger("actors").setLevel(logging.CRITICAL)
    observer = launch(Observer(), name="observer")
    server = gen_smtp_server.start(Observed, [{"address": "127.0.0.1", "port": 0}])
    ways: dict[str, Callable[[smtplib.SMTP, GeventRef[Any]], object]] = {
        "polite": lambda client, session: client.quit(),
        "curious": lambda client, session: client.docmd("VRFY", "you"),
        "unlucky": lambda client, session: session.kill(),
        "patient": lambda client, session: server.stop(),
    }
    for name, end in ways.items():
        client, session = connect(server, name)
        end(client, session)
        wait_down(session)
        client.close()
    observer.stop()


if __name__ == "__main__":
    main()
