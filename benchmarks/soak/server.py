"""The server under load: `python -m benchmarks.soak.server SETTINGS`, SETTINGS as JSON.

It says in lines of JSON what the soak has to know: where it listens, and which workers were started. The
settings are `maildirs`, `workers`, `certfile`, `keyfile`, and `ports`, one for each of `LISTENERS`.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any

from actors import events
from gen_smtp import gen_smtp_server
from gen_smtp.callbacks.behaviour import Extensions, Verdict
from gen_smtp.callbacks.results import error, ok
from gen_smtp.maildir.handler import MaildirHandler
from gen_smtp.process.events import WorkerStarted
from gen_smtp.smtp_util import compare_secrets
from gen_smtp.workers.roster import Workers

LISTENERS = ("smtp", "smtps", "lmtp")
USER, PASSWORD = "soak", "all night long"

DRAIN = 5.0
"""Seconds for which sessions go on when another process has taken over."""


class SoakHandler(MaildirHandler):
    """Keeps mail, for anyone, and knows one user."""

    def handle_EHLO(self, hostname: str, extensions: Extensions) -> Verdict:
        return super().handle_EHLO(hostname, [*extensions, ("AUTH", "PLAIN LOGIN")])

    def handle_AUTH(self, mechanism: str, username: str, credential: str | tuple[str, str]) -> Verdict:
        known = isinstance(credential, str) and compare_secrets(credential, PASSWORD) and username == USER
        return ok if known else error


def listeners(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The options of `LISTENERS`."""
    session = {
        "certfile": settings["certfile"],
        "keyfile": settings["keyfile"],
        "callbackoptions": {
            "maildir": settings["maildirs"],
            "mailboxes": "address",
            "create_mailboxes": True,
        },
    }
    of_their_own: dict[str, dict[str, Any]] = {
        "smtp": {"sessionoptions": session},
        "smtps": {"sessionoptions": session, "protocol": "ssl"},
        "lmtp": {"sessionoptions": {**session, "protocol": "lmtp"}},
    }
    common = {"address": "127.0.0.1", "domain": "soak.example"}
    return [
        {**common, "port": port, **of_their_own[name]}
        for name, port in zip(LISTENERS, settings["ports"], strict=True)
    ]


def main() -> None:
    """Serve until a signal says to stop."""
    settings = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.WARNING, format="%(process)d %(levelname)s %(name)s: %(message)s")
    logging.getLogger().handlers[0].addFilter(_is_worth_a_look)
    events.subscribe(WorkerStarted, lambda event: _say({"worker": event.pid, "parent": os.getpid()}))
    gen_smtp_server.serve_forever(
        SoakHandler,
        listeners(settings),
        workers=settings["workers"],
        # Clients come from all over 127.0.0.0/8, so they are counted as strangers are.
        serveroptions={"exempt": []},
        drain=DRAIN,
        on_started=_say_ports,
    )


def _is_worth_a_look(record: logging.LogRecord) -> bool:
    """Not what the bad clients bring about, as they should, and not what the soak itself has done."""
    if record.levelno >= logging.ERROR:
        return "was killed by signal 9" not in record.getMessage()
    return record.name == "actors"


def _say_ports(workers: Workers) -> None:
    _say({"parent": os.getpid(), "ports": [port for _, port in workers.addresses()]})


def _say(facts: dict[str, Any]) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
