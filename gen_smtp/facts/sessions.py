"""The sessions of a server: a page of them, or one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from actors import GeventRef
from gen_smtp.facts.records import PAGE, Page, SessionFacts, Wanted
from gen_smtp.server.server import SmtpServer
from gen_smtp.server.shown_address import shown_address
from gen_smtp.session.session import SmtpSession

MOST_RECIPIENTS = 20
"""So many recipients of an open transaction are named; `recipient_count` counts all of them."""

ALL = Wanted()


def sessions(
    server: GeventRef[Any],
    wanted: Wanted = ALL,
    after: tuple[float, str] | None = None,
    limit: int = PAGE,
) -> Page:
    """The sessions of a server, those too that are not served yet, oldest first, a page at a time.

    A session that ends between two pages moves none of the others.

    Args:
        server: its reference.
        wanted: which sessions.
        after: `Page.next` of the page before; None for the first page.
        limit: how many at most.
    """
    actor = server_actor(server)
    if actor is None:
        return Page((), 0, None)
    addresses = _addresses(actor)
    live = [each for each in sessions_of(actor) if _is_wanted(each, wanted, addresses)]
    live.sort(key=lambda each: each.started_at)
    left = live if after is None else [each for each in live if _is_after(each, after)]
    shown = tuple(_session_facts(each, addresses) for each in left[:limit])
    more = len(left) > len(shown) and shown
    return Page(shown, len(live), (shown[-1].started, shown[-1].urn) if more else None)


def session(server: GeventRef[Any], urn: str) -> SessionFacts | None:
    """The facts of one session; None if the server has none of that name."""
    actor = server_actor(server)
    found = None if actor is None else _find_session(actor, urn)
    if found is None or actor is None:
        return None
    return _session_facts(found, _addresses(actor))


def session_ref(server: GeventRef[Any], urn: str) -> GeventRef[Any] | None:
    """The reference of a session; None if the server has none of that name."""
    actor = server_actor(server)
    found = None if actor is None else _find_session(actor, urn)
    return None if found is None else found.actor_ref


def server_actor(server: GeventRef[Any]) -> SmtpServer | None:
    """The server itself; None if it has ended."""
    actor = server.actor()
    return actor if isinstance(actor, SmtpServer) else None


def sessions_of(server: SmtpServer) -> Iterator[SmtpSession]:
    """Its sessions, those too that are not served yet."""
    for ref in server.all_sessions():
        actor = ref.actor()
        if isinstance(actor, SmtpSession):
            yield actor


def _find_session(server: SmtpServer, urn: str) -> SmtpSession | None:
    # A name that was never asked for is nobody's: it need not be made to be compared.
    return next((each for each in sessions_of(server) if each.actor_ref.is_named(urn)), None)


def _addresses(server: SmtpServer) -> dict[int, str]:
    """Where the listeners listen, by the identity of what their sessions share."""
    return {id(each.endpoint.configuration): shown_address(each.address) for each in server.listener_group}


def _is_wanted(session: SmtpSession, wanted: Wanted, addresses: Mapping[int, str]) -> bool:
    if wanted.peer is not None and str(session.peername) != wanted.peer:
        return False
    if wanted.user is not None and session.protocol.user != wanted.user:
        return False
    if wanted.listener is not None and addresses.get(id(session.context)) != wanted.listener:
        return False
    return wanted.idle is None or time.monotonic() - session.active_at >= wanted.idle


def _is_after(session: SmtpSession, after: tuple[float, str]) -> bool:
    started, urn = after
    if session.started_at != started:
        return session.started_at > started
    return (len(session.actor_ref.actor_urn), session.actor_ref.actor_urn) > (len(urn), urn)


def _session_facts(session: SmtpSession, addresses: Mapping[int, str]) -> SessionFacts:
    info = session.info()
    proxy = info.proxy
    return SessionFacts(
        urn=session.actor_ref.actor_urn,
        process=os.getpid(),
        listener=addresses.get(id(session.context)),
        hostname=info.hostname,
        peer=None if info.peername is None else str(info.peername),
        port=info.peer_port,
        proxy=None if proxy is None else str(proxy.address),
        helo=info.helo,
        user=info.user,
        authzid=info.authzid,
        tls=None if info.tls is None else f"{info.tls.version} {info.tls.cipher}",
        state=_session_state(session),
        sender=info.sender,
        recipients=info.recipients[:MOST_RECIPIENTS],
        recipient_count=len(info.recipients),
        started=info.started,
        age=max(0.0, time.time() - info.started),
        idle=info.idle,
        commands=info.commands,
        messages=info.messages,
        refused=info.refused,
        octets=info.octets,
        mailbox=session.mailbox.length,
        callback=None if session.callback is None else type(session.callback).__qualname__,
    )


def _session_state(session: SmtpSession) -> str:
    protocol = session.protocol
    for is_so, state in (
        (session.exit_reason is not None or protocol.closing, "ending"),
        (session.transport.shaking_hands, "handshake"),
        (session.turn_greenlet is not None, "callback"),
        (not session.served, "greeting"),
        (protocol.in_message, "message"),
    ):
        if is_so:
            return state
    return "command"
