"""The fast path: MAIL, RCPT and DATA as nearly every client sends them.

A short mailbox of ASCII words in brackets, then parameters or none, nothing but printable ASCII, and a CRLF.
One look at such a line takes the place of cutting it out, decoding it, looking for control characters, and
reading verb, keyword and path in turn. What is not recognised here or may not run now, good or bad, goes the
general way, which comes to the same (tests: test_core_plain_paths).
"""

import re
from collections.abc import Callable

from gen_smtp.core.address import MAX_PATH
from gen_smtp.core.dialogue import Dialogue
from gen_smtp.core.envelope import resolve_mail, resolve_rcpt, take_recipient, take_sender
from gen_smtp.core.events import PAUSED, Mail, MessageStart, Rcpt
from gen_smtp.core.message import invite_message
from gen_smtp.core.transaction import Transaction

_ATOM = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]++"
_PATH = rb"<(" + _ATOM + rb"(?:\." + _ATOM + rb")*+@\w++(?:[.-]\w++)*+)>((?: [!-~]++)*+)"
_PLAIN = re.compile(rb"(?:(?i:MAIL FROM):" + _PATH + rb"|(?i:RCPT TO):" + _PATH + rb"|(?i:(DATA)))\r\n")

Run = Callable[[Dialogue, "re.Match[bytes]"], Mail | Rcpt | MessageStart | bool]
"""Returns the event that a command brings; True if those are queued; False to have it go the general way."""


def read_plain_command(dialogue: Dialogue) -> Mail | Rcpt | MessageStart | bool:
    """Run the next line if it is plain and may run now.

    The event that it brings, or True if that is queued; False if there is no such line.
    """
    buffer, config = dialogue.buffer, dialogue.config
    data, start = buffer.data, buffer.offset
    matched = _PLAIN.match(data, start)
    if matched is None:
        return False
    end = matched.end()
    if (
        buffer.discarded
        or end - start > config.max_command_line
        or (config.require_tls and not dialogue.tls)
        or (config.require_auth and dialogue.user is None)
    ):
        return False
    if end == len(data):  # as skip_to does
        buffer.data, buffer.offset = b"", 0
    else:
        buffer.offset = end
    event = _RUN[matched.lastindex](dialogue, matched)
    if event is False:
        buffer.data, buffer.offset = data, start
    return event


def _run_mail(dialogue: Dialogue, matched: "re.Match[bytes]") -> Mail | bool:
    address, parameters = matched.group(1, 2)
    if dialogue.transaction is not None or dialogue.helo is None or len(address) > MAX_PATH:
        return False
    sender = address.decode("ascii")
    if parameters or dialogue.tally is not None:
        take_sender(dialogue, sender, parameters.decode("ascii"))
        return True
    dialogue.transaction = Transaction(sender, {})
    question = dialogue.pending = Mail(sender)  # as await_verdict does
    dialogue.resolve, dialogue.halted = resolve_mail, PAUSED
    return question


def _run_rcpt(dialogue: Dialogue, matched: "re.Match[bytes]") -> Rcpt | bool:
    address, parameters = matched.group(3, 4)
    transaction = dialogue.transaction
    if transaction is None or len(address) > MAX_PATH:
        return False
    recipient = address.decode("ascii")
    if parameters or len(transaction.recipients) >= dialogue.config.max_recipients:
        take_recipient(dialogue, recipient, parameters.decode("ascii"))
        return True
    question = dialogue.pending = Rcpt(recipient)
    dialogue.resolve, dialogue.halted = resolve_rcpt, PAUSED
    return question


def _run_data(dialogue: Dialogue, matched: "re.Match[bytes]") -> MessageStart | bool:
    transaction = dialogue.transaction
    if transaction is None or not transaction.recipients:
        return False
    return invite_message(dialogue) or True


_RUN: dict[int | None, Run] = {2: _run_mail, 4: _run_rcpt, 5: _run_data}
"""By the last group of the pattern that has matched."""
