"""What the handler answers: words in what it is asked decide, so that a case says it all by itself.

``MAIL FROM:<stop@x>`` is stopped, a message with the word ``crash`` near its beginning crashes the handler.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gen_smtp.callbacks import results
from gen_smtp.protocol.sasl.scram_keys import ScramKeys
from gen_smtp.protocol.sasl.table import BUILT_IN
from gen_smtp.protocol.verdicts import (
    Accept,
    Decline,
    Drop,
    Extension,
    Fail,
    Found,
    PerRecipient,
    Silence,
    Verdict,
    WholeReply,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer in three forms.

    Attributes:
        word: what it is called. A callback can't say ``hangup``.
        accepts: the command succeeds: a reply 2dd, and the state goes on.
        closes: the connection closes behind the reply.
        verdict: as the core takes it; None is a crash.
        result: as a callback returns it; an exception is raised.
        size: the new limit of a message; None for none.
        each: LMTP: which of the recipients' replies are 2dd; None for all alike.
    """

    word: str
    accepts: bool
    closes: bool
    verdict: Verdict | None
    result: Any
    size: int | float | None = None
    each: tuple[bool, ...] | None = None

    def __repr__(self) -> str:
        return self.word


class Crash(Exception):  # noqa: N818 - as the word for it
    """The handler's own."""


# What a careless handler might say: it must not get through to the client as it is.
_NASTY = "554 5.7.1 no\r\n250 Ok\x1b[31m é\x00\u2028"
ACCEPT = Answer("accept", True, False, Accept(), results.ok)
SILENT = Answer("silent", True, False, Silence(), results.noreply)
_FAILURES = {
    answer.word: answer
    for answer in (
        Answer("reject", False, False, Decline(), results.error),
        Answer("refuse", False, False, Decline(_NASTY), results.error(_NASTY)),
        Answer("busy", False, True, Decline("421 4.3.2 busy"), results.error("421 4.3.2 busy")),
        Answer("stop", False, True, Drop(_NASTY), results.stop("why", _NASTY)),
        Answer("leave", False, True, Drop("421 gone"), results.stop("why")),
        Answer("fail", False, False, Fail(), 42),
        Answer("crash", False, True, None, Crash("on purpose")),
        Answer("hangup", True, True, Accept(close=True), None),
    )
}
LEAVE, STOP = _FAILURES["leave"], _FAILURES["stop"]
_LINES = ("first\r\n250 x", "second\x07", "")
_TEXTS = {
    answer.word: answer
    for answer in (
        Answer("lines", True, False, Accept(_LINES), results.ok(list(_LINES))),
        Answer("whole", True, False, Accept("251 2.1.5 \telsewhere"), results.ok("251 2.1.5 \telsewhere")),
        Answer("wordy", True, False, Accept("ü" * 2000), results.ok("ü" * 2000)),
    )
}
_VAGUE = Answer("vague", True, False, Decline("252 perhaps"), results.error("252 perhaps"))
_KEYS = {
    name: ScramKeys.of_password("pencil", name, iterations=4096, salt=b"salt of a fuzzer")
    for name in ("SCRAM-SHA-1", "SCRAM-SHA-256")
}
_WORD = re.compile("|".join([*_FAILURES, *_TEXTS, "vague", "silent"]))
WORDS = (*_FAILURES, *_TEXTS, "vague", "silent", "each", "few", "many", "none", "odd", "small", "endless")

PARAMETERS: Sequence[Extension] = (
    ("DSN", True),
    ("DELIVERBY", "60"),
    ("FUTURERELEASE", "86400 2027-01-31T12:00:00Z"),
    ("MT-PRIORITY", True),
    ("REQUIRETLS", True),
    ("RRVS", True),
    ("LIMITS", True),
)
"""The extensions that bring parameters."""

READS = 200
"""So many octets of a message are looked at for a word."""


