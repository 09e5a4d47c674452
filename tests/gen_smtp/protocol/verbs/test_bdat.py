"""BDAT in the protocol: each dialogue whole, octet by octet, and with a command behind it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen_smtp.protocol import protocol as protocol_module
from gen_smtp.protocol.config import ProtocolConfig
from gen_smtp.protocol.questions import (
    CLOSED,
    PAUSED,
    AtLimit,
    ChunkComplete,
    ChunksStart,
    Disconnected,
    Hello,
    MessageAbandoned,
    MessageComplete,
    MessageRejected,
    OutOfOrder,
    Refused,
    Reset,
    UnknownCommand,
)
from gen_smtp.protocol.verdicts import Accept, Decline, Drop, PerRecipient, Verdict
from tests.gen_smtp.protocol import client
from tests.gen_smtp.protocol.client import (
    CONFIG,
    EHLO,
    LMTP,
    MAIL,
    RCPT,
    Client,
    announcing,
    answering,
    normalise,
)

CHUNKING = announcing(("CHUNKING", True), ("BINARYMIME", True), ("8BITMIME", True), ("SIZE", "100"))
START = EHLO + MAIL + RCPT
STARTED = b"250 sender Ok\r\n250 recipient Ok\r\n"
BINARY = EHLO + b"MAIL FROM:<a@b> BODY=binarymime\r\n" + RCPT
NO_MAIL = b"503 Error: need MAIL command\r\n"
UNDER_WAY = b"503 Error: more of the message is due, or RSET\r\n"


def check(data: bytes, expected: bytes, config: Any = CONFIG, answer: Any = CHUNKING, **more: Any) -> Client:
    """As `client.check`, in a transaction, with CHUNKING announced."""
    return client.check(data, expected, config, answer, **{"said": START, **more})


def received(octets: int) -> bytes:
    """The reply to a chunk."""
    return b"250 %d octets received\r\n" % octets


def chunk(octets: bytes, last: bool = False) -> bytes:
    """BDAT and the octets behind it."""
    return b"BDAT %d%s\r\n%s" % (len(octets), b" LAST" if last else b"", octets)


def odd_chunk(octets: bytes) -> bytes:
    """The same as hardly a client writes it."""
    return b"bdat  0%d \n%s" % (len(octets), octets)


def complete(heard: Client) -> list[Any]:
    """What the callback was asked."""
    return heard.of_kind(MessageComplete)


# -- messages that are taken ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "octets",
    [
        b"Subject: x\r\n\r\nhi\r\n",
        b"",
        b"x",
        b"\r\n.\r\n",
        b".\r\n.\r\nQUIT\r\n",
        b"MAIL FROM:<body@b>\r\nBDAT 100 LAST\r\n",
        b"no newline at its end",
        b"\0\xff\x80 8-bit\r\n",
    ],
)
def test_a_message_in_one_chunk(octets: bytes) -> None:
    heard = check(chunk(octets, last=True), b"250 Ok\r\n")
    assert heard.message == octets
    assert complete(heard) == [MessageComplete("a@b", ["c@d"])]
    assert heard.of_kind(ChunkComplete) == []
    assert heard.protocol.transaction is None
    assert not heard.protocol.in_message


def test_a_message_in_several_chunks_the_last_of_them_empty() -> None:
    octets = b"Subject: x\r\n\r\nMAIL\r\n.\r\n"
    for size in (1, 5, 10, 1000):
        pieces = [octets[i : i + size] for i in range(0, len(octets), size)]
        said = b"".join(map(chunk, pieces)) + chunk(b"", last=True)
        heard = check(said, b"".join(received(len(each)) for each in pieces) + b"250 Ok\r\n")
        assert heard.message == octets
        assert heard.of_kind(ChunksStart) == [ChunksStart()]


def test_a_chunk_of_no_octets_that_is_not_the_last() -> None:
    said = chunk(b"") + chunk(b"hi\r\n") + chunk(b"") + chunk(b"", last=True)
    heard = check(said, received(0) + received(4) + received(0) + b"250 Ok\r\n")
    assert heard.message == b"hi\r\n"


def test_a_whole_mail_in_one_write_as_exim_sends_it() -> None:
    octets = b"Received: by exim\r\n\r\nhello\r\n"
    said = MAIL + RCPT + chunk(octets, last=True) + b"QUIT\r\n"
    heard = check(said, STARTED + b"250 Ok\r\n221 Bye\r\n", said=EHLO, closes=True)
    assert heard.message == octets


def test_several_mails_pipelined() -> None:
    said = (
        MAIL + RCPT + chunk(b"one\r\n") + chunk(b"", last=True) + MAIL + RCPT + chunk(b"two\r\n", last=True)
    ) * 3
    expected = (STARTED + received(5) + b"250 Ok\r\n" + STARTED + b"250 Ok\r\n") * 3
    heard = check(said, expected, said=EHLO)
    assert heard.message == b"one\r\ntwo\r\n" * 3


def test_data_and_bdat_take_turns() -> None:
    said = (
        b"DATA\r\none\r\n.\r\n"
        + MAIL
        + RCPT
        + chunk(b"two\r\n", last=True)
        + MAIL
        + RCPT
        + b"DATA\r\n3\r\n.\r\n"
    )
    mail = client.ENTER_MAIL + b"250 Ok\r\n"
    heard = check(said, mail + STARTED + b"250 Ok\r\n" + STARTED + mail)
    assert heard.message == b"one\r\ntwo\r\n3\r\n"


def test_the_size_is_the_limit_of_all_chunks_together() -> None:
    heard = check(chunk(b"x" * 60) + chunk(b"y" * 40, last=True), received(60) + b"250 Ok\r\n")
    assert len(heard.message) == 100


def test_noop_between_chunks() -> None:
    heard = check(
        chunk(b"one") + b"NOOP\r\n" + chunk(b"two", last=True), received(3) + b"250 Ok\r\n250 Ok\r\n"
    )
    assert heard.message == b"onetwo"


def test_newlines_are_mended_across_chunks() -> None:
    config = replace(CONFIG, allow_bare_newlines="fix")
    heard = check(chunk(b"a\r") + chunk(b"\nb\rc\r", last=True), received(2) + b"250 Ok\r\n", config)
    assert heard.message == b"a\r\nb\r\nc\r\n"


def test_status_codes() -> None:
    answer = announcing(("CHUNKING", True), ("ENHANCEDSTATUSCODES", True))
    expected = (
        b"250 2.0.0 1 octets received\r\n" + UNDER_WAY.replace(b" ", b" 5.5.1 ", 1) + b"250 2.0.0 Ok\r\n"
    )
    said = chunk(b"x") + b"DATA\r\n" + chunk(b"y", last=True)
    check(said, expected, answer=answer, noop=b"250 2.0.0 Ok\r\n")


@pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, max_command_line=15)])
@pytest.mark.parametrize(
    "line",
    [
        b"BDAT 3\r\ntwo",
        b"BDAT 3 LAST\r\ntwo",
        b"BDAT 00000003\r\ntwo",
        b"BDAT 3  LAST\r\ntwo",
        b"bdat 3 last\r\ntwo",
        b"BDAT 3 LAST\ntwo",
        b"BDAT 0\r\n",
        b"BDAT 0 LAST\r\n",
        b"BDAT 101\r\n" + b"x" * 101,
        b"BDAT 3 LASTS\r\ntwo",
        b"BDAT 3\r\n\n\n\n",
        b"BDAT " + b"9" * 21 + b"\r\n",
        b"BDAT 3" + b" " * 20 + b"\r\n",
        b"NOOP\r\n",
        b"RSET\r\n",
        b"QUIT\r\n",
    ],
)
def test_the_fast_path_between_chunks_comes_to_the_same(
    line: bytes, config: ProtocolConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = EHLO + MAIL + RCPT + chunk(b"one")
    fast = Client(config, CHUNKING, said=said).sends(line, b"NOOP\r\n")
    monkeypatch.setattr(protocol_module, "run_next", lambda *given: False)
    general = Client(config, CHUNKING, said=said).sends(line, b"NOOP\r\n")
    assert fast.hears() == general.hears()
    assert fast.steps == general.steps
    assert (fast.end, fast.message) == (general.end, general.message)


OCTETS = st.sampled_from(
    [b"", b"a", b"one\r\n", b"two\r", b"\nthree", b"\r\n", b"\n", b"x" * 60, b"BDAT 3\r\n"]
)
CHUNKS = st.lists(st.tuples(st.lists(OCTETS, max_size=3).map(b"".join), st.sampled_from([chunk, odd_chunk])))


@settings(max_examples=60, deadline=None)
@given(
    CHUNKS,
    st.sampled_from([False, "fix", "ignore"]),
    st.sampled_from([30, 200, 10**6]),
    st.sampled_from([math.inf, 1000]),
    st.integers(1, 400),
    st.booleans(),
)
def test_chunks_that_come_together_come_to_the_same(
    chunks: list[tuple[bytes, Any]], mode: Any, limit: int, line: Any, cut: int, codes: bool
) -> None:
    config = replace(CONFIG, allow_bare_newlines=mode, max_message_size=limit, max_text_line=line)
    announced = [("CHUNKING", True), ("ENHANCEDSTATUSCODES", codes)][: 1 + codes]
    said = b"".join(make(octets) for octets, make in chunks) + chunk(b"end\r\n", last=True) + b"NOOP\r\n"
    heard = []
    for shortcuts in (True, False):
        one = Client(replace(config, shortcuts=shortcuts), announcing(*announced), said=START)
        one.sends(*(said[at : at + cut] for at in range(0, len(said), cut)))
        heard.append((one.hears(), normalise(one.steps), one.end))
    assert heard[0] == heard[1]


@pytest.mark.parametrize(
    "line", [b"BDAT 5" + b" " * 60, b" bdat\t5 LAST" + b"x" * 60, b"BDAT " + b"5" * 9000]
)
@pytest.mark.parametrize("end", [b"\r\nQUIT\r\n", b" HTTP/1.1\r\n", b""])
def test_a_line_that_is_too_long_ends_the_connection_as_nobody_knows_how_many_octets_follow(
    line: bytes, end: bytes
) -> None:
    config = replace(CONFIG, max_command_line=60, max_discarded_line=5000)
    for said in (EHLO, START, START + chunk(b"one")):
        check(line + end, b"500 Error: line too long\r\n", config, said=said, closes=True)


def test_so_does_none_that_only_looks_like_one() -> None:
    config = replace(CONFIG, max_command_line=60)
    check(b"BDATA 5" + b" " * 60 + b"\r\n", b"500 Error: line too long\r\n", config)


@pytest.mark.parametrize("behind", [b"", b"NOOP\r\n", chunk(b"c" * 5, last=True)])
def test_the_first_of_those_that_came_together_is_declined(behind: bytes) -> None:
    answer = answering(Decline("452 4.3.1 full"), ChunkComplete, CHUNKING)
    said = chunk(b"a" * 5) + chunk(b"b" * 7) + behind
    for pieces in ([said], [said[:8], said[8:]], list(client.octets(said))):
        replies = Client(CONFIG, answer, said=START).sends(*pieces).hears().split(b"\r\n")[:-1]
        assert replies[0] == b"452 4.3.1 full"
        assert replies[1].startswith(b"503 ")
        assert len(replies) == 2 + bool(behind)


# -- BINARYMIME -----------------------------------------------------------------------------------


def test_binary_octets_are_taken_as_they_are_whatever_the_rules_for_lines() -> None:
    config = replace(CONFIG, max_text_line=10, allow_bare_newlines="strip")
    octets = b"\0\r\r\n\n.\n" + b"x" * 50 + b"\r"
    heard = check(
        chunk(octets[:3]) + chunk(octets[3:], last=True), received(3) + b"250 Ok\r\n", config, said=BINARY
    )
    assert heard.message == octets
    assert heard.protocol.transaction is None


def test_binary_octets_don_t_come_by_data() -> None:
    heard = check(b"DATA\r\n", b"503 Error: BODY=BINARYMIME needs BDAT\r\n", said=BINARY)
    assert heard.of_kind(OutOfOrder) == [OutOfOrder("DATA")]


def test_the_next_message_is_judged_again() -> None:
    said = chunk(b"\n", last=True) + MAIL + RCPT + chunk(b"\n", last=True)
    check(
        said, b"250 Ok\r\n" + STARTED + b"550 Bare newline detected: LF without CR in line 1\r\n", said=BINARY
    )


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        ((("8BITMIME", True),), b"501 Syntax error in parameters\r\n"),
        ((("8BITMIME", True), ("BINARYMIME", True)), b"501 Syntax error in parameters\r\n"),
        ((("CHUNKING", True), ("BINARYMIME", True)), b"250 sender Ok\r\n"),
        ((("CHUNKING", True),), b"555 Unsupported option BODY\r\n"),
    ],
)
def test_body_binarymime_is_taken_where_it_is_offered(extensions: Any, expected: bytes) -> None:
    check(b"MAIL FROM:<a@b> BODY=BINARYMIME\r\n", expected, answer=announcing(*extensions), said=EHLO)


# -- out of sequence ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b"DATA",
        MAIL.strip(),
        RCPT.strip(),
        b"VRFY you",
        b"STARTTLS",
        b"AUTH PLAIN",
        b"XCLIENT NAME=x",
        b"XOTHER y",
    ],
)
@pytest.mark.parametrize("xclient", [None, True])
def test_between_chunks_there_is_nothing_but_chunks(line: bytes, xclient: bool | None) -> None:
    said = chunk(b"one") + line + b"\r\n" + chunk(b"two", last=True)
    heard = check(said, received(3) + UNDER_WAY + b"250 Ok\r\n", replace(CONFIG, xclient=xclient))
    assert heard.message == b"onetwo"
    assert heard.of_kind(UnknownCommand, OutOfOrder) == []


def test_bdat_behind_data_is_503() -> None:
    heard = check(b"DATA\r\nx\r\n.\r\n" + chunk(b"QUIT\r\n"), client.ENTER_MAIL + b"250 Ok\r\n" + NO_MAIL)
    assert heard.of_kind(OutOfOrder) == [OutOfOrder("BDAT")]


def test_bdat_behind_the_last_one_is_503() -> None:
    check(chunk(b"x", last=True) + chunk(b"QUIT\r\n", last=True), b"250 Ok\r\n" + NO_MAIL)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"", b"503 Error: send HELO/EHLO first\r\n"),
        (b"HELO client\r\n" + MAIL + RCPT, b"502 Error: CHUNKING not offered\r\n"),
        (EHLO, NO_MAIL),
        (EHLO + MAIL, b"503 Error: need RCPT command\r\n"),
    ],
)
def test_octets_of_a_chunk_out_of_place_are_read_away(said: bytes, expected: bytes) -> None:
    octets = b"MAIL FROM:<body@b>\r\nRCPT TO:<x@y>\r\nDATA\r\n.\r\nQUIT\r\n"
    heard = check(chunk(octets, last=True), expected, said=said)
    assert [each.reply for each in heard.of_kind(Refused)] == [expected.decode().strip()]
    assert heard.of_kind(MessageComplete, UnknownCommand) == []
    assert not heard.protocol.in_message


def test_they_are_read_away_where_nobody_has_offered_it() -> None:
    heard = check(
        chunk(b"QUIT\r\n") + b"DATA\r\n",
        b"502 Error: CHUNKING not offered\r\n" + NO_MAIL,
        answer=announcing(),
    )
    assert heard.protocol.transaction is None  # a part of its message is gone


@pytest.mark.parametrize("policy", ["require_tls", "require_auth"])
def test_they_are_read_away_where_policy_forbids_it(policy: str) -> None:
    config = replace(CONFIG, starttls_available=True, **{policy: True})
    answer = announcing(("CHUNKING", True), ("STARTTLS", True))
    wanted = {
        "require_tls": b"Must issue a STARTTLS command first",
        "require_auth": b"Authentication required",
    }
    check(chunk(b"QUIT\r\nQUIT\r\n"), b"530 " + wanted[policy] + b"\r\n", config, answer, said=EHLO)


# -- what can't be read ---------------------------------------------------------------------------


@pytest.mark.parametrize("argument", [b"", b" LAST", b" x", b" -1", b" 1LAST", b" 1,0", b" " + b"9" * 21])
def test_a_bdat_that_does_not_say_how_much_comes_ends_the_connection(argument: bytes) -> None:
    check(b"BDAT" + argument + b"\r\nQUIT\r\n", b"501 Syntax: BDAT size [LAST]\r\n", closes=True)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (b"6 FIRST", b"501 Syntax: BDAT size [LAST]\r\n"),
        (b"6 LAST LAST", b"501 Syntax: BDAT size [LAST]\r\n"),
        (b"6 \x00", b"501 Error: control characters are not allowed\r\n"),
        (b"6 \xff", b"501 Error: text is not valid UTF-8\r\n"),
    ],
)
def test_the_octets_of_an_ill_formed_bdat_are_read_away(argument: bytes, expected: bytes) -> None:
    check(b"BDAT " + argument + b"\r\nQUIT\r\n", expected)
    heard = check(
        chunk(b"one") + b"bdat " + argument + b"\r\nQUIT\r\n" + chunk(b"x", last=True),
        received(3) + expected + NO_MAIL,
    )
    assert heard.of_kind(MessageAbandoned) == [MessageAbandoned()]
    assert complete(heard) == []


# -- refused --------------------------------------------------------------------------------------


FAULTS = [
    (b"a\nb\r\n", b"550 Bare newline detected: LF without CR in line 1\r\n", "bare_newline"),
    (b"x" * 21 + b"\r\n", b"500 Error: text line too long\r\n", "line_too_long"),
]


@pytest.mark.parametrize(("octets", "expected", "cause"), FAULTS)
def test_a_chunk_at_fault_is_answered_once_it_has_come(octets: bytes, expected: bytes, cause: Any) -> None:
    config = replace(CONFIG, max_text_line=20)
    heard = check(chunk(octets + b"QUIT\r\n"), expected, config)
    assert heard.of_kind(MessageRejected) == [MessageRejected(cause)]
    expected = expected.replace(b"line 1", b"line 2")
    heard = check(chunk(b"ok\r\n") + chunk(octets, last=True), received(4) + expected, config)
    assert heard.of_kind(MessageRejected) == [MessageRejected(cause)]
    assert heard.protocol.transaction is None


def test_a_bare_cr_shows_with_the_next_chunk() -> None:
    check(
        chunk(b"a\r") + chunk(b"b", last=True),
        received(2) + b"550 Bare newline detected: CR without LF in line 1\r\n",
    )
    check(
        chunk(b"a\r") + chunk(b"", last=True),
        received(2) + b"550 Bare newline detected: CR without LF in line 1\r\n",
    )
    check(chunk(b"a\r", last=True), b"550 Bare newline detected: CR without LF in line 1\r\n")


def test_too_large_a_message() -> None:
    heard = check(chunk(b"\n" * 101), b"552 Message too large\r\n")
    assert heard.of_kind(MessageRejected) == [MessageRejected("size_exceeded")]
    assert heard.message == b""
    check(chunk(b"x" * 60) + chunk(b"y" * 41), received(60) + b"552 Message too large\r\n")


def test_chunks_behind_a_refused_one_are_read_away_and_count_nothing() -> None:
    config = replace(CONFIG, max_errors=2, max_junk_commands=2)
    said = chunk(b"\n") + chunk(b"QUIT\r\n") * 5 + chunk(b"QUIT\r\n", last=True)
    heard = check(
        said + MAIL,
        b"550 Bare newline detected: LF without CR in line 1\r\n" + NO_MAIL * 6 + b"250 sender Ok\r\n",
        config,
    )
    assert heard.of_kind(OutOfOrder, AtLimit) == []
    end = (
        b"550 Bare newline detected: LF without CR in line 1\r\n"
        + NO_MAIL * 7
        + b"421 Error: too many errors\r\n"
    )
    check(said + chunk(b"x"), end, config, closes=True)


def test_a_first_chunk_without_room_loses_the_message() -> None:
    room = iter([False])
    config = replace(CONFIG, has_room=lambda: next(room, True))
    said = Client(config, CHUNKING, said=START)
    said.sends(chunk(b"one") + chunk(b"two", last=True) + START[len(EHLO) :] + chunk(b"all", last=True))
    assert said.hears() == b"452 Insufficient system storage\r\n" + NO_MAIL + STARTED + b"250 Ok\r\n"
    assert said.message == b"all"


@pytest.mark.parametrize("last", [False, True])
def test_refused_octets_without_end_are_the_end(last: bool) -> None:
    """Their fault is the last word: a 421 would have the client send them again."""
    too_large = b"552 Message too large\r\n"
    assert check(chunk(b"x" * 401, last), too_large, closes=True).of_kind(AtLimit) == [
        AtLimit("message_size")
    ]
    check(chunk(b"x" * 400, last), too_large)
    check(chunk(b"x" * 65537, last), NO_MAIL, said=EHLO, closes=True)
    check(chunk(b"x" * 65536, last), NO_MAIL, said=EHLO)


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        (b"BDAT 402 LAST\r\nx", b"552 Message too large\r\n"),
        (b"BDAT 402\r\nx", b"552 Message too large\r\n"),
        (b"BDAT 50 LAST\r\na\nb", b"550 Bare newline detected: LF without CR in line 1\r\n"),
        (
            b"BDAT 1\r\n\nBDAT 50 LAST\r\na",
            b"550 Bare newline detected: LF without CR in line 1\r\n" + NO_MAIL,
        ),
        (b"BDAT 50 LAST\r\na", b"421 Error: timeout exceeded\r\n"),
        (b"BDAT 1\r\na", b"250 1 octets received\r\n421 Error: timeout exceeded\r\n"),
    ],
)
def test_so_it_is_when_the_time_is_over(sent: bytes, reply: bytes) -> None:
    said = Client(CONFIG, CHUNKING, said=START).sends(sent)
    said.protocol.time_out()
    assert said.hears() == reply


def test_data_behind_refused_chunks_is_read_as_ever() -> None:
    said = chunk(b"\n") + MAIL + RCPT + b"DATA\r\none\r\n.\r\n"
    mail = STARTED + client.ENTER_MAIL + b"250 Ok\r\n"
    assert check(said, b"550 Bare newline detected: LF without CR in line 1\r\n" + mail).message == b"one\r\n"


# -- verdicts -------------------------------------------------------------------------------------


def test_a_chunk_that_can_not_be_kept_is_refused_at_once() -> None:
    answer = answering(Decline("452 4.3.1 full"), ChunkComplete, CHUNKING)
    heard = check(chunk(b"one") + chunk(b"two", last=True), b"452 4.3.1 full\r\n" + NO_MAIL, answer=answer)
    assert heard.message == b"one"
    assert complete(heard) == []


def test_a_message_may_be_declined() -> None:
    answer = answering(Decline("554 no"), MessageComplete, CHUNKING)
    heard = check(chunk(b"one", last=True), b"554 no\r\n", answer=answer)
    assert heard.of_kind(Refused) == [Refused("BDAT", "554 no")]
    assert heard.protocol.transaction is None


@pytest.mark.parametrize("kind", [ChunkComplete, MessageComplete])
def test_a_verdict_that_closes(kind: type[Any]) -> None:
    answer = answering(Drop("421 gone"), kind, CHUNKING)
    check(chunk(b"one", last=kind is MessageComplete), b"421 gone\r\n", answer=answer, closes=True)


def test_a_crash_is_451() -> None:
    said = Client(CONFIG, CHUNKING, said=START)
    said.protocol.hear(chunk(b"one", last=True))
    while said.protocol.next_step() is not PAUSED:
        pass
    said.protocol.fail()
    assert said.protocol.data_to_send() == b"451 Error: internal server error\r\n"
    assert said.protocol.next_step() == Refused("BDAT", "451 Error: internal server error")
    assert said.protocol.next_step() is CLOSED


# -- taking it back -------------------------------------------------------------------------------


def test_rset_gives_the_message_up() -> None:
    heard = check(
        chunk(b"one") + b"RSET\r\n" + chunk(b"two", last=True), received(3) + b"250 Ok\r\n" + NO_MAIL
    )
    assert heard.of_kind(MessageAbandoned, Reset) == [MessageAbandoned(), Reset()]
    assert not heard.protocol.in_message


def test_rset_behind_refused_chunks_forgets_them() -> None:
    said = Client(CONFIG, CHUNKING, said=START).sends(chunk(b"\n") + b"RSET\r\n")
    assert said.hears() == b"550 Bare newline detected: LF without CR in line 1\r\n250 Ok\r\n"
    assert said.protocol.reader is None


@pytest.mark.parametrize("verb", [b"EHLO again\r\n", b"HELO again\r\n"])
def test_a_hello_gives_it_up_before_the_callback_is_asked(verb: bytes) -> None:
    said = Client(CONFIG, CHUNKING, said=START).sends(chunk(b"one") + verb)
    assert [type(each) for each in said.of_kind(MessageAbandoned, Hello)] == [MessageAbandoned, Hello]
    assert said.protocol.transaction is None
    assert not said.protocol.in_message


def test_quit_between_chunks() -> None:
    check(chunk(b"one") + b"QUIT\r\n", received(3) + b"221 Bye\r\n", closes=True)


@pytest.mark.parametrize(
    "said", [chunk(b"one"), chunk(b"one") + b"BD", b"BDAT 10\r\nabc", b"BDAT 10 LAST\r\n"]
)
def test_a_client_that_hangs_up_is_in_its_message(said: bytes) -> None:
    heard = Client(CONFIG, CHUNKING, said=START).sends(said)
    heard.protocol.receive_eof()
    heard.run()
    assert heard.of_kind(Disconnected) == [Disconnected(in_message=True)]
    assert complete(heard) == []


# -- ends -----------------------------------------------------------------------------------------


DOWN = b"421 mx.example Service shutting down\r\n"


def test_a_server_that_stops_lets_the_message_be_finished() -> None:
    said = Client(CONFIG, CHUNKING, said=START).sends(chunk(b"one"))
    assert not said.protocol.shut_down()
    said.sends(chunk(b"two") + chunk(b"three", last=True) + b"QUIT\r\n")
    assert said.hears() == received(3) + received(3) + b"250 Ok\r\n221 Bye\r\n"
    assert said.end is CLOSED


@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        (b"RSET\r\n", b"250 Ok\r\n"),
        (chunk(b"\n"), b"550 Bare newline detected: LF without CR in line 1\r\n"),
        (
            b"EHLO again\r\n",
            b"250-mx.example\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-8BITMIME\r\n250 SIZE 100\r\n",
        ),
        (b"BDAT 1 x\r\n!", b"501 Syntax: BDAT size [LAST]\r\n"),
    ],
)
def test_it_ends_behind_a_message_that_will_not_be(behind: bytes, expected: bytes) -> None:
    said = Client(CONFIG, CHUNKING, said=START).sends(chunk(b"one"))
    assert not said.protocol.shut_down()
    said.sends(behind + MAIL)
    assert said.hears() == received(3) + expected + DOWN
    assert said.end is CLOSED


def test_it_ends_behind_a_refused_chunk() -> None:
    said = Client(CONFIG, CHUNKING, said=EHLO).sends(b"BDAT 3\r\na")
    assert not said.protocol.shut_down()
    said.sends(b"bcQUIT\r\n")
    assert said.hears() == NO_MAIL + DOWN


# -- LMTP -----------------------------------------------------------------------------------------


LHLO = b"LHLO client\r\n" + MAIL + RCPT * 3


def lmtp(data: bytes, expected: bytes, answer: Any = CHUNKING, said: bytes = LHLO) -> Client:
    """As `check`, with three recipients."""
    return check(data, expected, LMTP, answer, said=said)


def test_lmtp_answers_each_recipient_behind_the_last_chunk() -> None:
    verdict: Verdict = PerRecipient([Accept("one"), Decline("452 two"), Accept("three")])
    answer = answering(verdict, MessageComplete, CHUNKING)
    expected = received(1) + received(1) + b"250 one\r\n452 two\r\n250 three\r\n"
    lmtp(chunk(b"1") + chunk(b"2") + chunk(b"3", last=True), expected, answer)


def test_lmtp_refuses_once_in_the_middle_and_for_each_recipient_at_the_end() -> None:
    bare = b"550 Bare newline detected: LF without CR in line 1\r\n"
    lmtp(chunk(b"\n"), bare)
    lmtp(chunk(b"\n", last=True), bare * 3)
    lmtp(chunk(b"\n") + chunk(b"x") + chunk(b"y", last=True), bare + NO_MAIL + NO_MAIL * 3)
    lmtp(chunk(b"\n") + chunk(b"", last=True) + chunk(b"", last=True), bare + NO_MAIL * 3 + NO_MAIL)


def test_lmtp_without_recipients_refuses_once() -> None:
    lmtp(chunk(b"QUIT\r\n", last=True), b"503 Error: need RCPT command\r\n", said=b"LHLO client\r\n" + MAIL)
