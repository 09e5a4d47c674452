"""Publishing with confirms: what was published is on the broker's disks, or an error is raised."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import pika
import pykka

from actors import GeventFuture, events
from actors.runtime.future import try_set, try_set_exception
from actors.runtime.hub import Hub
from gen_smtp.queue.connection import Link, ask, code_of, declare, error_text, open_channel
from gen_smtp.queue.errors import (
    BrokerBlocked,
    BrokerError,
    MessageTooLarge,
    NotConfirmed,
    PublishError,
    QueueFull,
    QueueMissing,
)
from gen_smtp.queue.queue_events import BrokerStopsMessages, BrokerTakesMessages
from gen_smtp.queue.queues import Queue

CONFIRM_TIMEOUT = 30.0
MAX_MESSAGES = 1000
MAX_OCTETS = 64 * 1024 * 1024
MAX_MESSAGE = 134_217_728
"""Octets of one message that the broker takes unless it is told otherwise."""

ORDERS = ("CC", "BCC")
"""Headers by which a publisher has the broker put copies into other queues."""

FRAME_ROOM = 1024
"""Octets of a frame with headers that something else may need: the other properties, and the frame itself."""

PRECONDITION_FAILED = 406
_LIMIT = re.compile(r"larger than (?:configured )?max size ([0-9]+)")


class Pending:
    """A message on its way to the broker.

    Args:
        queue: where it goes.
        body: the message.
        properties: pika's.

    Attributes:
        done: is set when the broker has confirmed, or to the PublishError.
        returned: the broker has said that there is no such queue.
    """

    __slots__ = ("body", "done", "properties", "queue", "returned", "size")

    def __init__(self, queue: str, body: bytes, properties: Any) -> None:
        self.queue = queue
        self.body = body
        self.size = len(body)
        self.properties = properties
        self.done = GeventFuture[None]()
        self.returned = False

    def fail(self, error: PublishError) -> None:
        """Let its publisher know that it is not in the queue."""
        try_set_exception(self.done, error)


class Publisher:
    """Publishes messages to queues of a broker over one connection, which is opened again when it is lost.

    It may be used from any thread, greenlet or actor. A caller waits for the broker's confirm, and no other
    actor does.

        publisher = Publisher("amqp://user:password@broker/")
        publisher.publish("mail.in", message, message_id="4711", headers={"x-origin": "web"})

    Args:
        url: the broker's; those of several nodes between commas, which are tried in turn.
        queues: queues that are made, if they are not there, with each connection.
        confirm_timeout: seconds for a connection and the confirm. Keep it below the time that a client
            waits: with a broker that has no memory left, nothing comes before.
        max_messages, max_octets: what may be under way and unconfirmed; what is more waits. A single message
            may be larger.
        max_message: octets of one message; the broker may take fewer, which the publisher learns.

    Attributes:
        max_message: so many octets of one message are taken now.
        link: the connection.

    Raises:
        ValueError: the URL is none for AMQP.
    """

    def __init__(
        self,
        url: str,
        *,
        queues: Sequence[Queue] = (),
        confirm_timeout: float = CONFIRM_TIMEOUT,
        max_messages: int = MAX_MESSAGES,
        max_octets: int = MAX_OCTETS,
        max_message: int = MAX_MESSAGE,
    ) -> None:
        self.link = Link(url, self._set_up)
        self._queues = {each.name: each for each in queues}
        self._confirm_timeout = confirm_timeout
        self._max_messages = max_messages
        self._max_octets = max_octets
        self.max_message = max_message
        self._max_headers = 0
        self._channel: Any = None
        self._blocked = False
        self._waiting: deque[Pending] = deque()
        self._sent: dict[int, Pending] = {}
        self._tag = 0
        self._octets = 0

    def start(self) -> None:
        """Begin to connect; it does not wait. `publish` does so, too."""
        self.link.start()

    def close(self) -> None:
        """Close the connection. What is under way is not confirmed any more."""
        self.link.close()

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection that takes messages."""
        return self._channel is not None

    def publish(
        self,
        queue: str,
        body: bytes,
        *,
        message_id: str | None = None,
        headers: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **properties: Any,
    ) -> None:
        """Publish a message, and wait until the broker has it.

        Args:
            queue: where it goes.
            body: the message.
            message_id: a name by which a consumer can tell that it gets it twice.
            headers: texts, whole numbers, truth values, and lists and dictionaries of such. No floats, which
                pika can't write; and none called CC or BCC, which would be orders to the broker.
            timeout: seconds; None is `confirm_timeout`.
            properties: others of AMQP, such as `content_type`.

        Raises:
            NotConfirmed, QueueMissing, QueueFull, BrokerBlocked, MessageTooLarge: it is not in the queue, or
                nobody knows.
            ValueError: the headers have what they can't.
        """
        self.wait(self.submit(queue, body, message_id=message_id, headers=headers, **properties), timeout)

    def submit(
        self,
        queue: str,
        body: bytes,
        *,
        message_id: str | None = None,
        headers: Mapping[str, Any] | None = None,
        **properties: Any,
    ) -> Pending:
        """As `publish`, without waiting; `wait` for what it returns.

        Raises:
            MessageTooLarge, ValueError: as there.
        """
        if len(body) > self.max_message:
            raise MessageTooLarge(f"{len(body)} octets, and the broker takes {self.max_message}")
        _check_headers(headers or {})
        made = pika.BasicProperties(
            message_id=message_id, headers=dict(headers or {}), delivery_mode=2, **properties
        )
        pending = Pending(queue, bytes(body), made)
        hub = Hub.current()
        self.link.start()
        if hub.is_here():
            self._enter(pending)
        else:
            hub.run_soon(self._enter, pending)
        return pending

    def wait(self, pending: Pending, timeout: float | None = None) -> None:
        """Wait until the broker has a message.

        Raises:
            PublishError: as for `publish`.
        """
        seconds = self._confirm_timeout if timeout is None else timeout
        try:
            pending.done.get(timeout=seconds)
        except pykka.Timeout:
            error: PublishError = NotConfirmed(self._why_not(seconds))
            if self._blocked:
                error = BrokerBlocked("the broker takes no messages")
            Hub.current().run_soon(self._give_up, pending, error)
            raise error from None

    def _why_not(self, seconds: float) -> str:
        lost = self.link.last_error
        if self._channel is None:
            return f"no connection to {self.link.place}" + (f": {error_text(lost)}" if lost else "")
        return f"no confirm in {seconds:g} s"

    def under_way(self) -> tuple[int, int]:
        """How many messages are sent and not confirmed, and their octets; to be asked on the hub."""
        return len(self._sent), self._octets

    # -- on the hub -----------------------------------------------------------------------------------

    def _give_up(self, pending: Pending, error: PublishError) -> None:
        """Nobody waits for it any more. If it was sent it stays under way, since pika may hold it yet."""
        with contextlib.suppress(ValueError):
            self._waiting.remove(pending)
        pending.fail(error)

    def _enter(self, pending: Pending) -> None:
        if self._blocked:
            pending.fail(BrokerBlocked("the broker takes no messages"))
            return
        self._waiting.append(pending)
        self._send_waiting()

    def _send_waiting(self) -> None:
        while self._waiting and self._channel is not None and not self._blocked:
            pending = self._waiting[0]
            full = len(self._sent) >= self._max_messages or self._octets + pending.size > self._max_octets
            if full and self._sent:
                return
            self._waiting.popleft()
            self._send(pending)

    def _send(self, pending: Pending) -> None:
        try:
            if not _fits(pending.properties.headers, self._max_headers):
                raise MessageTooLarge(f"its headers do not fit in a frame of {self._max_headers} octets")
            self._channel.basic_publish("", pending.queue, pending.body, pending.properties, mandatory=True)
        except PublishError as error:
            pending.fail(error)
            return
        except Exception as error:  # nothing went out: pika codes all of it first
            try_set_exception(pending.done, ValueError(f"it can't be published: {error_text(error)}"))
            return
        pending.body = b""  # pika has it now
        self._tag += 1
        self._sent[self._tag] = pending
        self._octets += pending.size

    def _on_confirm(self, frame: Any) -> None:
        tag, taken = frame.method.delivery_tag, frame.method.NAME == "Basic.Ack"
        tags = [tag]
        if frame.method.multiple:
            tags = list(itertools.takewhile(lambda each: each <= tag, self._sent))
        for each in tags:
            pending = self._sent.pop(each, None)
            if pending is not None:
                self._octets -= pending.size
                _settle(pending, taken)
        self._send_waiting()

    def _on_return(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        """There is no such queue. The confirm of the same message comes behind this, as if all were well."""
        for pending in self._sent.values():
            same = pending.queue == method.routing_key and not pending.returned
            if same and pending.properties.message_id == properties.message_id:
                pending.returned = True
                break
        if method.routing_key in self._queues:
            Hub.current().spawn(self._make_again, method.routing_key)

    def _make_again(self, name: str) -> None:
        connection = self.link.connection
        if connection is not None:
            with contextlib.suppress(BrokerError):
                declare(connection, self._queues[name])

    def _on_blocked(self, connection: Any, frame: Any) -> None:
        """What was sent waits for its time-out, since it may be read when the alarm is over."""
        self._blocked = True
        events.emit(BrokerStopsMessages(self.link.place, str(frame.method.reason)))
        while self._waiting:
            self._waiting.popleft().fail(BrokerBlocked("the broker takes no messages"))

    def _on_unblocked(self, connection: Any, frame: Any) -> None:
        self._blocked = False
        events.emit(BrokerTakesMessages(self.link.place))
        self._send_waiting()

    # -- the connection -------------------------------------------------------------------------------

    def _set_up(self, connection: Any) -> Any:
        for queue in self._queues.values():
            declare(connection, queue)
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)
        channel = open_channel(connection, self._on_channel_closed)
        channel.add_on_return_callback(self._on_return)
        ask(channel, channel.confirm_delivery, self._on_confirm)
        self._tag, self._blocked = 0, False
        self._max_headers = connection.params.frame_max - FRAME_ROOM
        self._channel = channel
        self._send_waiting()
        return self._on_lost

    def _on_channel_closed(self, error: BaseException) -> None:
        """Whatever closed it: the connection is made anew."""
        was_up = self._channel is not None
        self._lose(error)
        connection = self.link.connection
        if was_up and connection is not None and connection.is_open:
            connection.close()

    def _on_lost(self, error: BaseException) -> None:
        self._blocked = False
        self._lose(error)

    def _lose(self, error: BaseException) -> None:
        """What is under way may be in the queue, or not."""
        self._channel = None
        limit = _LIMIT.search(error_text(error)) if code_of(error) == PRECONDITION_FAILED else None
        if limit is not None:
            self.max_message = min(self.max_message, int(limit[1]))
        sent, self._sent, self._octets = self._sent, {}, 0
        for pending in sent.values():
            if limit is not None and pending.size > self.max_message:
                pending.fail(MessageTooLarge(f"the broker takes {self.max_message} octets"))
            else:
                pending.fail(NotConfirmed(f"the connection was lost: {error_text(error)}"))


