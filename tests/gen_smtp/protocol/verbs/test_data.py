import math
from typing import Any

import pytest

from gen_smtp.protocol.protocol import ProtocolConfig
from gen_smtp.protocol.questions import (
    CLOSED,
    AtLimit,
    Disconnected,
    MessageChunk,
    MessageComplete,
    MessageRejected,
    MessageStart,
    Refused,
    UnknownCommand,
)
from gen_smtp.protocol.text.replies import NO_STORAGE
from gen_smtp.protocol.text.whole import BareNewlines
from gen_smtp.protocol.verdicts import Accept, Decline, Drop, Fail, PerRecipient
from tests.gen_smtp.protocol.client import (
    ENTER_MAIL,
    TO_DATA,
    TO_RCPT,
    Client,
    answering,
    check,
)

LHLO_TO_DATA = (
    b"LHLO client\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nRCPT TO:<c@d>\r\nDATA\r\n"
)
BARE, LARGE = b"550 Bare newline detected: LF without CR in line 1\r\n", b"552 Message too large\r\n"
BARE_CR = b"550 Bare newline detected: CR without LF in line 1\r\n"
LONG_LINE = b"500 Error: text line too long\r\n"
FAILED = b"451 Error: internal server error\r\n"


def config(**options: Any) -> ProtocolConfig:
    return ProtocolConfig("mx.example", **options)


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"Subject: x\r\n\r\nhi\r\n.\r\n", b"Subject: x\r\n\r\nhi\r\n"),
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n.dot\r\n.\r\n", b".\r\ndot\r\n"),
        (b"\x00\xff" * 3000 + b"\r\n.\r\n", b"\x00\xff" * 3000 + b"\r\n"),
    ],
)
def test_the_message_arrives_with_its_last_crlf_and_without_stuffing(sent: bytes, message: bytes) -> None:
    client = check(b"DATA\r\n" + sent, ENTER_MAIL + b"250 Ok\r\n", said=TO_RCPT)
    assert client.message == message
    assert client.steps[0] == MessageStart()
    assert client.steps[-1] == MessageComplete("a@b", ["c@d"])
    assert client.protocol.transaction is None
    assert client.protocol.helo == "client"


def test_in_message_is_true_from_the_354_until_the_reply() -> None:
    def answer(question: Any) -> Accept:
        seen.append(client.protocol.in_message)
        return Accept()

    client = Client(said=TO_RCPT)
    client.answer = answer
    seen = [client.protocol.in_message]
    for piece in (b"DATA\r\n", b"x\r\n", b".\r\n"):
        client.sends(piece)
        seen.append(client.protocol.in_message)
    assert seen == [False, True, True, True, False]


def test_commands_behind_the_terminator_are_run_one_by_one() -> None:
    client = check(
        b"x\r\n.\r\nNOOP\r\nRSET\r\nDATA\r\nQUIT\r\n",
        b"250 Ok\r\n250 Ok\r\n250 Ok\r\n503 Error: need MAIL command\r\n221 Bye\r\n",
        said=TO_DATA,
        closes=True,
    )
    assert client.message == b"x\r\n"


SMUGGLED = b"MAIL FROM:<evil@x>\r\nRCPT TO:<v@x>\r\nDATA\r\nforged\r\n.\r\n"
AMBIGUOUS_ENDS = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\n.\r",
    b"\r.\n",
    b"\r\n.\r\r\n",
    b"\r\n\x00.\r\n\n",
    b"\r\n.\x00\r\n\r",
    b"\n\n.\n\n",
]


@pytest.mark.parametrize("end", AMBIGUOUS_ENDS)
@pytest.mark.parametrize("mode", [False, "ignore", "fix", "strip"])
def test_no_ambiguous_end_lets_a_second_message_in(end: bytes, mode: BareNewlines) -> None:
    sent = b"first" + end + SMUGGLED
    reply = b"550 Bare newline detected: " if mode is False else b"250 Ok\r\n"
    for cut in range(len(sent) + 1):
        client = Client(config(allow_bare_newlines=mode), said=TO_DATA).sends(sent[:cut], sent[cut:])
        heard = client.hears()
        assert heard.count(b"\r\n") == 1
        assert heard.startswith(reply)
        assert not client.of_kind(MessageStart, UnknownCommand)
        assert len(client.of_kind(MessageComplete)) == (0 if mode is False else 1)


