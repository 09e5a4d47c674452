"""From a listener's options to what the actors and sockets below are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from actors import Endpoint
from actors import events as actor_events
from gen_smtp import events
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.options.tls.versions import old_version

T = TypeVar("T")


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


def call_here(function: Callable[..., T], *args: Any) -> T:
    """Have a name looked up here: a worker thread needs a hub, which must not be there at a fork."""
    return function(*args)


def tell_of_old_tls(options: ListenerOptions, hostname: str) -> None:
    """Warn of a listener that is to talk a version of TLS that none should.

    Args:
        options: the listener's.
        hostname: its domain.
    """
    context = options.sessionoptions.tls_context()
    version = None if context is None else old_version(context)
    if version is not None:
        actor_events.emit(events.OldTlsOffered(hostname, options.address, options.port, version))
