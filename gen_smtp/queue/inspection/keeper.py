"""What waits in the queues, and what a person does with it. It runs in a plain program, without a hub.

A message is looked at by taking it without an acknowledgement; the end of the channel puts it back in its
place. So a message that is to be delivered at this moment is not looked at unless that is wanted: a deliverer
must wait for it, and the broker counts that it came back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pika
import pika.exceptions

from gen_smtp.queue.connection import code_of, error_text, parameters_of, quiet_pika, urls_of
from gen_smtp.queue.delivery.returned import Fate, report_on
from gen_smtp.queue.envelope import CONTENT_TYPE, EnvelopeError, QueuedMail, mail_of
from gen_smtp.queue.errors import BrokerError
from gen_smtp.queue.queues import DEAD, NO_SUCH_QUEUE, all_queues

MOST_LOOKED_AT = 100_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits in a queue.

    Attributes:
        queue: where.
        message_id: its name.
        mail: what it is; None if it is no mail.
        problem: why it is none, or why it was put aside; None for nothing.
        size: octets of the message.
        data: the message, where it was asked for.
    """

    queue: str
    message_id: str
    mail: QueuedMail | None
    problem: str | None
    size: int
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class QueueCount:
    """A queue, and how much is in it.

    Attributes:
        name: its name.
        messages: that are ready. Those that a deliverer has at this moment are not among them.
        consumers: deliverers that take messages out of it.
    """

    name: str
    messages: int
    consumers: int


@dataclass(frozen=True, slots=True)
class Keeper:
    """Looks after the queues that belong to one.

    Args:
        url: the broker's; several between commas, which are tried in turn.
        queue: the first queue.
        delays: seconds, as the deliverers have them: each has its queue.
        hostname: this server's name in reports.
        with_ready: look also at what is to be delivered at this moment.
        reports_to: the queue that reports go to; None is the first one.
    """

    url: str
    queue: str
    delays: Sequence[float]
    hostname: str = "localhost"
    with_ready: bool = False
    reports_to: str | None = None
    _names: list[str] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._names.extend(each.name for each in all_queues(self.queue, self.delays))

    def counts(self) -> list[QueueCount]:
        """The queues that there are.

        Raises:
            BrokerError: the broker can't be reached.
        """
        with self._connected() as connection:
            found = [_count(connection, name) for name in self._names]
            return [each for each in found if each is not None]

    def waiting(self, most: int = MOST_LOOKED_AT) -> list[Waiting]:
        """The messages that wait.

        Args:
            most: of each queue, the oldest first.

        Raises:
            BrokerError: the broker can't be reached.
        """
        found: list[Waiting] = []
        with self._connected() as connection:
            for name in self._looked_at(connection):
                with _channel(connection) as channel:
                    for _, properties, body in _messages(channel, name, most):
                        found.append(_without_text(_waiting(name, properties, body)))
        return found

    def show(self, message_id: str) -> Waiting | None:
        """The message of this name; None if there is none."""
        found: list[Waiting] = []

        def keep(channel: Any, waiting: Waiting, properties: Any, body: bytes) -> bool:
            found.append(replace(waiting, data=body))
            return False

        self._act([message_id], keep)
        return found[0] if found else None

    def retry(self, message_ids: Sequence[str] | None) -> list[str]:
        """Have messages delivered now.

        Args:
            message_ids: which; None is all.

        Returns:
            the names of those that were there.

        Raises:
            BrokerError: the broker can't be reached, or did not take one.
        """

        def put_back(channel: Any, waiting: Waiting, properties: Any, body: bytes) -> bool:
            if waiting.queue == self.queue:
                return False  # it is where it is to be
            headers = {
                name: value
                for name, value in (properties.headers or {}).items()
                if not name.startswith("x-") and name != "smtp-dead"
            }
            _publish(channel, self.queue, body, headers, properties.message_id)
            return True

        return self._act(message_ids, put_back)

    def return_to_sender(self, message_ids: Sequence[str] | None, reason: str) -> list[str]:
        """Give messages up, and tell their senders, as far as these want to know.

        Args:
            message_ids, returned: as for `retry`.
            reason: what the report says.
        """

        def give_up(channel: Any, waiting: Waiting, properties: Any, body: bytes) -> bool:
            if waiting.mail is None:
                raise BrokerError(f"{waiting.message_id} is no mail, and has no sender; delete it")
            fates = [Fate(each, "failed", each.last or reason, "5.0.0") for each in waiting.mail.recipients]
            report = report_on(waiting.mail, fates, self.hostname)
            if report is not None:
                target = self.reports_to or self.queue
                _publish(channel, target, report.data, report.headers(), report.message_id)
            return True

        return self._act(message_ids, give_up)

    def delete(self, message_ids: Sequence[str] | None) -> list[str]:
        """Give messages up, and tell nobody."""
        return self._act(message_ids, lambda channel, waiting, properties, body: True)

    # -- with the broker ------------------------------------------------------------------------------

    def _act(
        self, message_ids: Sequence[str] | None, act: Callable[[Any, Waiting, Any, bytes], bool]
    ) -> list[str]:
        """Do something with messages; those for which it says True leave their queue.

        What is to be in a queue instead is there, confirmed, before that.
        """
        done: list[str] = []
        with self._connected() as connection:
            for name in self._looked_at(connection):
                # A channel of its own to publish by, since a failure closes it.
                with _channel(connection) as channel, _channel(connection) as outgoing:
                    outgoing.confirm_delivery()
                    for tag, properties, body in _messages(channel, name, MOST_LOOKED_AT):
                        waiting = _waiting(name, properties, body)
                        if message_ids is not None and waiting.message_id not in message_ids:
                            continue
                        if act(outgoing, waiting, properties, body):
                            channel.basic_ack(tag)
                        done.append(waiting.message_id)
        return done

    def _looked_at(self, connection: Any) -> list[str]:
        names = self._names if self.with_ready else self._names[1:]
        return [each for each in names if _count(connection, each) is not None]

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        quiet_pika()
        connection = None
        failed: BaseException | None = None
        for url in urls_of(self.url):
            try:
                connection = pika.BlockingConnection(parameters_of(url))
                break
            except (pika.exceptions.AMQPError, OSError) as error:
                failed = error
        if connection is None:
            assert failed is not None
            raise BrokerError(f"no connection to the broker: {error_text(failed)}") from failed
        try:
            yield connection
        except pika.exceptions.AMQPError as error:
            raise BrokerError(error_text(error), code_of(error)) from error
        finally:
            with contextlib.suppress(pika.exceptions.AMQPError):
                connection.close()


