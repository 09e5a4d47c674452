"""What holds for any input: replies and steps do not depend on cuts, nothing raises, nothing piles up."""

import itertools
import math
import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gen_smtp.protocol.protocol import ProtocolConfig
from gen_smtp.protocol.questions import (
    Authenticate,
    Hello,
    Mail,
    MailParameter,
    MessageComplete,
    Rcpt,
    UnknownCommand,
    Verify,
)
from gen_smtp.protocol.verdicts import Accept, Decline, Fail, WholeReply
from tests.gen_smtp.protocol.client import Client, normalise, octets

COMMANDS = [
    b"HELO x",
    b"EHLO x",
    b"LHLO x",
    b"EHLO bad",
    b"EHLO",
    b"MAIL FROM:<a@b>",
    b"MAIL FROM:<> SIZE=20 X-Y=z",
    b"MAIL FROM:<a@b> SIZE=999",
    "MAIL FROM:<ü@b> SMTPUTF8".encode(),
    b"RCPT TO:<c@d>",
    b"RCPT TO:<bad@d>",
    b"DATA",
    b"RSET",
    b"NOOP",
    b"QUIT",
    b"VRFY a@b",
    b"AUTH PLAIN",
    b"AUTH PLAIN AHUAcA==",
    b"AUTH LOGIN",
    b"AHUAcA==",
    b"*",
    b".",
    b"..",
    b"STARTTLS",
    b"foo bar",
    b"",
    b"x" * 60,
    b"x" * 200,
    b"caf\xc3\xa9 \xff",
    b"a\x00b\tc",
]
PREFIXES = [b"", b"EHLO x\r\n", b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"]
ENDS = [b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n", b"\r\n.\r\n", b""]
DIALOGUE = st.lists(st.tuples(st.sampled_from(COMMANDS), st.sampled_from(ENDS)), max_size=25).map(
    lambda pairs: b"".join(command + end for command, end in pairs)
)
STREAM = st.builds(
    lambda prefix, rest: prefix + rest, st.sampled_from(PREFIXES), DIALOGUE | st.binary(max_size=300)
)
CONFIGS = st.builds(
    ProtocolConfig,
    hostname=st.just("mx.example"),
    lmtp=st.booleans(),
    allow_bare_newlines=st.sampled_from([False, "ignore", "fix", "strip"]),
    allow_insecure_auth=st.booleans(),
    require_auth=st.booleans(),
    max_message_size=st.sampled_from([5, 40, 10**6]),
    max_command_line=st.just(64),
    max_auth_line=st.just(32),
    max_discarded_line=st.just(128),
    max_recipients=st.just(2),
    max_text_line=st.sampled_from([6, math.inf]),
    max_errors=st.sampled_from([3, math.inf]),
    max_junk_commands=st.sampled_from([2, math.inf]),
    max_auth_failures=st.sampled_from([1, math.inf]),
    max_messages=st.sampled_from([1, math.inf]),
)


def answer(question: Any) -> Any:
    """A server of many minds; its answers follow from the question alone."""
    match question:
        case Hello(_, "bad", _) | Rcpt("bad@d"):
            return Decline("554 invalid")
        case Hello(verb="EHLO" | "LHLO"):
            return Accept(extensions=[*question.extensions, ("AUTH", "PLAIN LOGIN"), ("STARTTLS", True)])
        case UnknownCommand(verb, _):
            return WholeReply(f"500 what is {verb}")
        case Mail(""):
            return Fail()
        case Verify():
            return Decline("421 no more")
        case Authenticate() | MailParameter() | MessageComplete():
            return Accept("fine")
        case _:
            return Accept()


def transcript(config: ProtocolConfig, pieces: Any) -> tuple[bytes, list[Any], Any]:
    client = Client(config, answer).sends(*pieces)
    client.protocol.receive_eof()
    client.run()
    return client.hears(), normalise(client.steps), client.end


BOUNDED = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@BOUNDED
@given(STREAM, CONFIGS, st.lists(st.integers(0, 600), max_size=8))
def test_replies_and_steps_do_not_depend_on_how_the_octets_were_cut(
    data: bytes, config: ProtocolConfig, cuts: list[int]
) -> None:
    expected = transcript(config, [data])
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    assert transcript(config, [data[a:b] for a, b in itertools.pairwise(edges)]) == expected
    assert transcript(config, octets(data)) == expected


REPLY_LINE = re.compile(rb"[2-5][0-9][0-9][ -][ -~]*\r\n")


@BOUNDED
@given(STREAM, CONFIGS)
def test_whatever_comes_every_reply_is_clean_and_bounded(data: bytes, config: ProtocolConfig) -> None:
    heard = transcript(config, [data])[0]
    for line in heard.splitlines(keepends=True):
        assert REPLY_LINE.fullmatch(line)
        assert len(line) <= 512


LINE = st.binary(max_size=70).map(lambda line: b"x" + line.replace(b"\n", b"") + b"\n")


@BOUNDED
@given(st.lists(LINE, max_size=20))
def test_every_line_gets_exactly_one_reply(lines: list[bytes]) -> None:
    client = Client(ProtocolConfig("mx.example", max_command_line=60, max_errors=math.inf), answer)
    for line in lines:
        client.sends(line)
        assert client.hears().count(b"\r\n") == 1


@BOUNDED
@given(st.lists(st.binary(max_size=100), max_size=30), CONFIGS)
def test_unread_octets_never_exceed_a_line(pieces: list[bytes], config: ProtocolConfig) -> None:
    client = Client(config, answer)
    for piece in pieces:
        client.sends(piece)
        data, start = client.protocol.received, client.protocol.offset
        assert len(data) - start < 66
        client.protocol.data_to_send()
