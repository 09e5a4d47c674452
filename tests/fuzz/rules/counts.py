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
    "BDAT",
    "QUIT",
    "AUTH",
    "STARTTLS",
    "XCLIENT",
    "XFORWARD",
    *_ALWAYS_JUNK,
)


class Counts:
    """The counts of one session. What counts says whether it was once too often."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._counts: Counter[str] = Counter()
        self.auth_refused = False
        """What counted last was an AUTH that was refused: a cancellation behind it is no command."""
        self._ahead: Counter[str] = Counter()
        """So many commands out of place may have been sent ahead of the refusal that counted last."""

    def count_reply(self, verb: str, code: str, *, again: bool = False) -> bool:
        """The reply to a command or a refused message; `again` is a hello that is not the first."""
        junk = code[0] == "4" or verb in _ALWAYS_JUNK or verb not in _KNOWN or again
        if code[0] != "5" and not junk:
            return False
        self.auth_refused = code[0] in "45" and verb == "AUTH"
        recipients = self._ahead["RCPT"] if verb == "RCPT" and code[0] == "5" else 0
        self._ahead = Counter(RCPT=recipients)
        if code[0] in "45" and verb in ("MAIL", "RCPT"):
            self._ahead["DATA"] = 1
            if verb == "MAIL":
                self._ahead["RCPT"] = self._case.number("rcpts")
        if code[0] == "5":
            return self._count("authfails" if verb == "AUTH" else "errors")
        return self._count("junk")

    def excuses(self, verb: str) -> bool:
        """Whether a command that is out of place was sent ahead, behind a MAIL or RCPT that was refused."""
        verb = "DATA" if verb == "BDAT" else verb
        excused = self._ahead[verb] > 0
        if excused and verb == "DATA":
            self._ahead.clear()
        elif excused:
            self._ahead[verb] -= 1
        return excused

    def count_cancellation(self) -> bool:
        """One that comes behind the end of its exchange is junk, and neither an error nor a failure."""
        self.auth_refused = False
        self._ahead.clear()
        return self._count("junk")

    def count_excess_recipient(self) -> bool:
        """A recipient too many: as many as are allowed may have been sent ahead."""
        self._counts["excess"] += 1
        is_junk = self._counts["excess"] > self._case.number("rcpts")
        if is_junk:
            self._ahead.clear()
        self._ahead["DATA"] = 1
        return is_junk and self._count("junk")

    def count_message(self) -> None:
        """A message was taken, which forgives."""
        self._ahead.clear()
        for name in ("errors", "junk", "excess"):
            del self._counts[name]
        self._counts["messages"] += 1

    def has_enough_messages(self) -> bool:
        """Whether another MAIL is one too many."""
        return self._counts["messages"] >= self._case.number("messages")

    def _count(self, name: str) -> bool:
        self._counts[name] += 1
        return self._counts[name] >= self._case.number(name)
