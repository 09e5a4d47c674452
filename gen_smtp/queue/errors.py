"""What can go wrong on the way into the queue."""

from __future__ import annotations

__all__ = [
    "BrokerBlocked",
    "BrokerError",
    "MessageTooLarge",
    "NotConfirmed",
    "PublishError",
    "QueueFull",
    "QueueMissing",
]


class BrokerError(Exception):
    """The broker could not be reached, or refused what it was asked.

    Attributes:
        code: the broker's code, such as 404 for a queue that is not there; None where it said none.
    """

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


class PublishError(Exception):
    """A message is not in the queue, as far as is known. It may be published again.

    Attributes:
        reply: what an SMTP server says to its client.
    """

    reply = "451 4.3.0 Error: the message could not be queued"


class NotConfirmed(PublishError):  # noqa: N818 - says what it is
    """The broker did not confirm in time, or its connection was lost. The message may be in the queue."""


class QueueMissing(PublishError):  # noqa: N818 - says what it is
    """There is no such queue."""


class QueueFull(PublishError):  # noqa: N818 - says what it is
    """The broker refused the message: its queue is full, as a rule."""

    reply = "452 4.3.1 Error: the queue is full"


class BrokerBlocked(PublishError):  # noqa: N818 - says what it is
    """The broker has no memory or no disk left, and takes no messages."""

    reply = "452 4.3.1 Error: the queue takes no messages now"


class MessageTooLarge(PublishError):  # noqa: N818 - says what it is
    """The message has more octets than the broker takes, or its headers more than fit in a frame."""

    reply = "552 5.3.4 Error: the message is too large for the queue"
