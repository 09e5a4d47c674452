"""The checker can fail: each fault planted in a protocol or session is caught, by the rule that it breaks."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

import pytest

from actors.net.transport import Transport
from gen_smtp.callbacks.stream import MessageStream
from gen_smtp.protocol.protocol import Protocol, SpeakerProtocol
from gen_smtp.protocol.questions import (
    ChunkComplete,
    ChunksStart,
    Disconnected,
    Mail,
    MessageComplete,
    MessageRejected,
    MessageStart,
    Rcpt,
    Step,
    UnknownCommand,
    XClient,
)
from gen_smtp.protocol.text.chunks import SkippedChunks
from gen_smtp.protocol.verbs import data
from gen_smtp.protocol.verdicts import Accept, Verdict
from gen_smtp.server.message_memory import MessageMemory
from gen_smtp.session import calling, messages, proxied
from gen_smtp.session.session import SmtpSession
from tests.certificates import Certificates
from tests.fuzz.cases.case import Case, octet_by_octet, whole
from tests.fuzz.corpus import read_cases
from tests.fuzz.harnesses.harness import drive
from tests.fuzz.harnesses.session_harness import SessionHarness, harness, server_context
from tests.fuzz.rules.checker import check, check_all, compare
from tests.fuzz.rules.framing import Octets, Overlong, has_bare_newline, mended, split, unstuffed
from tests.fuzz.rules.transcript import Reply, Violation, parse_replies

CORPUS = read_cases()


class Faulty(SpeakerProtocol):
    """Goes the general way alone, so that a fault planted in `next_step` gets to see all steps."""

    def hear(self, data: bytes) -> Step:
        self.feed(data)
        return self.next_step()


# -- faults in what is sent ---------------------------------------------------------------------------


class RepliesTwice(Faulty):
    """The reply to QUIT comes twice."""

    def data_to_send(self) -> bytes:
        return super().data_to_send().replace(b"221 Bye\r\n", b"221 Bye\r\n221 Bye\r\n")


class Silent(Faulty):
    """The reply to QUIT never comes."""

    def data_to_send(self) -> bytes:
        return super().data_to_send().replace(b"221 Bye\r\n", b"")


class EchoesControls(Faulty):
    """A reply repeats a control character."""

    def data_to_send(self) -> bytes:
        return super().data_to_send().replace(b"?", b"\x1b")


class BareLineEnd(Faulty):
    """A reply ends with LF alone."""

    def data_to_send(self) -> bytes:
        return super().data_to_send().replace(b"Bye\r\n", b"Bye\n")


class LongReply(Faulty):
    """A reply line is longer than 512 octets."""

    def data_to_send(self) -> bytes:
        return super().data_to_send().replace(b"Bye", b"B" + b"y" * 600 + b"e")


class Unfinished(Faulty):
    """The last line of the reply to EHLO says that another follows."""

    def data_to_send(self) -> bytes:
        return super().data_to_send().replace(b"250 SMTPUTF8", b"250-SMTPUTF8")


class NoStatusCodes(Faulty):
    """ENHANCEDSTATUSCODES is announced and not done."""

    def data_to_send(self) -> bytes:
        return super().data_to_send().replace(b" 2.1.0 ", b" ")


class TalksAfterQuit(Faulty):
    """Commands behind QUIT are run."""

    def close(self) -> None:
        if not self.in_message and b"Bye" in self.unsent:
            return
        super().close()


# -- faults in what is read ---------------------------------------------------------------------------


class EndsAtBareNewlines(Faulty):
    """LF.LF ends a message, as CRLF.CRLF does: SMTP smuggling."""

    def hear(self, data: bytes) -> Step:
        return super().hear(data.replace(b"\n.\n", b"\r\n.\r\n"))


class RunsMessages(Faulty):
    """What comes behind 354 is run as commands."""

    def next_step(self) -> Any:
        step = super().next_step()
        if isinstance(step, MessageStart):
            self.end_message()
        return step


class RunsRefusedMessages(Faulty):
    """A message that is refused is at its end for the server, as in gen_smtp."""

    def next_step(self) -> Any:
        step = super().next_step()
        if isinstance(step, MessageRejected) and self.reader is not None:
            self.end_message()
        return step


class ForgetsLineEnds(Faulty):
    """A CR at the end of a piece is given the benefit of the doubt."""

    def hear(self, data: bytes) -> Step:
        return super().hear(data.removesuffix(b"\r"))


class RunsLastLine(Faulty):
    """A line that its client did not finish is run."""

    def receive_eof(self) -> None:
        self.feed(b"\r\n")
        super().receive_eof()


class NoticesNoLoss(Faulty):
    """A client that hangs up in its message seems to have been done with it."""

    def next_step(self) -> Any:
        step = super().next_step()
        return Disconnected(False) if isinstance(step, Disconnected) else step


class KeepsWhatWasSentInClear(Faulty):
    """What came behind STARTTLS in one piece is run inside TLS."""

    def respond(self, verdict: Verdict) -> None:
        data, start = self.received, self.offset
        super().respond(verdict)
        if self.handshaking:
            self.received = data[start:]


class RemembersClient(Faulty):
    """STARTTLS forgets nothing."""

    def tls_established(self) -> None:
        helo = self.helo
        super().tls_established()
        self.helo = helo


class _BeginsAgain(Faulty):
    """XCLIENT makes it forget less than it should."""

    kept: str

    def next_step(self) -> Any:
        kept = getattr(self, self.kept)
        step = super().next_step()
        if isinstance(step, XClient):
            setattr(self, self.kept, kept)
        return step


class RemembersHello(_BeginsAgain):
    """The hello of the client before."""

    kept = "helo"


class RemembersFaults(_BeginsAgain):
    """The faults of the client before."""

    kept = "counter"


class RemembersUser(_BeginsAgain):
    """Who had logged in before, and not who has now."""

    kept = "login"


class Hoards(Faulty):
    """A line that never ends is kept."""

    def _await_line(self, limit: int, discard_limit: int) -> None:
        return None


# -- faults in what the handler is given --------------------------------------------------------------


class _Changes(Faulty):
    """Hands out something else than what came."""

    def change(self, step: Any) -> Any:
        return step

    def next_step(self) -> Any:
        return self.change(super().next_step())


class LeaksControls(_Changes):
    """A handler gets a control character in an address."""

    def change(self, step: Any) -> Any:
        return Mail(f"{step.reverse_path}\x00") if isinstance(step, Mail) else step


class Invents(_Changes):
    """A handler gets an address that nobody has sent."""

    def change(self, step: Any) -> Any:
        return Rcpt("root@mx.test") if isinstance(step, Rcpt) else step


class GivesOctets(_Changes):
    """A handler gets bytes for an address."""

    def change(self, step: Any) -> Any:
        return Mail(step.reverse_path.encode()) if isinstance(step, Mail) else step  # type: ignore[arg-type]


class LosesOctet(_Changes):
    """A message lacks its last octet."""

    def change(self, step: Any) -> Any:
        if not isinstance(step, MessageComplete):
            return step
        return MessageComplete(step.sender, step.recipients, step.data[:-1])


class LosesOctetOfChunk(_Changes):
    """A chunk that is not the last lacks its last octet."""

    def change(self, step: Any) -> Any:
        return ChunkComplete(step.data[:-1]) if isinstance(step, ChunkComplete) else step


class _TouchesReader(Faulty):
    """Reads chunks otherwise than it should; `touch` gets what a new chunk is read by."""

    def touch(self, reader: Any) -> None:
        """Change something."""

    def next_step(self) -> Any:
        step = super().next_step()
        if isinstance(step, ChunksStart):
            self.touch(self.reader)
        return step


class RunsRefusedChunks(_TouchesReader):
    """The octets of a chunk that is refused are run as commands."""

    def touch(self, reader: Any) -> None:
        if isinstance(reader, SkippedChunks):
            self.in_message = False
            self.send(reader.refusal)
            self.reader = None


class ReadsOneOctetLess(_TouchesReader):
    """A chunk ends one octet too early."""

    def touch(self, reader: Any) -> None:
        reader.left -= 1


class ReadsOneOctetMore(_TouchesReader):
    """A chunk takes the first octet of the next command."""

    def touch(self, reader: Any) -> None:
        reader.left += 1


class EveryChunkIsTheLast(_TouchesReader):
    """The first chunk ends the message."""

    def touch(self, reader: Any) -> None:
        reader.last = True


class TakesBinaryForText(_TouchesReader):
    """The octets of BINARYMIME are looked through for newlines."""

    def touch(self, reader: Any) -> None:
        if not isinstance(reader, SkippedChunks):
            reader.mode = False


class CountsSentAhead(_TouchesReader):
    """Chunks that were sent ahead of a refusal count as errors."""

    def next_step(self) -> Any:
        step = super().next_step()
        if isinstance(self.reader, SkippedChunks):
            self.reader.counted = False
        return step


class AsksNobody(Faulty):
    """A recipient is accepted without the handler."""

    def next_step(self) -> Any:
        step = super().next_step()
        while isinstance(step, Rcpt):
            self.respond(Accept())
            step = super().next_step()
        return step


class AcceptsAll(Faulty):
    """What the handler refuses is accepted."""

    def respond(self, verdict: Verdict) -> None:
        unknown = isinstance(self.pending, UnknownCommand)
        super().respond(verdict if unknown else Accept())


def configured(**changes: Any) -> Callable[..., Protocol]:
    """A protocol that goes by another configuration than it was given."""
    return lambda config, **options: SpeakerProtocol(replace(config, **changes), **options)


FAULTS: list[tuple[Any, str, str]] = [
    (RepliesTwice, "quit-and-more", "one reply"),
    (Silent, "quit-and-more", "one reply"),
    (EchoesControls, "unknown-commands", "reply form"),
    (BareLineEnd, "real-swaks-dots", "reply form"),
    (LongReply, "real-swaks-dots", "reply form"),
    (Unfinished, "real-swaks-dots", "reply form"),
    (NoStatusCodes, "pipelining", "status codes"),
    (TalksAfterQuit, "quit-and-more", "one reply"),
    (EndsAtBareNewlines, "smuggling-lf-dot-lf", "one reply"),
    (RunsMessages, "smuggling-lf-dot-lf", "one reply"),
    (RunsRefusedMessages, "smuggling-behind-a-refusal-by-size", "cuts"),
    (ForgetsLineEnds, "smuggling-cr-dot-cr-fix", "cuts"),
    (RunsLastLine, "line-ends", "one reply"),
    (NoticesNoLoss, "message-without-end", "end"),
    (KeepsWhatWasSentInClear, "starttls-injected-commands", "reply code"),
    (RemembersClient, "require-tls", "sequence"),
    (RemembersHello, "xclient-forgets", "sequence"),
    (RemembersFaults, "xclient-forgives", "not asked"),
    (RemembersUser, "xclient-login", "sequence"),
    (Hoards, "line-endless-without-lf", "memory"),
    (LeaksControls, "pipelining", "values"),
    (Invents, "pipelining", "values"),
    (GivesOctets, "pipelining", "values"),
    (LosesOctet, "pipelining", "message"),
    (AsksNobody, "pipelining", "not asked"),
    (AcceptsAll, "handler-reject-envelope", "reply code"),
    (configured(require_tls=False), "require-tls", "require_tls"),
    (configured(xclient=True), "xclient-denied", "values"),
    (configured(xclient=None), "xclient-denied", "calls"),
    (configured(xclient=False), "xclient-forgets", "values"),
    (configured(require_auth=False), "require-auth", "require_auth"),
    (configured(allow_insecure_auth=True), "starttls-not-available", "sequence"),
    (configured(starttls_available=True), "starttls-not-available", "sequence"),
    (configured(max_recipients=3), "recipients-too-many", "sequence"),
    (configured(max_errors=4), "limit-errors", "one reply"),
    (configured(max_errors=2), "limit-errors", "not asked"),
    (configured(max_junk_commands=5), "limit-junk", "reply code"),
    (configured(max_auth_failures=4), "limit-auth-failures", "one reply"),
    (configured(max_messages=3), "limit-messages", "sequence"),
    (configured(max_messages=1), "limit-messages", "not asked"),
    (configured(max_text_line=11), "limit-text-line", "one reply"),
    (configured(has_room=lambda: True), "no-room-for-a-message", "sequence"),
    (configured(max_message_size=100), "message-of-exactly-the-limit", "values"),
    (configured(max_command_line=100), "line-too-long", "reply code"),
    (configured(max_discarded_line=1000), "line-endless-without-lf", "one reply"),
    (configured(allow_bare_newlines="ignore"), "smuggling-lf-dot-lf", "one reply"),
    (configured(allow_bare_newlines="strip"), "smuggling-cr-dot-cr-fix", "message"),
    (configured(lmtp=True), "pipelining", "not asked"),
    (LosesOctetOfChunk, "chunks-several", "message"),
    (RunsRefusedChunks, "chunks-out-of-place", "not asked"),
    (ReadsOneOctetLess, "chunks-one-write", "message"),
    (ReadsOneOctetMore, "chunks-one-write", "message"),
    (EveryChunkIsTheLast, "chunks-several", "reply code"),
    (TakesBinaryForText, "chunks-binary", "reply code"),
    (CountsSentAhead, "chunks-bare-newline", "reply code"),
    (configured(max_message_size=21), "chunks-too-large", "values"),
    (configured(allow_bare_newlines="ignore"), "chunks-bare-newline", "reply code"),
    (configured(has_room=lambda: True), "chunks-no-room", "reply code"),
]


def rule_broken(protocol: Any, case: Case) -> str:
    """The rule that a protocol breaks with a case; empty for none."""
    try:
        check_all(case, {cut: drive(case, cut, protocol) for cut in case.cuts()})
    except Violation as violation:
        return violation.rule
    return ""


@pytest.mark.parametrize(("fault", "name", "rule"), FAULTS)
def test_a_planted_fault_is_caught(fault: Any, name: str, rule: str) -> None:
    assert rule_broken(fault, CORPUS[name]) == rule


@pytest.mark.parametrize("name", sorted({name for _, name, _ in FAULTS}))
def test_where_faults_are_caught_the_protocol_itself_has_none(name: str) -> None:
    assert rule_broken(None, CORPUS[name]) == ""


def test_lmtp_with_one_reply_for_all_recipients_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "reply_count", lambda dialogue: 1)
    assert rule_broken(Protocol, CORPUS["real-smtplib-lmtp"]) == "one reply"
    assert rule_broken(Protocol, CORPUS["lmtp-refused-message"]) == "one reply"


def test_a_protocol_that_does_not_end_with_its_client_is_caught() -> None:
    class LivesOn(Protocol):
        def receive_eof(self) -> None:
            """Nobody has told it."""

    assert rule_broken(LivesOn, CORPUS["vrfy"]) == "end"


def test_transcripts_that_differ_in_their_length_differ() -> None:
    case = CORPUS["pipelining"]
    one, other = drive(case, whole), drive(case, octet_by_octet)
    compare(one, other)
    other.items.pop()
    with pytest.raises(Violation, match="cuts"):
        compare(one, other)


# -- sessions -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sessions(certificates: Certificates) -> Generator[SessionHarness]:
    """Whole sessions in memory."""
    with harness(server_context(certificates.ecdsa)) as made:
        yield made


def rule_of_session(sessions: SessionHarness, name: str) -> str:
    """The rule that a session breaks with a case; empty for none."""
    case = CORPUS[name]
    try:
        check(case, sessions.drive(case, whole))
    except Violation as violation:
        return violation.rule
    return ""


def raising(*args: Any) -> None:
    """A hook with a mistake in it."""
    raise ZeroDivisionError


def terminates_twice(session: Any, reason: Any) -> None:
    """As the real one, twice."""
    for _ in range(2):
        calling.call(session, "terminate", reason)


def speaks_at_the_end(session: Any) -> None:
    """A reply to nothing."""
    session.protocol.time_out()
    calling.flush(session)


ask = calling.ask


def delivers_nothing(session: Any, name: str, *args: Any) -> Any:
    """An empty message to the callback."""
    return ask(session, name, *args[:2], *(b"" for _ in args[2:]))


SESSION_FAULTS: list[tuple[Any, str, Any, str, str]] = [
    (Transport, "watch", raising, "pipelining", "crash"),
    (calling, "terminate", raising, "pipelining", "crash"),
    (calling, "terminate", lambda session, reason: None, "pipelining", "end"),
    (calling, "terminate", terminates_twice, "pipelining", "end"),
    (calling, "leave_counter", lambda session: None, "pipelining", "end"),
    (MessageMemory, "give_back", lambda buffers, octets: None, "pipelining", "end"),
    (Transport, "close", lambda transport, drain: None, "pipelining", "end"),
    (SmtpSession, "on_eof", speaks_at_the_end, "vrfy", "one reply"),
    (SmtpSession, "on_tls", lambda session: None, "starttls-injected-commands", "one reply"),
    (messages, "ask", delivers_nothing, "pipelining", "message"),
    (MessageStream, "chunks", lambda stream: iter(()), "stream-pipelining", "message"),
    (Transport, "say_goodbye", raising, "pipelining", "crash"),
    (Transport, "skip", lambda transport, octets: None, "proxied", "calls"),
    (proxied, "_authorise", lambda session, speaker: None, "xclient-forgets", "values"),
]


@pytest.mark.parametrize(("owner", "method", "fault", "name", "rule"), SESSION_FAULTS)
def test_a_fault_planted_in_a_session_is_caught(
    sessions: SessionHarness,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    method: str,
    fault: Any,
    name: str,
    rule: str,
) -> None:
    assert rule_of_session(sessions, name) == ""
    monkeypatch.setattr(owner, method, fault)
    assert rule_of_session(sessions, name) == rule


# -- the reference ------------------------------------------------------------------------------------


def test_the_reference_takes_lines() -> None:
    octets = Octets(b"one\r\ntwo\n" + b"x" * 9 + b"\n" + b"y" * 30 + b"\n", None)
    lines = [octets.line(9, 20) for _ in range(4)]
    assert lines == [b"one\r", b"two", Overlong.LONG, Overlong.ENDLESS]
    assert Octets(b"half", None).line(9, 20) is None
    assert Octets(b"x" * 21, None).line(9, 20) is Overlong.ENDLESS


def test_the_reference_finds_the_end_of_a_message() -> None:
    octets = Octets(b"..a\n.\nb\r\n.\r\nNOOP\r\n.\r\n", None)
    assert octets.message() == (b".a\n.\nb\r\n", True)
    assert octets.line(100, 100) == b"NOOP\r"
    assert octets.message() == (b"", True)
    assert Octets(b"a\r\n.\r", None).message() == (b"a\r\n\r", False)


def test_the_reference_drops_what_is_left_in_clear() -> None:
    octets = Octets(b"STARTTLS\r\nNOOP\r\n", b"EHLO x\r\n")
    octets.line(100, 100)
    assert octets.begin_tls()
    assert octets.line(100, 100) == b"EHLO x\r"
    assert not octets.begin_tls()
    assert octets.line(100, 100) is None


def test_the_reference_mends_newlines() -> None:
    assert mended(b"a\rb\nc\r\n\r\r\n", "fix") == b"a\r\nb\r\nc\r\n\r\n\r\n"
    assert mended(b"a\rb\nc\r\n\r\r\n", "strip") == b"abc\r\n\r\n"
    assert mended(b"a\rb\n", "ignore") == b"a\rb\n"
    assert not has_bare_newline(b"a\r\nb\r\n")
    assert all(map(has_bare_newline, (b"a\rb", b"a\n", b"\r\r\n", b"a\r")))
    assert unstuffed(b"..\r\n.a\n.b\r\n") == b".\r\na\n.b\r\n"


def test_the_reference_splits_lines() -> None:
    assert split(b" noop  a b \r\r") == ("NOOP", "a b")
    assert split("\u017fet".encode()) == ("\u017fET", "")
    assert split(b"\xff") is None


def test_replies_are_read_whole() -> None:
    assert parse_replies(b"250-a\r\n250 b\r\n354 c\r\n") == [Reply("250", ("a", "b")), Reply("354", ("c",))]


@pytest.mark.parametrize(
    "wrong",
    [
        b"250 a",
        b"250 a\n",
        b"25 a\r\n",
        b"150 a\r\n",
        b"250\r\n",
        b"250-a\r\n",
        b"250-a\r\n251 b\r\n",
        b"250 \xff\r\n",
        b"250 a\rb\r\n",
        b"250 " + b"x" * 507 + b"\r\n",
    ],
)
def test_anything_else_is_no_reply(wrong: bytes) -> None:
    with pytest.raises(Violation, match="reply form"):
        parse_replies(wrong)
