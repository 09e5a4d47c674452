"""A transaction on its way to the next hosts, and what they say for each recipient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from actors import spawn
from gen_smtp.forward.hop import Hop, Introduce
from gen_smtp.forward.message import Branch, divide
from gen_smtp.gen_smtp_client import DeliveryError, Envelope, Recipient, RecipientOutcome, Reply


@dataclass(slots=True, eq=False)
class Passage:
    """A transaction at one next host.

    Attributes:
        hop: the host.
        recipients: those that it has taken, in order.
        refusal: why it takes no more of them: its reply to MAIL, or what went wrong.
    """

    hop: Hop
    recipients: list[str] = field(default_factory=list)
    refusal: Reply | DeliveryError | None = None

    def begin(self, envelope: Envelope, before: Introduce) -> None:
        """Say MAIL; what comes of it is told to each recipient."""
        try:
            reply = self.hop.mail(envelope, before)
        except DeliveryError as failure:
            self.refusal = failure
        else:
            self.refusal = None if reply.positive else reply

    def add(self, recipient: Recipient) -> RecipientOutcome:
        """Say RCPT."""
        reply: Reply | None = None
        if self.refusal is None:
            try:
                reply = self.hop.rcpt(recipient)
            except DeliveryError as failure:
                self.refusal = failure
            else:
                if reply.positive:
                    self.recipients.append(recipient.address)
                return RecipientOutcome(recipient.address, reply)
        return _outcome(recipient.address, self.refusal)

    def send(self, message: Iterable[bytes]) -> list[RecipientOutcome]:
        """Give the message to the host; one outcome for each recipient that it has taken.

        Raises:
            Exception: what the message raises.
        """
        answers: Sequence[Reply | DeliveryError]
        if isinstance(self.refusal, DeliveryError):  # the connection was lost behind the recipients
            answers = (self.refusal,)
        else:
            try:
                answers = self.hop.data(message)
            except DeliveryError as failure:
                answers = (failure,)
        if len(answers) < len(self.recipients):
            answers = [answers[0]] * len(self.recipients)
        return [_outcome(*pair) for pair in zip(self.recipients, answers, strict=True)]


def _outcome(address: str, answer: Reply | DeliveryError | None) -> RecipientOutcome:
    if isinstance(answer, DeliveryError):
        return RecipientOutcome(address, answer.reply, None if answer.reply is not None else answer)
    return RecipientOutcome(address, answer)


def send_to_all(passages: Sequence[Passage], message: Iterator[bytes]) -> list[list[RecipientOutcome]]:
    """Give a message to all hosts at once, each its own recipients' copy, read once.

    Raises:
        IncompleteMessage: the message ended early, and no host has it.
    """
    if len(passages) == 1:
        return [passages[0].send(message)]
    branches = [Branch() for _ in passages]
    under_way = [spawn(_send_branch, *pair) for pair in zip(passages, branches, strict=True)]
    divide(message, branches)
    return [each.get() for each in under_way]


def _send_branch(passage: Passage, branch: Branch) -> list[RecipientOutcome]:
    try:
        return passage.send(branch)
    finally:
        branch.leave()
