"""Where the dialogues of the faults take place: a server that is spoken to in clear and under TLS."""

from __future__ import annotations

import math
import queue
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from gen_smtp import gen_smtp_server
from tests.faults.dialogues import callbacks, secured
from tests.faults.recovery import Mails, assert_empty, deliver
from tests.gen_smtp.live import Client, Server, listener


class Place:
    """A server with a listener in clear and one under TLS, and what its sessions ended with.

    Attributes:
        server: the server.
        mails: what it has taken.
        ends: the reasons of its sessions.
        tls: its certificate.
        context: for clients.
    """

    def __init__(self, tls: dict[str, Any], context: ssl.SSLContext) -> None:
        self.mails = Mails()
        self.ends: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.tls, self.context = tls, context

    @contextmanager
    def serve(self, **more: Any) -> Generator[None]:
        """Serve, with these callbacks besides."""

        def terminate(callback: Any, reason: Any) -> None:
            self.ends.put(reason)

        module = self.mails.behaviour(**{**callbacks(), "terminate": terminate, **more})
        session = {
            "tls_options": self.tls,
            "allow_insecure_auth": True,
            "limits": {"junk_commands": math.inf},
        }
        listeners = [
            listener(sessionoptions=session),
            listener(protocol="ssl", sessionoptions=session),
        ]
        with gen_smtp_server.running(module, listeners) as ref:
            self.server = Server(ref)
            yield

    def client(self, secure: bool) -> Client:
        """A client in clear or one that has done its handshake."""
        client = self.server.client(int(secure))
        return secured(client, self.context) if secure else client

    def assert_served(self) -> None:
        """Both listeners serve."""
        for secure in (False, True):
            deliver(self.client(secure))

    def assert_recovered(self) -> None:
        """Both listeners serve, and nothing is left of anybody."""
        self.assert_served()
        assert_empty(self.server)
