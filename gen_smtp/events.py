"""What happens in SMTP sessions, as typed events; subscribe with `actors.events.subscribe`.

They carry neither credentials nor message bodies. Server, listener and session events, TLS and stalls of
the hub are in `actors.events`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from actors import events as actor_events

__all__ = [
    "Authenticated",
    "AuthenticationFailed",
    "BuffersFull",
    "CallbackCrashed",
    "ClientProxied",
    "ClientReplaced",
    "ClientTurnedAway",
    "CommandRefused",
    "DeadlineExceeded",
    "ExtensionWithheld",
    "LimitReached",
    "MessageForwarded",
    "MessageTaken",
    "ProxyHeaderRefused",
    "SmtpEvent",
    "SpoolFailed",
    "TranscriptFailed",
    "TranscriptFull",
    "WrongCallbackValue",
]

_logger = logging.getLogger("gen_smtp")


@dataclass(frozen=True, slots=True)
class SmtpEvent(actor_events.Event):
    """The base of this module's events: which session, and with whom.

    Attributes:
        session: the session actor's URN.
        peer: the client's address, None on a unix socket.
    """

    logger: ClassVar[logging.Logger] = _logger
    absent: ClassVar[Mapping[str, str]] = actor_events.NO_ADDRESS
    session: str
    peer: Any


@dataclass(frozen=True, slots=True)
class MessageTaken(SmtpEvent):
    """A message was accepted: its 250 is on its way.

    Attributes:
        sender, recipients: its envelope.
        size: its octets.
        reply: what the client hears, as with `queued as ID`; in LMTP the replies of all recipients.
        tls: the version of TLS, `"proxied"` where it ends at a proxy; None in clear.
        user: who has authenticated.
        seconds: from the 354 to the reply, in thousandths.
        helo: the name that the client gave in its hello.
        listener: where the listener listens that the client came by; empty if that is not known.
        refused: for how many of its recipients it was refused, as LMTP can.
        queue_id: what the client heard behind `queued as`; None if it heard nothing of the kind.
        verdict: `"taken"`; `"partly"` if it was refused for some of its recipients.
    """

    derived: ClassVar[tuple[str, ...]] = ("queue_id", "verdict")
    text: ClassVar[str] = (
        "{session} {peer}: message from <{sender}> to {recipients} ({size} octets) taken: {reply}"
    )
    sender: str
    recipients: tuple[str, ...]
    size: int
    reply: str = ""
    tls: str | None = None
    user: str | None = None
    seconds: float = 0.0
    helo: str | None = None
    listener: str = ""
    refused: int = 0

    @property
    def queue_id(self) -> str | None:
        found = _QUEUED_AS.search(self.reply)
        return None if found is None else found[1]

    @property
    def verdict(self) -> str:
        return "partly" if self.refused else "taken"

    def __str__(self) -> str:
        facts = [self.tls or "no TLS", f"{self.seconds} s"]
        facts += [f"hello {actor_events.printable(self.helo)}"] if self.helo is not None else []
        facts += [f"user {actor_events.printable(self.user)}"] if self.user is not None else []
        return f"{SmtpEvent.__str__(self)} ({', '.join(facts)})"


_QUEUED_AS = re.compile(r"queued as ([^\s;,()]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CommandRefused(SmtpEvent):
    """A command, a message or a whole session was answered with 4xx or 5xx.

    Attributes:
        verb: the command; empty for a line without one, `"..."` for what is no verb.
        reply: what the client hears.
        argument: the address, for MAIL and RCPT; all that was behind the verb if there is no address in it.
        sender: of the open transaction; None without one.
        helo: the name that the client gave in its hello; None before it.
        option: the session option that says whether such a message is taken; empty if none does.
        recipients, size, seconds: of a message that was refused; empty and None for a command.
        tls, user, listener: as in `MessageTaken`.
        verdict: `"refused"` for a message; None for a command.
    """

    derived: ClassVar[tuple[str, ...]] = ("verdict",)

    text: ClassVar[str] = "{session} {peer}: {verb} refused: {reply}"
    verb: str
    reply: str
    argument: str = ""
    sender: str | None = None
    helo: str | None = None
    option: str = ""
    recipients: tuple[str, ...] = ()
    size: int | None = None
    seconds: float | None = None
    tls: str | None = None
    user: str | None = None
    listener: str = ""

    @property
    def verdict(self) -> str | None:
        return None if self.size is None else "refused"

    def __str__(self) -> str:
        show = actor_events.printable
        what = show(self.verb) if self.verb else "a line"
        if self.argument:
            what = f"{what} {show(self.argument)}"
        facts = [f"from <{show(self.sender)}>"] if self.sender is not None else []
        facts += [f"hello {show(self.helo)}"] if self.helo is not None else []
        facts += [f"see the session option {self.option}"] if self.option else []
        line = f"{self.session} {self.shown('peer')}: {what} refused: {show(self.reply)}"
        return f"{line} ({', '.join(facts)})" if facts else line


@dataclass(frozen=True, slots=True)
class DeadlineExceeded(SmtpEvent):
    """Time is over, and the session ends with it, or with the message under way.

    Attributes:
        deadline: `"timeout"`, which is between commands; the name of one of `Deadlines`; `"grace"` for a
            message that was not finished while the server stopped.
    """

    text: ClassVar[str] = "{session} {peer}: out of time: {deadline}"
    deadline: str


@dataclass(frozen=True, slots=True)
class Authenticated(SmtpEvent):
    """AUTH succeeded."""

    text: ClassVar[str] = "{session} {peer}: {username} authenticated ({mechanism})"
    mechanism: str
    username: str


@dataclass(frozen=True, slots=True)
class AuthenticationFailed(SmtpEvent):
    """AUTH failed: handle_AUTH refused the credentials."""

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "{session} {peer}: authentication of {username} failed ({mechanism})"
    mechanism: str
    username: str


@dataclass(frozen=True, slots=True)
class LimitReached(SmtpEvent):
    """A client has come to a limit and its session ends; `limit` is the option that set it."""

    text: ClassVar[str] = "{session} {peer}: limit {limit} reached; the session ends"
    limit: str


@dataclass(frozen=True, slots=True)
class CallbackCrashed(SmtpEvent):
    """A callback raised; the session ends."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "{session} {peer}: {callback} raised {error}; the session ends"
    callback: str
    error: BaseException

    @property
    def exception(self) -> BaseException | None:
        return self.error


