"""The facts themselves: plain values, ready for JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PAGE = 100
"""So many sessions, or children of an actor, are answered where nobody says how many."""


@dataclass(frozen=True, slots=True)
class ActorFacts:
    """An actor at one moment.

    Attributes:
        urn: its unique name; `name`: what it is registered as in this process, None for nothing.
        kind: `"server"`, `"listener"`, `"session"`, `"supervisor"` or `"actor"`; `actor_class`: its class.
        about: where a listener listens, or the client of a session; None for others.
        state: `"idle"`, `"ready"` (a turn is due), `"waiting"` (in a turn that waits for something),
            `"suspended"` or `"ending"`.
        mailbox: how many messages wait.
        links: the actors that it is linked to, the first few; `link_count`: how many there are.
        monitors: how many monitors it has of others; `monitored_by`: how many there are of it.
        age: seconds since it began; None where nobody noted when.
        depth: how far it is from the root of its tree, which is 0.
        child_count: how many actors belong to it directly; `hidden`: how many of them this answer leaves out.
        owner: the actor that it belongs to; None for a root.
    """

    urn: str
    name: str | None
    kind: str
    actor_class: str
    about: str | None
    state: str
    mailbox: int
    links: tuple[str, ...]
    link_count: int
    monitors: int
    monitored_by: int
    age: float | None
    depth: int
    child_count: int
    hidden: int
    owner: str | None


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """A session at one moment: what `SessionInfo` has, and where it is.

    Attributes:
        urn: the session's unique name.
        process: the process that it is in.
        listener: where its listener listens; None if that is gone.
        hostname: the listener's domain.
        peer, port: the client's address; None on a unix socket, or where it is not known.
        proxy: the address of the proxy that brought the client; None without one.
        helo, user, authzid: the name in the hello, who has authenticated, whom that user acts as.
        tls: version and cipher; None in clear.
        state: `"greeting"`, `"handshake"`, `"command"` (the server waits for one), `"message"` (one comes),
            `"callback"` (a callback has not returned yet) or `"ending"`.
        sender, recipients, recipient_count: of the open transaction; None, empty and 0 without one.
        started: when, in seconds since the epoch; `age`: seconds since then.
        idle: seconds since the client last got something done.
        commands, messages, refused, octets: as in `SessionInfo`.
        mailbox: how many messages wait for it.
        callback: the class of its callback object; None before there is one.
    """

    urn: str
    process: int
    listener: str | None
    hostname: str
    peer: str | None
    port: int | None
    proxy: str | None
    helo: str | None
    user: str | None
    authzid: str | None
    tls: str | None
    state: str
    sender: str | None
    recipients: tuple[str, ...]
    recipient_count: int
    started: float
    age: float
    idle: float
    commands: int
    messages: int
    refused: int
    octets: int
    mailbox: int
    callback: str | None


@dataclass(frozen=True, slots=True)
class ListenerFacts:
    """A listener at one moment.

    Attributes:
        address: the address really bound, as text.
        family, protocol, service: `inet`, `inet6` or `unix`; `tcp` or `ssl`; `smtp` or `lmtp`.
        hostname: its domain.
        starttls: whether it has a certificate for STARTTLS.
        listens: False between its death and its restart.
        paused: whether it leaves clients in the backlog.
        sessions: how many of the sessions came by it.
    """

    address: str
    family: str
    protocol: str
    service: str
    hostname: str
    starttls: bool
    listens: bool
    paused: bool
    sessions: int


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """The figures of one process at one moment.

    Attributes:
        process: its number.
        time: now, in seconds since the epoch.
        started: when its server began, in the same; `uptime`: the seconds since then.
        cpu: seconds of processor time since the process began.
        memory: octets of it in memory now.
        actors, mailboxes, longest_mailbox: how many actors there are, how many messages wait for all of
            them, and the most that wait for one.
        turns: how many turns the hub has begun.
        greenlets, idle_greenlets: in the pool for turns.
        sessions: those that are served; `arriving`: those that are not yet, or not any more.
        most_sessions: the limit; None for none.
        suspended: whether the server accepts no clients, because it was told so.
        message_memory, most_message_memory: octets of messages under way, and the limit; None for none.
        listeners: see `ListenerFacts`.
        totals: since the process began, see `Totals`; empty if nobody counts.
    """

    process: int
    time: float
    started: float
    uptime: float
    cpu: float
    memory: int
    actors: int
    mailboxes: int
    longest_mailbox: int
    turns: int
    greenlets: int
    idle_greenlets: int
    sessions: int
    arriving: int
    most_sessions: int | None
    suspended: bool
    message_memory: int
    most_message_memory: int | None
    listeners: tuple[ListenerFacts, ...]
    totals: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the sessions, oldest first.

    Attributes:
        sessions: these.
        total: how many sessions there are that were asked for, on all pages.
        next: what to ask for as `after` to get the next ones; None behind the last.
    """

    sessions: tuple[SessionFacts, ...]
    total: int
    next: tuple[float, str] | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sessions are asked for; None asks for all.

    Attributes:
        peer: the client's address.
        user: who has authenticated.
        listener: where the listener listens, as `ListenerFacts.address` has it.
        idle: seconds at least since the client last got something done.
    """

    peer: str | None = None
    user: str | None = None
    listener: str | None = None
    idle: float | None = None


def as_plain(facts: Any) -> Any:
    """Facts as dictionaries, lists and plain values, ready for JSON."""
    if dataclasses.is_dataclass(facts):
        return {field.name: as_plain(getattr(facts, field.name)) for field in dataclasses.fields(facts)}
    if isinstance(facts, Mapping):
        return {str(key): as_plain(value) for key, value in facts.items()}
    if isinstance(facts, list | tuple):
        return [as_plain(each) for each in facts]
    return facts
