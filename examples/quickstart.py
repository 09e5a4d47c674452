"""Serve mail, send yourself one, and see it arrive: `python examples/quickstart.py`.

The callbacks are those of the example server, which takes all mail and keeps none. What it says is its log.
"""

from __future__ import annotations

import argparse
import logging
import smtplib
import sys

from gen_smtp import gen_smtp_server
from gen_smtp.smtp_server_example import SmtpServerExample

MAIL = """\
From: you@example.com
To: you@example.com
Subject: It works

Hello!
"""


def welcome(server: gen_smtp_server.ServerRef) -> None:
    """Runs once the server listens: be its first client."""
    host, port = gen_smtp_server.addresses(server)[0]
    print(f"Listening on {host}:{port}. Sending myself a mail; this is what the server says:\n")
    with smtplib.SMTP(host, port) as client:
        client.sendmail("you@example.com", ["you@example.com"], MAIL)
    print(
        "\nNow you, from another terminal:\n\n"
        f"  echo hello | curl smtp://{host}:{port} --crlf -T - \\\n"
        "    --mail-from me@example.com --mail-rcpt you@example.com\n\n"
        "Ctrl-C ends the server."
    )


def serve(port: int) -> None:
    listener = {"address": "127.0.0.1", "port": port, "domain": "localhost"}
    gen_smtp_server.serve_forever(SmtpServerExample, [listener], on_started=welcome)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, help="default 2525, or a free one if that is taken")
    port = parser.parse_args().port
    logging.basicConfig(format="  %(message)s", stream=sys.stdout)
    logging.getLogger("gen_smtp.smtp_server_example").setLevel(logging.INFO)
    try:
        serve(2525 if port is None else port)
    except gen_smtp_server.ListenError as error:
        if port is not None:
            sys.exit(f"{error}")
        print(f"{error}; a free port will do.")
        serve(0)


if __name__ == "__main__":
    main()
