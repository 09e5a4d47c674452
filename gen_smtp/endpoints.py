"""From a listener's options to what the actors and sockets below are told."""

from __future__ import annotations

from typing import Any

from actors import Endpoint
from gen_smtp.options import ListenerOptions


def endpoint_of(options: ListenerOptions, configuration: Any = None) -> Endpoint:
    """Where a listener is to listen, and as what.

    Args:
        options: its options.
        configuration: what its sessions share.
    """
    return Endpoint(
        address=options.address,
        port=options.port,
        family=options.family,
        protocol=options.protocol,
        backlog=options.backlog,
        mode=options.mode,
        group=options.group,
        configuration=configuration,
    )
