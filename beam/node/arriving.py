"""What comes from other nodes: a function for each control message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from actors.runtime.links import break_link, fire, join, part, send_exit
from beam.node.far import NamedRef, RemoteRef
from beam.node.home import Home
from beam.node.peer import Peer
from beam.node.quick import Casts, take_quickly
from beam.node.replies import NOPROC, end_watching, served_octets, start_watching
from beam.node.serving import deliver
from beam.node.spawning import on_spawn_reply, on_spawn_request
from beam.wire import packets
from beam.wire.channel import Channel
from beam.wire.terms import TermError

PASS_THROUGH = 112

Take = Callable[[Home, Peer, Sequence[Any], Any], None]
"""Acts on a control message: the node here, the one it comes from, the control message, what stands
behind."""


class Malformed(Exception):  # noqa: N818 - says what is wrong
    """A packet that no node sends; its connection is given up."""


def take_all(home: Home, peer: Peer, channel: Channel, received: Sequence[bytes]) -> None:
    """Act on packets that came at once, as long as the connection is up.

    Raises:
        Malformed: one is none of the protocol's; those behind it are lost.
    """
    if len(received) == 1:
        take(home, peer, received[0])
        return
    casts = Casts(home)
    for packet in received:
        if not casts.take(packet):
            take(home, peer, packet)
            if not channel.is_open:
                return
            casts.note(packet)


def take(home: Home, peer: Peer, packet: bytes) -> None:
    """Act on a packet.

    Raises:
        Malformed: it is none of the protocol's.
    """
    try:
        if take_quickly(home, peer, packet):
            return
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
    end_watching(home, peer, watcher, watched, _octets(reference))


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
