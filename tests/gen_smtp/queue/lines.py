"""A queue, a deliverer behind it, and next hops."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

from benchmarks.queue.broker import Broker
from gen_smtp.queue import Publisher
from gen_smtp.queue.delivery.deliverer import Deliverer, DeliverySettings
from gen_smtp.queue.delivery.next_hop import NextHop
from gen_smtp.queue.envelope import QueuedMail, QueuedRecipient
from gen_smtp.queue.queues import all_queues
from gen_smtp.testing import SmtpCatcher

DELAY = 0.25
DATA = b"Subject: hello\r\n\r\nHello\r\n"


def mail_to(*recipients: str, sender: str = "a@example.org", **facts: Any) -> QueuedMail:
    """A mail as the handler puts it into the queue."""
    given = {"arrival": int(time.time()), **facts}
    return QueuedMail("id.1", sender, tuple(map(QueuedRecipient, recipients)), DATA, **given)


class Line:
    """A queue, a deliverer behind it, and a catcher as its next hop."""

    def __init__(self, broker: Broker, queue: str, stack: ExitStack) -> None:
        self.broker = broker
        self.queue = queue
        self._stack = stack
        self.publisher = Publisher(broker.url, queues=all_queues(queue, (DELAY,)))
        stack.callback(self.publisher.close)

    def put(self, mail: QueuedMail) -> None:
        """Put a mail into the queue."""
        self.publisher.publish(self.queue, mail.data, message_id=mail.message_id, headers=mail.headers())

    def deliver(self, via: str, options: dict[str, Any] | None = None, **settings: Any) -> Deliverer:
        """Start a deliverer."""
        client = {"hostname": "mx.test", "tls": "never", "timeout": 2.0, **(options or {})}
        hop = NextHop(via, client)
        given = {"url": self.broker.url, "queue": self.queue, "hostname": "mx.test", "delays": (DELAY,)}
        deliverer = Deliverer(DeliverySettings(**{**given, **settings}), hop)
        self._stack.callback(hop.close)
        self._stack.callback(deliverer.drain, 5.0)
        deliverer.start()
        return deliverer

    def catcher(self, **options: Any) -> SmtpCatcher:
        """A next hop."""
        catcher: SmtpCatcher = self._stack.enter_context(SmtpCatcher(**options))
        return catcher

    def is_empty(self) -> bool:
        """Whether nothing waits, and nothing is in hand."""
        counts = [self.broker.count(each.name) for each in all_queues(self.queue, (DELAY,))]
        return not any(counts)
