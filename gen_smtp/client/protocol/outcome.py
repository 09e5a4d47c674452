"""What has become of a message, for each of its recipients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gen_smtp.client.protocol.errors import DeliveryError, failure_of
from gen_smtp.client.protocol.text.replies import Reply


@dataclass(slots=True)
class RecipientOutcome:
    """What has become of a message for one recipient. Not to be changed, though not frozen, which costs time.

    Attributes:
        address: the recipient as it was given.
        reply: the reply that decided; None if there was none.
        failure: what went wrong, if that was no reply.
        uncertain: the message was sent to its end, and the server's answer did not come. It may have it.
    """

    address: str
    reply: Reply | None
    failure: DeliveryError | None = None
    uncertain: bool = False

    @property
    def delivered(self) -> bool:
        """Whether the server has taken the message for this recipient."""
        return self.failure is None and self.reply is not None and self.reply.code < 300

    @property
    def permanent(self) -> bool:
        """Whether trying again is of no use."""
        if self.failure is not None:
            return self.failure.permanent
        return self.reply is not None and self.reply.permanent

    @property
    def temporary(self) -> bool:
        """Whether the message may be taken later."""
        return not self.delivered and not self.permanent

    @property
    def code(self) -> int:
        """The reply's code, or one that says what went wrong."""
        return self.reply.code if self.reply is not None else self._failed().code

    @property
    def enhanced(self) -> str:
        """The reply's enhanced status code, or one that says what went wrong."""
        if self.reply is not None:
            return self.reply.enhanced or f"{self.reply.code // 100}.0.0"
        return self._failed().enhanced

    @property
    def text(self) -> str:
        """What became of it in one line, for logs and reports."""
        return str(self.failure if self.reply is None else self.reply)

    def _failed(self) -> DeliveryError:
        assert self.failure is not None
        return self.failure

    @property
    def error(self) -> DeliveryError | None:
        """What went wrong as an exception; None if it was delivered."""
        if self.failure is not None or self.reply is None or self.delivered:
            return self.failure
        return failure_of(self.reply)


@dataclass(slots=True)
class Outcome:
    """What has become of a message. Not to be changed, though not frozen, which costs time.

    Attributes:
        recipients: one for each recipient of the envelope, in its order.
        dsn: whether the server makes the reports that senders want (RFC 3461). If not, and a sender wants to
            hear of success, it is up to the client to report that the message went on.
    """

    recipients: tuple[RecipientOutcome, ...]
    dsn: bool = False

    @property
    def ok(self) -> bool:
        """Whether the message was delivered to all recipients."""
        recipients = self.recipients
        # Most mail has one, and this is asked of all.
        return recipients[0].delivered if len(recipients) == 1 else all(each.delivered for each in recipients)

    @property
    def delivered(self) -> tuple[RecipientOutcome, ...]:
        """The recipients for which the message was taken."""
        return self._those(lambda each: each.delivered)

    @property
    def temporary(self) -> tuple[RecipientOutcome, ...]:
        """The recipients for which it may be taken later."""
        return self._those(lambda each: each.temporary)

    @property
    def permanent(self) -> tuple[RecipientOutcome, ...]:
        """The recipients for which it will not be taken."""
        return self._those(lambda each: each.permanent)

    def _those(self, wanted: Callable[[RecipientOutcome], bool]) -> tuple[RecipientOutcome, ...]:
        return tuple(filter(wanted, self.recipients))
