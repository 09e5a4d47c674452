"""gen_smtp's `smtp_server_example`: a server that shows every callback, and takes all mail but keeps none.

    gen_smtp_server.start(SmtpServerExample, [{"port": 2525, "sessionoptions": {"callbackoptions": {...}}}])

Its options are in `ExampleOptions`.
"""

from __future__ import annotations

import email
import email.policy
import logging
import math
import os
import secrets
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from actors import run_blocking
from actors.events import printable
from gen_smtp import smtp_util
from gen_smtp.callbacks.behaviour import Behaviour, Extensions, Verdict
from gen_smtp.callbacks.facts import Peername
from gen_smtp.callbacks.results import (
    Error,
    Multiple,
    NoReply,
    Ok,
    Stop,
    error,
    multiple,
    noreply,
    ok,
    stop,
)
from gen_smtp.example.example_options import ExampleOptions, read_example_options
from gen_smtp.gen_smtp_client import Client, Envelope, RecipientOutcome

__all__ = ["ExampleOptions", "SmtpServerExample"]

MAX_SESSIONS = 20
HELO_SIZE = 655360  # 640 kB of HELO should be enough for anyone

USERNAME = "username"
PASSWORD = "PaSSw0rd"

_PHASES = ("greeting", "hello", "mail", "rcpt", "data", "block", "final")

_logger = logging.getLogger(__name__)


class SmtpServerExample(Behaviour):
    """The callbacks of the example server. The session option `callbackoptions` holds its options."""

    @classmethod
    def check_options(cls, options: Any) -> None:
        """Check the options, unless a derived class reads them otherwise, by an `init` of its own.

        Raises:
            OptionsError: names the option that is unknown or wrong.
        """
        if cls.init is SmtpServerExample.init:
            read_example_options(options)

    def init(self, hostname: str, session_count: int, peername: Peername, options: Any) -> Ok | Stop:
        """Serve `MAX_SESSIONS` clients at a time.

        Raises:
            OptionsError: the callback options are wrong. The server did not start with them if
                `check_options` could tell; else the client hears 421, and the log says what is wrong.
        """
        _log("peer: %s", "unix socket" if peername is None else peername)
        self._hostname = hostname
        self._options = read_example_options(options)
        if session_count > MAX_SESSIONS:
            _log("Connection limit exceeded")
            return stop("normal", f"421 {hostname} is too busy to accept mail right now")
        protocol = "LMTP" if "LMTP" in self.session.transmission_type else "ESMTP"
        return ok(f"{hostname} {protocol} smtp_server_example")

    def handle_HELO(self, hostname: str) -> Verdict:
        """A contrived refusal, a host that is trusted, and a limit of its own for all others."""
        if hostname == "invalid":
            return error("554 invalid hostname")
        if hostname == "trusted_host":
            return ok
        _log("HELO from %s", hostname)
        return ok(HELO_SIZE if self._options.size is None else self._options.size)

    def handle_EHLO(self, hostname: str, extensions: Extensions) -> Verdict:
        """Announce what the options ask for."""
        if hostname == "invalid":
            return error("554 invalid hostname")
        _log("EHLO from %s", hostname)
        options = self._options
        if options.size is not None:
            size = "0" if options.size == math.inf else str(options.size)
            extensions = [("SIZE", size), *((name, value) for name, value in extensions if name != "SIZE")]
        if options.protocol == "lmtp":
            extensions.append(("ENHANCEDSTATUSCODES", True))  # RFC 2033 5
        if options.auth:
            extensions += [("AUTH", "PLAIN LOGIN CRAM-MD5"), ("STARTTLS", True)]
        return ok(extensions)

    def handle_STARTTLS(self) -> None:
        _log("TLS Started")

    def handle_AUTH(self, mechanism: str, username: str, credential: str | tuple[str, str]) -> Verdict:
        """Know one user. The answer takes the same time for a wrong name and for a wrong password."""
        known = smtp_util.compare_secrets(username, USERNAME)
        if isinstance(credential, tuple):
            right = smtp_util.verify_cram_digest(PASSWORD, credential)
        else:
            right = smtp_util.compare_secrets(credential, PASSWORD)
        return ok if known and right else error

    def handle_MAIL(self, sender: str) -> Verdict:
        if sender == "badguy@blacklist.com":
            return error("552 go away")
        _log("Mail from %s", sender)
        return ok

    def handle_MAIL_extension(self, extension: str) -> Verdict:
        return _take_extension("MAIL FROM", extension)

    def handle_RCPT(self, recipient: str) -> Verdict:
        if recipient == "nobody@example.com":
            return error("550 No such recipient")
        _log("Mail to %s", recipient)
        return ok

    def handle_RCPT_extension(self, extension: str) -> Verdict:
        return _take_extension("RCPT TO", extension)

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Verdict | Multiple:
        """Take the message, and do with it what the options say.

        With `relay` the client's message is answered for only when every host has it. When some have and
        some have not, one reply must do for both (not so in LMTP, which has a reply for each recipient): 451
        when another try may help, though it brings some a second copy; 554 when none will, and the
        client tells the sender who was left out. So a message may come twice, but is never lost in silence.
        """
        if data in (b"", b"\r\n"):  # an empty message ends with CRLF.CRLF for most clients
            return error("552 Message too small")
        reference = secrets.token_hex(16)
        if self._options.parse:
            run_blocking(_decode, data, Path("dump", reference) if self._options.dump else None)
        failures = self._relay(sender, recipients, data) if self._options.relay else {}
        if self._options.protocol == "lmtp":
            delivered = [each for each in recipients if each not in failures]
            _log("message from %s to %s %s, body length %s", sender, delivered, self._fate(), len(data))
            return multiple([_result(each, failures.get(each)) for each in recipients])
        if failures:
            return _refusal(failures)
        what = f"{self._fate()}, told as queued as {reference}"
        _log("message from %s to %s %s, body length %s", sender, recipients, what, len(data))
        return ok(f"queued as {reference}")

    def handle_VRFY(self, address: str) -> Verdict:
        if address == "someuser":
            return ok(f"someuser@{run_blocking(smtp_util.guess_FQDN)}")  # it may ask the name servers
        return error("252 VRFY disabled by policy, just send some mail")

    def handle_other(self, verb: str, args: str) -> Verdict:
        """Other verbs would be implemented here: `reply("214 ...")`."""
        return error

    def handle_info(self, message: Any) -> NoReply:
        _log("handle_info(%s)", message)
        return noreply

    def handle_error(self, error_class: str, detail: Any) -> Ok:
        _log("handle_error(%s, %s)", error_class, detail)
        return ok

    def _fate(self) -> str:
        """What became of a message that was taken."""
        return "relayed" if self._options.relay else "dropped: this example keeps no mail"

    def _relay(self, sender: str, recipients: list[str], data: bytes) -> dict[str, RecipientOutcome]:
        """Send a message on to the hosts of its recipients; those who do not have it, and why."""
        transaction, options = self.session.transaction, self._options
        smtputf8 = transaction is not None and "SMTPUTF8" in transaction.mail_params
        envelope = Envelope(sender, list(dict.fromkeys(recipients)), smtputf8=smtputf8)
        silence = dict.fromkeys(_PHASES, options.relay_timeout)
        given = {
            "hostname": self._hostname,
            "port": options.relay_port,
            "timeout": options.relay_timeout,
            "timeouts": {**silence, "exchange": options.relay_seconds},
            "retries": 0,
        }
        with Client(given) as client:
            outcome = client.deliver(envelope, data)
        failures = {each.address: each for each in outcome.recipients if not each.delivered}
        for recipient, failure in failures.items():
            _log("not relayed to %s: %s", recipient, failure.text)
        return failures


