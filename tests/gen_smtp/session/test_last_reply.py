"""The last reply and the end of the connection."""

from __future__ import annotations

import socket
import struct

import pytest

from gen_smtp.gen_smtp_server_session import Behaviour, Verdict, stop
from tests.gen_smtp.live import PATIENCE, serving

SEGMENTS_IN = 140
"""Where Linux's `struct tcp_info` has the number of segments that have come."""


def segments(client: socket.socket) -> int:
    facts = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    if len(facts) < SEGMENTS_IN + 4:
        pytest.skip("this kernel does not count segments")
    return int(struct.unpack_from("I", facts, SEGMENTS_IN)[0])


def rest(client: socket.socket) -> bytes:
    octets = b""
    while part := client.recv(4096):
        octets += part
    return octets


def ends_by(last: bytes, port: int) -> tuple[bytes, int]:
    """The reply to the last command, and in how many segments it and the end of the connection came."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        client.recv(4096)
        before = segments(client)
        client.sendall(last)
        return rest(client), segments(client) - before


@pytest.mark.skipif(not hasattr(socket, "MSG_MORE"), reason="only Linux has MSG_MORE")
@pytest.mark.parametrize("last", [b"QUIT\r\n", b"HELO there\r\nQUIT\r\n"])
def test_comes_in_one_segment_with_the_end_of_the_connection(last: bytes) -> None:
    """The other one is an acknowledgement, which comes by itself on a new connection. There may be more."""
    with serving() as server:
        ends = [ends_by(last, server.addresses[0][1]) for _ in range(10)]
    assert all(reply.splitlines()[-1].startswith(b"221 ") for reply, _ in ends)
    assert min(count for _, count in ends) == 2


def test_comes_if_the_server_refuses() -> None:
    """The client may still be sending then, so that what it has sent is read away."""

    class Refusing(Behaviour):
        def handle_MAIL(self, sender: str) -> Verdict:
            return stop("policy", "554 not you")

    with serving(Refusing) as server:
        ends = [
            ends_by(b"HELO there\r\nMAIL FROM:<a@b.test>\r\n" + more, server.addresses[0][1])[0]
            for more in (b"", b"X\r\n")
        ]
    assert all(reply.endswith(b"\r\n554 not you\r\n") for reply in ends)
