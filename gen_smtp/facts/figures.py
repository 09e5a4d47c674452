"""The figures of one process, and its listeners."""

from __future__ import annotations

import math
import os
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actors import GeventRef
from actors.net.listener_group import Listening
from actors.runtime.hub import Hub
from gen_smtp.facts.records import ListenerFacts, ProcessFacts
from gen_smtp.facts.sessions import server_actor, sessions_of
from gen_smtp.facts.totals import Totals
from gen_smtp.server.shown_address import shown_address


def listeners(server: GeventRef[Any]) -> tuple[ListenerFacts, ...]:
    """The listeners of a server, in the order of its options."""
    actor = server_actor(server)
    if actor is None:
        return ()
    counts: dict[int, int] = {}
    for each in sessions_of(actor):
        counts[id(each.context)] = counts.get(id(each.context), 0) + 1
    return tuple(_listener_facts(each, counts, actor.suspended) for each in actor.listener_group)


def _listener_facts(listening: Listening, counts: Mapping[int, int], paused: bool) -> ListenerFacts:
    context = listening.endpoint.configuration
    options = context.options
    return ListenerFacts(
        address=shown_address(listening.address),
        family=options.family,
        protocol=options.protocol,
        service=options.sessionoptions.protocol,
        hostname=context.hostname,
        starttls=options.protocol != "ssl" and context.config.starttls_available,
        listens=listening.ref is not None,
        paused=paused,
        sessions=counts.get(id(context), 0),
    )


def figures(server: GeventRef[Any], began: float, totals: Totals | None = None) -> ProcessFacts:
    """The figures of this process.

    Args:
        server: the server's reference.
        began: when it began, in seconds since the epoch.
        totals: what counts here; None if nothing does.
    """
    hub, actor, now = Hub.current(), server_actor(server), time.time()
    served = [] if actor is None else actor.sessions()
    lengths = [each.mailbox.length for each in list(hub.actors)]
    return ProcessFacts(
        process=os.getpid(),
        time=now,
        started=began,
        uptime=now - began,
        cpu=time.process_time(),
        memory=memory_in_use(),
        actors=len(lengths),
        mailboxes=sum(lengths),
        longest_mailbox=max(lengths, default=0),
        turns=hub.turns_begun,
        greenlets=hub.greenlets,
        idle_greenlets=len(hub.idle),
        sessions=len(served),
        arriving=0 if actor is None else actor.session_count() - len(served),
        most_sessions=None if actor is None else _finite(actor.most_sessions),
        suspended=actor is not None and actor.suspended,
        message_memory=0 if actor is None else actor.message_memory.used,
        most_message_memory=None if actor is None else _finite(actor.message_memory.limit),
        listeners=listeners(server),
        totals={} if totals is None else totals.as_mapping(),
    )


def memory_in_use() -> int:
    """The octets that this process has in memory."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):  # not Linux: the most that it ever had is the next best
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return pages * resource.getpagesize()


def _finite(limit: float) -> int | None:
    return None if math.isinf(limit) else int(limit)
