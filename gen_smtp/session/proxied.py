"""Who the client is, a peer or whom it speaks for by the PROXY protocol or XCLIENT, and what follows from it.

XFORWARD is here, too: a peer speaks for itself, and says from whom it has a message.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import lru_cache
from typing import Any, NoReturn

from actors import ActorExit
from actors import events as actor_events
from gen_smtp import events
from gen_smtp.callbacks.facts import Proxy
from gen_smtp.protocol.protocol import Protocol, ProtocolConfig, SpeakerProtocol
from gen_smtp.protocol.proxy.header import ProxyHeader, ProxyHeaderError
from gen_smtp.protocol.proxy.reader import ProxyHeaderReader
from gen_smtp.protocol.questions import ClientFacts, Forwarded, XClient
from gen_smtp.protocol.watched import WatchedProtocol
from gen_smtp.server.peer_address import peer_address
from gen_smtp.session import calling, clock
from gen_smtp.session.state import SessionState, Speaker
from gen_smtp.transcript.recorder import Recorder

# -- the PROXY protocol ---------------------------------------------------------------------------


def start(session: SessionState) -> None:
    """On a listener with `proxy_protocol` nothing is said before the header; only a proxy is heard."""
    if not session.context.proxied:
        _begin_with(session, session.context.config, tls=session.protocol.tls, is_known=True)
        return
    speaker = session.speaker = Speaker(session.peername)
    proxies = session.context.options.proxy_protocol
    if proxies is None:
        _authorise(session, speaker)
    elif session.peername in proxies:
        speaker.header = ProxyHeaderReader()
        session.await_preface(clock.deadlines_of(session).proxy_header)
    else:
        refuse_header(session, "the option proxy_protocol does not name this peer")


def awaits_header(session: SessionState) -> bool:
    """Tell whether the PROXY header is not complete yet."""
    return session.speaker is not None and session.speaker.header is not None


def read_header(session: SessionState, data: bytes) -> tuple[int, bool]:
    """Read on in the PROXY header; see `SessionActor.on_preface`."""
    speaker = session.speaker
    assert speaker is not None
    reader = speaker.header
    assert reader is not None
    if not data and not reader.started:
        raise ActorExit("normal")  # a balancer that looks whether somebody answers
    try:
        taken = reader.feed(data)
    except ProxyHeaderError as error:
        refuse_header(session, str(error))
    if reader.header is not None:
        speaker.header = None
        _take_header(session, speaker, reader.header)
        return taken, True
    if not data:
        refuse_header(session, "closed in the middle of it")
    return taken, False


def refuse_header(session: SessionState, reason: str) -> NoReturn:
    """End the session: what the peer sent is no PROXY header, or came too late, or is not heard from it."""
    if actor_events.wanted(events.ProxyHeaderRefused):
        actor_events.emit(events.ProxyHeaderRefused(session.actor_urn, session.peername, reason))
    raise ActorExit("normal")


def _take_header(session: SessionState, speaker: Speaker, header: ProxyHeader) -> None:
    proxy = speaker.proxy = Proxy(session.peername, session.peer_port, header)
    if header.family is not None:
        source = str(header.source)
        _serve(session, source if header.family == "unix" else (source, header.source_port))
        speaker.peername = session.peername
        if actor_events.wanted(events.ClientProxied):
            actor_events.emit(events.ClientProxied(session.actor_urn, session.peername, proxy.address))
        refusal = _enter(session)
        if refusal is not None:
            # Before TLS it is not told: a handshake would be more work than serving it.
            is_tls_first = session.context.options.protocol == "ssl"
            calling.refuse_client(session, "normal", None if is_tls_first else refusal)
    _authorise(session, speaker)


def _serve(session: SessionState, peer: tuple[str, int | None] | str | None) -> None:
    """From now on the client is somebody else: with address and port, at a unix socket, or unknown."""
    session.replace_peer(peer)
    session.peername = peer_address(peer)


def _enter(session: SessionState) -> str | None:
    """Count the client by its address instead of another; why not, as a reply, if there are too many."""
    limits = session.context.client_limits
    limits.leave(session.entered)
    session.entered = None
    refusal = limits.enter(session.peername)
    if refusal is not None:
        return refusal.reply(session.context.hostname)
    session.entered = session.peername
    return None


# -- XCLIENT and XFORWARD --------------------------------------------------------------------------


def _authorise(session: SessionState, speaker: Speaker) -> None:
    """Make the protocol for this peer: XCLIENT does not override the right to use it."""
    options, config = session.context.options, session.context.config
    header = None if speaker.proxy is None else speaker.proxy.header
    trusted_tls = options.trust_proxied_tls and header is not None and header.tls is not None
    is_known = header is None or header.family is not None  # or it only seems to be the proxy
    may_replace, may_forward = (
        is_known and peers is not None and session.peername in peers
        for peers in (options.xclient, options.xforward)
    )
    tls = trusted_tls or session.protocol.tls
    if may_replace or may_forward:
        config = _with_rights(config, may_replace, may_forward, options.trust_proxied_tls)
        session.protocol = SpeakerProtocol(config, tls=tls)
    elif trusted_tls:
        session.protocol = Protocol(config, tls=tls)
    _begin_with(session, config, tls=tls, is_known=is_known)


# -- what is for some clients alone ----------------------------------------------------------------


def _begin_with(session: SessionState, config: ProtocolConfig, *, tls: bool, is_known: bool) -> None:
    """The client is known, or `is_known` says that it is not: begin what is not for all clients."""
    transcript = session.context.transcript
    # A client for whom a peer speaks by XCLIENT may be one whose session is to be written down.
    if transcript is not None and (config.xclient or _is_written_down(session, is_known=is_known)):
        recorder = session.recorder = Recorder(transcript, session.actor_urn.removeprefix("urn:actor:"))
        session.protocol = WatchedProtocol(config, recorder, tls=tls)
        session.call_at_end(_end_transcript, (session, recorder))
    _heed_address(session, is_known=is_known)


def _heed_address(session: SessionState, *, is_known: bool) -> None:
    """The client is another, or the first: do what is for some clients alone."""
    _judge_newlines(session, is_known=is_known)
    if session.recorder is not None:
        session.recorder.silent = not _is_written_down(session, is_known=is_known)
        session.recorder.note(_describe(session, is_known=is_known))


def _is_written_down(session: SessionState, *, is_known: bool) -> bool:
    clients = session.context.options.sessionoptions.transcript_from
    return clients is None or (is_known and session.peername in clients)


def _describe(session: SessionState, *, is_known: bool) -> str:
    options, port = session.context.options, session.peer_port
    client = str(session.peername) if is_known and session.peername is not None else "unknown"
    client += "" if port is None else f" port {port}"
    server = f"{session.context.hostname} ({options.sessionoptions.protocol}, {options.protocol})"
    proxy = "" if session.proxy is None else f", by the proxy {session.proxy.address}"
    return f"the client is {client}, the server {server}{proxy}"


def _end_transcript(session: SessionState, recorder: Recorder) -> None:
    recorder.end(session.reason)


def _judge_newlines(session: SessionState, *, is_known: bool) -> None:
    """Where bare newlines are for some clients alone: see whether this is one. Nobody unknown is."""
    options = session.context.options.sessionoptions
    clients = options.bare_newlines_from
    if clients is not None:
        is_one = is_known and session.peername in clients
        session.protocol.take_bare_newlines(options.allow_bare_newlines if is_one else False)


@lru_cache(maxsize=64)
def _with_rights(
    config: ProtocolConfig, may_replace: bool, may_forward: bool, trusts_tls: bool
) -> ProtocolConfig:
    """What the sessions of a listener have in common that have these rights, of those that there are."""
    return replace(
        config,
        xclient=may_replace if config.xclient is not None else None,
        xforward=may_forward if config.xforward is not None else None,
        xclient_tls=trusts_tls,
    )


def on_forwarded(session: SessionState, notice: Forwarded) -> None:
    """Tell from whom the peer has the message to come."""
    if actor_events.wanted(events.MessageForwarded):
        actor_events.emit(events.MessageForwarded(session.actor_urn, session.peername, notice.facts))


def on_xclient(session: SessionState, question: XClient) -> None:
    """Begin again, from the greeting on, with the client that the peer speaks for.

    It is as if that client had connected: a new callback object, whose `init` is asked.
    """
    calling.terminate(session, "xclient")
    session.served = False
    session.set_deadline(None)
    clock.set_final(session, "banner", time.monotonic() + clock.deadlines_of(session).banner)
    _take_fields(session, question.fields)
    refusal = _enter(session) if "address" in question.fields else None
    if refusal is not None:
        calling.refuse_client(session, "normal", refusal)
    calling.open_callback(session)
    calling.receive_client(session, session.context.counter.present)


def _take_fields(session: SessionState, fields: dict[str, Any]) -> None:
    speaker = session.speaker
    assert speaker is not None  # the protocol knows XCLIENT only where there is one
    if "address" in fields:
        # The port of the one before is not the new client's.
        fields = {"port": None, **fields}
        address = fields["address"]
        _serve(session, None if address is None else (str(address), fields["port"]))
        _heed_address(session, is_known=address is not None)
    elif "port" in fields and session.peername is not None:
        _serve(session, (str(session.peername), fields["port"]))
    facts = speaker.facts = replace(speaker.facts or ClientFacts(), **{"login": None, **fields})
    if actor_events.wanted(events.ClientReplaced):
        actor_events.emit(
            events.ClientReplaced(session.actor_urn, session.peername, speaker.peername, facts.login)
        )
