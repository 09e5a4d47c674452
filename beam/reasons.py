"""Exit reasons: OTP's are atoms there and texts here.

Only words of a fixed list become atoms. A reason may hold text of a mail, and a BEAM never forgets an atom.
"""

from __future__ import annotations

from typing import Any

import pykka

from actors.errors import ActorDeadError, ActorExit, shown
from beam.wire.terms import Atom

WORDS = {
    word: Atom(word)
    for word in (
        "already_started",
        "badarg",
        "calling_self",
        "forked",
        "global_name_conflict",
        "kill",
        "killed",
        "noconnection",
        "nodedown",
        "noproc",
        "normal",
        "shutdown",
        "timeout",
        "undef",
    )
}
"""Texts that are atoms in a reason."""

LONGEST_TEXT = 2000
"""Characters of an exception's text that are sent."""


def reason_term(reason: Any) -> Any:
    """The term of an exit reason: `"shutdown"` is an atom, an exception `{python, Class, Text}`.

    In a tuple this holds for the first item, and for the others if the first is such a word.
    """
    if type(reason) is str:
        return WORDS.get(reason, reason)
    if type(reason) is tuple and reason and type(reason[0]) is str and reason[0] in WORDS:
        return tuple(map(reason_term, reason))
    if isinstance(reason, BaseException):
        return exception_term(reason)
    return reason


def exception_term(error: BaseException) -> Any:
    """What a caller gets for an exception: the reason of an actor that is dead or ended; else what was
    raised."""
    if isinstance(error, ActorDeadError | ActorExit):
        return reason_term(error.reason)
    if isinstance(error, pykka.ActorDeadError):
        return WORDS["noproc"]
    try:
        text = str(error)[:LONGEST_TEXT]
    except Exception:
        text = shown(error)
    return (Atom("python"), type(error).__name__, text)
