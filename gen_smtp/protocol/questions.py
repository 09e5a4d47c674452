"""The steps of a dialogue, as ``Protocol.hear`` and ``Protocol.next_step`` give them.

A *question* waits for ``Protocol.respond``: until then ``next_step`` gives ``PAUSED``. A *notice* waits for
nothing. A *sentinel* says why there is neither. All can be matched by position, and none is to be changed.
Those that every message brings are not frozen: each field of a frozen one takes CPython five times as long.
"""

import enum
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Literal

from gen_smtp.protocol.limit_counter import LimitName
from gen_smtp.protocol.text.content import RejectionCause
from gen_smtp.protocol.transaction import Transaction
from gen_smtp.protocol.verdicts import Extension


class Sentinel(enum.Enum):
    """Why there is no question and no notice now."""

    NEED_DATA = "NEED_DATA"
    PAUSED = "PAUSED"
    CLOSED = "CLOSED"
    SEND = "SEND"
    LEAVING = "LEAVING"


NEED_DATA: Literal[Sentinel.NEED_DATA] = Sentinel.NEED_DATA
"""Everything that was received is dealt with."""
PAUSED: Literal[Sentinel.PAUSED] = Sentinel.PAUSED
"""The driver's turn: a verdict, the greeting or the TLS handshake is due."""
CLOSED: Literal[Sentinel.CLOSED] = Sentinel.CLOSED
"""Nothing more will be read or run."""
SEND: Literal[Sentinel.SEND] = Sentinel.SEND
"""Many replies are queued: they are to be sent before there are more."""
LEAVING: Literal[Sentinel.LEAVING] = Sentinel.LEAVING
"""The last message is taken: of what is read now only QUIT is run. The driver never sees it."""


# --- Records -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """What a peer says with XCLIENT of the client for whom it speaks; None is not known.

    These are the attributes of Postfix's XCLIENT_README.

    Attributes:
        name: the client's host name.
        name_error: why there is no `name`: its address has none (`"permanent"`), or the look-up failed
            (`"temporary"`).
        address, port: the client's.
        protocol: what it spoke; `"LMTP"` only where this server does so, too.
        helo: the name it gave in its hello.
        login: the name that it has authenticated with.
        destination, destination_port: where it connected to.
    """

    name: str | None = None
    name_error: Literal["permanent", "temporary"] | None = None
    address: IPv4Address | IPv6Address | None = None
    port: int | None = None
    protocol: Literal["SMTP", "ESMTP", "LMTP"] | None = None
    helo: str | None = None
    login: str | None = None
    destination: IPv4Address | IPv6Address | None = None
    destination_port: int | None = None


@dataclass(frozen=True, slots=True)
class ForwardedFacts:
    """What a peer says with XFORWARD of where it has a message from; None is not known.

    These are the attributes of Postfix's XFORWARD_README. In text there is a `?` for what is special in the
    header of a message.

    Attributes:
        name: the host name of the client that the peer has it from.
        address, port: that client's.
        protocol: by which it came; not always SMTP.
        helo: the name that the client gave.
        ident: the message's identifier at the peer.
        source: whether it came from the peer's own side, as far as the peer is concerned, or from outside.
    """

    name: str | None = None
    address: IPv4Address | IPv6Address | None = None
    port: int | None = None
    protocol: str | None = None
    helo: str | None = None
    ident: str | None = None
    source: Literal["local", "remote"] | None = None

    def __str__(self) -> str:
        known = ((each.name, getattr(self, each.name)) for each in fields(self))
        return " ".join(f"{name}={value}" for name, value in known if value is not None) or "somebody unknown"


# --- Questions: each waits for a verdict ---------------------------------------------------------


@dataclass(slots=True)
class Hello:
    """HELO, EHLO or LHLO with its argument; ``extensions`` is a fresh copy of the built-in list."""

    verb: Literal["HELO", "EHLO", "LHLO"]
    hostname: str
    extensions: list[Extension]


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS, in a state where it is allowed (RFC 3207)."""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """A complete SASL exchange (RFC 4954). For CRAM-MD5 the credential is ``(digest, challenge)``.

    ``authzid`` is whom the client wants to act as (RFC 4422 section 2); None if it does not say so.
    """

    mechanism: str
    username: str
    credential: Any = field(repr=False)
    authzid: str | None = None