@dataclass(frozen=True, slots=True)
class WrongCallbackValue(SmtpEvent):
    """A callback returned what it may not return; the client got a 451, the session goes on."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "{session} {peer}: {callback} returned {value}: {allowed}"
    callback: str
    value: str
    allowed: str


@dataclass(frozen=True, slots=True)
class ProxyHeaderRefused(SmtpEvent):
    """A connection was closed without a word for want of a good PROXY header; `peer` is who sent it."""

    text: ClassVar[str] = "{session} {peer}: closed, no good PROXY header: {reason}"
    reason: str


@dataclass(frozen=True, slots=True)
class ClientProxied(SmtpEvent):
    """A PROXY header has named the client, `peer`; `proxy` is who sent it."""

    level: ClassVar[int] = logging.DEBUG
    absent: ClassVar[Mapping[str, str]] = {"peer": "unix socket", "proxy": "unix socket"}
    text: ClassVar[str] = "{session} {peer}: comes by the proxy {proxy}"
    proxy: Any


@dataclass(frozen=True, slots=True)
class ClientReplaced(SmtpEvent):
    """XCLIENT has named the client, `peer`; `sender` said so, and who has logged in, if anyone."""

    absent: ClassVar[Mapping[str, str]] = {"peer": "unknown client", "sender": "unix socket"}
    text: ClassVar[str] = "{session} {peer}: is the client from now on, with login {login}, {sender} says"
    sender: Any
    login: str | None


@dataclass(frozen=True, slots=True)
class MessageForwarded(SmtpEvent):
    """XFORWARD has said from whom `peer` has the message to come.

    Attributes:
        facts: all that was said so far, a `ForwardedFacts`.
    """

    text: ClassVar[str] = "{session} {peer}: has the next message from {facts}"
    facts: Any


@dataclass(frozen=True, slots=True)
class ExtensionWithheld(SmtpEvent):
    """handle_EHLO announced an extension that can't be offered here; told once for each listener.

    Attributes:
        name: the extension.
        option: the session option that would allow it; `"STARTTLS"` for AUTH, where it would be offered
            inside TLS if handle_EHLO listed STARTTLS; `"mechanisms"` for a mechanism of AUTH that the class
            does not have; empty for an extension that this server can't do.
    """

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = (
        "{session} {peer}: handle_EHLO lists {name}, which is left out here; "
        "the session option {option} would allow it"
    )
    name: str
    option: str

    def __str__(self) -> str:
        why = _WITHHELD.get(self.option)
        if why is None:
            return SmtpEvent.__str__(self)
        who = f"{self.session} {self.shown('peer')}"
        return f"{who}: handle_EHLO lists {self.name}, which is left out here; {why}"


_WITHHELD = {
    "RFC 9422": (
        "its value must be True for the server's own limits, or say RCPTMAX and MAILMAX as the options "
        "limits.recipients and limits.messages do"
    ),
    "CHUNKING": "it needs CHUNKING, which is not listed",
    "STARTTLS": "it is offered inside TLS, if STARTTLS is listed, too",
    "mechanisms": "the callback class does not name it in `mechanisms`",
    "": "this server can't do it, and a client that believed it could would lose its mail",
}
"""Why an extension is withheld that no option would allow."""


@dataclass(frozen=True, slots=True)
class OldTlsOffered(actor_events.Event):
    """A listener talks a version of TLS that RFC 8996 forbids; told when it opens.

    Attributes:
        domain: the listener's domain.
        address, port: where it listens; 0 for a port that the system chooses, None on a unix socket.
        version: the oldest one that it talks, such as `TLSv1`.
    """

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = (
        "the listener of {domain} on {address} (port {port}) talks {version}, which is broken (RFC 8996): "
        "use it for devices that know nothing newer, and in their network alone"
    )
    domain: str
    address: str
    port: int | None
    version: str


@dataclass(frozen=True, slots=True)
class ClientTurnedAway(actor_events.Event):
    """A connection was closed, with a 421 where there is no TLS to set up first, for a limit of the server.

    Attributes:
        peer: the client's address, None on a unix socket.
        limit: the option of the server.
    """

    logger: ClassVar[logging.Logger] = _logger
    absent: ClassVar[Mapping[str, str]] = actor_events.NO_ADDRESS
    text: ClassVar[str] = "{peer} turned away: {limit}"
    peer: Any
    limit: str


@dataclass(frozen=True, slots=True)
class BuffersFull(actor_events.Event):
    """The messages under way have used up `max_buffered` octets: new ones are answered with 452.

    Told again only after half of them were free; each refusal is a `CommandRefused`.
    """

    logger: ClassVar[logging.Logger] = _logger
    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "the messages under way need more than the {limit} octets of max_buffered"
    limit: int | float


@dataclass(frozen=True, slots=True)
class SpoolFailed(SmtpEvent):
    """The disk failed a message that was to wait there for its end; the client hears 452 or 451."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "{session} {peer}: a message can't be spooled: {error}"
    error: OSError


@dataclass(frozen=True, slots=True)
class TranscriptFailed(actor_events.Event):
    """A transcript can't be written; its sessions go on. Of a file it is told once, until it can be again.

    Attributes:
        where: the path of the file, or what takes the place of one.
        error: why.
    """

    logger: ClassVar[logging.Logger] = _logger
    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "the transcript {where} can't be written: {error}"
    where: str
    error: Exception


@dataclass(frozen=True, slots=True)
class TranscriptFull(actor_events.Event):
    """The file of a transcript has reached its size: nothing more is written until it is another one."""

    logger: ClassVar[logging.Logger] = _logger
    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "the transcript {where} is full, with {size} octets: rotate it, and send SIGHUP"
    where: str
    size: int | float
