"""The command line that all discard servers have."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass

HOST = "127.0.0.1"
LARGEST_MESSAGE = 128 * 1024 * 1024
"""The limit of a message's size in octets, the same for every server that has one."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a discard server is told.

    Attributes:
        port: where to listen on 127.0.0.1.
        certfile: a certificate in PEM form; with it TLS starts with the connection.
        keyfile: its key.
    """

    port: int
    certfile: str | None
    keyfile: str | None


def read_arguments() -> Arguments:
    """Read the command line, and allow the process as many descriptors as it may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    port, certfile, keyfile = [*sys.argv[1:4], None, None][:3]
    if port is None:
        raise SystemExit("usage: PORT [CERTFILE KEYFILE]")
    return Arguments(int(port), certfile, keyfile)
