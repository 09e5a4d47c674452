"""Looks a session over: does what was heard of the server follow, by the rules, from what the client sent?

It reads both sides as an onlooker would who knows the RFCs: takes line after line of what the client sent
(`framing`), and for each the calls of the handler, the one reply, and what was told besides. Whatever is left
over or missing breaks a rule.
"""

from __future__ import annotations

from typing import NoReturn

from tests.fuzz.cases import values
from tests.fuzz.rules.chunks import BETWEEN_CHUNKS, ChunkHearing
from tests.fuzz.rules.framing import Overlong, split
from tests.fuzz.rules.hearing import HELLOS, End
from tests.fuzz.rules.judges import CALLS, JUDGES, announced, judge_exchange
from tests.fuzz.rules.transcript import Call, Reply

_OF_SPEAKERS = {"XCLIENT": {"xclient", "xdenied"}, "XFORWARD": {"xforward", "xfdenied"}}
"""Verbs that the server knows if the case has one of these words."""


class Onlooker(ChunkHearing):
    """Both sides of one session, and what must be true between them. `look` raises Violation."""

    def look(self) -> None:
        """All of the session."""
        try:
            self._take_greeting()
            while self._take_step():
                pass
            self.take_notes()
            self.ended_by_client = True
        except End:
            pass
        self.take_end()

    def _take_greeting(self) -> None:
        """RFC 5321 section 4.3.1: a client should wait for it."""
        self.closing = self.case.talks_early
        self.take_reply("554" if self.closing else "220", may_have_status=False)
        self._take_rest()

    def _take_step(self) -> bool:
        """One line or message of the client; False when there is none any more."""
        if self.handshaking:
            return self._take_handshake()
        if self.in_message:
            return self.take_message()
        if self.shutting_down and self.chunks is None:
            return self._take_last_line()
        return self._take_line()

    def _take_handshake(self) -> bool:
        if not self.tls_follows:
            return False
        self.handshaking = False
        self.tls = True
        self.forget()
        self.take_notes()
        return True

    def _take_last_line(self) -> bool:
        """421 at once, but behind a message that was taken: there it answers whatever is not QUIT."""
        number = self.case.number
        line = self.octets.line(number("line"), number("discard")) if self.may_quit else None
        if line is None and self.may_quit and not self.is_next(Reply):
            return False
        is_quit = isinstance(line, bytes) and split(line) == ("QUIT", "")
        self.take_reply("221 421" if is_quit else "421")
        raise End

    # -- lines --------------------------------------------------------------------------------------

    def _take_line(self) -> bool:
        if self.responses is None and not self.tls and self.octets.begin_a_handshake():
            self._take_last_reply("554")
        number = self.case.number
        longest = number("line") if self.responses is None else number("authline") + 2
        if self.responses is None and "AUTH" in self.offered and self.octets.begins_auth():
            longest = max(longest, number("authline") + 2)
        if self.responses is None and self.octets.begins_endless_chunk(longest):
            self._take_last_reply("500")
        if self.octets.asks_for_a_page(longest, number("discard")):
            self._take_last_reply("421")
        line = self.octets.line(longest, number("discard"))
        if line is None:
            return False
        if isinstance(line, Overlong):
            self._take_overlong(line)
        elif self.responses is not None:
            self._take_response(line)
        else:
            return self._take_command(line)
        return True

    def _take_last_reply(self, code: str) -> NoReturn:
        """To a client that speaks something else."""
        self.take_reply(code)
        self.closing = True
        self.take_notes()
        raise End

    def _take_overlong(self, line: Overlong) -> None:
        verb = "" if self.responses is None else "AUTH"
        self.responses = None
        is_refused, self.told_why = self.told_why, False
        reply = self.take_reply("421" if line is Overlong.ENDLESS else "" if is_refused else "500")
        if line is Overlong.ENDLESS:
            raise End
        self.end_if(self.counts.count_reply(verb, reply.code))
        self.take_notes()

    def _take_command(self, line: bytes) -> bool:
        """A command, with the octets behind it; False if the client has hung up inside them."""
        text = line.rstrip(b"\r").strip(b" \t").decode("ascii", "replace").replace("\t", " ")
        verb, _, argument = text.partition(" ")
        if verb.upper() == "BDAT":
            return self.take_chunk(argument.strip(" "), is_text=split(line) is not None)
        self._take_line_alone(line)
        return True

    def _take_line_alone(self, line: bytes) -> None:
        lenient = "lenient" in self.case.flags
        verb, argument = split(line, lenient=lenient) or ("", "")
        if (verb, argument) == ("*", "") and self.counts.auth_refused:
            self.take_reply("501")
            self.end_if(self.counts.count_cancellation())
            self.take_notes()
            return
        if verb in _OF_SPEAKERS and not self.case.flags & _OF_SPEAKERS[verb]:
            verb = "X-OTHER"  # as unknown as that
        if self.chunks is not None:
            self.take_notes()
            if verb not in BETWEEN_CHUNKS:
                reply = self._take_answer([])
                if reply.code not in ("500", "501", "503"):
                    self.fail("sequence", f"{reply!r} to {line!r} between chunks")
                self._count(verb, reply, asked=False, again=False)
                self.take_notes()
                return
        asks_again = self.hello_before if verb == "MAIL" and self.hello is None else None
        allowed = CALLS.get(verb, ("other",) if verb else ())
        calls = self.take_calls((asks_again[0], *allowed) if asks_again is not None else allowed)
        if calls and verb in HELLOS:
            self.forget_chunks()
        text = line.decode("utf-8", "surrogateescape" if lenient else "replace").replace("\t", " ")
        if asks_again is not None and calls:
            self._take_earlier_hello(calls[0], asks_again)
        for call in calls:
            if call.name not in CALLS["AUTH"] and not (verb == "MAIL" and call.name in HELLOS):
                values.check_call(call, text, lenient=lenient)
        if calls and calls[-1].answer.word == "silent":
            self.end_if(self.counts.count_reply(verb, "250"))
            return
        again = verb in HELLOS and self.hello is not None
        has_status = not calls or calls[-1].name not in (*HELLOS, "XCLIENT")
        reply = self._take_answer(calls, may_have_status=has_status and verb not in HELLOS)
        judge = JUDGES.get(verb)
        if verb == "MAIL" and calls and calls[-1].name in HELLOS:
            self._judge_earlier_hello(calls[-1], argument, reply)
        elif judge is not None:
            judge(
                self, argument, [each for each in calls if verb in HELLOS or each.name not in HELLOS], reply
            )
            if reply.code in ("250", "354") and verb in ("RSET", "DATA"):
                self.forget_chunks(refused_too=True)
        elif not calls and (reply.code[0] != "5" or self._must_be_asked(verb, argument)):
            self.fail("reply code", f"{reply!r} to {line!r}")
        self._count(verb, reply, bool(calls), again)
        if not self.handshaking:
            self._take_rest()

    def _take_earlier_hello(self, call: Call, before: tuple[str, set[str]]) -> None:
        """MAIL straight behind XCLIENT: the hello before that is asked about first."""
        verb, names = before
        if call.name != verb or call.args[0] not in names:
            self.fail("sequence", f"{call!r} before MAIL, where {before} is due")
        if call.answer.accepts:
            self.hello = call.args[0]
            self.offered = announced(self, call)
            self.limit = self.limit if call.answer.size is None else call.answer.size

    def _judge_earlier_hello(self, call: Call, argument: str, reply: Reply) -> None:
        """Nothing more was asked: the hello was refused, or MAIL itself is wrong."""
        if reply.code[0] == "2":
            self.fail("reply code", f"{reply!r} after {call!r} alone")
        if call.answer.accepts and not call.answer.closes:
            JUDGES["MAIL"](self, argument, [], reply)

    def _count(self, verb: str, reply: Reply, asked: bool, again: bool) -> None:
        if verb == "RCPT" and reply.code == "452" and not asked:
            self.end_if(self.counts.count_excess_recipient())
        elif asked or reply.code not in ("503", "530") or not self.counts.excuses(verb):
            self.end_if(self.counts.count_reply(verb, reply.code, again=again))

    def _must_be_asked(self, verb: str, argument: str) -> bool:
        """Whether nothing keeps a command that is the handler's alone from it."""
        if verb in ("EXPN", "ETRN") and not argument:
            return False
        if verb == "ETRN" and (self.hello is None or self.envelope is not None):
            return False
        return bool(verb) and not values.has_control(argument) and self.is_allowed()

    def _take_response(self, line: bytes) -> None:
        """A line of an AUTH exchange."""
        responses = [*(self.responses or ()), line.rstrip(b"\r").strip(b" \t").decode("latin-1")]
        self.responses = None
        if self.told_why:
            self._take_refusal()
            return
        calls = self.take_calls(CALLS["AUTH"])
        reply = self._take_answer(calls)
        if responses[-1] == "*" and (calls or reply.code != "501"):
            self.fail("reply code", f"{reply!r} to a cancelled AUTH")
        judge_exchange(self, responses, calls, reply)
        self.end_if(self.counts.count_reply("AUTH", reply.code))
        self._take_rest()

    def _take_refusal(self) -> None:
        """Whatever the client answers to a last challenge, its token is refused now."""
        self.told_why = False
        reply = self.take_reply()
        if reply.code[0] != "5":
            self.fail("reply code", f"{reply!r} behind the reason why a token is refused")
        self.end_if(self.counts.count_reply("AUTH", reply.code))
        self._take_rest()

    def _take_answer(self, calls: list[Call], *, may_have_status: bool = True) -> Reply:
        reply = self.take_reply(may_have_status=may_have_status)
        self.closing = reply.code == "421" or any(call.answer.closes for call in calls)
        return reply

    def _take_rest(self) -> None:
        self.take_notes()
        if self.closing:
            raise End
