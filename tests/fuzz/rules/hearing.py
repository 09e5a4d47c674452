"""What an onlooker has heard of a session and knows of it: items in order, and the state they have led to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NoReturn

from tests.fuzz.cases import values
from tests.fuzz.cases.case import Case
from tests.fuzz.rules.counts import Counts
from tests.fuzz.rules.framing import Octets
from tests.fuzz.rules.parameters import is_known, is_wrong
from tests.fuzz.rules.transcript import Call, Intervention, Item, Note, Reply, Violation

HELLOS = ("HELO", "EHLO", "LHLO")

_ANY_TIME = (*HELLOS, "STARTTLS", "XCLIENT")
"""Calls that need neither TLS nor authentication where those are required (RFC 3207 section 4)."""

_BARE = (*HELLOS, "XCLIENT")
"""Calls whose answers never carry a status code."""

_STATUS = re.compile(r"([245])\.\d{1,3}\.\d{1,3} ")


class End(Exception):  # noqa: N818 - no error
    """The connection is closed."""


@dataclass(slots=True)
class Envelope:
    """A transaction as the client knows it."""

    sender: str
    utf8: bool
    binary: bool = False
    recipients: list[str] = field(default_factory=list)


class Hearing:
    """A session up to some point.

    Args:
        case: its settings, and what the client sends.
        items: what was heard of the server.
    """

    def __init__(self, case: Case, items: list[Item]) -> None:
        self.case = case
        self.lmtp = "lmtp" in case.flags
        self.octets = Octets(case.clear, case.secret)
        self.tls = "tls" in case.flags
        self.handshaking = False
        self.tls_follows = False
        """The client takes part in the handshake."""
        self.in_message = False
        self.shutting_down = False
        self.may_quit = False
        """A message was taken: who is shut down behind one may still say QUIT."""
        self.closing = False
        self.ended_by_client = False
        self.responses: list[str] | None = None
        """What was sent in the AUTH exchange under way."""
        self.told_why = False
        """The client was told in a last challenge why its token is refused, and the refusal follows."""
        self.counts = Counts(case)
        self._items = items
        self._next = 0
        self.forget()

    def forget(self) -> None:
        """What STARTTLS makes the server forget (RFC 3207 section 4.2)."""
        self.hello: str | None = None
        self.hello_before: tuple[str, set[str]] | None = None
        """Where XCLIENT made it forget a hello: the verb of that, and the names that may be meant."""
        self.user = False
        self.offered: dict[str, str] = {}
        self.limit: float = self.case.number("size")
        self.envelope: Envelope | None = None

    # -- items --------------------------------------------------------------------------------------

    def take_reply(self, codes: str = "", *, may_have_status: bool = True) -> Reply:
        """The one reply that is due, with one of these codes."""
        reply = self._item(Reply)
        if not isinstance(reply, Reply):
            self.fail("one reply", "a reply is missing")
        if codes and reply.code not in codes.split():
            self.fail("reply code", f"{reply!r} instead of {codes}")
        if "ENHANCEDSTATUSCODES" in self.offered and may_have_status and reply.code[0] != "3":
            found = [_STATUS.match(text) for text in reply.texts]
            if not all(status is not None and status[1] == reply.code[0] for status in found):
                self.fail("status codes", f"{reply!r} has none, or a wrong one")
        return reply

    def take_calls(self, allowed: tuple[str, ...]) -> list[Call]:
        """The handler's calls for one line: extensions first, then the one that decides."""
        calls: list[Call] = []
        while isinstance(call := self._item(Call), Call):
            if call.name not in allowed or any(each.name == allowed[-1] for each in calls):
                self.fail("calls", f"{call!r} where {allowed} may be")
            self._check_place(call)
            calls.append(call)
            self.take_notes(call)
            if call.answer.word == "silent":
                break  # no reply will divide it from what comes next
        return calls

    def take_notes(self, pending: Call | None = None) -> None:
        """What is told besides, and what happens meanwhile, up to the client's end."""
        while not self.is_next(Note, name="Disconnected"):
            note = self._item(Note)
            if isinstance(note, Note):
                values.check_note(note)
                continue
            happened = self._item(Intervention)
            if not isinstance(happened, Intervention):
                return
            if not self.closing:
                self._see(happened.kind, pending)

    def take_end(self) -> None:
        """Nothing is left but notes; a client that hangs up in its message is known to have done so."""
        disconnected = Note("Disconnected", (not self.is_in_message(),))
        if self.ended_by_client and disconnected in self._items[self._next :]:
            self.fail("end", f"{disconnected!r}")
        while self._item(Note) or self._item(Intervention):
            pass
        if self._next < len(self._items):
            self.fail("one reply", f"unexpected: {self._items[self._next]!r}")

    def is_over(self) -> bool:
        """Whether the server says nothing more."""
        return not any(isinstance(item, Reply | Call) for item in self._items[self._next :])

    def is_next(self, kind: type[Item], **facts: str) -> bool:
        """Whether the next item is of this kind and has these facts."""
        following = self._items[self._next] if self._next < len(self._items) else None
        return isinstance(following, kind) and all(
            getattr(following, name) == value for name, value in facts.items()
        )

    def _item(self, kind: type[Item]) -> Item | None:
        """The next item if it is of this kind."""
        if self.is_next(kind):
            self._next += 1
            return self._items[self._next - 1]
        return None

    def _see(self, kind: str, pending: Call | None) -> None:
        """An intervention; `pending` waits for the handler's answer."""
        if kind == "shutdown":
            self.shutting_down = True
            return
        if kind == "fail" and pending is not None:
            for _ in range(self.reply_count() if pending.name == "DATA" else 1):
                self.take_reply("451", may_have_status=pending.name not in _BARE)
        elif not self.handshaking:
            self.take_reply("554" if kind == "drop" else "421", may_have_status=False)
        raise End

    def end_if(self, reached: bool) -> None:
        """421 behind the reply to the command that has reached a limit, and nothing more."""
        if reached and not (self.closing or self.shutting_down):
            self.take_reply("421")
            raise End

    def is_in_message(self) -> bool:
        """Whether a client that hangs up here has not finished its message."""
        return self.in_message

    # -- facts --------------------------------------------------------------------------------------

    def reply_count(self) -> int:
        """How many replies a message gets (RFC 2033 section 4.2)."""
        assert self.envelope is not None
        return len(self.envelope.recipients) if self.lmtp else 1

    def is_allowed(self) -> bool:
        """Whether TLS and authentication are there, where they are required."""
        flags = self.case.flags
        return ("reqtls" not in flags or self.tls) and ("reqauth" not in flags or self.user)

    def _check_place(self, call: Call) -> None:
        if call.name in _ANY_TIME:
            return
        if "reqtls" in self.case.flags and not self.tls:
            self.fail("require_tls", repr(call))
        if "reqauth" in self.case.flags and not self.user and not call.name.startswith("AUTH"):
            self.fail("require_auth", repr(call))

    def check_success(self, name: str, calls: list[Call], reply: Reply) -> bool:
        """2dd if and only if the handler accepted; whether it is so."""
        final = calls[-1] if calls and calls[-1].name == name else None
        refused_before = any(not (call.answer.accepts or is_known(call, self.offered)) for call in calls[:-1])
        succeeded = reply.code[0] == "2"
        wrong = [each for each in calls[:-1] if is_wrong(str(each.args[0]), self.offered)]
        if wrong and name in ("MAIL", "RCPT"):
            self.fail("parameters", f"{wrong!r} before {reply!r}")
        if succeeded != (final is not None and final.answer.accepts) or refused_before:
            self.fail("reply code", f"{reply!r} after {calls!r}")
        return succeeded

    def fail(self, rule: str, what: str) -> NoReturn:
        """A rule is broken."""
        before = self._items[max(0, self._next - 4) : self._next]
        raise Violation(rule, f"{what}\n  after {before!r}\n  in {self.case!r}")
