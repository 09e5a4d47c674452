"""Logging in without the server knowing a password: `python examples/stored_keys.py`.

A file has one line for each user, with the keys that SCRAM needs (RFC 5802). They are made of the password
once, and the password is not kept. SCRAM never sends it; PLAIN does, inside TLS, and the same keys check it.

It needs scramp: `pip install 'gen-smtp[scram]'`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, Extensions, error, ok
from gen_smtp.sasl import ScramKeys, ScramProof


def write_users(path: Path) -> None:
    """What a program that sets passwords does."""
    passwords = {"alice": "wonderland", "bob": "builder"}
    lines = [f"{name} {ScramKeys.of_password(password).text()}\n" for name, password in passwords.items()]
    path.write_text("".join(lines))


def read_users(path: Path) -> dict[str, ScramKeys]:
    """The keys of all users."""
    pairs = [line.split(" ") for line in path.read_text().splitlines()]
    return {name: ScramKeys.of_text(text) for name, text in pairs}


class Submission(Behaviour):
    """Takes mail from those who have logged in; the session option require_auth sees to that."""

    mechanisms = ("SCRAM-SHA-256", "PLAIN")
    # To compute keys of a password takes milliseconds; so do databases.
    blocking = frozenset({"handle_AUTH"})

    def init(self, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
        self.users: dict[str, ScramKeys] = options["users"]
        return ok

    def handle_EHLO(self, hostname: str, extensions: Extensions) -> Any:
        # PLAIN sends the password, so it is for clients inside TLS. SCRAM sends none.
        names = "SCRAM-SHA-256 PLAIN" if self.session.tls else "SCRAM-SHA-256"
        return ok([*extensions, ("AUTH", names)])

    def handle_AUTH_keys(self, mechanism: str, username: str) -> Any:
        # Of a user that there is not, the client hears no more than of a wrong password.
        return ok(self.users[username]) if username in self.users else error

    def handle_AUTH(self, mechanism: str, username: str, credential: Any) -> Any:
        if isinstance(credential, ScramProof):
            return ok  # the client has proved that it knows the password
        keys = self.users.get(username) or ScramKeys.decoy("SCRAM-SHA-256", username)
        return ok if keys.matches(credential) else error

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        print(f"{self.session.user} sends {len(data)} octets")
        return ok


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=2525)
    port = parser.parse_args().port
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "users"
        write_users(path)
        print(path.read_text())
        session = {
            "allow_insecure_auth": True,  # SCRAM shows nobody the password; the mail itself goes in clear
            "require_auth": True,
            "callbackoptions": {"users": read_users(path)},
        }
        listener = {"address": "127.0.0.1", "port": port, "domain": "localhost", "sessionoptions": session}

        def welcome(server: gen_smtp_server.ServerRef) -> None:
            [(host, port)] = gen_smtp_server.addresses(server)
            print("Log in as alice, password wonderland:\n")
            print(
                f"  gsasl --smtp --mechanism SCRAM-SHA-256 --no-starttls --no-cb \\\n"
                f"    -a alice -p wonderland {host} {port}\n"
            )
            print("Ctrl-C ends the server.")

        gen_smtp_server.serve_forever(Submission, [listener], on_started=welcome)


if __name__ == "__main__":
    main()
