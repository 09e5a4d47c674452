"""What must be true of a message: its octets, its handling, its replies."""

from __future__ import annotations

from tests.fuzz.cases import values
from tests.fuzz.cases.case import BOUNDLESS, NUMBERS, Case
from tests.fuzz.cases.script import Answer
from tests.fuzz.rules.framing import has_bare_newline, mended
from tests.fuzz.rules.hearing import End, Hearing
from tests.fuzz.rules.transcript import Call, Item, Reply

ENDLESS_FACTOR = 4
"""A refused message may go on for so many times the limit."""


class MessageHearing(Hearing):
    """Takes messages; which of the client's octets are one, others say."""

    def __init__(self, case: Case, items: list[Item]) -> None:
        super().__init__(case, items)
        self.mode = next((mode for mode in ("ignore", "fix", "strip") if mode in case.flags), "")

    def take_message(self) -> bool:
        """The message behind DATA; False if its end was not sent."""
        message, ended = self.octets.message()
        refusals = self.refusals(message, ended)
        if refusals:
            self.check_patience(len(message), refusals, ended, self.reply_count())
        if not ended:
            return False
        self.in_message = False
        if refusals:
            replies = [self.take_reply(refusals) for _ in range(self.reply_count())]
            self.end_if_enough(len(message))
            self.end_if(self.counts.count_reply("DATA", replies[-1].code))
        else:
            self.take_handling(mended(message, self.mode))
        self.take_notes()
        self.envelope = None
        return True

    def known_limit(self) -> float:
        """The limit of a message, or of what is thrown away if there is none."""
        return self.limit if self.limit < BOUNDLESS else NUMBERS["size"].default

    def refusals(self, message: bytes, ended: bool, *, binary: bool = False) -> str:
        """The codes with which this message may be refused; empty if it must be taken."""
        if not ended:  # its last octets may yet turn out to be part of a CRLF, or of the end
            message = message[: max(0, len(message) - 4)]
        codes = []
        if not (self.mode or binary) and has_bare_newline(message):
            codes.append("550")
        whole = message if binary else mended(message, self.mode)
        if max(len(message), len(whole)) > self.limit:
            codes.append("552")
        lines = (whole if self.mode == "fix" else message).split(b"\r\n")
        if not binary and max(map(len, lines)) + 2 > self.case.number("textline"):
            codes.append("500")
        return " ".join(codes)

    def check_patience(self, length: int, refusals: str, ended: bool, count: int) -> None:
        """A refused message is not read for ever. What is too much counts from where it broke a rule.

        It gets the replies that are due, and the connection is closed.
        """
        if ended:
            return
        patience = ENDLESS_FACTOR * self.known_limit()
        if length > patience and self.is_next(Reply):
            for _ in range(count):
                self.take_reply(refusals)
            raise End
        if length > patience + self.limit + 8:  # an end may be held back
            self.fail("memory", f"a refused message of {length} octets is read on")

    def end_if_enough(self, length: int) -> None:
        """The end of a refused message of that length may have come too late, although it was sent."""
        if length > ENDLESS_FACTOR * self.known_limit() and self.is_over():
            raise End

    def take_handling(self, expected: bytes) -> None:
        """The handler gets the message, and its answer is the reply."""
        calls = self.take_calls(("DATA",))
        if not calls:
            self.fail("message", f"{expected[:100]!r} was not handed over")
        call = calls[0]
        self.check_message(call, expected)
        replies = [self.take_reply() for _ in range(self.reply_count())]
        self.check_replies(call.answer, replies)
        if call.answer.closes or any(reply.code == "421" for reply in replies):
            raise End
        if any(reply.code[0] == "2" for reply in replies):
            self.may_quit = True
            self.counts.count_message()
        else:
            self.end_if(self.counts.count_reply("DATA", replies[-1].code))

    def check_message(self, call: Call, expected: bytes) -> None:
        """Envelope and octets are those that the client sent."""
        values.check_message(call)
        envelope = self.envelope
        assert envelope is not None
        sender, recipients, body, *_ = call.args
        if (sender, recipients) != (envelope.sender, envelope.recipients):
            self.fail("message", f"from {sender} to {recipients}, the client said {envelope}")
        if body != expected:
            self.fail("message", f"{body[:300]!r} instead of {expected[:300]!r}")

    def check_replies(self, answer: Answer, replies: list[Reply]) -> None:
        """2dd for whom the handler has accepted it."""
        accepted = answer.each or (answer.accepts,) * len(replies)
        if [reply.code[0] == "2" for reply in replies] != list(accepted):
            self.fail("reply code", f"{replies!r} where the handler said {answer!r}")
