"""A server that keeps mail: `python examples/maildir_server.py`, then `mutt -f mail` or another reader.

`MaildirHandler` says its 250 when the message is on the disk, so one that was taken survives `kill -9` and a
power cut. This class adds the one thing that only you know: whose mail you take.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import error
from gen_smtp.maildir.handler import MaildirHandler

DOMAIN = "example.com"


class Incoming(MaildirHandler):
    def handle_RCPT(self, recipient: str) -> Any:
        if recipient.rpartition("@")[2].lower() != DOMAIN:
            return error(f"550 5.7.1 We take mail for {DOMAIN} only")
        return super().handle_RCPT(recipient)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=2525)
    parser.add_argument("--maildir", type=Path, default=Path("mail"))
    options = parser.parse_args()

    def welcome(server: gen_smtp_server.ServerRef) -> None:
        host, port = gen_smtp_server.addresses(server)[0]
        print(
            f"Listening on {host}:{port}, keeping mail for {DOMAIN} in {options.maildir.absolute()}. Try:\n\n"
            f"  swaks --server {host}:{port} --to you@{DOMAIN}\n"
            f"  cat {options.maildir}/new/*\n\n"
            "Ctrl-C ends the server."
        )

    listener = {
        "address": "127.0.0.1",
        "port": options.port,
        "domain": f"mx.{DOMAIN}",
        "sessionoptions": {"callbackoptions": {"maildir": options.maildir}},
    }
    gen_smtp_server.serve_forever(Incoming, [listener], on_started=welcome)


if __name__ == "__main__":
    main()