@pytest.mark.parametrize(
    ("mode", "message"), [("ignore", b"a\nb\rc\r\n"), ("fix", b"a\r\nb\r\nc\r\n"), ("strip", b"abc\r\n")]
)
def test_newline_modes(mode: BareNewlines, message: bytes) -> None:
    client = check(b"a\nb\rc\r\n.\r\n", b"250 Ok\r\n", config(allow_bare_newlines=mode), said=TO_DATA)
    assert client.message == message


@pytest.mark.parametrize(
    ("sent", "cause", "reply"),
    [
        (b"a\nb" + b"QUIT\r\n" * 5 + b".\r\n", "bare_newline", BARE),
        (b"0123456789" * 5 + b"\r\nQUIT\r\n.\r\n", "size_exceeded", LARGE),
    ],
)
def test_a_refused_message_is_answered_once_after_its_true_end(sent: bytes, cause: Any, reply: bytes) -> None:
    client = check(sent, reply, config(max_message_size=40), said=TO_DATA)
    assert client.of_kind(MessageRejected) == [MessageRejected(cause)]
    assert client.of_kind(Refused) == [Refused("DATA", reply.decode().rstrip())]
    assert not client.of_kind(MessageComplete)
    assert client.protocol.transaction is None


def test_data_is_refused_where_there_is_no_room_and_the_transaction_stays() -> None:
    room = iter([False, True] * 100)
    client = check(
        b"DATA\r\nDATA\r\nx\r\n.\r\n",
        b"452 Insufficient system storage\r\n" + ENTER_MAIL + b"250 Ok\r\n",
        config(has_room=lambda: next(room)),
        said=TO_RCPT,
    )
    assert client.of_kind(Refused) == [Refused("DATA", "452 Insufficient system storage")]


def test_rejection_is_told_at_once_and_no_chunk_follows() -> None:
    client = Client(said=TO_DATA).sends(b"good\r\nbad\n")
    assert client.of_kind(MessageRejected)
    client.steps.clear()
    client.sends(b"x" * 1000, b"more\r\n")
    assert not client.steps
    assert client.hears() == b""
    assert client.protocol.in_message


@pytest.mark.parametrize(("size", "reply"), [(100, b"250 Ok\r\n"), (101, LARGE)])
def test_a_message_of_exactly_the_limit_passes(size: int, reply: bytes) -> None:
    sent = b"." + b"." * (size - 2) + b"\r\n.\r\n"
    check(sent, reply, config(max_message_size=100), said=TO_DATA)


@pytest.mark.parametrize(
    ("begin", "reply"),
    [
        (b"", LARGE),
        (b"a\nb\r\n", BARE),
        (b"a\rb", BARE_CR),
        (b"y" * 60 + b"\r\n", LONG_LINE),
    ],
)
@pytest.mark.parametrize("lmtp", [False, True])
def test_the_last_word_to_a_message_without_end_is_its_fault(begin: bytes, reply: bytes, lmtp: bool) -> None:
    """A 421 would have the client send it again."""
    limited = config(max_message_size=100, max_text_line=50 if begin[:1] == b"y" else math.inf, lmtp=lmtp)
    said, expected = (LHLO_TO_DATA, reply * 3) if lmtp else (TO_DATA, reply)
    check(begin + b"x" * 501, expected, limited, said=said, closes=True)
    client = check(begin + b"x" * 499 + b"\r\n.\r\n", expected, limited, said=said, closes=True)
    assert client.of_kind(AtLimit) == [AtLimit("message_size")]
    assert len(client.of_kind(Refused)) == len(expected) / len(reply)


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        (b"x" * 101, LARGE),
        (b"a\nb", BARE),
        (b"x" * 90, b"421 Error: timeout exceeded\r\n"),
        (b"", b"421 Error: timeout exceeded\r\n"),
    ],
)
def test_so_it_is_when_the_time_is_over(sent: bytes, reply: bytes) -> None:
    client = Client(config(max_message_size=100), said=TO_DATA).sends(sent)
    client.protocol.time_out()
    assert client.hears() == reply
    assert client.protocol.closing
    in_lmtp = Client(config(max_message_size=100, lmtp=True), said=LHLO_TO_DATA).sends(sent)
    in_lmtp.protocol.time_out()
    assert in_lmtp.hears() == (reply if reply[:3] == b"421" else reply * 3)


