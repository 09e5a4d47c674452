"""How two nodes introduce themselves and prove that they know the cookie: version 6 of the handshake.

The side that accepts proves nothing before the other has: a stranger gets nothing to guess the cookie by. All
that the peer sends is bounded, and whatever is wrong with it is a `HandshakeError`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import NamedTuple

from beam.wire.flags import MANDATORY, OURS, Flag
from beam.wire.stream import ConnectionClosedError, Stream

LONGEST_PACKET = 2048
LONGEST_NAME = 255


class HandshakeError(Exception):
    """The peer is none that may be talked to; the text says why.

    Attributes:
        status: what the accepting node said, such as `nok` or `not_allowed`; empty where it did not come to
            that.
    """

    def __init__(self, text: str, status: str = "") -> None:
        super().__init__(text)
        self.status = status


class Identity(NamedTuple):
    """Who this side is.

    Attributes:
        name: the full name of the node.
        creation: which life of it.
        cookie: the secret.
    """

    name: str
    creation: int
    cookie: bytes


class Peer(NamedTuple):
    """Who the other side is, after the handshake.

    Attributes:
        name: its full name.
        creation: which life of it.
        flags: what it can do.
    """

    name: str
    creation: int
    flags: Flag


def digest(cookie: bytes, challenge: int) -> bytes:
    """What proves the cookie to one who sent a challenge."""
    return hashlib.md5(cookie + str(challenge).encode(), usedforsecurity=False).digest()


def connect(stream: Stream, me: Identity, name: str) -> Peer:
    """The handshake of the side that connects.

    Args:
        stream: the connection.
        me: who connects.
        name: who is meant to be there.

    Raises:
        HandshakeError: it is another, does not want to, does not know the cookie, or is no node.
        OSError: the connection is lost.
    """
    octets = me.name.encode()
    _send(stream, b"N" + int(OURS).to_bytes(8) + me.creation.to_bytes(4) + len(octets).to_bytes(2) + octets)
    _await_status(stream, name)
    packet = _receive(stream, b"N", 19)
    flags, challenge, creation = packet[1:9], int.from_bytes(packet[9:13]), packet[13:17]
    peer = _peer(flags, creation, packet[17:])
    if peer.name != name:
        raise HandshakeError(f"{peer.name} is where {name} should be")
    own = secrets.randbits(32)
    _send(stream, b"r" + own.to_bytes(4) + digest(me.cookie, challenge))
    try:
        answer = _receive(stream, b"a", 17, exactly=True)
    except (ConnectionClosedError, ConnectionResetError) as error:
        # A node says nothing of a proof that is none: it hangs up.
        raise HandshakeError(f"{name} does not take the cookie, it has another one") from error
    _check(answer[1:], me, own, name)
    return peer


def _await_status(stream: Stream, name: str) -> None:
    status = _receive(stream, b"s", 1)[1:].decode("latin-1")
    if status == "alive":
        # The other side has a connection that is not known here any more: this one takes its place.
        _send(stream, b"strue")
    elif status not in ("ok", "ok_simultaneous"):
        shown = status if status in ("nok", "not_allowed") else "something unknown"
        raise HandshakeError(f"{name} does not want the connection: it says {shown}", shown)


def accept(stream: Stream, me: Identity, decide: Callable[[str], str]) -> Peer:
    """The handshake of the side that was connected to.

    Args:
        stream: the connection.
        me: who accepts.
        decide: told the peer's name; returns the status: `ok`, `ok_simultaneous`, `nok`, `alive`,
            `not_allowed`.

    Raises:
        HandshakeError: the status is `nok` or `not_allowed`, the peer gives up, does not know the cookie, or
            is no node.
        OSError: the connection is lost.
    """
    packet = _receive(stream, b"N", 15)
    peer = _peer(packet[1:9], packet[9:13], packet[13:])
    if peer.name == me.name:
        raise HandshakeError(f"a node connects that has the same name: {peer.name}")
    status = decide(peer.name)
    _send(stream, b"s" + status.encode())
    if status in ("nok", "not_allowed"):
        raise HandshakeError(f"{peer.name} was told {status}", status)
    if status == "alive" and _receive(stream, b"s", 1)[1:] != b"true":
        raise HandshakeError(f"{peer.name} keeps the connection that it has", "alive")
    challenge = secrets.randbits(32)
    octets = me.name.encode()
    head = b"N" + int(OURS).to_bytes(8) + challenge.to_bytes(4) + me.creation.to_bytes(4)
    _send(stream, head + len(octets).to_bytes(2) + octets)
    answer = _receive(stream, b"r", 21, exactly=True)
    _check(answer[5:], me, challenge, peer.name)
    _send(stream, b"a" + digest(me.cookie, int.from_bytes(answer[1:5])))
    return peer


def _peer(flags: bytes, creation: bytes, name: bytes) -> Peer:
    """The peer as it says. Behind its name other versions may have more."""
    length = int.from_bytes(name[:2])
    octets = name[2 : 2 + length]
    if not 0 < length <= LONGEST_NAME or len(octets) != length:
        raise HandshakeError(f"a node's name of {length} octets")
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        raise HandshakeError("a node's name that is not in UTF-8") from error
    before, at, host = text.partition("@")
    if not (before and at and host) or not text.isprintable():
        raise HandshakeError(f"not the name of a node: {text!r}")
    said = Flag(int.from_bytes(flags) & int(~Flag(0)))
    if said & MANDATORY != MANDATORY:
        raise HandshakeError(f"{text} is older than OTP 23, or no node: it lacks {MANDATORY & ~said!r}")
    return Peer(text, int.from_bytes(creation), said)


def _check(answer: bytes, me: Identity, challenge: int, name: str) -> None:
    if not hmac.compare_digest(answer, digest(me.cookie, challenge)):
        raise HandshakeError(f"{name} has another cookie")


def _send(stream: Stream, packet: bytes) -> None:
    stream.send(len(packet).to_bytes(stream.packet) + packet)


def _receive(stream: Stream, kind: bytes, least: int, exactly: bool = False) -> bytes:
    """A packet of a kind; the length is not believed before it was looked at."""
    length = int.from_bytes(stream.receive(stream.packet))
    if not least <= length <= (least if exactly else LONGEST_PACKET):
        raise HandshakeError(f"a packet of {length} octets in the handshake")
    packet = stream.receive(length)
    if packet[:1] != kind:
        raise HandshakeError(f"the handshake has {packet[:1]!r} where {kind!r} belongs")
    return packet
