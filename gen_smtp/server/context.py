"""What all sessions of one listener share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from actors.net.server import SessionCounter
from gen_smtp.callbacks.behaviour import Module
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.protocol.protocol import ProtocolConfig
from gen_smtp.server.client_limits import ClientLimits
from gen_smtp.server.message_memory import MessageMemory
from gen_smtp.transcript.recorder import Transcript


@dataclass(slots=True)
class ListenerContext:
    """What all sessions of one listener share.

    Attributes:
        module: makes the callback objects.
        options: the listener's options.
        hostname: its domain.
        config: the protocol's configuration.
        counter: counts the server's sessions.
        client_limits: counts them by client address.
        memory: counts the octets of the messages under way in them.
        proxied: whether somebody may speak for the clients, or for others.
        by_client: whether anything else than the callback's depends on who the client is.
        transcript: where their dialogues are written down; None for nowhere.
        loop: the asyncio loop of callbacks that are `async def`; None is the library's own.
        warned: the extensions whose withholding was told already.
        address: where the listener listens, as text; empty before it does.
    """

    module: Module
    options: ListenerOptions
    hostname: str
    config: ProtocolConfig
    counter: SessionCounter
    client_limits: ClientLimits
    memory: MessageMemory
    transcript: Transcript | None = None
    loop: asyncio.AbstractEventLoop | None = None
    warned: set[str] = field(default_factory=set)
    address: str = ""
    proxied: bool = field(init=False)
    by_client: bool = field(init=False)

    def __post_init__(self) -> None:
        speakers = (self.options.proxy_protocol, self.options.xclient, self.options.xforward)
        self.proxied = any(peers is not None for peers in speakers)
        newlines_from = self.options.sessionoptions.bare_newlines_from
        self.by_client = self.proxied or newlines_from is not None or self.transcript is not None
