"""The script of a mail transaction (RFC 5321 section 3.3, RFC 2033, RFC 2920, RFC 3030)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from gen_smtp.client.protocol.errors import DeliveryError, UnexpectedResponse
from gen_smtp.client.protocol.outcome import Outcome, RecipientOutcome
from gen_smtp.client.protocol.refusals import NO_CONVERSION, OnEightBit, Wish, fitting, refusal
from gen_smtp.client.protocol.steps import Ask, Script
from gen_smtp.client.protocol.text.content import (
    END,
    MOST_COPIED,
    Content,
    EightBitError,
    Message,
    chunks_of,
    crlf_pieces,
    prepare,
    stuffed,
    stuffed_pieces,
)
from gen_smtp.client.protocol.text.envelope import (
    Envelope,
    Recipient,
    address_of,
    mail_parameters,
    path_of,
    rcpt_parameters,
)
from gen_smtp.client.protocol.text.offer import Offer
from gen_smtp.client.protocol.text.replies import Reply, own_reply

Chunking = Literal["if_needed", "if_available", "never"]

MOST_AT_ONCE = 100
"""Recipients whose RCPTs go out before their replies are read. More could fill the buffers of both sides,
and both would wait for the other (RFC 2920 section 3.1)."""
CHUNK = 262144
"""Octets of a chunk of BDAT."""
START_MAIL_INPUT = 354


class Rules(NamedTuple):
    """How messages go on a connection.

    Attributes:
        lmtp: the server answers for each recipient.
        chunking: when BDAT takes the place of DATA: if a message needs it, if the server has it, never.
        on_8bit: what is done with octets of 8 bits for a server without 8BITMIME.
        all_or_none: give up the message if a recipient is refused, as gen_smtp does.
    """

    lmtp: bool = False
    chunking: Chunking = "if_needed"
    on_8bit: OnEightBit = "recode"
    all_or_none: bool = False


# -- what is sent -----------------------------------------------------------------------------------


def needs_utf8(envelope: Envelope, content: Content | None) -> bool:
    """Whether a message needs SMTPUTF8 for all of its recipients (RFC 6531 section 3.4)."""
    if not envelope.sender.isascii():
        return True
    return envelope.smtputf8 and content is not None and not content.header_is_ascii


def mail_line(envelope: Envelope, offer: Offer, content: Content | None, *, utf8: bool) -> str:
    """MAIL with its parameters. Without the message, its octets may have 8 bits."""
    parts = [f"MAIL FROM:{path_of(envelope.sender)}"]
    size = envelope.size if content is None else content.size
    if offer.has_size and size is not None:
        parts.append(f"SIZE={size}")
    if envelope.body == "BINARYMIME":
        parts.append("BODY=BINARYMIME")
    elif offer.eight_bit and envelope.body != "7BIT" and (content is None or not content.is_ascii):
        parts.append("BODY=8BITMIME")
    if utf8:
        parts.append("SMTPUTF8")
    parts += mail_parameters(envelope, offer)
    return " ".join(parts)


def rcpt_line(recipient: str | Recipient, offer: Offer, *, utf8: bool) -> str | Reply:
    """RCPT with its parameters; the reply to a recipient that no RCPT can name."""
    address = address_of(recipient)
    path = plain_path(address)
    if path is None or path == "<>":
        return own_reply(501, "5.1.3", "The recipient is not an address", "RCPT")
    if not utf8 and not path.isascii():
        return own_reply(553, "5.6.7", "The server has no SMTPUTF8, which the address needs", "RCPT")
    if isinstance(recipient, str):
        return f"RCPT TO:{path}"
    return " ".join((f"RCPT TO:{path}", *rcpt_parameters(recipient, offer, utf8=utf8)))


plain_path = lru_cache(maxsize=1024)(path_of)


def message_step(content: Content, offer: Offer, replies: int) -> Ask:
    """The message behind a 354, as the last step of its transaction."""
    commands = ("message",) * replies
    if content.octets is None:
        pieces = crlf_pieces(content.stream, seven_bit=not offer.eight_bit)
        return Ask(b"", commands, stuffed_pieces(pieces), ends=True)
    octets = stuffed(content.octets)
    if len(octets) > MOST_COPIED:
        return Ask(octets, commands, (END,), ends=True)
    return Ask(octets + END, commands, ends=True)


# -- the message, when there are recipients -----------------------------------------------------------


def send_by_data(content: Content, offer: Offer, replies: int) -> Script[list[Reply]]:
    """DATA and the message: the replies to the message, or the one that refuses DATA."""
    (reply,) = yield Ask(b"DATA\r\n", ("DATA",))
    if not reply.positive:
        return [reply]
    _expect(reply, START_MAIL_INPUT)
    return (yield message_step(content, offer, replies))


def send_by_bdat(content: Content, offer: Offer, replies: int, *, binary: bool) -> Script[list[Reply]]:
    """The message by BDAT: the replies to its last chunk, or the one that refuses a chunk before."""
    for octets, is_last in _with_last(_chunks(content, offer, binary=binary)):
        last = " LAST" if is_last else ""
        commands = ("message",) * replies if is_last else ("BDAT",)
        head = f"BDAT {len(octets)}{last}\r\n".encode()
        answered = yield Ask(head, commands, (octets,), ends=is_last)
        if is_last or not answered[0].positive:
            return answered
    raise AssertionError("there is always a last chunk")


def _chunks(content: Content, offer: Offer, *, binary: bool) -> Iterator[bytes]:
    if content.octets is not None:
        return iter((content.octets,))
    pieces = content.stream if binary else crlf_pieces(content.stream, seven_bit=not offer.eight_bit)
    return chunks_of(pieces, CHUNK)


def _with_last(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    before = next(chunks, b"")
    for chunk in chunks:
        yield before, False
        before = chunk
    yield before, True


def uses_bdat(envelope: Envelope, offer: Offer, rules: Rules) -> bool:
    """Whether the message goes by BDAT."""
    wanted = rules.chunking == "if_available" or envelope.body == "BINARYMIME"
    return offer.chunking and rules.chunking != "never" and wanted


def _expect(reply: Reply, code: int) -> None:
    if reply.code // 100 != code // 100:
        raise UnexpectedResponse(f"{reply} to {reply.command}", reply.host)


# -- the whole transaction ----------------------------------------------------------------------------


class Transaction:
    """One message on its way. `run` is the script.

    Args:
        envelope: its envelope.
        message: as users give it.
        offer: what the server offers.
        rules: how messages go on this connection.
        left_open: whether a transaction before it was not ended, so that RSET goes first.

    Attributes:
        left_open: whether the transaction is not ended.
        cut: the message was begun and can't be ended: the connection must be closed.
    """

    __slots__ = (
        "_decided",
        "_envelope",
        "_lines",
        "_message",
        "_offer",
        "_rules",
        "_sent",
        "_utf8",
        "_wanted",
        "cut",
        "left_open",
    )

    def __init__(
        self, envelope: Envelope, message: Message, offer: Offer, rules: Rules, *, left_open: bool = False
    ) -> None:
        self._envelope = envelope
        self._message = message
        self._offer = offer
        self._rules = rules
        self._decided: list[Reply | None] = [None] * len(envelope.recipients)
        self._wanted: list[int] = []
        self._lines: list[str] = []
        self._utf8 = False
        self._sent = False
        self.left_open = left_open
        self.cut = False

    def run(self) -> Script[Outcome]:
        """Deliver. What the server or the network does is in the outcome."""
        content = self._prepare()
        if isinstance(content, Reply):
            return self._all(content)
        try:
            yield from self._transact(content)
        except DeliveryError as failure:
            return self._failed(failure)
        except EightBitError:
            self.cut = True
            return self._all(NO_CONVERSION)
        return self._outcome()

    def _prepare(self) -> Content | Reply:
        """The message as it is sent, and the lines; a reply if the server can't be given it."""
        envelope, offer = self._envelope, self._offer
        content = prepare(self._message, size=envelope.size, binary=envelope.body == "BINARYMIME")
        wish = Wish(envelope, content, needs_utf8(envelope, content))
        refused = refusal(wish, offer)
        if refused is not None:
            return refused
        fit = fitting(wish, offer, self._rules.on_8bit) if not offer.eight_bit else content
        if isinstance(fit, Reply):
            return fit
        self._utf8 = wish.utf8 or (
            offer.smtputf8 and not all(address_of(each).isascii() for each in envelope.recipients)
        )
        self._note_recipients()
        self._lines.insert(0, mail_line(envelope, offer, fit, utf8=self._utf8))
        return fit

    def _note_recipients(self) -> None:
        for number, recipient in enumerate(self._envelope.recipients):
            line = rcpt_line(recipient, self._offer, utf8=self._utf8)
            if isinstance(line, Reply):
                self._decided[number] = line
            else:
                self._lines.append(line)
                self._wanted.append(number)

    def _transact(self, content: Content) -> Script[None]:
        if not self._wanted:
            return
        if self._rules.all_or_none and len(self._wanted) < len(self._decided):
            self._give_up(self._wanted)
            return
        bdat = uses_bdat(self._envelope, self._offer, self._rules)
        # If all recipients are to be accepted or none, it must be known first whether they are.
        joins = self._offer.pipelining and not bdat and not (self._rules.all_or_none and self._wanted[1:])
        data = yield from self._say_envelope(joins=joins)
        accepted = [number for number in self._wanted if self._accepted(number)]
        if data is not None and data.code == START_MAIL_INPUT and not accepted:
            yield from self._end_empty()
        elif accepted and self._rules.all_or_none and len(accepted) < len(self._decided):
            self._give_up(accepted)
        elif accepted:
            yield from self._give(content, accepted, data, bdat=bdat)

    def _give_up(self, accepted: list[int]) -> None:
        """None gets the message, because of the first that was refused."""
        refused = next(each for each in self._decided if each is not None and not each.positive)
        for number in accepted:
            self._decided[number] = refused

    def _accepted(self, number: int) -> bool:
        reply = self._decided[number]
        return reply is not None and reply.code < 300

    def _say_envelope(self, *, joins: bool) -> Script[Reply | None]:
        """MAIL and RCPT, and DATA with them if it joins them; the reply to that."""
        lines, waiting = self._lines, [None, *self._wanted]
        at_once = MOST_AT_ONCE if self._offer.pipelining else 1
        for start in range(0, len(lines), at_once):
            end = start + at_once
            is_last = joins and end >= len(lines)
            group = self._group(lines[start:end], first=start == 0, with_data=is_last)
            to_reset = 1 if group.commands[0] == "RSET" else 0
            try:
                replies = yield group
            except DeliveryError as failure:
                self._note(waiting[start:end], failure.replies[to_reset:])
                raise
            self.left_open = True
            data = replies[-1] if is_last else None
            self._note(waiting[start:end], replies[to_reset:])
            if self._decided[self._wanted[-1]] is not None:  # MAIL was refused, or that was all
                return data
        return data

    def _group(self, lines: Sequence[str], *, first: bool, with_data: bool) -> Ask:
        verbs = [line[:4] for line in lines]
        sent = list(lines)
        if first and self.left_open:
            sent.insert(0, "RSET")
            verbs.insert(0, "RSET")
        if with_data:
            sent.append("DATA")
            verbs.append("DATA")
        sent.append("")
        return Ask("\r\n".join(sent).encode(), tuple(verbs))

    def _note(self, whom: Sequence[int | None], replies: Sequence[Reply]) -> None:
        for number, reply in zip(whom, replies, strict=False):
            if not 200 <= reply.code < 300 and reply.positive:
                raise UnexpectedResponse(f"{reply} to {reply.command}", reply.host)
            if number is not None:
                self._decided[number] = reply
            elif not reply.positive:  # to MAIL
                for each in self._wanted:
                    self._decided[each] = reply
                return

    def _end_empty(self) -> Script[None]:
        """The server wants the message of no recipient: it gets none (RFC 2920 section 3.1)."""
        self.cut = True
        yield Ask(END, ("message",))
        self.left_open = self.cut = False

    def _give(self, content: Content, accepted: list[int], data: Reply | None, *, bdat: bool) -> Script[None]:
        """The message for those that were accepted, and what the server says to it."""
        for number in accepted:
            self._decided[number] = None
        self._sent = True
        count = len(accepted) if self._rules.lmtp else 1
        try:
            replies = yield from self._say_message(content, count, data, bdat=bdat)
        except DeliveryError as failure:
            said = [each for each in failure.replies if each.command == "message"]
            self._decide(accepted, said if self._rules.lmtp else said * len(accepted))
            raise
        self.left_open = replies[0].command != "message"
        self._decide(accepted, replies if len(replies) > 1 else replies * len(accepted))

    def _say_message(
        self, content: Content, count: int, data: Reply | None, *, bdat: bool
    ) -> Script[list[Reply]]:
        if bdat:
            binary = self._envelope.body == "BINARYMIME"
            return (yield from send_by_bdat(content, self._offer, count, binary=binary))
        if data is None:
            return (yield from send_by_data(content, self._offer, count))
        if not data.positive:
            return [data]
        _expect(data, START_MAIL_INPUT)
        return (yield message_step(content, self._offer, count))

    def _decide(self, whom: Sequence[int], replies: Sequence[Reply]) -> None:
        for number, reply in zip(whom, replies, strict=False):
            if reply.positive:
                _expect(reply, 250)
            self._decided[number] = reply

    # -- what has become of it ------------------------------------------------------------------------

    def _all(self, reply: Reply) -> Outcome:
        self._decided = [each if each is not None else reply for each in self._decided]
        return self._outcome()

    def _outcome(self) -> Outcome:
        recipients = zip(self._envelope.recipients, self._decided, strict=True)
        return Outcome(
            tuple([RecipientOutcome(address_of(each), reply) for each, reply in recipients]), self._offer.dsn
        )

    def _failed(self, failure: DeliveryError) -> Outcome:
        """The connection was lost. What was decided before counts, if the replies were in step."""
        self.cut = True
        if isinstance(failure, UnexpectedResponse):
            for number in self._wanted:
                self._decided[number] = None
        found = []
        for recipient, reply in zip(self._envelope.recipients, self._decided, strict=True):
            decided = reply is not None and (not reply.positive or self._sent)
            found.append(
                RecipientOutcome(address_of(recipient), reply)
                if decided
                else RecipientOutcome(address_of(recipient), None, failure, failure.ended)
            )
        return Outcome(tuple(found), self._offer.dsn)