def test_a_client_lost_in_a_message_is_told_apart() -> None:
    client = Client(said=TO_DATA).sends(b"half")
    client.protocol.receive_eof()
    client.run()
    assert client.steps == [MessageChunk(b"half"), Disconnected(in_message=True)]
    assert client.end is CLOSED


@pytest.mark.parametrize(
    ("verdict", "reply", "closes"),
    [
        (Accept("queued as 1"), b"250 queued as 1\r\n", False),
        (Accept("250 2.6.0 whole"), b"250 2.6.0 whole\r\n", False),
        (Accept(("a", "b")), b"250-a\r\n250 b\r\n", False),
        (Accept("last", close=True), b"250 last\r\n", True),
        (Decline("552 Message too small"), b"552 Message too small\r\n", False),
        (Decline(), b"550 Error: refused\r\n", False),
        (Decline("250 dropped"), b"250 dropped\r\n", False),
        (Decline("354 go on"), FAILED, False),
        (Decline("no code"), FAILED, False),
        (Decline("421 later"), b"421 later\r\n", True),
        (Decline(NO_STORAGE), NO_STORAGE.plain, False),
        (Fail(), FAILED, False),
        (Drop("451 stopping"), b"451 stopping\r\n", True),
        (Drop("just words"), b"just words\r\n", True),
    ],
)
def test_the_verdict_on_a_message(verdict: Any, reply: bytes, closes: bool) -> None:
    client = check(
        b"x\r\n.\r\n", reply, answer=answering(verdict, MessageComplete), said=TO_DATA, closes=closes
    )
    assert not client.protocol.in_message
    assert client.protocol.transaction is None


# --- LMTP: one reply for each recipient (RFC 2033 section 4.2) -----------------------------------


@pytest.mark.parametrize(
    ("verdict", "replies", "closes"),
    [
        (Accept("delivered"), [b"250 delivered\r\n"] * 3, False),
        (Decline("450 full"), [b"450 full\r\n"] * 3, False),
        (Fail(), [FAILED] * 3, False),
        (Drop("421 stopping"), [b"421 stopping\r\n"] * 3, True),
        (
            PerRecipient([Accept("one"), Decline("550 two"), Accept(("three", "lines"))]),
            [b"250 one\r\n", b"550 two\r\n", b"250-three\r\n250 lines\r\n"],
            False,
        ),
        (PerRecipient([Accept("one")]), [b"250 one\r\n", FAILED, FAILED], False),
        (PerRecipient([]), [FAILED] * 3, False),
        (PerRecipient([Accept(str(n)) for n in range(9)]), [b"250 0\r\n", b"250 1\r\n", b"250 2\r\n"], False),
        (
            PerRecipient([Decline("421 x"), Accept("y"), Accept("z")]),
            [b"421 x\r\n", b"250 y\r\n", b"250 z\r\n"],
            True,
        ),
        (PerRecipient([Accept("y", close=True)] * 3), [b"250 y\r\n"] * 3, True),
        (PerRecipient([Accept("y")] * 3, close=True), [b"250 y\r\n"] * 3, True),
    ],
)
def test_lmtp_answers_for_every_recipient(verdict: Any, replies: list[bytes], closes: bool) -> None:
    client = check(
        b"x\r\n.\r\n",
        b"".join(replies),
        config(lmtp=True),
        answering(verdict, MessageComplete),
        said=LHLO_TO_DATA,
        closes=closes,
    )
    assert client.of_kind(MessageComplete) == [MessageComplete("a@b", ["c@d", "e@f", "c@d"])]


@pytest.mark.parametrize(("sent", "reply"), [(b"a\nb\r\n.\r\n", BARE), (b"x" * 50 + b"\r\n.\r\n", LARGE)])
def test_lmtp_answers_for_every_recipient_of_a_refused_message(sent: bytes, reply: bytes) -> None:
    check(sent, reply * 3, config(lmtp=True, max_message_size=40), said=LHLO_TO_DATA)
