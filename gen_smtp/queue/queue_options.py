"""The callback options of `QueueHandler`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from gen_smtp.options.checks import (
    Check,
    OptionsError,
    check_fields,
    flag,
    one_of,
    optional,
    read_record,
    shown_option,
    timeout,
    whole_number,
)
from gen_smtp.queue.connection import parameters_of, urls_of
from gen_smtp.queue.publisher import CONFIRM_TIMEOUT, MAX_MESSAGE, MAX_MESSAGES, MAX_OCTETS

DEFAULT_QUEUE = "mail.in"
LONGEST_NAME = 200
"""Octets of a queue's name; AMQP has 255, and the other queues have longer names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueOptions:
    """What the session option `callbackoptions` says to `QueueHandler`.

    Attributes:
        url: the broker's, `amqp://user:password@host:5672/vhost`, or `amqps://`; those of several nodes
            between commas, which are tried in turn.
        queue: the name of the queue; it is made as a quorum queue if it is not there.
        max_length: messages that the queue takes, more or less, where it is made here; None for no limit.
        max_message: octets of a message, its trace field included.
        confirm_timeout: seconds until a client hears 451 if the broker does not confirm.
        max_messages, max_octets: what may be under way to the broker, unconfirmed, for a whole process.
        received: put a Received field in front of each message.
        protocol: taken since the command line's `--lmtp` sets it; what the session speaks is what counts.

    Raises:
        OptionsError: for a value of the wrong type.
    """

    url: str = field(default=None, repr=False)  # type: ignore[assignment] # its check wants one
    queue: str = DEFAULT_QUEUE
    max_length: int | None = None
    max_message: int = MAX_MESSAGE
    confirm_timeout: float = CONFIRM_TIMEOUT
    max_messages: int = MAX_MESSAGES
    max_octets: int = MAX_OCTETS
    received: bool = True
    protocol: Literal["smtp", "lmtp"] = "smtp"

    def __post_init__(self) -> None:
        check_fields(self, _CHECKS)


def read_queue_options(given: Any) -> QueueOptions:
    """The options from a mapping or an Erlang-like list of (key, value) pairs.

    Raises:
        OptionsError: names the option that is unknown, wrong or missing, and what is allowed.
    """
    try:
        return read_record(QueueOptions, given)
    except OptionsError as error:
        raise (error.within("callbackoptions") if error.option else error) from error.__cause__


def _url(value: Any) -> str:
    allowed = "amqp://user:password@host:5672/vhost, or amqps://; several between commas"
    if not isinstance(value, str):
        raise OptionsError("the broker's URL is missing", allowed=allowed)
    try:
        for each in urls_of(value):
            parameters_of(each)
    except Exception:  # what pika raises has the URL in it, and so the password
        raise OptionsError("not a URL of a broker", allowed=allowed) from None
    return value


def queue_name(value: Any) -> str:
    """The name of a queue.

    Raises:
        OptionsError: it is none.
    """
    fits = isinstance(value, str) and 0 < len(value.encode(errors="replace")) <= LONGEST_NAME
    if fits and value.isprintable() and not value.startswith("amq."):
        return str(value)
    raise OptionsError(
        f"not the name of a queue: {shown_option(value)}",
        allowed=f"printable text of at most {LONGEST_NAME} octets that does not begin with amq.",
    )


_CHECKS: dict[str, Check] = {
    "url": _url,
    "queue": queue_name,
    "max_length": optional(whole_number(1, 2**31)),
    "max_message": whole_number(1, 2**29),
    "confirm_timeout": timeout,
    "max_messages": whole_number(1, 10**6),
    "max_octets": whole_number(1, 2**40),
    "received": flag,
    "protocol": one_of("smtp", "lmtp"),
}
