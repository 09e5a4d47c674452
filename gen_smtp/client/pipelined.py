"""Messages that go the short way (`protocol.plain`), the envelope of each with the message before it."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable

from gen_smtp.client.driver import Driver
from gen_smtp.client.protocol.errors import DeliveryError, UnexpectedResponse
from gen_smtp.client.protocol.outcome import Outcome, RecipientOutcome
from gen_smtp.client.protocol.plain import (
    ENVELOPE_TAKEN,
    MESSAGE_AND_ENVELOPE_TAKEN,
    PlainMail,
    all_taken,
    may_be_taken,
    plain_mail,
)
from gen_smtp.client.protocol.steps import Ask
from gen_smtp.client.protocol.text.content import Message
from gen_smtp.client.protocol.text.envelope import Envelope
from gen_smtp.client.protocol.text.replies import Reply
from gen_smtp.client.protocol.transaction import Rules, Transaction

_ENVELOPE = Ask(b"", ("MAIL", "RCPT", "DATA"))
_MESSAGE = Ask(b"", ("message",), ends=True)


def _plain(driver: Driver, envelope: Envelope, message: Message, rules: Rules) -> PlainMail | None:
    """A message as it goes the short way, if the connection is between two messages and nobody looks on."""
    if driver.left_open or driver.is_traced or not driver.alive:
        return None
    return plain_mail(envelope, message, driver.offer, rules)


def deliver(driver: Driver, envelope: Envelope, message: Message, rules: Rules) -> Outcome:
    """Deliver a message, the short way if it can go it."""
    mail = _plain(driver, envelope, message, rules)
    if mail is None:
        return driver.transact(envelope, message, rules)
    taken, found = _say(driver, mail.head, "MAIL", ENVELOPE_TAKEN)
    if taken is not None:
        return _give(driver, mail)
    return _in_general(driver, found, envelope, message, rules)


def in_turn(
    driver: Driver, mails: Iterable[tuple[Envelope, Message]], rules: Rules
) -> Generator[Outcome, None, None]:
    """What becomes of messages, one after the other."""
    before: PlainMail | None = None  # its envelope was taken, and it is to be sent
    try:
        for envelope, message in mails:
            mail = _plain(driver, envelope, message, rules)
            if mail is None:
                if before is not None:
                    last, before = before, None
                    yield _give(driver, last)
                yield driver.transact(envelope, message, rules)
                continue
            ended, found = _say_both(driver, before, mail)
            outcome = None if found is None else _in_general(driver, found, envelope, message, rules)
            before = mail if outcome is None else None
            if ended is not None:
                yield ended
            if outcome is not None:
                yield outcome
        if before is not None:
            last, before = before, None
            yield _give(driver, last)
    finally:
        if before is not None:
            driver.abort()


def _say(
    driver: Driver, octets: bytes, name: str, pattern: re.Pattern[bytes]
) -> tuple[re.Match[bytes] | None, bytes | DeliveryError]:
    """Send, and wait for the replies of a pattern: the match, None if they are others; what has come."""
    now = driver.begin_exchange()
    found = b""
    try:
        driver.stream.send(octets, now + driver.seconds["block"])
        while True:
            found += driver.stream.receive(now + driver.seconds[name])
            taken = all_taken(pattern, found)
            if taken is not None or not may_be_taken(pattern, found):
                return taken, found
    except OSError as error:
        return None, found or driver.lost(error, [])
    except BaseException:  # the caller is killed, and the replies come all the same
        driver.abort()
        raise


def _say_both(
    driver: Driver, before: PlainMail | None, mail: PlainMail
) -> tuple[Outcome | None, bytes | DeliveryError | None]:
    """The message before, and the envelope of the next.

    Returns:
        what has become of that message; what the server has said to the envelope, None if it has taken it.
    """
    if before is None:
        taken, found = _say(driver, mail.head, "MAIL", ENVELOPE_TAKEN)
        return None, found if taken is None else None
    taken, found = _say(driver, before.body + mail.head, "message", MESSAGE_AND_ENVELOPE_TAKEN)
    if isinstance(found, DeliveryError):
        found.ended = True  # the message went before the envelope, and may have come
        return _failed(driver, before, found), _again(found)
    if taken is not None:
        octets = taken[1]
        return _decided(driver, before, Reply(int(octets[:3]), octets, "message", driver.host)), None
    return _reply_to(driver, before, found)


def _reply_to(driver: Driver, before: PlainMail, data: bytes) -> tuple[Outcome, bytes | DeliveryError | None]:
    """The same of replies that are not all as they mostly are."""
    driver.reader.feed(data)
    replies = driver.replies_read(_MESSAGE, more=True)
    if isinstance(replies, DeliveryError):
        return _failed(driver, before, replies), _again(replies)
    return _decided(driver, before, replies[0]), b""


def _again(failure: DeliveryError) -> DeliveryError:
    """The same failure for the next message, of which nothing was sent."""
    return type(failure)(failure.reason, failure.host)


def _in_general(
    driver: Driver,
    found: bytes | DeliveryError,
    envelope: Envelope,
    message: Message,
    rules: Rules,
) -> Outcome:
    """On with the general script, where an envelope was sent, and has these first octets for an answer."""
    given: list[Reply] | DeliveryError
    if isinstance(found, DeliveryError):
        given = found
    else:
        if found:
            driver.reader.feed(found)
        given = driver.replies_read(_ENVELOPE)
    transaction = Transaction(envelope, message, driver.offer, rules)
    return driver.finish(transaction, driver.resume(transaction.run(), given))


def _give(driver: Driver, mail: PlainMail) -> Outcome:
    """The message, behind an envelope that was taken."""
    given = driver.replies_to(Ask(mail.body, ("message",), ends=True))
    if not isinstance(given, list):
        if not isinstance(given, DeliveryError):
            raise given
        return _failed(driver, mail, given)
    return _decided(driver, mail, given[0])


def _decided(driver: Driver, mail: PlainMail, reply: Reply) -> Outcome:
    driver.delivered += 1
    if 300 <= reply.code < 400:
        return _failed(driver, mail, UnexpectedResponse(f"{reply} to {reply.command}", reply.host))
    return Outcome((RecipientOutcome(mail.recipient, reply),), driver.offer.dsn)


def _failed(driver: Driver, mail: PlainMail, failure: DeliveryError) -> Outcome:
    driver.abort()
    said = [reply for reply in failure.replies if reply.command == "message"]
    outcome = (
        RecipientOutcome(mail.recipient, said[0])
        if said
        else RecipientOutcome(mail.recipient, None, failure, failure.ended)
    )
    return Outcome((outcome,), driver.offer.dsn)
