"""A mail server and a worker in one supervision tree: `python examples/supervised_server.py`.

The sessions hand each message to the archive, an actor that crashes now and then. Its client hears a 451
and tries again later, as mail servers do; meanwhile the supervisor has started the archive again. The mail
server and its connections notice nothing.
"""

from __future__ import annotations

import argparse
import logging
import smtplib
from typing import Any

from actors import (
    ActorDeadError,
    ActorExit,
    ChildSpec,
    GeventActor,
    GeventRef,
    Supervisor,
    call,
    launch,
    which_children,
)
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, error, ok


class Archive(GeventActor):
    """Keeps messages, until one is too much for it."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[bytes] = []

    def on_receive(self, message: bytes) -> int:
        if b"Subject: two" in message and self.kept:
            raise ActorExit("the disk is gone")
        self.kept.append(message)
        return len(self.kept)


def start_archive() -> GeventRef[Archive]:
    """The archive has a name, so that those who use it find it again after a restart."""
    return launch(Archive(), name="archive", linked=True)


class Mail(Behaviour):
    """Takes what the archive takes."""

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        try:
            number = call("archive", data)
        except ActorDeadError as gone:
            return error(f"451 The archive has failed ({gone.reason}), try again later")
        return ok(f"kept as number {number}")


def send(client: smtplib.SMTP, subject: str) -> None:
    """Send a mail; when it is refused for now, once more."""
    client.docmd("MAIL", "FROM:<me@example.com>")
    client.docmd("RCPT", "TO:<you@example.com>")
    code, text = client.data(f"Subject: {subject}\r\n\r\nHello\r\n")
    print(f"{subject}: {code} {text.decode()}")
    if code == 451:
        send(client, subject)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=2525)
    listener = {"address": "127.0.0.1", "port": parser.parse_args().port}
    logging.basicConfig(format="log: %(message)s")
    top = Supervisor.start(
        [
            ChildSpec("archive", start_archive),
            gen_smtp_server.child_spec("mail", Mail, [listener]),
        ],
        strategy="one_for_one",
        intensity=3,
        period=10,
    )
    for child in which_children(top):
        print(f"{child['id']} is a {child['type']}, {child['restart']}")
    with smtplib.SMTP(*gen_smtp_server.addresses("mail")[0]) as client:
        client.helo("me.example.com")
        for subject in ("one", "two", "three"):
            send(client, subject)
    top.stop()
    print("all of the tree is gone")


if __name__ == "__main__":
    main()
