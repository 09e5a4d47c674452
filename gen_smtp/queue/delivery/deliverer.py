"""What becomes of each message of the queue: delivered, tried again later, returned, or put aside.

Nothing is lost at any point where this process, the broker or the next hop may fail: what follows from a try
is in the broker's queues, confirmed, before the message is acknowledged. What can happen is a double.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import gevent

from actors import events
from gen_smtp.gen_smtp_client import Outcome, RecipientOutcome
from gen_smtp.queue.delivery.consumer import Consumer, Delivery
from gen_smtp.queue.delivery.returned import Fate, report_on
from gen_smtp.queue.envelope import (
    CONTENT_TYPE,
    EnvelopeError,
    QueuedMail,
    QueuedRecipient,
    mail_of,
)
from gen_smtp.queue.errors import MessageTooLarge, PublishError
from gen_smtp.queue.publisher import ORDERS, Publisher
from gen_smtp.queue.queue_events import (
    MessageBounced,
    MessageBuried,
    MessageDeferred,
    MessageDelivered,
)
from gen_smtp.queue.queues import DELAYS, Queue, all_queues, dead_queue, delay_after, retry_queue

EXPIRES = 5 * 86400.0
"""Seconds until a sender gets its mail back (RFC 5321 section 4.5.4.1: four or five days)."""
LATE = 4 * 3600.0
"""Seconds until a sender that asked for it is told that its mail is late."""
MOST_RETURNS = 20
"""So often a message may come back because its process ended or lost the broker, before it is put aside."""
LONGEST_LAST = 400
"""Characters of a reply that are kept with a recipient."""
LONGEST_TRY = 1500.0
"""Seconds. The broker takes a message back after 1,800 (consumer_timeout), and all others of a process."""
PAUSE = 1.0
LONGEST_PAUSE = 15.0


class Hop(Protocol):
    """Where mails go."""

    is_final: bool
    is_by_domain: bool

    def deliver(self, mail: QueuedMail) -> Outcome:
        """Hand a mail on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliverySettings:
    """How messages are delivered.

    Attributes:
        url: the broker's; several between commas.
        queue: where messages come from.
        hostname: this server's name in reports.
        concurrency: so many messages at once.
        delays: seconds before each new try; the last one again and again.
        expires: seconds after which a sender gets its mail back.
        late: seconds after which a sender that asked for it is told.
        reports_to: the queue that reports go to; None is the same.
    """

    url: str
    queue: str
    hostname: str
    concurrency: int = 20
    delays: tuple[float, ...] = DELAYS
    expires: float = EXPIRES
    late: float = LATE
    reports_to: str | None = None


