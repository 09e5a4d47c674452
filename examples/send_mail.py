"""Send mail and see what becomes of it for each recipient: `python examples/send_mail.py`.

A client keeps its connections and tells of each recipient. The server is one of the example's own, at a free
port; say `--relay mx.example.org` to send to another one.
"""

from __future__ import annotations

import argparse
from typing import Any

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_client import Client, Envelope
from gen_smtp.gen_smtp_server_session import Behaviour, error, ok

MESSAGE = b"From: me@example.com\r\nSubject: hello\r\n\r\nHello\r\n"


class Picky(Behaviour):
    def handle_RCPT(self, recipient: str) -> Any:
        answers = {"bob": "452 4.2.2 The mailbox is full", "carol": "550 5.1.1 No such mailbox"}
        name = recipient.partition("@")[0]
        return error(answers[name]) if name in answers else ok

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        return ok("2.0.0 queued as 7")


def send(options: dict[str, Any], recipients: list[str]) -> None:
    with Client(options) as client:
        outcome = client.deliver(Envelope("me@example.com", recipients), MESSAGE)
    for recipient in outcome.delivered:
        print(f"{recipient.address}: delivered, {recipient.text}")
    for recipient in outcome.temporary:
        print(f"{recipient.address}: try again later, {recipient.text}")
    for recipient in outcome.permanent:
        print(f"{recipient.address}: give up, {recipient.text}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--relay", help="the host to send to, and not to the example's own server")
    parser.add_argument("--port", type=int, default=25)
    parser.add_argument(
        "recipients", nargs="*", default=["alice@localhost", "bob@localhost", "carol@localhost"]
    )
    given = parser.parse_args()
    if given.relay is not None:
        send({"relay": given.relay, "port": given.port}, given.recipients)
        return
    listener = {"address": "127.0.0.1", "port": 0, "domain": "localhost"}
    with gen_smtp_server.running(Picky, [listener]) as server:
        host, port = gen_smtp_server.addresses(server)[0]
        send({"relay": host, "port": port, "hostname": "localhost"}, given.recipients)


if __name__ == "__main__":
    main()
