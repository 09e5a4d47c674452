"""A mail server that an Erlang cluster knows as `{global, mx}`; README.md in this folder shows it from `erl`.

python examples/erlang/mx.py names@127.0.0.1
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, InfoResult, Ok, noreply, ok, stop

OPTIONS = {"address": "127.0.0.1", "port": 0, "domain": "mx.example.com"}


class Mx(Behaviour):
    """Takes every mail and keeps none; its sessions listen to any process of Erlang's."""

    def handle_DATA(self, sender: str, recipients: Sequence[str], data: bytes) -> Ok:
        print(f"mail from {sender}: {len(data)} octets", flush=True)
        return ok("taken")

    def handle_info(self, message: Any) -> InfoResult:
        print(f"a session was told {message!r}", flush=True)
        return stop("normal") if message == "goodbye" else noreply


def announce(server: Any) -> None:
    """Say where it listens."""
    print("serving at port", gen_smtp_server.addresses(server)[0][1], flush=True)


if __name__ == "__main__":
    node = {"node": "mx1@127.0.0.1", "seeds": sys.argv[1:], "name": "global:mx"}
    gen_smtp_server.serve_forever(Mx, [OPTIONS], node=node, on_started=announce)