@dataclass(frozen=True, slots=True)
class FindKeys:
    """A mechanism needs what is kept of a user's password; a bare Decline says that there is none."""

    mechanism: str
    username: str


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A mechanism of somebody's own has raised ``error``, or made it by a wrong step. Nothing is left to ask.

    ``response`` is what the client had sent; it may be secret.
    """

    mechanism: str
    error: BaseException = field(repr=False)
    response: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class MailParameter:
    """A parameter of MAIL that is not built in: ``KEYWORD`` or ``KEYWORD=value``.

    ``known`` says that its extension was offered, and its value read and found right (``parameters``): a
    Decline without a message, of who does not know it, is no refusal then.
    """

    parameter: str
    known: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class RcptParameter:
    """A parameter of RCPT: ``KEYWORD`` or ``KEYWORD=value``; ``known`` as in ``MailParameter``."""

    parameter: str
    known: bool = field(default=False, compare=False)


@dataclass(slots=True)
class Mail:
    """MAIL, all parameters accepted; the null reverse-path is the empty text."""

    reverse_path: str


@dataclass(slots=True)
class Rcpt:
    """RCPT, all parameters accepted."""

    forward_path: str


@dataclass(slots=True)
class MessageComplete:
    """The message is there, ``data`` its last piece behind the chunks; its fate is to be decided."""

    sender: str
    recipients: list[str]
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ChunkComplete:
    """A chunk of a message is there, and not the last one; ``data`` is its last piece. Can it be kept?"""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Verify:
    """VRFY."""

    address: str


@dataclass(frozen=True, slots=True)
class Required:
    """A command that may not run before TLS, or before AUTH, is to be answered 530: with this text?

    It is refused in any case; ``Decline`` has a reply of the driver's own.
    """

    what: Literal["tls", "auth"]
    verb: str


@dataclass(frozen=True, slots=True)
class UnknownCommand:
    """A verb that is the callback's alone: one that the protocol does not know, or HELP, EXPN, ETRN.

    It is given with ``?`` for control characters; arguments as sent.

    ``shown`` is the verb as replies and events show it: what is no word may be part of a secret.
    ``announced`` says whether an extension of the verb's name was announced to the client.
    """

    verb: str = field(repr=False)
    arguments: str = field(repr=False)
    shown: str = field(default="", compare=False)
    announced: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class XClient:
    """XCLIENT: what the peer says anew of the client it speaks for, by the fields of ``ClientFacts``.

    What was said before is forgotten; ``Protocol.greet`` or ``Protocol.refuse`` answers.
    """

    fields: dict[str, Any]


# --- Notices: nothing is awaited -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MessageStart:
    """DATA was accepted: 354 is queued."""


@dataclass(frozen=True, slots=True)
class ChunksStart:
    """BDAT: from now on octets come, of a message or, without a transaction, of what is refused."""


@dataclass(frozen=True, slots=True)
class MessageAbandoned:
    """The client gave up a message of which chunks had come; the command that did it is still to be run."""


@dataclass(slots=True)
class MessageChunk:
    """A piece of the message, dots un-stuffed and newlines mended if so configured."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MessageRejected:
    """The message is at fault and will not be taken: what was kept of it can go. No chunk follows.

    ``transaction`` is the one that it is in, which may be over when this is heard.
    """

    cause: RejectionCause
    transaction: Transaction | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Reset:
    """RSET was answered."""


@dataclass(frozen=True, slots=True)
class Forwarded:
    """XFORWARD was answered; this is what is known now of the next transaction."""

    facts: ForwardedFacts


@dataclass(frozen=True, slots=True)
class OutOfOrder:
    """A command out of sequence was refused; gen_smtp's ``handle_error(out_of_order, verb)``."""

    verb: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A 4xx or 5xx reply, as queued but without its last CRLF; ``verb`` is empty if none could be read.

    ``argument`` is the address that MAIL or RCPT gave, or all that it gave if there is no address in it.
    """

    verb: str
    reply: str
    argument: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class AtLimit:
    """The last reply is queued, the connection is to be closed; ``limit`` is the option that wants it so."""

    limit: LimitName


@dataclass(frozen=True, slots=True)
class LoginFailed:
    """An exchange of AUTH has failed by itself, without a question; ``username`` is whom the client named."""

    mechanism: str
    username: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """An extension was to be announced but can't be offered; ``option`` is what would allow it.

    That is STARTTLS for an AUTH that could be offered inside TLS, where the client can't ask for TLS. It is
    empty for what the protocol can't do (``extensions``).
    """

    name: str
    option: str


@dataclass(frozen=True, slots=True)
class Quit:
    """QUIT: 221 is queued, the connection is to be closed."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The client has hung up; all its complete commands were run."""

    in_message: bool


Question = (
    Hello
    | StartTls
    | Authenticate
    | FindKeys
    | StepFailed
    | MailParameter
    | RcptParameter
    | Mail
    | Rcpt
    | MessageComplete
    | ChunkComplete
    | Verify
    | Required
    | UnknownCommand
    | XClient
)
Notice = (
    MessageStart
    | ChunksStart
    | MessageAbandoned
    | MessageChunk
    | MessageRejected
    | Reset
    | Forwarded
    | OutOfOrder
    | Refused
    | AtLimit
    | LoginFailed
    | Withheld
    | Quit
    | Disconnected
)
Step = Question | Notice | Sentinel
"""What is to be done next."""
