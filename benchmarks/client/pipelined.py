"""MAIL, RCPT and DATA in one write, over many connections at once.

Written so that it is faster than any server. All connections do the same, so they are served in turn with
blocking calls: one recv and one send for each of the two round trips of a message, no selector. While the
client looks at one connection the others' requests wait in the server's sockets, so a server that is slower
than the client always has work.
"""

from __future__ import annotations

from typing import Any

from benchmarks.client.connection import ENVELOPE, Address, ReplyError, connect_many, message

_PIPELINED = b"".join(ENVELOPE)
_REPLIES = len(ENVELOPE)
_TWO = ord("2")


class Pipelined:
    """Sends `rounds` messages of `size` octets over each of `connections`."""

    def __init__(self, address: Address, connections: int, rounds: int, size: int = 1024) -> None:
        self._rounds = rounds
        self._message = message(size)
        self._connections = connect_many(address, connections)

    def work(self) -> dict[str, Any]:
        """Send all messages."""
        ways = [(connection.recv, connection.sendall) for connection in self._connections]
        body = self._message
        for _ in range(self._rounds):
            for _, send in ways:
                send(_PIPELINED)
            for recv, send in ways:
                replies = recv(4096)
                while replies.count(b"\n") < _REPLIES:
                    replies = _more(recv, replies)
                send(body)
            for recv, _ in ways:
                reply = recv(4096)
                while reply[-1:] != b"\n":
                    reply = _more(recv, reply)
                if reply[0] != _TWO:
                    raise ReplyError(f"the message was refused: {reply!r}")
        return {"count": len(ways) * self._rounds}

    def close(self) -> None:
        """Hang up."""
        for connection in self._connections:
            connection.close()


def _more(recv: Any, so_far: bytes) -> bytes:
    part: bytes = recv(4096)
    if not part:
        raise ReplyError(f"the server hung up after {so_far!r}")
    return so_far + part
