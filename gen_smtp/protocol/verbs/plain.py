"""The fast path: the commands of a mail, from HELO or EHLO to QUIT, as nearly every client sends them.

A name of one word; a short mailbox of ASCII words in brackets, then parameters or none; nothing but printable
ASCII, and a CRLF. One look at such a line takes the place of cutting it out, decoding it, looking for control
characters, and reading verb, keyword and path in turn. What is not recognised here or may not run now, good
or bad, goes the general way, which comes to the same (tests: protocol/verbs/test_plain.py).
"""

import re
from collections.abc import Callable

from gen_smtp.protocol.dialogue import Dialogue
from gen_smtp.protocol.questions import PAUSED, Mail, MessageStart, Rcpt
from gen_smtp.protocol.transaction import Transaction
from gen_smtp.protocol.verbs.data import invite_message
from gen_smtp.protocol.verbs.envelope import resolve_mail, resolve_rcpt, take_recipient, take_sender
from gen_smtp.protocol.verbs.hello import HelloVerb, run_hello
from gen_smtp.protocol.verbs.table import run_quit

_ATOM = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]++"
_LOCAL_PART = _ATOM + rb"(?:|(?:\." + _ATOM + rb")+)"
_DOMAIN = rb"\w++(?:[.-]\w++(?:|(?:[.-]\w++)+)|)"
_PATH = rb"<(" + _LOCAL_PART + rb"@" + _DOMAIN + rb")>(| [!-~][ -~]*+(?<! ))"
_OTHERS = rb"|(?i:(DATA)|(QUIT)|(HELO|EHLO) ([!-~]++))"
_PLAIN = re.compile(rb"(?:(?i:MAIL FROM):" + _PATH + rb"|(?i:RCPT TO):" + _PATH + _OTHERS + rb")\r\n")

Heard = Mail | Rcpt | MessageStart | bool
"""The event that a command brings; True if those are queued; False if it goes the general way."""


def hear_plain_command(dialogue: Dialogue, data: bytes) -> Heard:
    """Run the first line of ``data``, which is all that is there, if it is plain and may run now."""
    matched = _PLAIN.match(data)
    if matched is None:
        return False
    config, end = dialogue.config, matched.end()
    if end > config.longest_plain or (config.restricts and _is_barred(dialogue)):
        return False
    if end != len(data):
        dialogue.input, dialogue.offset = data, end
    event = _RUN[matched.lastindex](dialogue, matched)
    if event is False:
        dialogue.input, dialogue.offset = b"", 0
    return event


def read_plain_command(dialogue: Dialogue) -> Heard:
    """Run the next line of the buffer if it is plain and may run now."""
    config = dialogue.config
    data, start = dialogue.input, dialogue.offset
    matched = _PLAIN.match(data, start)
    if matched is None:
        return False
    end = matched.end()
    if (
        dialogue.discarded
        or end - start > config.longest_plain
        or (config.restricts and _is_barred(dialogue))
    ):
        return False
    if end == len(data):  # as skip_to does
        dialogue.input, dialogue.offset = b"", 0
    else:
        dialogue.offset = end
    event = _RUN[matched.lastindex](dialogue, matched)
    if event is False:
        dialogue.input, dialogue.offset = data, start
    return event


def _is_barred(dialogue: Dialogue) -> bool:
    """Whether the server's policy wants something of the client before it may send mail."""
    config = dialogue.config
    return (config.require_tls and not dialogue.tls) or (config.require_auth and dialogue.user is None)


def _run_mail(dialogue: Dialogue, matched: "re.Match[bytes]") -> Mail | bool:
    if dialogue.transaction is not None or dialogue.helo is None:
        return False
    address, parameters = matched.group(1, 2)
    sender = address.decode("ascii")
    if parameters or dialogue.tally is not None:
        take_sender(dialogue, sender, parameters.decode("ascii"))
        return True
    dialogue.transaction = Transaction(sender, {})
    question = dialogue.pending = Mail(sender)  # as await_verdict does
    dialogue.resolve, dialogue.halted = resolve_mail, PAUSED
    return question


def _run_rcpt(dialogue: Dialogue, matched: "re.Match[bytes]") -> Rcpt | bool:
    transaction = dialogue.transaction
    if transaction is None:
        return False
    address, parameters = matched.group(3, 4)
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


def _run_quit(dialogue: Dialogue, matched: "re.Match[bytes]") -> bool:
    run_quit(dialogue)
    return True


def _run_hello(dialogue: Dialogue, matched: "re.Match[bytes]") -> bool:
    verb, hostname = matched.group(7, 8)
    run_hello(_HELLOS[verb.upper()], dialogue, hostname.decode("ascii"))
    return True


_HELLOS: dict[bytes, HelloVerb] = {b"HELO": "HELO", b"EHLO": "EHLO"}

_RUN: dict[int | None, Callable[[Dialogue, "re.Match[bytes]"], Heard]] = {
    2: _run_mail,
    4: _run_rcpt,
    5: _run_data,
    6: _run_quit,
    8: _run_hello,
}
"""By the last group of the pattern that has matched."""
