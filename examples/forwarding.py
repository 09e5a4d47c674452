"""A gateway: `python examples/forwarding.py --relay mail.example.com`.

It takes mail for one domain alone, and hands it to the server behind it while the client waits: what that
server refuses is refused, and nothing is kept here.
"""

from __future__ import annotations

import argparse
from typing import Any

from gen_smtp import gen_smtp_server
from gen_smtp.forward import ForwardHandler
from gen_smtp.gen_smtp_server_session import error

DOMAIN = "example.com"


class Gateway(ForwardHandler):
    def handle_RCPT(self, recipient: str) -> Any:
        if recipient.rpartition("@")[2].lower() != DOMAIN:
            return error(f"550 5.7.1 We take mail for {DOMAIN} only")
        return super().handle_RCPT(recipient)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=2525)
    parser.add_argument("--relay", default="127.0.0.1", help="the server behind this one")
    parser.add_argument("--relay-port", type=int, default=25)
    options = parser.parse_args()

    def welcome(server: gen_smtp_server.ServerRef) -> None:
        host, port = gen_smtp_server.addresses(server)[0]
        print(
            f"Listening on {host}:{port}, mail for {DOMAIN} goes to {options.relay}:{options.relay_port}. "
            f"Try:\n\n  swaks --server {host}:{port} --to you@{DOMAIN}\n\nCtrl-C ends the server."
        )

    listener = {
        "address": "127.0.0.1",
        "port": options.port,
        "domain": f"mx.{DOMAIN}",
        "sessionoptions": {"callbackoptions": {"relay": options.relay, "port": options.relay_port}},
    }
    gen_smtp_server.serve_forever(Gateway, [listener], on_started=welcome)


if __name__ == "__main__":
    main()
