"""Deliver to mailboxes, with a reply for each recipient (LMTP, RFC 2033): `python examples/lmtp.py`.

In SMTP one reply answers for all recipients of a message. A server that knows its mailboxes can say more:
here one of them is full, and only its owner's copy goes back.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from typing import Any

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, error, multiple, ok

ROOM = {"alice": 1_000_000, "bob": 10}
"""Mailboxes, and how many octets each may hold."""

mailboxes: dict[str, list[bytes]] = defaultdict(list)


def owner(address: str) -> str:
    return address.partition("@")[0].lower()


class Delivery(Behaviour):
    def handle_EHLO(self, hostname: str, extensions: list[Any]) -> Any:
        return ok([*extensions, ("ENHANCEDSTATUSCODES", True)])  # LHLO comes here; RFC 2033 5 wants this

    def handle_RCPT(self, recipient: str) -> Any:
        return ok if owner(recipient) in ROOM else error("550 5.1.1 No such mailbox")

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        return multiple([self.deliver(owner(recipient), data) for recipient in recipients])

    def deliver(self, name: str, data: bytes) -> Any:
        held = sum(map(len, mailboxes[name]))
        if held + len(data) > ROOM[name]:
            print(f"{name}: full")
            return error(f"452 4.2.2 The mailbox of {name} is full")
        mailboxes[name].append(data)
        print(f"{name}: {len(data)} octets, {len(mailboxes[name])} messages")
        return ok(f"2.1.5 Delivered to {name}")


def welcome(server: gen_smtp_server.ServerRef) -> None:
    host, port = gen_smtp_server.addresses(server)[0]
    print(
        f"LMTP on {host}:{port}; alice has room, bob has not. Try:\n\n"
        f"  swaks --protocol LMTP --server {host}:{port} --to alice@localhost,bob@localhost\n\n"
        f"or have Postfix deliver here:  mailbox_transport = lmtp:inet:{host}:{port}\n\n"
        "Ctrl-C ends the server."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=2424)
    listener = {
        "address": "127.0.0.1",
        "port": parser.parse_args().port,
        "domain": "localhost",
        "sessionoptions": {"protocol": "lmtp"},
    }
    gen_smtp_server.serve_forever(Delivery, [listener], on_started=welcome)


if __name__ == "__main__":
    main()
