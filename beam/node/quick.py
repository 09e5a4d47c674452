"""The short way of the packets that are nearly all there are: calls, casts, replies, the monitors of calls.

They are recognised by what they begin with, and nothing of them is decoded but the message itself. It saves a
third of a call from a BEAM (docs/performance.md); held equal to the long way by
test_the_short_way_of_a_packet_does_what_the_long_one_does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.errors import ActorDeadError
from actors.runtime import names
from actors.runtime.mailbox import Envelope
from actors.runtime.refs import GeventRef
from beam.node.home import Home
from beam.node.mailbox import CALL_HEAD, CAST_HEAD, TAG_HEAD
from beam.node.peer import Peer
from beam.node.replies import Reply, end_watching, start_watching
from beam.wire.terms import DEEPEST

REPLY_HEAD = b"\x83h\x02" + TAG_HEAD


NOTHING = b"\0"
"""No packet begins so."""


def take_quickly(home: Home, peer: Peer, packet: bytes) -> bool:
    """Act on a packet, if it is a usual one; whether it was.

    Raises:
        TermError: its message is no term.
    """
    quick = _QUICK.get(packet[:4] + packet[5:6])
    try:
        return quick is not None and quick(home, peer, packet)
    except (IndexError, UnicodeDecodeError):
        return False  # the long way says what is wrong


class Casts:
    """Takes casts, of packets that came at once, that begin as the one before: one look at all of their head.

    Who has the name that they are for was looked up for the first of them, a moment ago.

    Args:
        home: the node here.
    """

    __slots__ = ("_head", "_home", "_ref", "_size")

    def __init__(self, home: Home) -> None:
        self._home = home
        self._head = NOTHING
        self._size = 0
        self._ref: Any = None

    def take(self, packet: bytes) -> bool:
        """Act on a packet, if it is such a cast; whether it was."""
        if not packet.startswith(self._head):
            return False
        at = self._size
        try:
            message, end = self._home.decoder.readers[packet[at]](packet, at + 1, DEEPEST)
            if end != len(packet):
                return False
        except Exception:  # of any kind: the long way says what is wrong
            return False
        try:
            self._ref.mailbox.put(Envelope(message))
        except ActorDeadError:
            self._head = NOTHING
        return True

    def note(self, packet: bytes) -> None:
        """A packet went another way: if it is a cast, the next one may begin as it does."""
        self._head = NOTHING
        if packet[5:6] in _SENDS:
            place = _place_of_body(packet)
            if place is not None and packet.startswith(CAST_HEAD, place[1]):
                to, body = place
                self._ref = self._home.local(to) if isinstance(to, bytes) else names.whereis(to)
                if isinstance(self._ref, GeventRef):
                    self._size = body + len(CAST_HEAD)
                    self._head = packet[: self._size]


def _place_of_body(packet: bytes) -> tuple[bytes | str, int] | None:
    """Whom a message is for, and where its body begins; None if it is no usual one."""
    kind = packet[:4] + packet[5:6]
    try:
        at = _end_of_pid(packet, 6)
        if kind == _TO_PROCESS:
            body = _end_of_pid(packet, at)
            return packet[at:body], body
        if kind == _TO_NAME and packet[at : at + 3] == b"w\0w":
            body = at + 4 + packet[at + 3]
            return packet[at + 4 : body].decode(), body
    except (IndexError, UnicodeDecodeError):
        return None
    return None


def _end_of_pid(packet: bytes, at: int) -> int:
    """Where a process identifier ends, if its node has the usual form of an atom; else IndexError."""
    if packet[at] != 88 or packet[at + 1] != 119:
        raise IndexError
    return at + 15 + packet[at + 2]


def _end_of_reference(packet: bytes, at: int) -> int:
    if packet[at] != 90 or packet[at + 3] != 119 or packet[at + 1] or not 1 <= packet[at + 2] <= 5:
        raise IndexError
    return at + 9 + packet[at + 4] + 4 * packet[at + 2]


def _quick_send(home: Home, peer: Peer, packet: bytes) -> bool:
    to = _end_of_pid(packet, 6)
    body = _end_of_pid(packet, to)
    octets = packet[to:body]
    return _quick_deliver(home, peer, octets, octets, packet, body)


def _quick_send_to_name(home: Home, peer: Peer, packet: bytes) -> bool:
    at = _end_of_pid(packet, 6)
    if packet[at : at + 3] != b"w\0w":
        return False
    body = at + 4 + packet[at + 3]
    return _quick_deliver(home, peer, packet[at + 4 : body].decode(), packet[at + 2 : body], packet, body)


def _quick_deliver(home: Home, peer: Peer, to: bytes | str, served: bytes, packet: bytes, at: int) -> bool:
    """A call or a cast for an actor. Everything else goes the long way."""
    ref = home.local(to) if isinstance(to, bytes) else names.whereis(to)
    if not isinstance(ref, GeventRef):
        return False
    if packet.startswith(CAST_HEAD, at):
        message, end = home.decoder.read_at(packet, at + len(CAST_HEAD))
        reply = None
        if end != len(packet):
            return False
    elif packet.startswith(CALL_HEAD, at):
        caller = at + len(CALL_HEAD)
        tag = _end_of_pid(packet, caller)
        if not packet.startswith(TAG_HEAD, tag):
            return False
        reference = tag + len(TAG_HEAD)
        request = _end_of_reference(packet, reference)
        message, end = home.decoder.read_at(packet, request)
        if end != len(packet):
            return False
        tags = packet[tag:request], packet[reference:request], True
        reply = Reply(home, peer, served, packet[caller:tag], *tags)
    else:
        return False
    try:
        ref.mailbox.put(Envelope(message, reply))
    except ActorDeadError:
        return True  # a cast to the dead is lost
    return True


def _quick_monitor(home: Home, peer: Peer, packet: bytes) -> bool:
    watched = _end_of_pid(packet, 6)
    reference, to = _watched(packet, watched)
    start_watching(home, peer, packet[6:watched], to, packet[watched:reference], packet[reference:])
    return True


def _quick_demonitor(home: Home, peer: Peer, packet: bytes) -> bool:
    watched = _end_of_pid(packet, 6)
    reference, to = _watched(packet, watched)
    end_watching(home, peer, packet[6:watched], to, packet[reference:])
    return True


def _watched(packet: bytes, at: int) -> tuple[int, bytes | str]:
    """What a monitor is for, and where its reference begins, which is the last thing in the packet."""
    to: bytes | str
    if packet[at] == 119:
        end = at + 2 + packet[at + 1]
        to = packet[at + 2 : end].decode()
        if to in NO_NAMES:
            raise IndexError
    else:
        end = _end_of_pid(packet, at)
        to = packet[at:end]
    if _end_of_reference(packet, end) != len(packet):
        raise IndexError
    return end, to


def _quick_reply(home: Home, peer: Peer, packet: bytes) -> bool:
    # Behind a process, whose node has the usual form, stands a reference of ours; all of these are as long.
    alias, size = 21 + packet[8], home.reference_size
    body = alias + size
    waiting = peer.waiting.get(packet[alias:body])
    if waiting is None or not packet.startswith(_PROCESS, 6) or not packet.startswith(REPLY_HEAD, body):
        return False
    reply, end = home.decoder.read_at(packet, body + len(REPLY_HEAD) + size)
    if end != len(packet):
        return False
    waiting.settle(reply)
    return True


NO_NAMES = ("true", "false", "undefined")
"""Atoms that are no texts here; a process may have such a name, an actor has not."""

_PROCESS = b"Xw"
_SENDS = (b"\x16", b"\x06")
"""The numbers of the control messages that send something to a process or to a name."""

_TO_PROCESS, _TO_NAME = b"p\x83h\x03\x16", b"p\x83h\x04\x06"

_QUICK: dict[bytes, Callable[[Home, Peer, bytes], bool]] = {
    _TO_PROCESS: _quick_send,
    _TO_NAME: _quick_send_to_name,
    b"p\x83h\x04\x13": _quick_monitor,
    b"p\x83h\x04\x14": _quick_demonitor,
    b"p\x83h\x03\x21": _quick_reply,
}
"""Short ways, by what a packet begins with: its kind, the size of its tuple, the number of the message."""
