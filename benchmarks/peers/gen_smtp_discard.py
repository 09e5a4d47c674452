"""gen_smtp: the server of this project with a callback class of its own."""

from __future__ import annotations

import os
from typing import Any

from benchmarks.peers.arguments import HOST, LARGEST_MESSAGE, read_arguments
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, Extensions, Ok, ok


class Discard(Behaviour):
    """Takes every message and keeps none."""

    def handle_EHLO(self, hostname: str, extensions: Extensions) -> Ok:
        """Announce a limit that the largest message measured is under."""
        return ok([("SIZE", str(LARGEST_MESSAGE)), *(each for each in extensions if each[0] != "SIZE")])

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Ok:
        return ok("queued as 1")


class AsyncDiscard(Discard):
    """The same; its callback for messages is `async def`, as all of aiosmtpd's are."""

    async def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Ok:  # type: ignore[override]
        return ok("queued as 1")


def main() -> None:
    """Serve until SIGTERM."""
    arguments = read_arguments()
    session: dict[str, Any] = {"limits": {"junk_commands": None}}  # some scenarios are nothing but NOOP
    options: dict[str, Any] = {"address": HOST, "port": arguments.port, "sessionoptions": session}
    if arguments.certfile is not None:
        session["tls_options"] = {"certfile": arguments.certfile, "keyfile": arguments.keyfile}
        options["protocol"] = "ssl"
    gen_smtp_server.serve_forever(
        AsyncDiscard if "ASYNC" in os.environ else Discard,
        [options],
        workers=int(os.environ.get("WORKERS", "1")),
        serveroptions={"max_sessions": None},  # a session more than ten thousand is measured
    )


if __name__ == "__main__":
    main()