def _log(template: str, *values: Any) -> None:
    """What gen_smtp's example prints; much of it was written by the client."""
    if _logger.isEnabledFor(logging.INFO):
        _logger.info(template, *(printable(str(value)) for value in values))


def _take_extension(command: str, extension: str) -> Ok | Error:
    if extension == "X-SOMEEXTENSION":  # keywords come in upper case
        _log("%s extension %s", command, extension)
        return ok
    _log("Unknown %s extension %s", command, extension)
    return error


def _result(recipient: str, failure: RecipientOutcome | None) -> Ok | Error:
    """LMTP's reply for one recipient (RFC 2033 4.2)."""
    return ok(f"delivered to {recipient}") if failure is None else _refusal({recipient: failure})


def _refusal(failures: dict[str, RecipientOutcome]) -> Error:
    """The reply for recipients whose host did not take the message: who, and why the first of them."""
    code = "554" if all(failure.permanent for failure in failures.values()) else "451"
    reason = next(iter(failures.values())).text
    return error(f"{code} not relayed to {', '.join(failures)}: {reason}")


def _decode(data: bytes, dump: Path | None) -> None:
    """Decode a message as MIME; if that fails, write it to the file `dump`. It blocks."""
    try:
        fault = _fault_of(data)
    except Exception as raised:  # the email package does not say what it may raise
        fault = repr(raised)
    if fault is None:
        _log("Message decoded successfully!")
        return
    _logger.warning("Message decode FAILED with %s", printable(fault))
    if dump is not None:
        _write(dump, data)


def _fault_of(data: bytes) -> str | None:
    """The first thing that is wrong with a message; None if nothing is."""
    message = email.message_from_bytes(data, EmailMessage, policy=email.policy.SMTP)
    for part in message.walk():
        if not part.is_multipart():
            part.get_payload(decode=True)  # notes the defects of the encoding
        header_defects = [fault for value in part.values() for fault in getattr(value, "defects", ())]
        for fault in (*part.defects, *header_defects):
            return repr(fault)
    return None


def _write(path: Path, data: bytes) -> None:
    """Write a message for its analysis, readable to nobody else."""
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(data)
    except OSError as raised:
        _logger.warning("cannot write %s: %s", path, raised)
