"""What the client hears: the next hosts' replies, one for each recipient or one for all."""

from __future__ import annotations

from collections.abc import Sequence

from gen_smtp.callbacks.results import Error, Ok, error, ok
from gen_smtp.gen_smtp_client import RecipientOutcome, Reply

_CLOSING = 421
"""It is about the next host's connection. Said to the client it would end the client's own."""


def result_of(outcome: RecipientOutcome) -> Ok | Error:
    """The reply for one recipient: what the next host has said, or why it could not be asked."""
    reply = outcome.reply
    if reply is None:
        enhanced = outcome.enhanced if outcome.temporary else "4.3.5"  # ours to mend, and not the client's
        return error(f"451 {enhanced} {outcome.text}")
    return ok(_lines_of(reply)) if outcome.delivered else error(_lines_of(reply))


def one_result_of(outcomes: Sequence[RecipientOutcome]) -> Ok | Error:
    """The one reply for all recipients.

    If some do not have the message, it is 451 where another try may help, though it brings the others a
    second copy, and 554 where none will.
    """
    failed = [each for each in outcomes if not each.delivered]
    if not failed:
        return result_of(outcomes[0])
    first = next((each for each in failed if each.temporary), failed[0])
    if all(each.reply == first.reply for each in outcomes):
        return result_of(first)
    code, enhanced = ("451", "4.3.0") if first.temporary else ("554", "5.3.0")
    names = ", ".join(dict.fromkeys(each.address for each in failed))
    return error(f"{code} {first.enhanced or enhanced} not forwarded to {names}: {first.text}")


def _lines_of(reply: Reply) -> list[str]:
    """A reply as callbacks return it, the code in front."""
    code = 451 if reply.code == _CLOSING else reply.code
    first, *rest = reply.lines or ("",)
    return [f"{code} {first}".rstrip(), *rest]
