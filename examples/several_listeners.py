"""One server, several doors: `python examples/several_listeners.py`.

Each listener has its own address, name and session options; all share one callback class and one list of
sessions. `"family": "inet6"` and `"protocol": "ssl"` would be further doors.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
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


def listeners(front_port: int, back_port: int, path: str) -> list[dict[str, Any]]:
    front = {"callbackoptions": {"door": "front", "domains": {"example.com"}}}
    back = {"callbackoptions": {"door": "back"}, "timeout": 600}
    side = {"callbackoptions": {"door": "side"}, "protocol": "lmtp"}
    return [
        {"address": "127.0.0.1", "port": front_port, "domain": "mx.example.com", "sessionoptions": front},
        {"address": "127.0.0.1", "port": back_port, "domain": "inside.example.com", "sessionoptions": back},
        {"family": "unix", "address": path, "domain": "localhost", "sessionoptions": side},
    ]


def welcome(server: gen_smtp_server.ServerRef) -> None:
    front, back, path = gen_smtp_server.addresses(server)
    print(
        f"  swaks --server {front[0]}:{front[1]} --to you@example.com\n"
        f"  swaks --server {back[0]}:{back[1]} --to anybody@anywhere.example\n"
        f"  swaks --protocol LMTP --socket {path} --to you@localhost\n\n"
        "Ctrl-C ends the server."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--front-port", type=int, default=2525)
    parser.add_argument("--back-port", type=int, default=5870)
    ports = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="doors-", dir="/tmp") as folder:
        path = str(Path(folder, "lmtp.sock"))
        options = listeners(ports.front_port, ports.back_port, path)
        gen_smtp_server.serve_forever(Doors, options, on_started=welcome)


if __name__ == "__main__":
    main()
