"""A server that keeps mail: every message goes to a Maildir, and its 250 is said when the disk has it.

    gen_smtp_server.start(MaildirHandler, [{"port": 2525, "sessionoptions": {
        "callbackoptions": {"maildir": "/var/mail/incoming"}}}])

or `gen-smtp serve gen_smtp.maildir:MaildirHandler --callback-option maildir=/var/mail/incoming`. The options
are in `MaildirOptions`.

The promise is *at least once*. A message that had its 250 is there, whole, whatever happens to this process
or to the machine. A message whose 250 the client did not get, because the line or the server broke just
then, may be there too. The client sends it again, as it has to (RFC 5321 section 4.5.4.1), and then it is
there twice.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from actors import events as actor_events
from actors import run_blocking
from gen_smtp.callbacks.behaviour import Behaviour, Extensions, Verdict
from gen_smtp.callbacks.facts import Peername
from gen_smtp.callbacks.results import Error, Multiple, Ok, Stop, error, multiple, ok
from gen_smtp.callbacks.trace_fields import delivery_fields
from gen_smtp.events import SmtpEvent
from gen_smtp.maildir.delivery import Copy, Maildir, deliver, unique_name, with_unix_line_ends
from gen_smtp.maildir.mailbox_names import folder_in, name_of_address
from gen_smtp.maildir.maildir_options import MaildirOptions, read_maildir_options
from gen_smtp.smtp_util import separator_of

__all__ = ["DeliveryFailed", "MaildirHandler", "MaildirOptions"]

NO_MAILBOX = "550 5.1.1 No such mailbox"
NOT_KNOWN = "451 4.3.0 Error: it can't be known now whether there is such a mailbox"
NOT_STORED = "451 4.3.0 Error: the message could not be stored"

_REFUSALS = {
    errno.ENOSPC: "452 4.3.1 Insufficient system storage",
    errno.EFBIG: "452 4.3.1 Insufficient system storage",
    errno.EDQUOT: "452 4.2.2 Mailbox full",
}
"""The replies to what may be mended, in RFC 3463's codes; anything else is `NOT_STORED`."""

_Mailboxes: TypeAlias = dict[Path | None, list[str]]
"""Maildirs, and the recipients of each; the key None has the recipients without a mailbox."""


@dataclass(frozen=True, slots=True)
class DeliveryFailed(SmtpEvent):
    """A message could not be stored, or a recipient not be looked for; the client was told to come again.

    Attributes:
        recipients: who was to have it.
        error: what the system said.
        folders: the Maildirs, or what was looked at; empty if that is not known.
    """

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "{session} {peer}: no delivery to {recipients} (folder {folders}): {error}"
    recipients: tuple[str, ...]
    error: OSError
    folders: tuple[str, ...] = ()


class MaildirHandler(Behaviour):
    """Delivers to a Maildir, or to one for each recipient.

    A class derived from it may refuse recipients, offer AUTH and so on; it calls `super().init(...)`, and
    `super().handle_EHLO(...)` for STARTTLS and ENHANCEDSTATUSCODES.
    """

    blocking = frozenset({"handle_DATA"})

    _hostname: str
    _options: MaildirOptions

    @classmethod
    def check_options(cls, options: Any) -> None:
        """Check the options, unless a derived class reads them otherwise, by an `init` of its own.

        Raises:
            OptionsError: names the option that is unknown, wrong or missing.
        """
        if cls.init is MaildirHandler.init:
            read_maildir_options(options)

    def init(self, hostname: str, session_count: int, peername: Peername, options: Any) -> Ok | Stop:
        """Read the options.

        Raises:
            OptionsError: they are wrong. The server did not start with them if `check_options` could tell;
                else the client hears 421, and the log says what is wrong.
        """
        self._hostname = hostname
        self._options = read_maildir_options(options)
        return ok

    def handle_EHLO(self, hostname: str, extensions: Extensions) -> Verdict:
        """Offer STARTTLS where there is a certificate, and the status codes that the replies here carry."""
        extensions.append(("ENHANCEDSTATUSCODES", True))
        if self.session.can_start_tls:
            extensions.append(("STARTTLS", True))
        return ok(extensions)

    def handle_RCPT(self, recipient: str) -> Verdict:
        """Refuse a recipient who has no mailbox; without mailboxes everyone is welcome.

        451 asks the client to come again if a mailbox can't be looked for: with 550 the mail would go back.
        """
        if self._options.mailboxes is None:
            return ok
        try:
            found = run_blocking(self._has_mailbox, recipient)
        except OSError as failure:
            self._report(failure, (recipient,))
            return error(NOT_KNOWN)
        return ok if found else error(NO_MAILBOX)

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Verdict | Multiple:
        """Deliver: in SMTP to all mailboxes or, as far as possible, to none; in LMTP to each for itself."""
        mailboxes = self._by_mailbox(recipients)
        if "LMTP" not in self.session.transmission_type:
            return self._deliver(sender, mailboxes, data)
        results: dict[str, Ok | Error] = {}
        for folder, owners in mailboxes.items():
            results |= dict.fromkeys(owners, self._deliver(sender, {folder: owners}, data))
        return multiple([results[recipient] for recipient in recipients])

    def _folder_of(self, recipient: str) -> Path | None:
        """The Maildir of a recipient; None if there can be none."""
        options = self._options
        if options.mailboxes is None:
            return options.maildir
        name_of = name_of_address if options.mailboxes == "address" else options.mailboxes
        return folder_in(options.maildir, name_of(recipient))

    def _maildir(self, folder: Path) -> Maildir:
        options = self._options
        create = options.mailboxes is None or options.create_mailboxes
        return Maildir(folder, create=create, root=options.maildir)

    def _has_mailbox(self, recipient: str) -> bool:
        folder = self._folder_of(recipient)
        return folder is not None and self._maildir(folder).takes_mail()

    def _by_mailbox(self, recipients: Sequence[str]) -> _Mailboxes:
        found: _Mailboxes = {}
        for recipient in dict.fromkeys(recipients):
            found.setdefault(self._folder_of(recipient), []).append(recipient)
        return found

    def _deliver(self, sender: str, mailboxes: _Mailboxes, data: bytes) -> Ok | Error:
        try:
            copies = [self._copy(sender, *mailbox, data) for mailbox in mailboxes.items()]
            deliver(copies)
        except OSError as failure:
            owners = chain.from_iterable(mailboxes.values())
            self._report(failure, tuple(owners), mailboxes)
            return error(_REFUSALS.get(failure.errno or 0, NOT_STORED))
        return ok(f"queued as {copies[0].name}")

    def _copy(self, sender: str, folder: Path | None, owners: Sequence[str], data: bytes) -> Copy:
        if folder is None:  # handle_RCPT of a derived class took what has no mailbox
            raise FileNotFoundError(errno.ENOENT, "no such mailbox")
        name = unique_name()
        fields = delivery_fields(self.session, self._hostname, name, sender, owners)
        parts = (fields + separator_of(data), data)
        in_pieces = parts if self._options.crlf else chain.from_iterable(map(with_unix_line_ends, parts))
        return Copy(self._maildir(folder), name, in_pieces)

    def _report(
        self, failure: OSError, recipients: tuple[str, ...], mailboxes: Iterable[Path | None] = ()
    ) -> None:
        session = self.session
        folders = tuple(str(folder) for folder in mailboxes if folder is not None)
        if not folders and failure.filename:
            folders = (os.fsdecode(failure.filename),)
        actor_events.emit(
            DeliveryFailed(session.ref.actor_urn, session.peername, recipients, failure, folders)
        )
