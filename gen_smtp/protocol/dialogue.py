"""The facts of one connection and the few things every verb does with them: reply, refuse, ask, close."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from gen_smtp.protocol.extensions import Extensions
from gen_smtp.protocol.limit_counter import LimitName, Tally, fresh_tally
from gen_smtp.protocol.questions import (
    CLOSED,
    PAUSED,
    CommandRefused,
    LimitReached,
    Notice,
    OutOfOrder,
    Question,
    Sentinel,
)
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.address import MAX_PATH
from gen_smtp.protocol.text.buffer import LineBuffer
from gen_smtp.protocol.text.command import NO_VERB
from gen_smtp.protocol.text.data_reader import DEFAULT_MAX_SIZE, BareNewlines, DataReader
from gen_smtp.protocol.text.reply import (
    MAX_TEXT,
    StandardReply,
    encode_reply,
    encode_verbatim,
    is_success,
    parse_message,
    sanitise,
    with_status,
)
from gen_smtp.protocol.transaction import Transaction
from gen_smtp.protocol.verbs.sasl import ChallengeMaker, Mechanism, cram_challenge
from gen_smtp.protocol.verdicts import Accept, Reject, Stop, Verdict


def always() -> bool:
    """For what nothing stands against."""
    return True


SHORTEST_SECRET = 4
"""Characters of a text of the client that is taken out of what is told; a shorter one tells nothing."""

NO_EXTENSIONS: Extensions = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ProtocolConfig:
    """What does not change from session to session. Sizes are in octets.

    Args:
        hostname: the server's name in its replies and challenges.
        lmtp: speak LMTP (RFC 2033) instead of SMTP.
        allow_bare_newlines: a CR or LF alone in a message: refused (False), "ignore", "fix", "strip".
        starttls_available: a certificate is configured.
        allow_insecure_auth: offer AUTH outside TLS as well.
        require_tls: 530 before STARTTLS (RFC 3207 section 4).
        require_auth: 530 before AUTH (RFC 4954 section 6).
        refuse_early_talkers: 554 instead of the greeting for a client that does not wait for it.
        xclient: whether the peer may use XCLIENT; None where the server doesn't know the command.
        max_message_size: as announced by SIZE; `math.inf` is unlimited.
        max_command_line: longest command line, with its CRLF.
        max_auth_line: longest line of an AUTH exchange, without its CRLF (RFC 4954 section 4).
        max_discarded_line: an overlong line may have this many octets before the connection is closed.
        max_text_line: longest line of a message, with its CRLF (RFC 5321 section 4.5.3.1.6).
        max_recipients: 452 for more (RFC 5321 section 4.5.3.1.10).
        max_errors: 421 after so many 5yz replies without a message taken in between (see ``Tally``).
        max_junk_commands: 421 after so many commands that bring no message nearer.
        max_auth_failures: 421 after so many 5yz replies to AUTH in the whole session.
        max_messages: 421 for another MAIL after so many messages were taken.
        has_room: says at DATA whether there is room for another message; 452 without.
        make_challenge: makes the challenge of CRAM-MD5 from the host name (RFC 2195).
    """

    hostname: str
    lmtp: bool = False
    allow_bare_newlines: BareNewlines = False
    starttls_available: bool = False
    allow_insecure_auth: bool = False
    require_tls: bool = False
    require_auth: bool = False
    refuse_early_talkers: bool = False
    xclient: bool | None = None
    max_message_size: int | float = DEFAULT_MAX_SIZE
    max_command_line: int = 2048
    max_auth_line: int = 12288
    max_discarded_line: int = 65536
    max_text_line: int | float = math.inf
    max_recipients: int = 1000
    max_errors: int | float = 20
    max_junk_commands: int | float = 100
    max_auth_failures: int | float = 6
    max_messages: int | float = math.inf
    has_room: Callable[[], bool] = always
    make_challenge: ChallengeMaker = cram_challenge
    longest_plain: int = field(init=False)
    """No line that is longer is plain: in one that is not, no path can be too long either."""
    restricts: bool = field(init=False)
    """Whether anything is required before mail."""

    def __post_init__(self) -> None:
        if self.max_message_size <= 0 or math.isnan(self.max_message_size):
            raise ValueError(f"max_message_size must be positive, not {self.max_message_size!r}")
        object.__setattr__(self, "longest_plain", min(self.max_command_line, MAX_PATH))
        object.__setattr__(self, "restricts", self.require_tls or self.require_auth)


AnyQuestion = TypeVar("AnyQuestion", bound=Question)


class Dialogue(LineBuffer):
    """State of one connection, and what has come and is unread: one object for both, as there are thousands.

    The verbs are functions over it; ``Protocol`` is its public face.
    """

    __slots__ = (
        "_events",
        "addressed",
        "close_when_answered",
        "config",
        "extensions",
        "halted",
        "handshaking",
        "helo",
        "in_message",
        "max_size",
        "mechanism",
        "out",
        "pending",
        "reader",
        "resolve",
        "shutting_down",
        "status_codes",
        "tally",
        "tls",
        "transaction",
        "user",
        "withheld",
    )

    def __init__(self, config: ProtocolConfig, *, tls: bool) -> None:
        super().__init__()
        self.config = config
        self.out = b""
        """Replies to be sent, in order; ``data_to_send`` takes them."""
        self._events: list[Notice | Question] | None = None
        """What is to be handed out, in order; an idle session has no such list."""
        self.halted: Sentinel | None = PAUSED
        """Why nothing is read: PAUSED until a verdict, the greeting or the handshake has come; CLOSED at the
        end, when everything to send is queued."""
        self.pending: Question | None = None
        """The question that waits for its verdict."""
        self.resolve: Callable[[Any, Any, Verdict], None]
        """What carries that verdict out."""
        self.mechanism: Mechanism | None = None
        """The AUTH exchange under way: the next line is a response."""
        self.reader: DataReader | None = None
        """The message under way: the next octets belong to it."""
        self.handshaking = False
        """STARTTLS was accepted and TLS is not there yet."""
        self.shutting_down: StandardReply | None = None
        """The last reply: no command is run any more."""
        self.tls = tls
        """Inside TLS, implicit or by STARTTLS."""
        self.tally = fresh_tally(config)
        """What counts against the limits of the session; STARTTLS does not reset it."""
        self.close_when_answered = False
        """A verdict wants the connection closed behind the reply to its command."""
        self.in_message = False
        """From the 354 until the message is answered."""
        self.transaction: Transaction | None = None
        """The mail transaction, if one is open."""
        self.addressed = ""
        """What a refusal of MAIL or RCPT is about: the address, or the whole argument."""
        self.forget_client()

    def forget_client(self) -> None:
        """Back to the start, as RFC 3207 section 4.2 wants it after the handshake."""
        self.helo: str | None = None
        """The name the client gave in its last accepted HELO, EHLO or LHLO."""
        self.user: str | None = None
        """The user name that AUTH accepted."""
        self.extensions = NO_EXTENSIONS
        """As announced to this client."""
        self.withheld: tuple[tuple[str, str], ...] = ()
        self.status_codes = False
        self.max_size = self.config.max_message_size
        self.transaction = None

    @property
    def closing(self) -> bool:
        """Everything to send is queued; nothing more will be read or run."""
        return self.halted is CLOSED

    # --- Replies: each function that queues one returns its octets -------------------------------

    def send(self, reply: StandardReply) -> bytes:
        """Queue one of the protocol's own replies."""
        octets = reply.enhanced if self.status_codes else reply.plain
        self.out += octets
        return octets

    def send_texts(self, code: str, texts: Sequence[str], *, status: bool = True) -> bytes:
        """Queue a reply of a callback's making; the code 421 closes (RFC 5321 section 3.8).

        ``status`` is False for replies that never carry a status code: to HELO, EHLO, LHLO (RFC 2034).
        """
        if status and self.status_codes:
            texts = with_status(code, texts)
        octets = encode_reply(code, texts)
        self.out += octets
        if code == "421":
            self.close()
        return octets

    def send_verbatim(self, message: str | Sequence[str], *, status: bool = True) -> bytes:
        """Queue a message as the callback wrote it, whatever its code."""
        parsed = parse_message(message)
        if parsed is not None:
            return self.send_texts(parsed.code, parsed.texts, status=status)
        octets = encode_verbatim((message,) if isinstance(message, str) else message)
        self.out += octets
        return octets

    def refuse_command(self, reply: StandardReply, verb: str) -> None:
        """Queue a 4xx or 5xx reply of the protocol's own, tell the driver, and count it."""
        self.count_refusal(verb, self.send_refusal(reply, verb))

    def refuse_out_of_order(self, reply: StandardReply, verb: str) -> None:
        """The same for gen_smtp's handle_error(out_of_order)."""
        octets = self.send_refusal(reply, verb)
        self.notify(OutOfOrder(verb))
        self.count_refusal(verb, octets)

    def send_refusal(self, reply: StandardReply, verb: str) -> bytes:
        """Queue a 4xx or 5xx reply of the protocol's own and tell the driver."""
        return self.notify_refused(verb, self.send(reply))

    def notify_refused(self, verb: str, octets: bytes) -> bytes:
        """Tell the driver that the reply ``octets``, which is queued, refused ``verb``, if its code does."""
        reply = octets[:-2].decode("ascii")
        if reply[:1] in ("4", "5"):
            self.notify(CommandRefused(verb, reply, self.addressed if verb in ("MAIL", "RCPT") else ""))
        return octets

    def hide_in_refusals(self, *secrets: str) -> None:
        """Take texts out of the notices of refusals that wait. The replies themselves stay as they are."""
        waiting = self._events or []
        for number, event in enumerate(waiting):
            if isinstance(event, CommandRefused):
                reply = event.reply
                for secret in secrets:
                    if len(secret) >= SHORTEST_SECRET:
                        reply = reply.replace(sanitise(secret), NO_VERB)
                waiting[number] = CommandRefused(event.verb, reply, event.argument)

    def notify(self, event: Notice | Question) -> None:
        """Hand out ``event``, in its turn."""
        if self._events is None:
            self._events = [event]
        else:
            self._events.append(event)

    # --- Verdicts ------------------------------------------------------------------------------

    def ask(self, question: AnyQuestion, resolve: Callable[["Dialogue", AnyQuestion, Verdict], None]) -> None:
        """Hand out ``question`` behind the notices, and go on with ``resolve`` when its verdict comes."""
        self.pending = question
        self.resolve = resolve
        self.halted = PAUSED
        self.notify(question)

    def accept(self, verdict: Accept, default: StandardReply) -> None:
        """Queue the reply to a command that succeeded."""
        text = verdict.text
        if text is None:
            self.out += default.enhanced if self.status_codes else default.plain
            return
        if (
            not self.status_codes
            and type(text) is str
            and text.isascii()
            and text.isprintable()
            and len(text) <= MAX_TEXT
            and text[3:4] != " "
        ):  # as send_texts does; most texts are so
            self.out += f"{default.code} {text}\r\n".encode("ascii")
            return
        texts = (text,) if isinstance(text, str) else text or ("",)
        status = default.status != ""
        if is_success(texts[0]):
            self.send_verbatim(texts, status=status)
        else:
            self.send_texts(default.code, texts, status=status)

    def decline(self, verdict: Verdict, verb: str, default: StandardReply) -> None:
        """Queue the reply to a command that any verdict but Accept has ended, and count it."""
        self.count_refusal(verb, self.turn_down(verdict, verb, default))

    def turn_down(self, verdict: Verdict, verb: str, default: StandardReply) -> bytes:
        """Queue the reply to a command that any verdict but Accept has ended.

        ``default`` is for a Reject without a message; one with a message says just that (gen_smtp's example
        refuses VRFY with a 252), unless it has no code, or one that asks the client to go on.
        """
        status = default.status != ""
        match verdict:
            case Stop(message):
                return self.notify_refused(verb, self.send_verbatim(message, status=status))
            case Reject(None):
                return self.send_refusal(default, verb)
            case Reject(StandardReply() as own):
                return self.send_refusal(own, verb)
            case Reject(str() | tuple() | list() as message):
                parsed = parse_message(message)
                if parsed is not None and parsed.code[0] != "3":
                    octets = self.send_texts(parsed.code, parsed.texts, status=status)
                    return self.notify_refused(verb, octets)
        return self.send_refusal(replies.INTERNAL_ERROR if status else replies.HELLO_FAILED, verb)

    # --- Limits --------------------------------------------------------------------------------

    def counts(self) -> Tally:
        """The session's tally."""
        if self.tally is None:
            self.tally = Tally(self.config)
        return self.tally

    def count_refusal(self, verb: str, octets: bytes) -> None:
        """Count the command or message that the reply ``octets`` has refused."""
        self.end_if_reached(self.counts().count_refusal(verb, octets), verb)

    def count_junk(self, verb: str) -> None:
        """Count a command that was carried out, or at least not refused, but brings no message nearer."""
        self.end_if_reached(self.counts().count_junk(), verb)

    def count_message(self) -> None:
        """A message was taken."""
        if self.tally is not None:
            self.tally.count_message()

    def end_if_reached(self, limit: LimitName | None, verb: str) -> None:
        """Close with 421 behind the reply of the command that reached ``limit``, unless it ends anyway."""
        if limit is not None and not (self.closing or self.close_when_answered or self.shutting_down):
            self.end_at_limit(limit, verb)

    def end_at_limit(self, limit: LimitName, verb: str) -> None:
        """Queue the last reply, tell the driver, and close: nothing that was sent behind ``verb`` is run."""
        self.send_refusal(replies.LIMIT_REACHED[limit], verb)
        self.notify(LimitReached(limit))
        self.close()

    # --- Ends ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Read and run nothing more; a question that was not handed out never will be."""
        self.halted = CLOSED
        question, self.pending = self.pending, None
        if self._events is not None and question is not None:
            self._events = [event for event in self._events if event is not question] or None
        self.forget_input()

    def end_transaction(self) -> None:
        """After the message was answered, or instead."""
        self.transaction = None
        self.reader = None
        self.in_message = False
