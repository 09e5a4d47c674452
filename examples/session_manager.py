"""Look at live sessions, send them messages and end them: `python examples/session_manager.py`.

A session is an actor. Whoever has its reference may ask for its facts, `tell` it something (its callback
gets that as handle_info), or `stop` it.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from gen_smtp import gen_smtp_server, gen_smtp_server_session
from gen_smtp.gen_smtp_server_session import Behaviour, noreply, ok, stop

HELP = """\
Commands:
  list            the sessions, oldest first
  note N TEXT     send session N a message: its callback keeps it for the client's next NOTES command
  drain N         send it another: it says good-bye itself, with a 421 of its own
  kick N          stop it, from outside
  quit
"""


class Managed(Behaviour):
    """Takes notes from other actors and threads, and reads them to its client."""

    def init(self, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
        self.notes: list[str] = []
        return ok(f"{hostname} session {session_count}; say NOTES to read yours")

    def handle_info(self, message: Any) -> Any:
        match message:
            case ("note", text):
                self.notes.append(text)
            case "drain":
                return stop("drained", "421 come again later")
        return noreply

    def handle_other(self, verb: str, args: str) -> Any:
        if verb == "NOTES":
            return ok([f"214 {len(self.notes)} notes", *self.notes])
        return super().handle_other(verb, args)


def show(sessions: list[Any]) -> None:
    for number, ref in enumerate(sessions, 1):
        info = gen_smtp_server_session.info(ref)
        name = info.helo or "(no hello yet)"
        print(f"{number}. {name} at {info.peername}:{info.peer_port}, idle for {info.idle:.0f} s")
    print(f"{len(sessions)} sessions")


def obey(server: gen_smtp_server.ServerRef, line: str) -> None:
    sessions = gen_smtp_server.sessions(server)
    match line.split(maxsplit=2):
        case ["list"]:
            show(sessions)
        case ["note", number, text]:
            sessions[int(number) - 1].tell(("note", text))
        case ["drain", number]:
            sessions[int(number) - 1].tell("drain")
        case ["kick", number]:
            sessions[int(number) - 1].stop()
            print("gone")
        case _:
            print(HELP)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=2525)
    listener = {"address": "127.0.0.1", "port": parser.parse_args().port, "domain": "localhost"}
    with gen_smtp_server.running(Managed, [listener]) as server:
        host, port = gen_smtp_server.addresses(server)[0]
        print(f"Connect with some clients:  nc {host} {port}\n\n{HELP}")
        for line in sys.stdin:
            if line.strip() == "quit":
                break
            try:
                obey(server, line)
            except (LookupError, ValueError):
                print("there is no such session")


if __name__ == "__main__":
    main()
