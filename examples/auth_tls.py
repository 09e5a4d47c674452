"""Mail for those who log in, after STARTTLS or under TLS from the start: `python examples/auth_tls.py`.

The certificate is made by the command openssl for this one run. Passwords are kept as scrypt hashes; to
compute one takes a while, so handle_AUTH runs in a worker thread.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, error, ok

SALT = os.urandom(16)


def hashed(password: str) -> bytes:
    return hashlib.scrypt(password.encode(), salt=SALT, n=2**14, r=8, p=1)


USERS = {"alice": hashed("wonderland"), "bob": hashed("builder")}
NOBODY = hashed(os.urandom(16).hex())


class Submission(Behaviour):
    """Takes mail from those who have logged in; the session option require_auth sees to that."""

    blocking = frozenset({"handle_AUTH"})

    def handle_EHLO(self, hostname: str, extensions: list[Any]) -> Any:
        # Only mechanisms that show the password, so only inside TLS: a hash can't answer CRAM-MD5.
        offer = ("AUTH", "PLAIN LOGIN") if self.session.tls else ("STARTTLS", True)
        return ok([*extensions, offer])

    def handle_AUTH(self, mechanism: str, username: str, credential: Any) -> Any:
        # An unknown user costs as much time as a known one.
        right = hmac.compare_digest(USERS.get(username, NOBODY), hashed(credential))
        return ok if right else error

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        print(f"{self.session.user} sends {len(data)} octets, {self.session.tls}")
        return ok


def make_certificate(folder: Path) -> dict[str, str]:
    files = {"certfile": str(folder / "cert.pem"), "keyfile": str(folder / "key.pem")}
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
    ]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    outputs = ["-out", files["certfile"], "-keyout", files["keyfile"]]
    subprocess.run([*command, *names, *outputs], check=True, capture_output=True)
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=2525, help="for STARTTLS")
    parser.add_argument("--tls-port", type=int, default=4650, help="for TLS from the start")
    ports = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = make_certificate(Path(folder))
        session = {**files, "require_tls": True, "require_auth": True}
        common = {"address": "127.0.0.1", "domain": "localhost", "sessionoptions": session}
        listeners = [{**common, "port": ports.port}, {**common, "port": ports.tls_port, "protocol": "ssl"}]

        def welcome(server: gen_smtp_server.ServerRef) -> None:
            print("Log in as alice, password wonderland, with STARTTLS or with TLS from the start:\n")
            urls = [f"{scheme}://localhost" for scheme in ("smtp", "smtps")]
            for url, (_, port) in zip(urls, gen_smtp_server.addresses(server), strict=True):
                print(
                    f"  echo hello | curl {url}:{port} --ssl-reqd --cacert {files['certfile']} "
                    "--crlf -T - \\\n"
                    "    -u alice:wonderland --mail-from alice@example.com --mail-rcpt bob@example.com\n"
                )
            print("Ctrl-C ends the server.")

        gen_smtp_server.serve_forever(Submission, listeners, on_started=welcome)


if __name__ == "__main__":
    main()
