"""A server whose messages go into a queue of RabbitMQ: the 250 is said when the broker has confirmed.

    gen_smtp_server.start(QueueHandler, [{"port": 2525, "sessionoptions": {
        "callbackoptions": {"url": "amqp://user:password@broker/", "queue": "mail.in"}}}])

or `gen-smtp serve gen_smtp.queue:QueueHandler --callback-option url=amqp://user:password@broker/`. The
options are in `QueueOptions`.
"""

from __future__ import annotations

from typing import Any

from actors import events
from gen_smtp.callbacks.behaviour import Behaviour, Extensions, Verdict
from gen_smtp.callbacks.facts import Peername
from gen_smtp.callbacks.results import Error, Multiple, Ok, Stop, error, multiple, ok
from gen_smtp.callbacks.stream import MessageStream
from gen_smtp.callbacks.trace_fields import received_field
from gen_smtp.queue.envelope import CONTENT_TYPE, QueuedMail, mail_from_client
from gen_smtp.queue.errors import MessageTooLarge, NotConfirmed, PublishError
from gen_smtp.queue.publisher import Pending, Publisher
from gen_smtp.queue.queue_events import MessageNotQueued
from gen_smtp.queue.queue_options import QueueOptions, read_queue_options
from gen_smtp.queue.sharing import publisher_for
from gen_smtp.smtp_util import separator_of

__all__ = ["QueueHandler"]


class QueueHandler(Behaviour):
    """Puts each message into the queue.

    A class derived from it may refuse recipients, offer AUTH and so on; it calls `super().init(...)`, and
    `super().handle_EHLO(...)` for the extensions that the queue can do.
    """

    _hostname: str
    _options: QueueOptions
    _publisher: Publisher
    _messages = 0

    @classmethod
    def check_options(cls, options: Any) -> None:
        """Check the options, unless a derived class reads them otherwise, by an `init` of its own.

        Raises:
            OptionsError: names the option that is unknown, wrong or missing.
        """
        if cls.init is QueueHandler.init:
            read_queue_options(options)

    def init(self, hostname: str, session_count: int, peername: Peername, options: Any) -> Ok | Stop:
        """Read the options, and see that there is a connection to the broker, or will be.

        Raises:
            OptionsError: they are wrong.
        """
        self._hostname = hostname
        self._options = read_queue_options(options)
        self._publisher = publisher_for(self.session.server, self._options)
        return ok

    def handle_EHLO(self, hostname: str, extensions: Extensions) -> Verdict:
        """Offer STARTTLS where there is a certificate, DSN, and the status codes that the replies here carry.

        SIZE says no more than the broker takes.
        """
        extensions.append(("ENHANCEDSTATUSCODES", True))
        extensions.append(("DSN", True))
        if self.session.can_start_tls:
            extensions.append(("STARTTLS", True))
        return ok([_with_limit(each, self._publisher.max_message) for each in extensions])

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Verdict | Multiple:
        """Put the message into the queue; in LMTP one message for each recipient."""
        self._messages += 1
        name = f"{self.session.ref.actor_urn.removeprefix('urn:actor:').replace(':', '.')}.{self._messages}"
        if "LMTP" not in self.session.transmission_type:
            return self._wait(self._submit(name, recipients, data))
        # All of them first, so that they wait together.
        submitted = [
            self._submit(f"{name}.r{number}", [recipient], data, number - 1)
            for number, recipient in enumerate(recipients, 1)
        ]
        return multiple([self._wait(each) for each in submitted])

    def queue_stream(self, sender: str, recipients: list[str], stream: MessageStream) -> Verdict | Multiple:
        """As `handle_DATA`, for a message that streams: `handle_DATA_stream = QueueHandler.queue_stream`.

        The message is read as it comes, and refused once it is larger than the queue takes.
        """
        limit = self._publisher.max_message
        data = stream.read(limit + 1)
        if len(data) > limit:
            return error(MessageTooLarge.reply)
        return self.handle_DATA(sender, recipients, data)

    def _submit(
        self, name: str, recipients: list[str], data: bytes, only: int | None = None
    ) -> tuple[str, list[Pending] | PublishError]:
        """Send it to the broker, without waiting.

        Args:
            name: its message id.
            recipients: who gets it, for the trace field.
            data: the message.
            only: the number of the one recipient that it is for; None for all.
        """
        if self._options.received:
            field = received_field(self.session, self._hostname, name, recipients)
            data = b"".join((field, separator_of(data), data))
        mail = mail_from_client(self.session, self._hostname, name, data)
        if only is not None:
            mail = mail.for_recipients([mail.recipients[only]])
        try:
            return name, [self._submit_part(part) for part in mail.parts()]
        except PublishError as failure:
            return name, failure

    def _submit_part(self, mail: QueuedMail) -> Pending:
        return self._publisher.submit(
            self._options.queue,
            mail.data,
            message_id=mail.message_id,
            headers=mail.headers(),
            content_type=CONTENT_TYPE,
            timestamp=mail.arrival,
        )

    def _wait(self, submitted: tuple[str, list[Pending] | PublishError]) -> Ok | Error:
        """Wait for the broker's confirm; the verdict for the client."""
        name, outcome = submitted
        try:
            if isinstance(outcome, PublishError):
                raise outcome
            for each in outcome:
                self._publisher.wait(each)
        except PublishError as failure:
            return self._refuse(name, failure)
        except ValueError as failure:
            return self._refuse(name, NotConfirmed(str(failure)))
        return ok(f"queued as {name}")

    def _refuse(self, name: str, failure: PublishError) -> Error:
        session = self.session.ref.actor_urn
        events.emit(MessageNotQueued(session, name, self._options.queue, str(failure)))
        return error(failure.reply)


def _with_limit(extension: tuple[str, Any], limit: int) -> tuple[str, Any]:
    """The extension SIZE with the smaller of two limits; all others as they are."""
    name, value = extension
    if name.upper() != "SIZE":
        return extension
    given = int(value) if str(value).isdigit() else 0
    return name, str(min(given or limit, limit))