def answer_to(name: str, text: str, lmtp_recipients: Sequence[str] = ()) -> Answer:
    """The answer to the callback ``name``, for the text it is asked about."""
    if name == "DATA" and lmtp_recipients:
        several = _answer_for_each(text, lmtp_recipients)
        if several is not None:
            return several
    matched = _WORD.search(text)
    word = matched[0] if matched else "accept"
    if word in _FAILURES:
        return _FAILURES[word]
    if word in _TEXTS and name in ("MAIL", "RCPT", "VRFY", "AUTH", "DATA", "other"):
        return _TEXTS[word]
    if word == "vague" and name == "VRFY":
        return _VAGUE
    if name == "other":
        return SILENT if word == "silent" else _unknown(text)
    if name in ("MAIL_extension", "RCPT_extension") and not text.startswith("X"):
        return _FAILURES["reject"]
    return ACCEPT


def answer_to_lookup(mechanism: str, username: str) -> Answer:
    """The answer to a mechanism that needs the keys of a user, whose password is `pencil`."""
    answer = answer_to("AUTH_keys", username)
    if answer is not ACCEPT:
        return answer
    keys = _KEYS[mechanism.upper()]
    return Answer("keys", True, False, Found(value=keys), results.ok(keys))


def _unknown(text: str) -> Answer:
    message = f"500 what is {text}?"
    return Answer("unknown", False, False, WholeReply(message), results.reply(message))


def _answer_for_each(body: str, recipients: Sequence[str]) -> Answer | None:
    """LMTP: one answer for each recipient, perhaps too few or too many of them."""
    if not any(word in body for word in ("each", "few", "many")):
        return None
    answers = [_FAILURES["refuse"] if "refuse" in each else ACCEPT for each in recipients]
    if "few" in body:
        answers.pop()
    accepted = [answer.accepts for answer in answers]
    if "many" in body:
        answers.append(ACCEPT)
    verdicts = [answer.verdict for answer in answers]
    return Answer(
        "each",
        True,
        False,
        PerRecipient(verdicts),  # type: ignore[arg-type]  # they are all Accept and Decline
        results.multiple([answer.result for answer in answers]),
        each=(*accepted, *[False] * (len(recipients) - len(accepted))),
    )


def answer_to_hello(
    verb: str, hostname: str, built_in: Sequence[Extension], flags: frozenset[str]
) -> tuple[Answer, list[Extension]]:
    """The answer to a hello, and what it offers."""
    answer = answer_to("hello", hostname)
    offered = _offered(hostname, built_in, flags)
    if answer is not ACCEPT:
        return answer, []
    if verb == "HELO":
        size = 40 if "small" in hostname else math.inf if "endless" in hostname else None
        if size is None:
            return ACCEPT, []
        return Answer("limit", True, False, Accept(max_size=size), results.ok(size), size=size), []
    sizes = [int(value) or math.inf for name, value in offered if name == "SIZE"]
    odd = "odd" in hostname
    offer = Answer(
        "odd" if odd else "offer",
        not odd,
        False,
        Accept(extensions=offered),
        results.ok(offered),
        size=sizes[0] if sizes else None,
    )
    return offer, offered


def _offered(hostname: str, built_in: Sequence[Extension], flags: frozenset[str]) -> list[Extension]:
    if "odd" in hostname:
        return [*built_in, ("TWO WORDS", True)]
    if "none" in hostname:
        return []
    taken_out = {"SMTPUTF8" if "noutf8" in flags else "", "8BITMIME" if "no8bit" in flags else ""}
    offered = [each for each in built_in if each[0] not in taken_out]
    if "small" in hostname or "endless" in hostname:
        offered = [("SIZE", "40" if "small" in hostname else "0"), *offered[1:]]
    if "sasl" in flags:
        offered.append(("AUTH", " ".join(BUILT_IN)))
    elif "auth" in flags:
        offered.append(("AUTH", "PLAIN LOGIN CRAM-MD5"))
    if "starttls" in flags:
        offered.append(("STARTTLS", True))
    if "chunking" in flags:
        offered += [("CHUNKING", True), ("BINARYMIME", True)]
    if "params" in flags:
        offered += PARAMETERS
    if "codes" in flags:
        offered.append(("ENHANCEDSTATUSCODES", True))
    return offered