@contextmanager
def _channel(connection: Any) -> Iterator[Any]:
    """A channel; at its end, what was taken and not acknowledged goes back to its place."""
    channel = connection.channel()
    try:
        yield channel
    finally:
        with contextlib.suppress(pika.exceptions.AMQPError):
            channel.close()


def _messages(channel: Any, queue: str, most: int) -> Iterator[tuple[int, Any, bytes]]:
    """The messages that are in a queue now, by the numbers of the channel."""
    count = int(channel.queue_declare(queue, passive=True).method.message_count)
    for _ in range(min(count, most)):
        method, properties, body = channel.basic_get(queue)
        if method is None:
            return
        yield method.delivery_tag, properties, body


def _count(connection: Any, name: str) -> QueueCount | None:
    channel = connection.channel()
    try:
        counted = channel.queue_declare(name, passive=True).method
    except pika.exceptions.ChannelClosedByBroker as error:
        if error.reply_code != NO_SUCH_QUEUE:
            raise
        return None
    channel.close()
    return QueueCount(name, counted.message_count, counted.consumer_count)


def _publish(channel: Any, queue: str, body: bytes, headers: dict[str, Any], message_id: str | None) -> None:
    properties = pika.BasicProperties(
        message_id=message_id, headers=headers, delivery_mode=2, content_type=CONTENT_TYPE
    )
    try:
        channel.basic_publish("", queue, body, properties, mandatory=True)
    except (pika.exceptions.UnroutableError, pika.exceptions.NackError) as error:
        raise BrokerError(f"the queue {queue} does not take it; nothing was changed") from error


def _waiting(queue: str, properties: Any, body: bytes) -> Waiting:
    headers = properties.headers or {}
    problem = headers.get("smtp-dead") if queue.endswith(f".{DEAD}") else None
    name = str(properties.message_id or "-")
    try:
        mail = mail_of(properties, body)
    except EnvelopeError as error:
        return Waiting(queue, name, None, str(problem or error), len(body))
    return Waiting(queue, name, mail, None if problem is None else str(problem), len(body))


def _without_text(waiting: Waiting) -> Waiting:
    """The same without the message, of which there may be many."""
    return waiting if waiting.mail is None else replace(waiting, mail=replace(waiting.mail, data=b""))
