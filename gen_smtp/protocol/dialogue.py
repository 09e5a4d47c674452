"""The facts of one connection and the few things every verb does with them: reply, refuse, ask, close."""

import enum
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from gen_smtp.protocol.config import ProtocolConfig
from gen_smtp.protocol.limit_counter import LIMIT_REACHED, LimitName, Tally, fresh_tally
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
from gen_smtp.protocol.text.data_reader import DataReader
from gen_smtp.protocol.text.replies import (
    MAX_TEXT,
    StandardReply,
    encode_reply,
    encode_verbatim,
    is_success,
    parse_message,
    with_status,
)
from gen_smtp.protocol.text.sasl import Mechanism
from gen_smtp.protocol.transaction import Transaction
from gen_smtp.protocol.verdicts import Accept, ExtensionValue, Reject, Stop, Verdict

Announced = Mapping[str, ExtensionValue]
"""The extensions that were announced, by upper-case keyword, in that order."""

NO_EXTENSIONS: Announced = MappingProxyType({})


class Overrun(enum.Enum):
    """A line that can't be handed out."""

    TOO_LONG = "too long"
    """Longer than allowed; thrown away up to its LF."""
    ENDLESS = "endless"
    """More was thrown away than a client in its right mind sends."""


AnyQuestion = TypeVar("AnyQuestion", bound=Question)


class Dialogue:
    """State of one connection, and what has come and is unread: one object for both, as there are thousands.

    The verbs are functions over it; ``Protocol`` is its public face.
    """

    __slots__ = (
        "_events",
        "close_when_answered",
        "config",
        "discarded",
        "extensions",
        "halted",
        "handshaking",
        "helo",
        "in_message",
        "input",
        "max_size",
        "mechanism",
        "offset",
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
        self.config = config
        self.input = b""
        """The unread octets and perhaps some before them; empty if there are none."""
        self.offset = 0
        """Where the unread octets begin."""
        self.discarded = 0
        """So many octets of an overlong line were thrown away, and its LF has not come."""
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

    # --- What has come ---------------------------------------------------------------------------

    # Unread octets stay in one ``bytes`` object with an offset: a read full of pipelined commands and
    # messages takes linear time.

    def feed(self, data: bytes) -> None:
        """Append ``data``."""
        if self.offset == len(self.input):
            self.input = data
        else:
            self.input = self.input[self.offset :] + data
        self.offset = 0

    def skip_to(self, offset: int) -> None:
        """``input`` is dealt with up to ``offset``."""
        if offset == len(self.input):
            self.input, offset = b"", 0  # an idle session holds nothing
        self.offset = offset

    def forget_input(self) -> None:
        """Forget what is unread."""
        self.input = b""
        self.offset = self.discarded = 0

    def next_line(self, limit: int, discard_limit: int) -> bytes | Overrun | None:
        """The next line without its LF; None when there is no whole one yet.

        A line of more than ``limit`` octets with its LF is thrown away as it comes and reported once at its
        LF; one of more than ``discard_limit`` octets is reported as endless. How the octets were cut does not
        matter.
        """
        data, start = self.input, self.offset
        end = data.find(b"\n", start) + 1
        if not end:
            return self._await_line(limit, discard_limit)
        if end == len(data):  # as skip_to does: every command comes through here
            self.input, self.offset = b"", 0
        else:
            self.offset = end
        length = end - start + self.discarded
        self.discarded = 0
        if length <= limit:
            return data[start : end - 1]
        return Overrun.TOO_LONG if length <= discard_limit else Overrun.ENDLESS

    def _await_line(self, limit: int, discard_limit: int) -> Literal[Overrun.ENDLESS] | None:
        """Without an LF in sight: drop what can no longer become a line."""
        if self.offset:  # a client that waits here must not make us hold all that it sent before
            self.input, self.offset = self.input[self.offset :], 0
        length = len(self.input) + self.discarded
        if length <= limit - 1:
            return None
        self.forget_input()
        if length > max(limit, discard_limit):
            return Overrun.ENDLESS
        self.discarded = length
        return None

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
            self.notify(CommandRefused(verb, reply))
        return octets

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
        self.send_refusal(LIMIT_REACHED[limit], verb)
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
