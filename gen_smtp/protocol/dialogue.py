"""The facts of one connection and the few things every verb does with them: reply, refuse, ask, close.

The protocol *refuses* a command, or a client, by a 4yz or 5yz reply of its own. It *declines* a command where
a verdict says no. It *rejects* a message whose octets are at fault.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeVar

from gen_smtp.protocol.config import ProtocolConfig
from gen_smtp.protocol.limit_counter import LIMIT_REACHED, LimitCounter, LimitName
from gen_smtp.protocol.questions import (
    CLOSED,
    PAUSED,
    AtLimit,
    ForwardedFacts,
    MessageAbandoned,
    Notice,
    OutOfOrder,
    Question,
    Refused,
    Sentinel,
)
from gen_smtp.protocol.sasl.mechanism import Mechanism
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.chunks import ChunkReader, SkippedChunks
from gen_smtp.protocol.text.command import (
    HTTP_TAIL,
    NO_VERB,
    begins_with_bdat,
    ends_http_request,
    is_http_request,
    mask_control_characters,
)
from gen_smtp.protocol.text.data_reader import DataReader
from gen_smtp.protocol.text.replies import (
    MAX_TEXT,
    StandardReply,
    encode_reply,
    encode_verbatim,
    is_success,
    parse_reply,
    sanitise,
    with_status,
)
from gen_smtp.protocol.transaction import Transaction
from gen_smtp.protocol.verdicts import Accept, Decline, Drop, ExtensionValue, Verdict

Announced = Mapping[str, ExtensionValue]
"""The extensions that were announced, by upper-case keyword, in that order."""

SHORTEST_SECRET = 4
"""Characters of a text of the client that is taken out of what is told; a shorter one tells nothing."""

NO_EXTENSIONS: Announced = MappingProxyType({})


class Login(NamedTuple):
    """What AUTH accepted, or an XCLIENT said: who the client is, and whom it acts as, if it said so."""

    user: str
    authzid: str | None = None


class LastChallenge(NamedTuple):
    """An AUTH exchange whose credentials were declined, and whose client was told why in a last challenge.

    Whatever the client answers, the verdict follows.
    """

    verdict: Verdict


class Overrun(enum.Enum):
    """A line that is not handed out."""

    TOO_LONG = "too long"
    """Longer than allowed; thrown away up to its LF."""
    ENDLESS = "endless"
    """More was thrown away than a client in its right mind sends."""
    CHUNK = "chunk"
    """A BDAT longer than allowed, outside of an AUTH exchange: nobody knows how many octets follow."""
    HTTP = "HTTP"
    """The first line of an HTTP request: a web page has made a browser send it."""


AnyQuestion = TypeVar("AnyQuestion", bound=Question)

Outcome = StandardReply | Question | None
"""What is left to be done of a verdict: the usual reply to a command that succeeds, which the verdict may
replace; another question about the same command; or nothing."""

Resolve = Callable[[Any, Any, Verdict], Outcome]
"""Carries out a verdict, given the dialogue and the question."""


class Dialogue:
    """State of one connection, and what has come and is unread: one object for both, as there are thousands.

    The verbs are functions over it; ``Protocol`` is its public face.
    """

    __slots__ = (
        "addressed",
        "closing",
        "config",
        "counter",
        "discarded",
        "ending",
        "extensions",
        "greeted",
        "halted",
        "handshaking",
        "held",
        "helo",
        "hung_up",
        "in_message",
        "login",
        "max_size",
        "mechanism",
        "offset",
        "pending",
        "queued",
        "reader",
        "received",
        "resolve",
        "status_codes",
        "tls",
        "transaction",
        "unsent",
        "withheld",
    )

    forwarded: ForwardedFacts | None = None
    """What XFORWARD has said of the mail transaction to come, or of the one that is open. Only
    ``SpeakerDialogue`` has room for it."""

    def __init__(self, config: ProtocolConfig, *, tls: bool = False) -> None:
        self.config = config
        self.received = b""
        """The unread octets and perhaps some before them; empty if there are none."""
        self.offset = 0
        """Where the unread octets begin."""
        self.discarded = 0
        """So many octets of an overlong line were thrown away, and its LF has not come."""
        self.unsent = b""
        """Replies to be sent, in order."""
        self.queued: list[Question | Notice] | None = None
        """What is to be handed out, in order; an idle session has no such list."""
        self.halted: Sentinel | None = PAUSED
        """Why nothing is read: PAUSED until a verdict, the greeting or the handshake has come; CLOSED at the
        end. With LEAVING one more command is read."""
        self.pending: Question | None = None
        """The question that waits for its verdict."""
        self.resolve: Resolve
        """What carries that verdict out."""
        self.mechanism: Mechanism | LastChallenge | None = None
        """The AUTH exchange under way: the next line is a response, unless a question waits."""
        self.reader: DataReader | ChunkReader | SkippedChunks | None = None
        """Reads the message under way, of which a piece has come. One that comes whole by DATA needs none.
        What has read refused chunks stays for those that may be pipelined behind them."""
        self.in_message = False
        """From the 354, or the first BDAT, until the message is answered; and while refused chunks come."""
        self.greeted = False
        """The client was greeted, or refused instead."""
        self.hung_up = False
        """The client sends no more."""
        self.handshaking = False
        """STARTTLS was accepted and TLS is not there yet."""
        self.tls = tls
        """Inside TLS, implicit or by STARTTLS."""
        self.counter: LimitCounter | None = None
        """What counts against the limits of the session; most need none. STARTTLS does not reset it."""
        self.ending: StandardReply | bool = False
        """Once the command under way is answered, the connection closes: with this last reply; or without one
        (True), because a verdict wants it so."""
        self.closing = False
        """Everything to send is queued; nothing more will be read or run."""
        self.addressed = ""
        """What a refusal of MAIL or RCPT is about: the address, or the whole argument."""
        self.transaction: Transaction | None = None
        """The mail transaction, if one is open."""
        self.held = 0
        """Octets of its envelope that are counted as held in memory."""
        self.forget_client()

    def forget_client(self) -> None:
        """Back to the start, as RFC 3207 section 4.2 wants it after the handshake."""
        self.helo: str | None = None
        """The name the client gave in its last accepted HELO, EHLO or LHLO."""
        self.login: Login | None = None
        """Who has authenticated."""
        self.extensions = NO_EXTENSIONS
        """As announced to this client."""
        self.withheld: tuple[tuple[str, str], ...] = ()
        """What was to be announced to it and could not be, with the option that would allow it, if any."""
        self.status_codes = False
        """Its replies carry enhanced status codes (RFC 2034)."""
        self.max_size = self.config.max_message_size
        """The limit of a message in octets, as it was told."""
        if self.transaction is not None:
            self.drop_transaction()

    # --- What has come ---------------------------------------------------------------------------

    # Unread octets stay in one ``bytes`` object with an offset: a read full of pipelined commands and
    # messages takes linear time.

    def feed(self, data: bytes) -> None:
        """Take in ``data``, unless all is over, or it was sent in clear during a TLS handshake."""
        if self.closing or self.handshaking:
            return
        if self.offset == len(self.received):
            self.received = data
        else:
            self.received = self.received[self.offset :] + data
        self.offset = 0

    def skip_to(self, offset: int) -> None:
        """``received`` is dealt with up to ``offset``."""
        if offset == len(self.received):
            self.received, offset = b"", 0  # an idle session holds nothing
        self.offset = offset

    def forget_input(self) -> None:
        """Forget what is unread."""
        self.received = b""
        self.offset = self.discarded = 0

    def next_line(self, limit: int, discard_limit: int) -> bytes | Overrun | None:
        """The next line without its LF; None when there is no whole one yet.

        A line of more than ``limit`` octets with its LF is thrown away as it comes and reported once at its
        LF; one of more than ``discard_limit`` octets is reported as endless. How the octets were cut does not
        matter.
        """
        data, start = self.received, self.offset
        end = data.find(b"\n", start) + 1
        if not end:
            return self._await_line(limit, discard_limit)
        self.skip_to(end)
        length = end - start + self.discarded
        line = data[start : end - 1]
        if length <= limit:
            self.discarded = 0
            return Overrun.HTTP if is_http_request(line) else line
        if self._announces_chunk(line):
            return Overrun.CHUNK
        self.discarded = 0
        if length > discard_limit:
            return Overrun.ENDLESS
        return Overrun.HTTP if ends_http_request(line) else Overrun.TOO_LONG

    def _announces_chunk(self, line: bytes) -> bool:
        """Whether a line that is too long, or what has come of it, begins with BDAT."""
        return not self.discarded and self.mechanism is None and begins_with_bdat(line)

    def _await_line(self, limit: int, discard_limit: int) -> Literal[Overrun.CHUNK, Overrun.ENDLESS] | None:
        """Without an LF in sight: drop what can no longer become a line."""
        if self.offset:  # a client that waits here must not make us hold all that it sent before
            self.received, self.offset = self.received[self.offset :], 0
        length = len(self.received) + self.discarded
        if length <= limit - 1:
            return None
        if self._announces_chunk(self.received):
            return Overrun.CHUNK
        if length > max(limit, discard_limit):
            self.forget_input()
            return Overrun.ENDLESS
        self.received = self.received[-HTTP_TAIL:]  # by which an HTTP request is known, however it is cut
        self.discarded = length - len(self.received)
        return None

    # --- Replies: each function that queues one returns its octets -------------------------------

    def send(self, reply: StandardReply) -> bytes:
        """Queue one of the protocol's own replies."""
        octets = reply.enhanced if self.status_codes else reply.plain
        self.unsent += octets
        return octets

    def send_texts(self, code: str, texts: Sequence[str], *, status: bool = True) -> bytes:
        """Queue a reply of a callback's making; the code 421 closes (RFC 5321 section 3.8).

        ``status`` is False for replies that never carry a status code: to HELO, EHLO, LHLO (RFC 2034).
        """
        if status and self.status_codes:
            texts = with_status(code, texts)
        octets = encode_reply(code, texts)
        self.unsent += octets
        if code == "421":
            self.close()
        return octets

    def send_verbatim(self, message: str | Sequence[str], *, status: bool = True) -> bytes:
        """Queue a message as the callback wrote it, whatever its code."""
        parsed = parse_reply(message)
        if parsed is not None:
            return self.send_texts(parsed.code, parsed.texts, status=status)
        octets = encode_verbatim((message,) if isinstance(message, str) else message)
        self.unsent += octets
        return octets

    def refuse_command(self, reply: StandardReply, verb: str) -> None:
        """Queue a 4xx or 5xx reply of the protocol's own, tell the driver, and count it."""
        self.count_refusal(verb, self.send_refusal(reply, verb))

    def refuse_out_of_order(self, reply: StandardReply, verb: str, *, notify: bool = True) -> None:
        """The same for a command that is out of place, unless it was sent ahead, behind a refused one.

        With ``notify`` the driver is told of gen_smtp's handle_error(out_of_order).
        """
        octets = self.send_refusal(reply, verb)
        if notify:
            self.tell(OutOfOrder(verb))
        if not self.counts().excuses(verb):
            self.count_refusal(verb, octets)

    def send_refusal(self, reply: StandardReply, verb: str) -> bytes:
        """Queue a 4xx or 5xx reply of the protocol's own and tell the driver."""
        return self.tell_refused(verb, self.send(reply))

    def refuse_stranger(self, reply: StandardReply) -> None:
        """Queue the last reply to a client that speaks something else, tell the driver, and close."""
        self.send_refusal(reply, "")
        self.close()

    def tell_refused(self, verb: str, octets: bytes) -> bytes:
        """Tell the driver that the reply ``octets``, which is queued, refused ``verb``, if its code does."""
        reply = octets[:-2].decode("ascii")
        if reply[:1] in ("4", "5"):
            about = mask_control_characters(self.addressed) if verb in ("MAIL", "RCPT") else ""
            self.tell(Refused(verb, reply, about))
        return octets

    def hide_in_refusals(self, *secrets: str) -> None:
        """Take texts out of the notices of refusals that wait. The replies themselves stay as they are."""
        waiting = self.queued or []
        for number, step in enumerate(waiting):
            if isinstance(step, Refused):
                reply = step.reply
                for secret in secrets:
                    if len(secret) >= SHORTEST_SECRET:
                        reply = reply.replace(sanitise(secret), NO_VERB)
                waiting[number] = Refused(step.verb, reply, step.argument)

    def tell(self, step: Notice | Question) -> None:
        """Have ``next_step`` hand out ``step``, behind those that wait already."""
        if self.queued is None:
            self.queued = [step]
        else:
            self.queued.append(step)

    # --- Verdicts ------------------------------------------------------------------------------

    def ask(
        self, question: AnyQuestion, resolve: Callable[["Dialogue", AnyQuestion, Verdict], Outcome]
    ) -> AnyQuestion:
        """Read nothing more until the verdict on ``question`` has come, and carry it out with ``resolve``.

        The question is the verb's to hand out: it returns what this returns.
        """
        self.pending = question
        self.resolve = resolve
        self.halted = PAUSED
        return question

    def accept(self, verdict: Accept, default: StandardReply) -> None:
        """Queue the reply to a command that succeeded."""
        text = verdict.text
        if text is None:
            self.unsent += default.enhanced if self.status_codes else default.plain
            return
        if (
            not self.status_codes
            and type(text) is str
            and text.isascii()
            and text.isprintable()
            and len(text) <= MAX_TEXT
            and text[3:4] != " "
        ):
            # The fast path of what follows: most texts are so, and it saves 1.7 % of a message over a kept
            # connection (docs/performance.md). test_dialogue.py holds the two equal.
            self.unsent += f"{default.code} {text}\r\n".encode()
            return
        texts = (text,) if isinstance(text, str) else text or ("",)
        status = default.status != ""
        if is_success(texts[0]):
            self.send_verbatim(texts, status=status)
        else:
            self.send_texts(default.code, texts, status=status)

    def decline(self, verdict: Verdict, verb: str, default: StandardReply) -> None:
        """Carry out a verdict other than Accept: queue the reply, tell the driver, and count it."""
        self.count_refusal(verb, self.send_declined(verdict, verb, default))

    def send_declined(self, verdict: Verdict, verb: str, default: StandardReply) -> bytes:
        """Carry out a verdict other than Accept, uncounted: queue the reply and tell the driver.

        ``default`` is for a Decline without a message. A message is sent as it is (gen_smtp's example
        declines VRFY with a 252), unless it has no code, or one that asks the client to go on.
        """
        status = default.status != ""
        match verdict:
            case Drop(message):
                return self.tell_refused(verb, self.send_verbatim(message, status=status))
            case Decline(None):
                return self.send_refusal(default, verb)
            case Decline(StandardReply() as own):
                return self.send_refusal(own, verb)
            case Decline(str() | tuple() | list() as message):
                parsed = parse_reply(message)
                if parsed is not None and parsed.code[0] != "3":
                    octets = self.send_texts(parsed.code, parsed.texts, status=status)
                    return self.tell_refused(verb, octets)
        return self.send_refusal(replies.INTERNAL_ERROR if status else replies.HELLO_FAILED, verb)

    # --- Limits --------------------------------------------------------------------------------

    def counts(self) -> LimitCounter:
        """The session's counter, made for the first thing that counts."""
        if self.counter is None:
            self.counter = LimitCounter(self.config)
        return self.counter

    def count_refusal(self, verb: str, octets: bytes) -> None:
        """Count the command or message that the reply ``octets`` has refused."""
        self.end_if_reached(self.counts().count_refusal(verb, octets), verb)

    def count_junk(self, verb: str) -> None:
        """Count a command that was carried out, or at least not refused, but brings no message nearer."""
        self.end_if_reached(self.counts().count_junk(), verb)

    def end_if_reached(self, limit: LimitName | None, verb: str) -> None:
        """Close with 421 behind the reply of the command that reached ``limit``, unless it ends anyway."""
        if limit is not None and not (self.closing or self.ending):
            self.end_at_limit(limit, verb)

    def end_at_limit(self, limit: LimitName, verb: str, *last: StandardReply) -> None:
        """Queue the last reply, tell the driver, and close: nothing that was sent behind ``verb`` is run.

        ``last`` is what to say instead of the limit's own reply, such as the fault of a message without end.
        """
        for reply in last or (LIMIT_REACHED[limit],):
            self.send_refusal(reply, verb)
        self.tell(AtLimit(limit))
        self.close()

    # --- Ends ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Read and run nothing more; a question that was not handed out never will be."""
        self.closing = True
        self.halted = CLOSED
        question, self.pending = self.pending, None
        if self.queued is not None and question is not None:
            self.queued = [step for step in self.queued if step is not question] or None
        self.forget_input()

    def say_goodbye(self) -> None:
        """Close with the last reply that ``ending`` has."""
        assert isinstance(self.ending, StandardReply)
        if not self.closing:
            self.send(self.ending(hostname=self.config.hostname))
        self.close()

    def end_message(self, *, taken: bool = False) -> None:
        """The message was answered, and its transaction is over; if it was taken, that is counted."""
        self.transaction = None
        self.reader = None
        self.in_message = False
        if self.held:
            self.let_go(self.held)
        if taken and (self.counter is not None or self.config.counts_messages):
            self.counts().count_message()

    def abandon_message(self) -> None:
        """Forget a message of which chunks have come, and tell the driver so."""
        self.tell(MessageAbandoned())
        self.end_message()

    # --- Memory --------------------------------------------------------------------------------

    def hold(self, octets: int) -> bool:
        """Count octets of the envelope; False, and none is counted, where there is no room for them."""
        if not self.config.take_octets(octets):
            return False
        self.held += octets
        return True

    def let_go(self, octets: int) -> None:
        """Count octets of the envelope out. All of them, at the latest when the session has ended."""
        self.held -= octets
        self.config.give_back(octets)

    def drop_transaction(self, *, refused: bool = False) -> None:
        """Forget the envelope; ``refused`` says that none was opened, since MAIL itself is refused."""
        self.transaction = None
        if self.held:
            self.let_go(self.held)
