"""A peer that writes twice need not wait for an acknowledgement that the kernel puts off.

Whether the kernel puts it off is what `TCP_QUICKACK` says of a socket: 0 from the first replies on.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

import actors
from tests.actors.helpers import address_of, connect, hear, on_hub, read_exactly, serving, session_of
from tests.certificates import Certificates

pytestmark = pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="only Linux has TCP_QUICKACK")


class Lines(actors.SessionActor):
    """Answers whole lines, and hears of each piece."""

    heard: queue.SimpleQueue[Any]
    context: ssl.SSLContext | None = None

    def tls_context(self) -> ssl.SSLContext | None:
        return self.context

    def on_connect(self) -> bytes:
        self.announce()
        return b"hello\n"

    def on_data(self, data: bytes) -> bytes:
        self.heard.put(data)
        return b"ok\n" if data.endswith(b"\n") else b""


def acknowledges(session: actors.GeventRef[Any]) -> bool:
    """Whether the kernel acknowledges at once what comes for a session; asked behind its turn."""
    transport = session._actor_weakref().transport
    found = on_hub(lambda: transport.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK))
    return bool(found)


@contextlib.contextmanager
def talking(
    address: Any = ("127.0.0.1", 0),
    context: ssl.SSLContext | None = None,
    trust: ssl.SSLContext | None = None,
) -> Generator[tuple[socket.socket, actors.GeventRef[Any], queue.SimpleQueue[Any]]]:
    """A client that had replies, so that acknowledgements are put off; its session; what that hears."""

    class Session(Lines):
        heard = queue.SimpleQueue()

    Session.context = context
    endpoint = (
        actors.Endpoint(address, None, "unix") if isinstance(address, str) else actors.Endpoint(*address)
    )
    with serving(endpoint, session=Session) as server, connect(address_of(server)) as raw:
        client = raw if trust is None else trust.wrap_socket(raw, server_hostname="localhost")
        read_exactly(client, 6)
        for _ in range(4):
            client.sendall(b"a line\n")
            read_exactly(client, 3)
            hear(Session.heard)
        yield client, session_of(server), Session.heard
        client.close()


def test_a_piece_without_a_reply_is_acknowledged_at_once_and_its_rest_answered() -> None:
    with talking() as (client, session, heard):
        assert not acknowledges(session)
        client.sendall(b"half a ")
        assert hear(heard) == b"half a "
        assert acknowledges(session)
        client.sendall(b"line\n")
        assert read_exactly(client, 3) == b"ok\n"


def test_so_it_is_under_tls(certificates: Certificates) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.rsa.certfile, certificates.rsa.keyfile)
    trust = ssl.create_default_context(cafile=certificates.cafile)
    with talking(context=context, trust=trust) as (client, session, heard):
        assert not acknowledges(session)
        client.sendall(b"half a ")
        assert hear(heard) == b"half a "
        assert acknowledges(session)


def test_a_piece_of_a_unix_socket_has_nothing_to_acknowledge(tmp_path: Path) -> None:
    with talking(str(tmp_path / "socket")) as (client, _, heard):
        client.sendall(b"half a ")
        assert hear(heard) == b"half a "
        client.sendall(b"line\n")
        assert read_exactly(client, 3) == b"ok\n"


def test_a_piece_with_a_reply_costs_no_call_more() -> None:
    with talking() as (client, session, heard):
        client.sendall(b"a whole line\n")
        assert hear(heard) == b"a whole line\n"
        assert read_exactly(client, 3) == b"ok\n"
        assert not acknowledges(session)
