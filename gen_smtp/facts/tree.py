"""The actors of this process as trees, as Erlang's observer shows them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from actors import GeventActor, GeventRef, ListenerActor, ServerActor, SessionActor, Supervisor
from actors.runtime import names
from actors.runtime.hub import Hub
from gen_smtp.facts.records import PAGE, ActorFacts
from gen_smtp.server.shown_address import shown_address
from gen_smtp.session.session import SmtpSession

MOST_LINKS = 20
"""So many links of an actor are named; `link_count` counts all of them."""


def actors(
    under: str | None = None, after: str | None = None, limit: int = PAGE, depth: int | None = None
) -> list[ActorFacts]:
    """The actors of this process as trees, each behind the one that it belongs to.

    Args:
        under: the unique name of an actor: that one and what is under it; None is all.
        after: of the children of `under`, those behind this one: the next page of a long list.
        limit: of each actor's children so many at most; the others are counted in `hidden`.
        depth: how far down; None is all the way.

    Raises:
        LookupError: there is no such actor.
    """
    children: dict[GeventRef[Any] | None, list[GeventActor]] = {}
    live = set()
    for each in list(Hub.current().actors):
        if isinstance(each, GeventActor):
            live.add(each.actor_ref)
            children.setdefault(each.owner, []).append(each)
    registered = {ref: name for name in names.registered() if (ref := names.whereis(name)) is not None}
    roots = [each for each in _flat(children) if each.owner not in live]
    if under is not None:
        roots = [each for each in _flat(children) if each.actor_ref.is_named(under)]
        if not roots:
            raise LookupError(f"there is no actor {under}")
    return list(_walk(roots, children, registered, after, limit, depth, 0))


def _flat(children: Mapping[Any, Sequence[GeventActor]]) -> Iterator[GeventActor]:
    for each in children.values():
        yield from each


def _walk(
    level: Sequence[GeventActor],
    children: Mapping[Any, Sequence[GeventActor]],
    registered: Mapping[Any, str],
    after: str | None,
    limit: int,
    depth: int | None,
    place: int,
) -> Iterator[ActorFacts]:
    for actor in level:
        of_actor = children.get(actor.actor_ref, ())
        behind = _behind(of_actor, after)
        shown = behind[:limit] if depth is None or place < depth else []
        yield _actor_facts(actor, registered, place, len(of_actor), len(behind) - len(shown))
        yield from _walk(shown, children, registered, None, limit, depth, place + 1)


def _behind(level: Sequence[GeventActor], after: str | None) -> Sequence[GeventActor]:
    if after is None:
        return level
    number = next((n for n, each in enumerate(level) if each.actor_ref.is_named(after)), -1)
    return list(islice(level, number + 1, None))


def _actor_facts(
    actor: GeventActor, registered: Mapping[Any, str], depth: int, child_count: int, hidden: int
) -> ActorFacts:
    bonds = actor.actor_ref.bonds_if_any
    links = () if bonds is None else bonds.links
    return ActorFacts(
        urn=actor.actor_ref.actor_urn,
        name=registered.get(actor.actor_ref),
        kind=next(kind for actor_class, kind in _KINDS if isinstance(actor, actor_class)),
        actor_class=type(actor).__qualname__,
        about=_about(actor),
        state=_actor_state(actor),
        mailbox=actor.mailbox.length,
        links=tuple(each.actor_urn for each in links[:MOST_LINKS]),
        link_count=len(links),
        monitors=0 if bonds is None else len(bonds.monitoring),
        monitored_by=0 if bonds is None else len(bonds.watchers),
        age=max(0.0, time.time() - actor.started_at) if isinstance(actor, SmtpSession) else None,
        depth=depth,
        child_count=child_count,
        hidden=hidden,
        owner=None if actor.owner is None else actor.owner.actor_urn,
    )


def _about(actor: GeventActor) -> str | None:
    if isinstance(actor, SmtpSession):
        return "unix socket" if actor.peername is None else str(actor.peername)
    if isinstance(actor, ListenerActor):
        return shown_address(actor.address)
    return None


def _actor_state(actor: GeventActor) -> str:
    for is_so, state in (
        (actor.exit_reason is not None, "ending"),
        (actor.mailbox.suspended, "suspended"),
        (actor.turn_greenlet is not None, "waiting"),
        (actor.mailbox.due or actor.mailbox.scheduled, "ready"),
    ):
        if is_so:
            return state
    return "idle"


_KINDS: tuple[tuple[type, str], ...] = (
    (SessionActor, "session"),
    (ListenerActor, "listener"),
    (ServerActor, "server"),
    (Supervisor, "supervisor"),
    (GeventActor, "actor"),
)
