"""A mail server as a part of your own actor: `python examples/start_link.py`.

`start_link` ties the two together: when the application ends the server ends, too; when the server fails
the application is told, and this one starts it again.
"""

from __future__ import annotations

import argparse
import functools
import smtplib
from typing import Any

import actors
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, ok


class Inbox(Behaviour):
    """Hands every message to the application."""

    def __init__(self, application: actors.GeventRef[Any]) -> None:
        self.application = application

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        self.application.tell(("mail", sender, len(data)))
        return ok("handed over")


class Application(actors.GeventActor):
    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.mails = 0

    def on_start(self) -> None:
        self.trap_exits = True  # an Exit is a message, not the end
        self.start_server()

    def start_server(self) -> None:
        listener = {"address": "127.0.0.1", "port": self.port, "domain": "localhost"}
        module = functools.partial(Inbox, self.actor_ref)
        self.server = gen_smtp_server.start_link(module, [listener])
        self.port = gen_smtp_server.addresses(self.server)[0][1]
        print(f"application: the server listens on port {self.port}")

    def on_receive(self, message: Any) -> Any:
        match message:
            case ("mail", sender, size):
                self.mails += 1
                print(f"application: mail from {sender}, {size} octets")
            case actors.Exit(_, reason):
                print(f"application: the server ended ({reason}); starting it again")
                self.start_server()
            case "report":
                return self.server, self.port, self.mails


def send(port: int, sender: str) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail(sender, ["application@localhost"], "Subject: hello\n\nHello\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    application = Application.start(parser.parse_args().port)
    server, port, _ = application.ask("report")
    send(port, "one@example.com")

    print("main: killing the server")
    server.kill()
    actors.wait_down(server)  # the application's Exit is on its way, before our next question
    server, port, _ = application.ask("report")
    send(port, "two@example.com")

    *_, mails = application.ask("report")
    print(f"main: {mails} mails; stopping the application")
    application.stop()
    actors.wait_down(server)
    print(f"main: the server ended with it ({server.exit_reason})")


if __name__ == "__main__":
    main()
