"""Refuse what you don't want, each at the earliest moment: `python examples/policy.py`.

Every callback that gives a verdict may say `error("5dd ...")`, and the client may go on with something else;
or `stop(reason, "...")`, and the session ends. The types are those that `mypy --strict` wants.
"""

from __future__ import annotations

import argparse
import ipaddress
from email import message_from_bytes

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import (
    Behaviour,
    DataResult,
    Extensions,
    InitResult,
    Peername,
    Verdict,
    error,
    ok,
    stop,
)

DOMAIN = "example.com"
WELCOME = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("192.0.2.0/24")]
UNWELCOME = {"spam.example"}
CLIENTS = 50
RECIPIENTS = 3
ERRORS = 5


class Policy(Behaviour):
    errors = 0

    def init(self, hostname: str, session_count: int, peername: Peername, options: object) -> InitResult:
        self.hostname = hostname
        if peername is None or not any(peername in network for network in WELCOME):
            return stop("policy", f"554 {hostname} does not talk to {peername}")
        if session_count > CLIENTS:
            return stop("busy", f"421 {hostname} is busy, try again later")
        return ok

    def handle_HELO(self, hostname: str) -> Verdict:
        if hostname == self.hostname:
            return self.refuse("550 That is my name, not yours")
        return ok

    def handle_EHLO(self, hostname: str, extensions: Extensions) -> Verdict:
        verdict = self.handle_HELO(hostname)
        return ok(extensions) if verdict is ok else verdict

    def handle_MAIL(self, sender: str) -> Verdict:
        domain = sender.rpartition("@")[2].lower()
        return self.refuse(f"550 No mail from {domain}") if domain in UNWELCOME else ok

    def handle_RCPT(self, recipient: str) -> Verdict:
        if recipient.rpartition("@")[2].lower() != DOMAIN:
            return self.refuse(f"550 This server takes mail for {DOMAIN} only")
        transaction = self.session.transaction
        if transaction is not None and len(transaction.recipients) >= RECIPIENTS:
            return error("452 Too many recipients, send the others separately")  # the client will
        return ok

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> DataResult:
        headers = message_from_bytes(data)
        missing = [name for name in ("From", "Date") if name not in headers]
        return self.refuse(f"554 The message has no {missing[0]}") if missing else ok

    def refuse(self, message: str) -> Verdict:
        """One that fails too often is guessing."""
        self.errors += 1
        print(f"{self.session.peername}: {message}")
        return stop("too many errors", "421 Too many errors") if self.errors >= ERRORS else error(message)


def welcome(server: gen_smtp_server.ServerRef) -> None:
    host, port = gen_smtp_server.addresses(server)[0]
    swaks = f"  swaks --server {host}:{port}"
    print(
        "Taken:\n\n"
        f"{swaks} --to you@{DOMAIN}\n\n"
        "Refused:\n\n"
        f"{swaks} --to you@elsewhere.example\n"
        f"{swaks} --to you@{DOMAIN} --from me@spam.example\n"
        f"{swaks} --to you@{DOMAIN} --ehlo mx.{DOMAIN}\n"
        f"{swaks} --to you@{DOMAIN} --data 'Subject: who?\\n\\nHello'\n\n"
        "Ctrl-C ends the server."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=2525)
    listener = {"address": "127.0.0.1", "port": parser.parse_args().port, "domain": f"mx.{DOMAIN}"}
    gen_smtp_server.serve_forever(Policy, [listener], on_started=welcome)


if __name__ == "__main__":
    main()
