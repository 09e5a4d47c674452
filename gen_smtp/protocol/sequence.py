"""Which verb is out of sequence when (RFC 5321 section 4.1.4): one table, looked at before a verb runs."""

import enum
from collections.abc import Mapping
from typing import NamedTuple

from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.replies import StandardReply
from gen_smtp.protocol.transaction import Transaction


class Phase(enum.IntEnum):
    """How far the client has come. Integers, because they are looked up for every command."""

    NO_HELLO = 0
    READY = 1
    SENDER_GIVEN = 2
    RECIPIENT_GIVEN = 3


class OutOfSequence(NamedTuple):
    """A refusal; ``notify`` says whether gen_smtp calls handle_error(out_of_order) for it."""

    reply: StandardReply
    notify: bool = True


SequenceTable = Mapping[Phase, Mapping[str, OutOfSequence]]

_IN_TRANSACTION = {
    "MAIL": OutOfSequence(replies.NESTED_MAIL, notify=False),
    "AUTH": OutOfSequence(replies.AUTH_IN_TRANSACTION, notify=False),  # RFC 4954 section 4
    "ETRN": OutOfSequence(replies.SPEAKER_IN_TRANSACTION, notify=False),
}


def _table(mail_first: StandardReply, auth_first: StandardReply) -> SequenceTable:
    return {
        Phase.NO_HELLO: {
            "MAIL": OutOfSequence(mail_first),
            "RCPT": OutOfSequence(replies.MAIL_FIRST),
            "DATA": OutOfSequence(mail_first),
            "BDAT": OutOfSequence(mail_first),
            "AUTH": OutOfSequence(auth_first),
            "ETRN": OutOfSequence(auth_first, notify=False),
        },
        Phase.READY: {
            "RCPT": OutOfSequence(replies.MAIL_FIRST),
            "DATA": OutOfSequence(replies.MAIL_FIRST),
            "BDAT": OutOfSequence(replies.MAIL_FIRST),
        },
        Phase.SENDER_GIVEN: {
            **_IN_TRANSACTION,
            "DATA": OutOfSequence(replies.RCPT_FIRST),
            "BDAT": OutOfSequence(replies.RCPT_FIRST),
        },
        Phase.RECIPIENT_GIVEN: _IN_TRANSACTION,
    }


SMTP_SEQUENCE = _table(replies.HELLO_FIRST, replies.EHLO_FIRST)
LMTP_SEQUENCE = _table(replies.LHLO_FIRST, replies.LHLO_FIRST)

TLS_FIRST = OutOfSequence(replies.TLS_REQUIRED, notify=False)
AUTH_FIRST = OutOfSequence(replies.AUTH_REQUIRED, notify=False)
CHUNKS_FIRST = OutOfSequence(replies.CHUNKS_UNDER_WAY, notify=False)

BEFORE_TLS = frozenset({"HELO", "EHLO", "LHLO", "NOOP", "RSET", "QUIT", "STARTTLS"})
"""Verbs allowed where TLS is required and not there yet (RFC 3207 section 4)."""
BEFORE_AUTH = BEFORE_TLS | {"AUTH"}
"""Verbs allowed where authentication is required and not done yet (RFC 4954 section 6)."""

ANY_TEXT = frozenset({"HELO", "EHLO", "LHLO", "NOOP", "RSET", "QUIT", "HELP", "EXPN", "ETRN"})
"""Verbs whose argument may be no UTF-8 with the option `lenient`: a name that is looked at, or nothing; and
those that are the callback's alone."""
BETWEEN_CHUNKS = frozenset({"BDAT", "HELO", "EHLO", "LHLO", "NOOP", "RSET", "QUIT"})
"""Verbs allowed when a part of a message has come by BDAT: they go on with it, give it up, or ask nothing."""

TAKES_NO_ARGUMENT: Mapping[str, StandardReply] = {
    "DATA": replies.DATA_SYNTAX,
    "STARTTLS": replies.STARTTLS_SYNTAX,
}


def phase_of(helo: str | None, transaction: Transaction | None) -> Phase:
    """The phase, from the name the client gave and its transaction."""
    if transaction is not None:
        return Phase.RECIPIENT_GIVEN if transaction.recipients else Phase.SENDER_GIVEN
    return Phase.NO_HELLO if helo is None else Phase.READY
