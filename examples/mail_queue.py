"""A server with a durable queue behind it: `python examples/mail_queue.py --url amqp://guest:guest@127.0.0.1/`.

`QueueHandler` says its 250 when RabbitMQ has the message on its disks. `gen-smtp deliver` takes messages out,
on this machine or on others, and hands them on. This class adds what only you know: whose mail you take.

    clients ──▶ this, on mx1, mx2 ──▶ RabbitMQ on queue1, queue2, queue3 ──▶ gen-smtp deliver on deliver1
"""

from __future__ import annotations

import argparse
from typing import Any

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import error
from gen_smtp.queue import QueueHandler

DOMAIN = "example.com"


class Incoming(QueueHandler):
    def handle_RCPT(self, recipient: str) -> Any:
        if recipient.rpartition("@")[2].lower() != DOMAIN:
            return error(f"550 5.7.1 We take mail for {DOMAIN} only")
        return super().handle_RCPT(recipient)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=2525)
    parser.add_argument("--url", default="amqp://guest:guest@127.0.0.1/")
    parser.add_argument("--queue", default="mail.in")
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="until a client hears that it must come again"
    )
    options = parser.parse_args()

    def welcome(server: gen_smtp_server.ServerRef) -> None:
        host, port = gen_smtp_server.addresses(server)[0]
        print(
            f"Listening on {host}:{port}, mail for {DOMAIN} goes into {options.queue}. Try:\n\n"
            f"  swaks --server {host}:{port} --to you@{DOMAIN}\n"
            f"  gen-smtp deliver --url ... --queue {options.queue} --via lmtp:/run/dovecot/lmtp\n"
            f"  gen-smtp queue list --url ... --queue {options.queue}\n\n"
            "Ctrl-C ends the server."
        )

    queue = {"url": options.url, "queue": options.queue, "confirm_timeout": options.seconds}
    listener = {
        "address": "127.0.0.1",
        "port": options.port,
        "domain": f"mx.{DOMAIN}",
        "sessionoptions": {"callbackoptions": queue},
    }
    gen_smtp_server.serve_forever(Incoming, [listener], on_started=welcome)


if __name__ == "__main__":
    main()
