"""A node of an Erlang cluster: terms, and in time all that a process of a BEAM can do with an actor.

Its rooms: `wire`, what goes over the network: terms, epmd, the handshake, the channel. It knows no actors.

Public is all that is in `__all__`. Nothing in here knows SMTP; the standard library and gevent are enough.

Imports: `beam.wire`.
"""

from beam.wire.decoder import decode
from beam.wire.encoder import encode
from beam.wire.records import record
from beam.wire.terms import (
    Atom,
    BitString,
    Export,
    Fun,
    ImproperList,
    Pid,
    Port,
    Reference,
    TermError,
    TermMap,
    text,
)

__all__ = [
    "Atom",
    "BitString",
    "Export",
    "Fun",
    "ImproperList",
    "Pid",
    "Port",
    "Reference",
    "TermError",
    "TermMap",
    "decode",
    "encode",
    "record",
    "text",
]
