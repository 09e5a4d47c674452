"""A durable queue behind the server, and delivery out of it: RabbitMQ.

Public are `QueueHandler`, a callback class that says 250 when the broker has confirmed; `Publisher` for one's
own callback classes, with its errors; and the events in `queue_events`. Needs the extra `amqp`.

Imports: `actors`, `actors.events`, `actors.runtime`, `gen_smtp.callbacks`, `gen_smtp.options`,
`gen_smtp.protocol.parameters`, `gen_smtp.smtp_util`, `pika`, `pykka`.
"""

from gen_smtp.queue.errors import (
    BrokerBlocked,
    BrokerError,
    MessageTooLarge,
    NotConfirmed,
    PublishError,
    QueueFull,
    QueueMissing,
)
from gen_smtp.queue.handler import QueueHandler
from gen_smtp.queue.publisher import Publisher

__all__ = [
    "BrokerBlocked",
    "BrokerError",
    "MessageTooLarge",
    "NotConfirmed",
    "PublishError",
    "Publisher",
    "QueueFull",
    "QueueHandler",
    "QueueMissing",
]
