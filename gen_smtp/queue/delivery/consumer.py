"""Taking messages out of a queue, over one connection that is opened again when it is lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pykka

from actors import GeventFuture
from actors.runtime.future import try_set
from actors.runtime.hub import Hub
from gen_smtp.queue.connection import Link, ask, declare, open_channel
from gen_smtp.queue.queues import Queue


class Delivery:
    """A message that the broker has handed out, and that is not acknowledged yet.

    Args:
        channel: the channel that it came by.
        tag: its number there.
        properties: pika's.
        body: the message.
    """

    __slots__ = ("_channel", "_tag", "body", "properties")

    def __init__(self, channel: Any, tag: int, properties: Any, body: bytes) -> None:
        self._channel = channel
        self._tag = tag
        self.properties = properties
        self.body = body

    @property
    def is_held(self) -> bool:
        """Whether it is still ours. If the channel is lost, the broker hands it out again."""
        return bool(self._channel.is_open)

    @property
    def returns(self) -> int:
        """How often it was handed out before without an end, as far as a quorum queue counts."""
        return int((self.properties.headers or {}).get("x-delivery-count", 0))

    def acknowledge(self) -> None:
        """Take it out of the queue for good; on the hub."""
        if self._channel.is_open:
            self._channel.basic_ack(self._tag)


class Consumer:
    """Takes messages out of a queue, each in a greenlet of its own.

    Args:
        url: the broker's; several between commas.
        queues: are made if they are not there; messages come from the first one.
        concurrency: so many messages at once.
        handle: called with each Delivery; must acknowledge it, and raises nothing.
    """

    def __init__(
        self, url: str, queues: Sequence[Queue], concurrency: int, handle: Callable[[Delivery], object]
    ) -> None:
        self._link = Link(url, self._set_up)
        self._queues = queues
        self._concurrency = concurrency
        self._handle = handle
        self._channel: Any = None
        self._tag = ""
        self._busy = 0
        self._idle: GeventFuture[None] | None = None
        self._draining = False

    def start(self) -> None:
        """Begin to connect, and to take messages; it does not wait."""
        self._link.start()

    def drain(self, grace: float) -> bool:
        """Take no more messages, wait for those that are under way, and close the connection.

        Args:
            grace: seconds to wait at most. The broker hands out again what is not done then.

        Returns:
            whether all were done.
        """
        idle = Hub.current().spawn(self._stop_taking).get()
        try:
            idle.get(timeout=grace)
            return True
        except pykka.Timeout:
            return False
        finally:
            self._link.close()

    def _stop_taking(self) -> GeventFuture[None]:
        self._draining = True
        self._idle = GeventFuture()
        if self._channel is not None and self._channel.is_open:
            self._channel.basic_cancel(self._tag)
        if not self._busy:
            self._idle.set()
        return self._idle

    def _set_up(self, connection: Any) -> Any:
        for queue in self._queues:
            declare(connection, queue)
        channel = open_channel(connection)
        channel.add_on_cancel_callback(lambda frame: connection.close())  # the queue was deleted
        channel.add_on_close_callback(lambda _, error: _close(connection))
        ask(channel, channel.basic_qos, prefetch_count=self._concurrency)
        self._channel = channel
        if not self._draining:
            self._tag = channel.basic_consume(self._queues[0].name, self._on_message)
        return self._on_lost

    def _on_lost(self, error: BaseException) -> None:
        self._channel = None

    def _on_message(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        if self._draining:
            return  # the broker hands it out again
        self._busy += 1
        Hub.current().spawn(self._run, Delivery(channel, method.delivery_tag, properties, body))

    def _run(self, delivery: Delivery) -> None:
        try:
            self._handle(delivery)
        finally:
            self._busy -= 1
            if self._draining and not self._busy:
                try_set(self._idle)


def _close(connection: Any) -> None:
    with contextlib.suppress(Exception):  # it may be closing already
        if connection.is_open:
            connection.close()
