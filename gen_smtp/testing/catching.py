"""The callback class of a catcher: it takes all mail, and fails where it is told to."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import gevent

from gen_smtp.callbacks.behaviour import Behaviour, Extensions
from gen_smtp.callbacks.facts import Peername
from gen_smtp.callbacks.results import Error, Multiple, Ok, Stop, error, multiple, ok, stop
from gen_smtp.callbacks.stream import MessageStream
from gen_smtp.smtp_util import compare_secrets, verify_cram_digest
from gen_smtp.testing.caught import CaughtMessage, caught_from
from gen_smtp.testing.failures import CONNECT, CUTS, DOT, Failure, Failures

MIDDLE = 1
"""Octets of a message that are read before it is cut."""
SECONDS_TO_DIE = 5.0
"""More than a session needs that was killed."""


@dataclass(frozen=True, slots=True)
class Catch:
    """What the sessions of a catcher share.

    Attributes:
        keep: takes a message that was caught.
        users: who may authenticate, with passwords; empty announces no AUTH.
        failures: what is to go wrong.
    """

    keep: Callable[[CaughtMessage], None]
    users: Mapping[str, str]
    failures: Failures = field(default_factory=Failures)

    def make(self) -> CatchingBehaviour:
        """The callback object of a session."""
        return CatchingBehaviour(self)


class CatchingBehaviour(Behaviour):
    """Takes all mail, but for what it is told to fail at.

    Args:
        catch: what is known of it.
    """

    def __init__(self, catch: Catch) -> None:
        self._catch = catch
        self._sender = ""

    def init(self, hostname: str, session_count: int, peername: Peername, options: Any) -> Ok | Stop:
        failure = self._meet(CONNECT)
        if failure is not None and failure.reply is not None:
            return stop("told to", failure.reply)
        return ok

    def handle_HELO(self, hostname: str) -> Ok | Error | Stop:
        return self._verdict("HELO") or ok

    def handle_EHLO(self, hostname: str, extensions: Extensions) -> Ok | Error | Stop:
        if self.session.can_start_tls:
            extensions.append(("STARTTLS", True))
        if self._catch.users:
            extensions.append(("AUTH", "PLAIN LOGIN CRAM-MD5"))
        return self._verdict("HELO") or ok(extensions)

    def handle_AUTH(
        self, mechanism: str, username: str, credential: str | tuple[str, str]
    ) -> Ok | Error | Stop:
        failed = self._verdict("AUTH")
        if failed is not None:
            return failed
        password = self._catch.users.get(username)
        if password is None:
            return error
        if isinstance(credential, tuple):
            right = verify_cram_digest(password, credential)
        else:
            right = compare_secrets(password, credential)
        return ok if right else error

    def handle_MAIL(self, sender: str) -> Ok | Error | Stop:
        self._sender = sender
        return self._verdict("MAIL") or ok

    def handle_MAIL_extension(self, extension: str) -> Ok:
        return ok

    def handle_RCPT(self, recipient: str) -> Ok | Error | Stop:
        return self._verdict("RCPT", (recipient,)) or ok

    def handle_RCPT_extension(self, extension: str) -> Ok:
        return ok

    def handle_DATA_stream(
        self, sender: str, recipients: list[str], stream: MessageStream
    ) -> Ok | Error | Multiple:
        beginning = stream.read(MIDDLE)
        self._meet(CUTS, recipients)
        data = beginning + stream.read()
        if self.session.transmission_type.startswith("LMTP"):
            return self._take_by_recipient(sender, recipients, data)
        return self._verdict(DOT, recipients) or self._keep(sender, recipients, data)

    def _take_by_recipient(self, sender: str, recipients: list[str], data: bytes) -> Multiple:
        failed = [self._verdict(DOT, (each,)) for each in recipients]
        taken = [each for each, failure in zip(recipients, failed, strict=True) if failure is None]
        kept = self._keep(sender, taken, data) if taken else ok
        return multiple([failure or kept for failure in failed])

    def _keep(self, sender: str, recipients: list[str], data: bytes) -> Ok:
        self._catch.keep(caught_from(self.session, sender, recipients, data))
        return ok(f"caught as {secrets.token_hex(4)}")

    def _meet(self, place: str, recipients: Collection[str] = ()) -> Failure | None:
        """What goes wrong here, after the client has waited; the end of the session if that is it."""
        failure = self._catch.failures.take(place, self._sender, recipients)
        if failure is not None:
            gevent.sleep(failure.delay)
            if failure.cut:
                self.session.ref.kill()
                gevent.sleep(SECONDS_TO_DIE)  # nothing runs behind it
        return failure

    def _verdict(self, place: str, recipients: Collection[str] = ()) -> Error | None:
        failure = self._meet(place, recipients)
        return None if failure is None or failure.reply is None else error(failure.reply)
