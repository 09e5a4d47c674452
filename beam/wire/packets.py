"""The control messages that are sent: packets with their length in front. Identifiers come as their
octets."""

from __future__ import annotations

from beam.wire.encoder import atom_octets

NO_COOKIE = atom_octets("")
"""Stands where an old version had the cookie."""


def packet(control: bytes, body: bytes = b"") -> bytes:
    """A packet.

    Args:
        control: the control message, without a version.
        body: the message or the reason, with its version.
    """
    return b"%bp\x83%b%b" % ((2 + len(control) + len(body)).to_bytes(4), control, body)


def send(sender: bytes, to: bytes, body: bytes) -> bytes:
    """SEND_SENDER: a message to a process."""
    return packet(b"h\x03a\x16" + sender + to, body)


def send_to_name(sender: bytes, name: bytes, body: bytes) -> bytes:
    """REG_SEND: a message to whom a name belongs; `name` is the atom."""
    return packet(b"h\x04a\x06" + sender + NO_COOKIE + name, body)


def send_to_alias(sender: bytes, alias: bytes, body: bytes) -> bytes:
    """ALIAS_SEND: a message to a process by a reference of its own."""
    return packet(b"h\x03a\x21" + sender + alias, body)


def link(one: bytes, other: bytes) -> bytes:
    """LINK."""
    return packet(b"h\x03a\x01" + one + other)


def unlink(number: int, one: bytes, other: bytes) -> bytes:
    """UNLINK_ID; the number is for the answer."""
    return packet(b"h\x04a\x23" + _big(number) + one + other)


def unlinked(number: int, one: bytes, other: bytes) -> bytes:
    """UNLINK_ID_ACK, with the number of what is answered."""
    return packet(b"h\x04a\x24" + _big(number) + one + other)


def link_broken(one: bytes, other: bytes, reason: bytes) -> bytes:
    """PAYLOAD_EXIT: a process that was linked has ended."""
    return packet(b"h\x03a\x18" + one + other, reason)


def exit_signal(one: bytes, other: bytes, reason: bytes) -> bytes:
    """PAYLOAD_EXIT2: `exit(Pid, Reason)`."""
    return packet(b"h\x03a\x1a" + one + other, reason)


def monitor(watcher: bytes, watched: bytes, reference: bytes) -> bytes:
    """MONITOR_P; `watched` may be an atom."""
    return packet(b"h\x04a\x13" + watcher + watched + reference)


def demonitor(watcher: bytes, watched: bytes, reference: bytes) -> bytes:
    """DEMONITOR_P."""
    return packet(b"h\x04a\x14" + watcher + watched + reference)


def down(watched: bytes, watcher: bytes, reference: bytes, reason: bytes) -> bytes:
    """PAYLOAD_MONITOR_P_EXIT: what was watched has ended."""
    return packet(b"h\x04a\x1c" + watched + watcher + reference, reason)


def spawn_request(
    reference: bytes, sender: bytes, module: str, function: str, arity: int, options: bytes, arguments: bytes
) -> bytes:
    """SPAWN_REQUEST; the sender is the group leader as well."""
    target = b"h\x03" + atom_octets(module) + atom_octets(function) + bytes((97, arity))
    return packet(b"h\x06a\x1d" + reference + sender + sender + target + options, arguments)


def spawn_reply(reference: bytes, to: bytes, flags: int, result: bytes) -> bytes:
    """SPAWN_REPLY; the result is a process or an atom that says why there is none."""
    return packet(b"h\x05a\x1f" + reference + to + bytes((97, flags)) + result)


def _big(number: int) -> bytes:
    """A number of 64 bits, which the receiver wants to be one even if it is small."""
    if number < 0x80000000:
        return b"b" + number.to_bytes(4)
    return b"n\x08\x00" + number.to_bytes(8, "little")
