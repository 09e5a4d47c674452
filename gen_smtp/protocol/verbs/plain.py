"""The fast path for the commands of a mail, from HELO or EHLO to QUIT, as nearly every client sends them.

A name of one word; a short mailbox of ASCII words in brackets, then parameters or none; nothing but printable
ASCII, and a CRLF. One look at such a line takes the place of cutting it out, decoding it, looking for control
characters, and reading verb, keyword and path in turn. What is not recognised here or may not run now, good
or bad, goes the general way, ``table.read_command``, which comes to the same.

It saves a third of the instructions of a message over a kept connection, and a seventh of those of one with a
connection of its own (docs/performance.md). tests/gen_smtp/protocol/verbs/test_plain.py holds the two equal.
"""

import re
from collections.abc import Callable
from typing import Literal

from gen_smtp.protocol.dialogue import Dialogue
from gen_smtp.protocol.questions import PAUSED, Mail, Notice, Question, Quit, Rcpt
from gen_smtp.protocol.transaction import Transaction
from gen_smtp.protocol.verbs.data import run_data
from gen_smtp.protocol.verbs.envelope import resolve_mail, resolve_rcpt, take_recipient, take_sender
from gen_smtp.protocol.verbs.hello import HelloVerb, run_hello
from gen_smtp.protocol.verbs.table import run_quit

_ATOM = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]++"
# The empty alternatives come first: most local parts have no dot, and to begin a repeated group takes CPython
# more than to see that there is none.
_LOCAL_PART = _ATOM + rb"(?:|(?:\." + _ATOM + rb")+)"
_WORD = rb"[A-Za-z0-9_]++"
_DOMAIN = _WORD + rb"(?:[.-]" + _WORD + rb"(?:|(?:[.-]" + _WORD + rb")+)|)"
_PATH = rb"<(" + _LOCAL_PART + rb"@" + _DOMAIN + rb")>(| [!-~][ -~]*+(?<! )(?<! HTTP/[0-9]\.[0-9]))"
_OTHERS = rb"|(?i:(DATA)|(QUIT)|(HELO|EHLO) ([!-~]++))"
_PLAIN = re.compile(rb"(?:(?i:MAIL FROM):" + _PATH + rb"|(?i:RCPT TO):" + _PATH + _OTHERS + rb")\r\n")

Ran = Question | Notice | Literal[False] | None
"""What a line has brought, if anything; False if it goes the general way."""


def read_plain(dialogue: Dialogue) -> Ran:
    """Run the next line of what was received if it is plain and may run now."""
    data, start = dialogue.received, dialogue.offset
    matched = _PLAIN.match(data, start)
    if matched is None:
        return False
    config, end = dialogue.config, matched.end()
    if (
        end - start > config.longest_plain
        or dialogue.discarded
        or (config.restricts and _is_barred(dialogue))
    ):
        return False
    dialogue.received, dialogue.offset = (b"", 0) if end == len(data) else (data, end)
    ran = _RUN[matched.lastindex](dialogue, matched)
    if ran is False:
        dialogue.received, dialogue.offset = data, start
    return ran


def _is_barred(dialogue: Dialogue) -> bool:
    """Whether the server's policy wants something of the client before it may send mail."""
    config = dialogue.config
    return (config.require_tls and not dialogue.tls) or (config.require_auth and dialogue.login is None)


def _run_mail(dialogue: Dialogue, matched: "re.Match[bytes]") -> Ran:
    if dialogue.transaction is not None or dialogue.helo is None:
        return False
    address, parameters = matched.group(1, 2)
    sender = address.decode()
    if parameters or dialogue.counter is not None:
        return take_sender(dialogue, sender, parameters.decode())
    dialogue.transaction = Transaction(sender, {})
    # As `ask` does, here and for RCPT: without its calls, 1.7 % of a message over a kept connection each
    # (docs/performance.md).
    question = dialogue.pending = Mail(sender)
    dialogue.resolve, dialogue.halted = resolve_mail, PAUSED
    return question


def _run_rcpt(dialogue: Dialogue, matched: "re.Match[bytes]") -> Ran:
    transaction = dialogue.transaction
    if transaction is None:
        return False
    address, parameters = matched.group(3, 4)
    recipient = address.decode()
    if parameters or len(transaction.recipients) >= dialogue.config.plain_recipients:
        return take_recipient(dialogue, recipient, parameters.decode())
    question = dialogue.pending = Rcpt(recipient)
    dialogue.resolve, dialogue.halted = resolve_rcpt, PAUSED
    return question


def _run_data(dialogue: Dialogue, matched: "re.Match[bytes]") -> Ran:
    transaction = dialogue.transaction
    if transaction is None or not transaction.recipients or transaction.binary:
        return False
    return run_data(dialogue)


def _run_quit(dialogue: Dialogue, matched: "re.Match[bytes]") -> Quit:
    return run_quit(dialogue)


def _run_hello(dialogue: Dialogue, matched: "re.Match[bytes]") -> Ran:
    verb, hostname = matched.group(7, 8)
    return run_hello(_HELLOS[verb.upper()], dialogue, hostname.decode())


_HELLOS: dict[bytes, HelloVerb] = {b"HELO": "HELO", b"EHLO": "EHLO"}

_RUN: dict[int | None, Callable[[Dialogue, "re.Match[bytes]"], Ran]] = {
    2: _run_mail,
    4: _run_rcpt,
    5: _run_data,
    6: _run_quit,
    8: _run_hello,
}
"""By the last group of the pattern that has matched."""
