"""What comes from other nodes: a function for each control message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from actors.errors import ActorDeadError
from actors.runtime import names
from actors.runtime.links import break_link, fire, join, part, send_exit
from actors.runtime.mailbox import Envelope
from actors.runtime.refs import GeventRef
from beam.node.far import CALL_HEAD, TAG_HEAD, NamedRef, RemoteRef
from beam.node.home import Home
from beam.node.peer import Peer
from beam.node.serving import NOPROC, Reply, deliver, served_octets, start_watching, stop_watching
from beam.node.spawning import on_spawn_reply, on_spawn_request
from beam.wire import packets
from beam.wire.encoder import atom_octets
from beam.wire.terms import TermError

PASS_THROUGH = 112

Take = Callable[[Home, Peer, Sequence[Any], Any], None]
"""Acts on a control message: the node here, the one it comes from, the control message, what stands
behind."""


class Malformed(Exception):  # noqa: N818 - says what is wrong
    """A packet that no node sends; its connection is given up."""


def take(home: Home, peer: Peer, packet: bytes) -> None:
    """Act on a packet.

    Raises:
        Malformed: it is none of the protocol's.
    """
    # Five control messages are nearly all there are. Their short way saves a third of a call from a BEAM
    # (docs/performance.md); held equal by test_the_short_way_of_a_packet_does_what_the_long_one_does.
    quick = _QUICK.get(packet[:4] + packet[5:6])
    try:
        if quick is not None and quick(home, peer, packet):
            return
    except (IndexError, UnicodeDecodeError):
        pass  # the long way says what is wrong
    except TermError as error:
        raise Malformed(f"a packet that is none: {error}") from error
    if packet[0] != PASS_THROUGH:
        raise Malformed(f"a packet that begins with {packet[0]}")
    try:
        control, at = home.controls.decode_at(packet, 1)
        operation = control[0]
        if operation in _WITH_REASON_INSIDE:
            control, operation, body = _with_reason_outside(home, packet, control)
        else:
            body = home.decoder.decode_at(packet, at)[0] if at < len(packet) else None
        function = _TABLE[operation]
    except TermError as error:
        raise Malformed(f"a packet that is none: {error}") from error
    except (TypeError, LookupError) as error:
        raise Malformed("a control message that is none") from error
    try:
        function(home, peer, control, body)
    except Exception as error:  # of whatever kind: the peer's other packets must not be lost in silence
        raise Malformed(f"control message {operation} could not be acted on: {error!r}") from error


def _with_reason_outside(home: Home, packet: bytes, control: Any) -> tuple[Any, int, Any]:
    """The older form of a control message, whose last item is the reason."""
    reason = home.decoder.decode_at(packet, 1)[0][-1]
    return control[:-1], _WITH_REASON_INSIDE[control[0]], reason


def _send(home: Home, peer: Peer, control: Sequence[Any], body: Any) -> None:
    deliver(home, peer, _octets(control[2]), body)


def _send_to_name(home: Home, peer: Peer, control: Sequence[Any], body: Any) -> None:
    if isinstance(control[3], str):
        deliver(home, peer, control[3], body)


def _send_to_alias(home: Home, peer: Peer, control: Sequence[Any], body: Any) -> None:
    waiting = peer.waiting.get(control[2])
    if waiting is not None:
        _, reply = body
        waiting.settle(reply)


def _link(home: Home, peer: Peer, control: Sequence[Any], body: Any) -> None:
    _, one, other = control
    local, far = home.local(_octets(other)), home.ref_of(_octets(one))
    if local is not None and any(refuses(local, far, peer.name) for refuses in list(home.link_hooks)):
        peer.send(packets.unlink(1, other, one))
    elif local is not None and join(local, far):
        peer.linked[far] = None
    else:
        peer.send(packets.link_broken(other, one, NOPROC))


def _unlink(home: Home, peer: Peer, control: Sequence[Any], body: Any) -> None:
    *_, one, other = control
    local, far = home.local(_octets(other)), home.ref_of(_octets(one))
    if local is not None and isinstance(far, RemoteRef):
        part(local, far)
        far.forget_link()
    if len(control) == 4:
        peer.send(packets.unlinked(control[1], other, one))


def _link_broken(home: Home, peer: Peer, control: Sequence[Any], body: Any) -> None:
    _, one, other = control[:3]
    local, far = home.local(_octets(other)), home.ref_of(_octets(one))
    reason = body
    if isinstance(far, RemoteRef):
        _note_end(far, reason)
        if local is not None:
            break_link(local, far, reason)
        far.forget_link()


def _exit_signal(home: Home, peer: Peer, control: Sequence[Any], body: Any) -> None:
    _, one, other = control[:3]
    local = home.local(_octets(other))
    if local is not None:
        send_exit(local, body, home.ref_of(_octets(one)))


def _monitor(home: Home, peer: Peer, control: Sequence[Any], body: Any) -> None:
    _, watcher, watched, reference = control
    if isinstance(watched, bytes | str):
        start_watching(home, peer, _octets(watcher), watched, served_octets(watched), _octets(reference))


def _demonitor(home: Home, peer: Peer, control: Sequence[Any], body: Any) -> None:
    _, watcher, watched, reference = control
    _stop_watching(home, peer, watcher, watched, _octets(reference))


def _stop_watching(home: Home, peer: Peer, watcher: bytes, watched: Any, reference: bytes) -> None:
    watching = stop_watching(peer, reference)
    peer.serving.pop(reference, None)  # nobody waits for the reply any more
    if home.demonitor_hooks and watching is not None and not watching.is_of_call:
        local = home.local(watched) if isinstance(watched, bytes) else None
        for tell in list(home.demonitor_hooks):
            tell(local, home.ref_of(watcher), peer.name)


def _down(home: Home, peer: Peer, control: Sequence[Any], body: Any) -> None:
    reference, reason = _octets(control[3]), body
    watching = peer.monitors.pop(reference, None)
    if watching is not None:
        del peer.references[watching]
        if isinstance(watching.ref, RemoteRef) and not isinstance(watching.ref, NamedRef):
            _note_end(watching.ref, reason)
        fire(watching, reason)
        return
    waiting = peer.waiting.pop(reference, None)
    if waiting is not None:
        waiting.end(reason)


def _note_end(far: RemoteRef, reason: Any) -> None:
    """A process has ended for good, unless it was only the connection: then it may live again (trap D8)."""
    if reason != "noconnection" and far.is_alive():
        far.mailbox.closed = reason


# -- the short way ----------------------------------------------------------------------------------------

CAST_HEAD = b"\x83h\x02" + atom_octets("$gen_cast")
REPLY_HEAD = b"\x83h\x02" + TAG_HEAD


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
    _stop_watching(home, peer, packet[6:watched], to, packet[reference:])
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
    alias = _end_of_pid(packet, 6)
    body = _end_of_reference(packet, alias)
    waiting = peer.waiting.get(packet[alias:body])
    if waiting is None or not packet.startswith(REPLY_HEAD, body):
        return False
    reply, end = home.decoder.read_at(packet, _end_of_reference(packet, body + len(REPLY_HEAD)))
    if end != len(packet):
        return False
    waiting.settle(reply)
    return True


NO_NAMES = ("true", "false", "undefined")
"""Atoms that are no texts here; a process may have such a name, an actor has not."""

_QUICK: dict[bytes, Callable[[Home, Peer, bytes], bool]] = {
    b"p\x83h\x03\x16": _quick_send,
    b"p\x83h\x04\x06": _quick_send_to_name,
    b"p\x83h\x04\x13": _quick_monitor,
    b"p\x83h\x04\x14": _quick_demonitor,
    b"p\x83h\x03\x21": _quick_reply,
}
"""Short ways, by what a packet begins with: its kind, the size of its tuple, the number of the message."""

# -- the long way -----------------------------------------------------------------------------------------


def _ignore(home: Home, peer: Peer, control: Sequence[Any], body: Any) -> None:
    """What asks for nothing here: answers to UNLINK_ID, group leaders."""


def _octets(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"an identifier, not {value!r}")
    return value


def _without_token(take: Take, at: int) -> Take:
    """The same control message with a token of `seq_trace` in it, which is left out."""

    def leave_out(home: Home, peer: Peer, control: Sequence[Any], body: Any) -> None:
        take(home, peer, (*control[:at], *control[at + 1 :]), body)

    return leave_out


_TABLE: dict[int, Take] = {
    1: _link,
    2: _send,
    4: _unlink,
    6: _send_to_name,
    7: _ignore,
    12: _without_token(_send, 3),
    16: _without_token(_send_to_name, 4),
    19: _monitor,
    20: _demonitor,
    22: _send,
    23: _without_token(_send, 3),
    24: _link_broken,
    25: _without_token(_link_broken, 3),
    26: _exit_signal,
    27: _without_token(_exit_signal, 3),
    28: _down,
    29: on_spawn_request,
    30: _without_token(on_spawn_request, 6),
    31: on_spawn_reply,
    32: _without_token(on_spawn_reply, 5),
    33: _send_to_alias,
    34: _without_token(_send_to_alias, 3),
    35: _unlink,
    36: _ignore,
}
"""What to do for each control message, by its number."""

_WITH_REASON_INSIDE = {3: 24, 8: 26, 13: 25, 18: 27, 21: 28}
"""Older forms of control messages, and what they are today."""
