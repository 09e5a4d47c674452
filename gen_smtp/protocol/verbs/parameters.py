"""Parameters that an extension brings, while a MAIL or RCPT is judged: whether they are right, and taken.

The callback is asked about each of them, as in gen_smtp. What the protocol knows it has looked at before.
"""

from typing import Literal

from gen_smtp.protocol.dialogue import Dialogue
from gen_smtp.protocol.parameters.table import Table, fault_of
from gen_smtp.protocol.questions import MailParameter, RcptParameter
from gen_smtp.protocol.text.command import Parameter
from gen_smtp.protocol.text.replies import StandardReply
from gen_smtp.protocol.verdicts import Accept, Decline, Verdict

_UNKNOWN = Decline()
"""From a callback that does not know the parameter."""


def find_fault(
    dialogue: Dialogue, table: Table, parameter: Parameter
) -> StandardReply | Literal[False] | None:
    """The reply to a value that is wrong; None if it is right, False if the parameter is not known here."""
    known = table.get(parameter.keyword)
    if known is None or known.extension not in dialogue.extensions:
        return False
    transaction, offered = dialogue.transaction, dialogue.extensions[known.extension]
    assert transaction is not None  # there is one, at least on trial
    return fault_of(known, *parameter, offered, transaction.mail_params)


def is_taken(question: MailParameter | RcptParameter, verdict: Verdict) -> bool:
    """Whether a parameter is taken: by the callback, or by the protocol if the callback does not know it."""
    return isinstance(verdict, Accept) or (question.known and verdict == _UNKNOWN)
