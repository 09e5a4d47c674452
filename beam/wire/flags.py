"""What a node says that it can do, when it connects: the bits of OTP's `dist.hrl`."""

from __future__ import annotations

from enum import IntFlag


class Flag(IntFlag):
    """The capabilities of a node."""

    PUBLISHED = 0x1
    EXTENDED_REFERENCES = 0x4
    DIST_MONITOR = 0x8
    FUN_TAGS = 0x10
    DIST_MONITOR_NAME = 0x20
    NEW_FUN_TAGS = 0x80
    EXTENDED_PIDS_PORTS = 0x100
    EXPORT_PTR_TAG = 0x200
    BIT_BINARIES = 0x400
    NEW_FLOATS = 0x800
    UNICODE_IO = 0x1000
    DIST_HDR_ATOM_CACHE = 0x2000
    SMALL_ATOM_TAGS = 0x4000
    UTF8_ATOMS = 0x10000
    MAP_TAG = 0x20000
    BIG_CREATION = 0x40000
    SEND_SENDER = 0x80000
    EXIT_PAYLOAD = 0x400000
    FRAGMENTS = 0x800000
    HANDSHAKE_23 = 0x1000000
    UNLINK_ID = 0x2000000
    MANDATORY_25_DIGEST = 0x4000000
    SPAWN = 1 << 32
    NAME_ME = 1 << 33
    V4_NC = 1 << 34
    ALIAS = 1 << 35


MANDATORY = (
    Flag.EXTENDED_REFERENCES
    | Flag.FUN_TAGS
    | Flag.EXTENDED_PIDS_PORTS
    | Flag.NEW_FUN_TAGS
    | Flag.EXPORT_PTR_TAG
    | Flag.BIT_BINARIES
    | Flag.NEW_FLOATS
    | Flag.UTF8_ATOMS
    | Flag.MAP_TAG
    | Flag.BIG_CREATION
    | Flag.HANDSHAKE_23
)
"""Without these a node is older than OTP 23, or none. OTP 25 and 26 ask for them as well."""

OURS = (
    MANDATORY
    | Flag.MANDATORY_25_DIGEST
    | Flag.DIST_MONITOR
    | Flag.DIST_MONITOR_NAME
    | Flag.UNICODE_IO
    | Flag.SMALL_ATOM_TAGS
    | Flag.SEND_SENDER
    | Flag.EXIT_PAYLOAD
    | Flag.UNLINK_ID
    | Flag.SPAWN
    | Flag.V4_NC
    | Flag.ALIAS
)
"""What this side says. Without DIST_HDR_ATOM_CACHE come neither headers nor fragments. Without PUBLISHED the
node is hidden: a visible one that does not speak `global`'s own protocol keeps `global:sync()` of the others
waiting."""
