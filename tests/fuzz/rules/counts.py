"""The reference for what one client may do in vain, as docs/limits.md has it: errors, junk, failed AUTH."""

from __future__ import annotations

from collections import Counter

from tests.fuzz.cases.case import Case

_ALWAYS_JUNK = ("NOOP", "RSET", "VRFY")
_KNOWN = (
    "HELO",
    "EHLO",
    "LHLO",
    "MAIL",
    "RCPT",
    "DATA",
    "QUIT",
    "AUTH",
    "STARTTLS",
    "XCLIENT",
    *_ALWAYS_JUNK,
)


class Counts:
    """The counts of one session. What counts says whether it was once too often."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._counts: Counter[str] = Counter()
        self.auth_refused = False
        """What counted last was an AUTH that was refused: a cancellation behind it is no command."""

    def count_reply(self, verb: str, code: str, *, again: bool = False) -> bool:
        """The reply to a command or a refused message; `again` is a hello that is not the first."""
        if code[0] == "5":
            self.auth_refused = verb == "AUTH"
            return self._count("authfails" if verb == "AUTH" else "errors")
        junk = code[0] == "4" or verb in _ALWAYS_JUNK or verb not in _KNOWN or again
        if junk:
            self.auth_refused = verb == "AUTH"
        return junk and self._count("junk")

    def count_cancellation(self) -> bool:
        """One that comes behind the end of its exchange is junk, and neither an error nor a failure."""
        self.auth_refused = False
        return self._count("junk")

    def count_excess_recipient(self) -> bool:
        """A recipient too many: as many as are allowed may have been sent ahead."""
        self._counts["excess"] += 1
        return self._counts["excess"] > self._case.number("rcpts") and self._count("junk")

    def count_message(self) -> None:
        """A message was taken, which forgives."""
        for name in ("errors", "junk", "excess"):
            del self._counts[name]
        self._counts["messages"] += 1

    def has_enough_messages(self) -> bool:
        """Whether another MAIL is one too many."""
        return self._counts["messages"] >= self._case.number("messages")

    def _count(self, name: str) -> bool:
        self._counts[name] += 1
        return self._counts[name] >= self._case.number(name)
