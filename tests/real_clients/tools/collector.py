"""A callback class that keeps every message, and the queue in which tests wait for them."""

from __future__ import annotations

import queue
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actors import TlsInfo
from gen_smtp import smtp_util
from gen_smtp.callbacks.facts import Proxy
from gen_smtp.gen_smtp_server_session import Behaviour, Extensions, Peername, error, multiple, ok, stop
from gen_smtp.protocol.questions import ClientFacts, ForwardedFacts

USERNAME = "jane.doe@example.com"
PASSWORD = "PaSS word: =\\"
PATIENCE = 20.0
"""Seconds after which what was awaited is taken for lost."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A message as the callback got it, and the facts of its session at that moment."""

    sender: str
    recipients: list[str]
    data: bytes
    parameters: Mapping[str, Any]
    helo: str | None
    user: str | None
    tls: TlsInfo | None
    peername: Peername
    proxy: Proxy | None
    xclient: ClientFacts | None
    xforward: ForwardedFacts | None


class Collector:
    """Hands out messages and the reasons of sessions' ends in the order in which they came."""

    def __init__(self) -> None:
        self.mails: queue.Queue[Mail] = queue.Queue()
        self.ends: queue.Queue[Any] = queue.Queue()
        self.errors: queue.Queue[tuple[str, Any]] = queue.Queue()

    def make(self) -> CollectingServer:
        """The callback module: makes the callback object of one session."""
        return CollectingServer(self)

    def mail(self) -> Mail:
        """The next message; waits for it."""
        return self.mails.get(timeout=PATIENCE)

    def end(self) -> Any:
        """The reason of the next end of a session; waits for it."""
        return self.ends.get(timeout=PATIENCE)

    def error(self) -> tuple[str, Any]:
        """The arguments of the next handle_error; waits for them."""
        return self.errors.get(timeout=PATIENCE)


class CollectingServer(Behaviour):
    """Takes all mail but that to nobody@; the mailboxes of full@ (LMTP) are full.

    Options: `announce`, more extensions to announce; `limit`, how many sessions are served at once; `size`,
    the largest message in octets.
    """

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._announced: Extensions = []
        self._size: int | None = None

    def init(self, hostname: str, session_count: int, peername: Peername, options: Any) -> Any:
        if session_count > options.get("limit", session_count):
            return stop("normal", f"421 {hostname} is too busy to accept mail right now")
        self._announced = options.get("announce", [])
        self._size = options.get("size")
        return ok(f"{hostname} ESMTP collector")

    def handle_EHLO(self, hostname: str, extensions: Extensions) -> Any:
        offered = dict(extensions) | {"AUTH": "PLAIN LOGIN CRAM-MD5", "STARTTLS": True}
        if self._size is not None:
            offered["SIZE"] = str(self._size)
        return ok([*offered.items(), *self._announced])

    def handle_AUTH(self, mechanism: str, username: str, credential: Any) -> Any:
        if mechanism == "cram-md5":
            good = smtp_util.verify_cram_digest(PASSWORD, credential)
        else:
            good = credential == PASSWORD
        return ok if good and username == USERNAME else error

    def handle_RCPT(self, recipient: str) -> Any:
        return error("550 No such recipient") if recipient.startswith("nobody@") else ok

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        session = self.session
        assert session.transaction is not None
        mail = Mail(
            sender=sender,
            recipients=recipients,
            data=data,
            parameters=dict(session.transaction.mail_params),
            helo=session.helo,
            user=session.user,
            tls=session.tls,
            peername=session.peername,
            proxy=session.proxy,
            xclient=session.xclient,
            xforward=session.xforward,
        )
        self._collector.mails.put(mail)
        full = [recipient.startswith("full@") for recipient in recipients]
        if any(full):
            return multiple([error("552 mailbox full") if each else ok("delivered") for each in full])
        return ok("queued")

    def handle_error(self, error_class: str, detail: Any) -> Any:
        self._collector.errors.put((error_class, detail))
        return ok

    def terminate(self, reason: Any) -> None:
        self._collector.ends.put(reason)