class Deliverer:
    """Takes messages out of a queue and delivers them.

    Args:
        settings: how.
        hop: where they go.
    """

    def __init__(self, settings: DeliverySettings, hop: Hop) -> None:
        self._settings = settings
        self._hop = hop
        queues = all_queues(settings.queue, settings.delays)
        if settings.reports_to is not None:
            queues.append(Queue(settings.reports_to))
        self._publisher = Publisher(settings.url, queues=queues)
        self._consumer = Consumer(settings.url, queues, settings.concurrency, self._handle)

    def start(self) -> None:
        """Begin; it does not wait."""
        self._publisher.start()
        self._consumer.start()

    def drain(self, grace: float) -> bool:
        """Take no more messages, and end those under way.

        Args:
            grace: seconds for that. What is not done then, the broker hands out again.

        Returns:
            whether all were done.
        """
        done = self._consumer.drain(grace)
        self._publisher.close()
        return done

    def _handle(self, delivery: Delivery) -> None:
        try:
            self._work(delivery)
        except EnvelopeError as error:
            self._bury(delivery, str(error))
        except Exception as error:  # it would come again and again
            name = str(delivery.properties.message_id)
            events.emit(events.HookFailed(f"the delivery of {name}", "what follows", error))
            self._bury(delivery, f"it can't be dealt with: {type(error).__name__}: {error}")

    def _work(self, delivery: Delivery) -> None:
        """Do all that is to be done about a message.

        Raises:
            EnvelopeError: it is no mail.
            ValueError: what follows from it can't be put into a queue.
        """
        mail = mail_of(delivery.properties, delivery.body)
        if delivery.returns >= MOST_RETURNS:
            self._bury(delivery, f"it came back {delivery.returns} times without an end")
            return
        parts = _by_domain(mail) if self._hop.is_by_domain else [mail]
        if len(parts) > 1:  # each goes its own way, and none waits for another
            follow_ups = [(self._settings.queue, each) for each in parts]
        else:
            follow_ups = self._decide(mail, self._try(mail))
        if self._publish_all(delivery, follow_ups):
            delivery.acknowledge()

    def _try(self, mail: QueuedMail) -> Outcome | None:
        """Hand a mail on; None if that took too long, or failed by a fault of ours.

        A fault is no reason to lose a mail, nor to try for ever.
        """
        try:
            with gevent.Timeout(LONGEST_TRY, False):
                return self._hop.deliver(mail)
        except Exception as error:
            events.emit(events.HookFailed(f"the delivery of {mail.message_id}", "deliver", error))
        return None

    # -- what follows from a try ----------------------------------------------------------------------

    def _decide(self, mail: QueuedMail, outcome: Outcome | None) -> list[tuple[str, QueuedMail]]:
        """The messages that are to be in queues before this one is acknowledged, each with its queue."""
        mail = replace(mail, tries=mail.tries + 1)
        expired = time.time() - mail.arrival >= self._settings.expires
        fates, again = self._sort(mail, outcome, expired)
        follow_ups = []
        report = report_on(mail, fates, self._settings.hostname)
        if report is not None:
            follow_ups.append((self._settings.reports_to or self._settings.queue, report))
        self._tell(mail, fates, report is not None)
        if again:
            follow_ups += self._try_again(mail, again)
        return follow_ups

    def _sort(
        self, mail: QueuedMail, outcome: Outcome | None, expired: bool
    ) -> tuple[list[Fate], list[Fate]]:
        """Those for whom it is decided, and those for whom it is tried again."""
        fates: list[Fate] = []
        again: list[Fate] = []
        for number, recipient in enumerate(mail.recipients):
            one = None if outcome is None else outcome.recipients[number]
            if one is not None and one.delivered:
                relayed = self._hop.is_final or outcome is None or not outcome.dsn
                action = "delivered" if self._hop.is_final else "relayed"
                # A next hop with DSN sends the report itself.
                fates.append(_fate(recipient, one, action) if relayed else _silent(recipient, one))
            elif one is not None and one.permanent:
                fates.append(_fate(recipient, one, "failed"))
            elif expired:
                fates.append(replace(_fate(recipient, one, "failed"), status="4.4.7"))
            else:
                again.append(_fate(recipient, one, "delayed"))
        return fates, again

    def _try_again(self, mail: QueuedMail, again: Sequence[Fate]) -> list[tuple[str, QueuedMail]]:
        delay = delay_after(mail.tries, self._settings.delays)
        waiting = tuple(replace(each.recipient, last=each.text[:LONGEST_LAST]) for each in again)
        late = not mail.delayed and time.time() - mail.arrival >= self._settings.late
        rest = replace(mail, recipients=waiting, delayed=mail.delayed or late)
        follow_ups = [(retry_queue(self._settings.queue, delay).name, rest)]
        names = tuple(each.recipient.address for each in again)
        events.emit(MessageDeferred(mail.message_id, names, again[0].text, delay))
        if late:
            asked = [each for each in again if _wants_delay(mail, each.recipient)]
            until = mail.arrival + self._settings.expires
            report = report_on(mail, asked, self._settings.hostname, until)
            if report is not None:
                follow_ups.append((self._settings.reports_to or self._settings.queue, report))
        return follow_ups

    def _tell(self, mail: QueuedMail, fates: Sequence[Fate], reported: bool) -> None:
        taken = tuple(each.recipient.address for each in fates if each.action != "failed")
        if taken:
            events.emit(MessageDelivered(mail.message_id, taken))
        failed = [each for each in fates if each.action == "failed"]
        if failed:
            names = tuple(each.recipient.address for each in failed)
            events.emit(MessageBounced(mail.message_id, names, failed[0].text, reported))

    # -- into the broker ------------------------------------------------------------------------------

    def _publish_all(self, delivery: Delivery, mails: Sequence[tuple[str, QueuedMail]]) -> bool:
        """Publish until all is confirmed. If the delivery is lost meanwhile, the broker hands it out again.

        Giving it back instead would have it delivered again at once, and again, to those who have it.
        """
        pause = PAUSE
        left = [(queue, part) for queue, mail in mails for part in mail.parts()]
        while left:
            queue, mail = left[0]
            try:
                self._publish(queue, mail)
            except PublishError:
                if not delivery.is_held:
                    return False
                gevent.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                left.pop(0)
        return True

    def _publish(self, queue: str, mail: QueuedMail) -> None:
        self._publisher.publish(
            queue,
            mail.data,
            message_id=mail.message_id,
            headers=mail.headers(),
            content_type=CONTENT_TYPE,
            timestamp=mail.arrival,
        )

    def _bury(self, delivery: Delivery, reason: str) -> None:
        """Put a message aside that would come for ever, as it is, with the reason."""
        queue = dead_queue(self._settings.queue).name
        properties = delivery.properties
        kept = {
            name: value
            for name, value in (properties.headers or {}).items()
            if not name.startswith("x-") and name not in ORDERS
        }
        headers = {**kept, "smtp-dead": reason[:LONGEST_LAST]}
        pause = PAUSE
        while delivery.is_held:
            try:
                self._publisher.publish(
                    queue, delivery.body, message_id=properties.message_id, headers=headers
                )
            except (ValueError, MessageTooLarge):  # headers that another library can write and pika can't
                headers = {"smtp-dead": headers["smtp-dead"]}
            except PublishError:
                gevent.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                delivery.acknowledge()
                events.emit(MessageBuried(str(properties.message_id), queue, reason))
                return


def _fate(recipient: QueuedRecipient, outcome: RecipientOutcome | None, action: str) -> Fate:
    if outcome is None:
        return Fate(recipient, action, "451 4.3.0 the delivery failed here", "")  # type: ignore[arg-type]
    host = outcome.reply.host if outcome.reply is not None else None
    return Fate(recipient, action, outcome.text, outcome.enhanced or "", host)  # type: ignore[arg-type]


def _by_domain(mail: QueuedMail) -> list[QueuedMail]:
    """A mail for each domain that it has recipients at; the mail itself if it is but one."""
    domains: dict[str, list[QueuedRecipient]] = {}
    for each in mail.recipients:
        domains.setdefault(each.address.rpartition("@")[2].lower(), []).append(each)
    if len(domains) == 1:
        return [mail]
    return [
        replace(mail.for_recipients(those), message_id=f"{mail.message_id}.d{number}")
        for number, those in enumerate(domains.values(), 1)
    ]


def _silent(recipient: QueuedRecipient, outcome: RecipientOutcome) -> Fate:
    return Fate(QueuedRecipient(recipient.address, {"NOTIFY": "NEVER"}), "relayed", outcome.text)


def _wants_delay(mail: QueuedMail, recipient: QueuedRecipient) -> bool:
    notify = mail.recipient_parameters(recipient).notify
    return notify is not None and "DELAY" in notify