def _settle(pending: Pending, taken: bool) -> None:
    if pending.returned:
        pending.fail(QueueMissing(f"there is no queue {pending.queue!r}"))
    elif taken:
        try_set(pending.done)
    else:
        pending.fail(QueueFull(f"the queue {pending.queue!r} is full, or can't take it"))


def _check_headers(headers: Mapping[str, Any]) -> None:
    for name in headers:
        if name in ORDERS:
            raise ValueError(f"the header {name} is an order to the broker to put copies into other queues")


def _fits(headers: Mapping[str, Any], octets: int) -> bool:
    """Tell whether headers take no more octets than that.

    No value takes more than nine octets for each character that Python shows it with; most headers are small
    enough by that, and it takes a tenth of the time of the exact look.
    """
    return 9 * len(repr(headers)) <= octets or _octets_of(headers) <= octets


def _octets_of(value: Any) -> int:
    """About so many octets that a value takes as a header of AMQP, never fewer."""
    if isinstance(value, str):
        return 5 + (len(value) if value.isascii() else len(value.encode(errors="surrogatepass")))
    if isinstance(value, Mapping):
        return 5 + sum(2 + len(name) * 4 + _octets_of(each) for name, each in value.items())
    if isinstance(value, list | tuple):
        return 5 + sum(_octets_of(each) for each in value)
    return 5 + len(value) if isinstance(value, bytes) else 16
