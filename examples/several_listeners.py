"""One server, several doors, TCP, TLS, IPv6 and a unix socket: `python examples/several_listeners.py`.

Each listener has its own address, name and session options; all share one callback class and one list of
sessions. The certificate is made by the command openssl for this one run.
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import tempfile
from typing import Any

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, error, ok


class Doors(Behaviour):
    """The callback options say which door it is."""

    def init(self, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
        self.door = options["door"]
        self.domains = options.get("domains")
        return ok(f"{hostname} at the {self.door} door, session {session_count}")

    def handle_RCPT(self, recipient: str) -> Any:
        if self.domains is not None and recipient.rpartition("@")[2] not in self.domains:
            return error("550 Not here; use the back door")
        return ok

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        print(f"{len(data)} octets through the {self.door} door, for {', '.join(recipients)}")
        return ok


def listeners(ports: argparse.Namespace, folder: str) -> list[dict[str, Any]]:
    front = {"callbackoptions": {"door": "front", "domains": {"example.com"}}}
    back = {"callbackoptions": {"door": "back"}, "timeout": 600, **make_certificate(folder)}
    side = {"callbackoptions": {"door": "side"}, "protocol": "lmtp"}
    doors: list[dict[str, Any]] = [
        {"address": "127.0.0.1", "port": ports.port, "domain": "mx.example.com", "sessionoptions": front},
        {"address": "127.0.0.1", "port": ports.tls_port, "protocol": "ssl", "sessionoptions": back},
        {"family": "unix", "address": f"{folder}/lmtp.sock", "sessionoptions": side},
    ]
    if has_ipv6():
        doors.append({**doors[0], "family": "inet6", "address": "::1", "domain": "ipv6.example.com"})
    return doors


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def make_certificate(folder: str) -> dict[str, str]:
    files = {"certfile": f"{folder}/cert.pem", "keyfile": f"{folder}/key.pem"}
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    outputs = ["-out", files["certfile"], "-keyout", files["keyfile"]]
    subprocess.run([*command.split(), *outputs], check=True, capture_output=True)
    return files


def welcome(server: gen_smtp_server.ServerRef) -> None:
    front, back, path, *ipv6 = gen_smtp_server.addresses(server)
    print(f"  swaks --server {front[0]}:{front[1]} --to you@example.com")
    print(f"  swaks --server {back[0]}:{back[1]} --tls-on-connect --to anybody@anywhere.example")
    print(f"  swaks --protocol LMTP --socket {path} --to you@localhost")
    for host, port, *_ in ipv6:
        print(f"  swaks --server [{host}]:{port} --to you@example.com")
    print("\nCtrl-C ends the server.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=2525)
    parser.add_argument("--tls-port", type=int, default=4650)
    ports = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="doors-", dir="/tmp") as folder:
        gen_smtp_server.serve_forever(Doors, listeners(ports, folder), on_started=welcome)


if __name__ == "__main__":
    main()
