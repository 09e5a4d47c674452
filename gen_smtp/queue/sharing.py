"""One publisher for a whole process: all sessions share it, and the last server closes it."""

from __future__ import annotations

from typing import Any

from actors import GeventRef
from actors.runtime.hub import Hub
from gen_smtp.queue.publisher import Publisher
from gen_smtp.queue.queue_options import QueueOptions
from gen_smtp.queue.queues import incoming_queue


class _Shared:
    """A publisher, and the servers that use it."""

    def __init__(self, hub: Hub, options: QueueOptions) -> None:
        self.hub = hub
        self.servers: set[GeventRef[Any]] = set()
        self.publisher = Publisher(
            options.url,
            queues=[incoming_queue(options.queue, options.max_length)],
            confirm_timeout=options.confirm_timeout,
            max_messages=options.max_messages,
            max_octets=options.max_octets,
            max_message=options.max_message,
        )
        self.publisher.start()


_shared: dict[QueueOptions, _Shared] = {}
"""Looked at on the hub alone."""


def publisher_for(server: GeventRef[Any], options: QueueOptions) -> Publisher:
    """The publisher with these options; to be called on the hub.

    Args:
        server: who uses it until its end.
        options: what it is made with, if there is none.
    """
    hub = Hub.current()
    shared = _shared.get(options)
    if shared is None or shared.hub is not hub:  # a forked child has another hub
        shared = _shared[options] = _Shared(hub, options)
    if server not in shared.servers:
        shared.servers.add(server)
        server.actor_stopped.on_set(lambda: hub.spawn(_leave, server, options))
    return shared.publisher


def _leave(server: GeventRef[Any], options: QueueOptions) -> None:
    shared = _shared.get(options)
    if shared is None:
        return
    shared.servers.discard(server)
    if not shared.servers:
        del _shared[options]
        shared.publisher.close()
