"""Makes cases of cases: seeded, so that the same seed makes the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tests.fuzz.cases.case import FLAGS, INTERVENTIONS, NUMBERS, TLS_MARK, Case
from tests.fuzz.cases.script import WORDS

LONGEST = 20_000
"""Streams are not made longer than this."""

LINES: Sequence[bytes] = (
    b"EHLO there\r\n",
    b"HELO there\r\n",
    b"LHLO there\r\n",
    b"EHLO small.there\r\n",
    b"EHLO endless.there\r\n",
    b"HELO small.there\r\n",
    b"EHLO none\r\n",
    b"EHLO odd\r\n",
    b"MAIL FROM:<a@b.test>\r\n",
    b"MAIL FROM:<>\r\n",
    b"MAIL FROM:<a@b.test> SIZE=10 BODY=8BITMIME\r\n",
    b"MAIL FROM:<a@b.test> X-ONE=1 XTWO\r\n",
    b"MAIL FROM:<a@b.test> AUTH=<>\r\n",
    b"MAIL FROM:<a@b.test> RET=HDRS ENVID=a+2Bb BY=120;R MT-PRIORITY=-3 HOLDFOR=60\r\n",
    b"MAIL FROM:<a@b.test> HOLDUNTIL=2027-01-31T11:00:00Z REQUIRETLS BY=-1;NT\r\n",
    b"RCPT TO:<c@d.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;C+2Bx@d.test RRVS=2027-01-31T11:00:00Z;C\r\n",
    b"RCPT TO:<c@d.test> ORCPT=utf-8;\\x{F6}@d.test NOTIFY=NEVER\r\n",
    "MAIL FROM:<ä@ö.test> SMTPUTF8\r\n".encode(),
    b"RCPT TO:<c@d.test>\r\n",
    b"RCPT TO:<refuse@d.test>\r\n",
    b"RCPT TO:<@r.test,@s.test:c@d.test> XNOTIFY=NEVER\r\n",
    b'RCPT TO:<"c\\" d"@[127.0.0.1]>\r\n',
    b"DATA\r\n",
    b"MAIL FROM:<a@b.test> BODY=BINARYMIME\r\n",
    b"BDAT 10\r\nQUIT\r\n.\r\n\r",
    b"BDAT 12 LAST\r\n\nRSET\r\n.\r\n\r\n",
    b"BDAT 1\r\n\r",
    b"BDAT 3 LAST\r\nx\r\n",
    b"BDAT 0 LAST\r\n",
    b"bdat 0\r\n",
    b"BDAT 30\r\n",
    b"BDAT 4 FIRST\r\nQUIT",
    b".\r\n",
    b"..\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"QUIT\r\n",
    b"VRFY someone@d.test\r\n",
    b"STARTTLS\r\n",
    TLS_MARK,
    b"AUTH PLAIN AHUAcA==\r\n",
    b"AUTH PLAIN\r\n",
    b"AUTH LOGIN\r\n",
    b"AUTH LOGIN dXNlcg==\r\n",
    b"AUTH CRAM-MD5\r\n",
    b"AUTH XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHQBAQ==\r\n",
    b"AUTH XOAUTH2 dXNlcj1yZWplY3QBYXV0aD1CZWFyZXIgdAEB\r\n",
    b"AUTH OAUTHBEARER bixhPXUsAWF1dGg9QmVhcmVyIHQBAQ==\r\n",
    b"AUTH OAUTHBEARER bixhPXJlamVjdCwBYXV0aD1CZWFyZXIgdAEB\r\n",
    b"AUTH OAUTHBEARER biwsAQE=\r\n",
    b"AUTH OAUTHBEARER\r\n",
    b"AUTH EXTERNAL =\r\n",
    b"AUTH EXTERNAL dQ==\r\n",
    b"AUTH ANONYMOUS\r\n",
    b"AQ==\r\n",
    b"AUTH SCRAM-SHA-1\r\n",
    b"AUTH SCRAM-SHA-256 biwsbj11LHI9Yw==\r\n",
    b"AUTH SCRAM-SHA-256 biwsbj1yZWplY3Qscj1j\r\n",
    b"AHUAcA==\r\n",
    b"dXNlcg==\r\n",
    b"dSAxMjM=\r\n",
    b"=\r\n",
    b"*\r\n",
    b"XUNKNOWN some thing\r\n",
    b"POST / HTTP/1.1\r\n",
    b"\r\n",
    b"DATA\r\nSubject: x\r\n\r\nMAIL FROM:<body@b.test>\r\n.\r\n",
)
SNIPPETS: Sequence[bytes] = (
    *(word.encode() for word in WORDS),
    b"\r\n.\r\n",
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r\n.\r",
    b"\r\n.\r\r\n",
    b"\r\n\x00.\r\n",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\r\n",
    b".",
    b" ",
    b"\t",
    b"\x00",
    b"\x7f",
    b"\xff",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xae",
    b"\xed\xa0\x80",
    b"<",
    b">",
    b'"',
    b"\\",
    b"@",
    b":",
    b"=",
    b"SIZE=",
    b"NOTIFY=",
    b" ORCPT=utf-8;",
    b"+0A",
    b"\\x{202E}",
    b" LAST",
    b"BDAT ",
    b"99999999999999999999",
    "٣".encode(),
    "\u017f".encode(),
    b"x" * 70,
    b"x" * 3000,
)

Dice = random.Random


def mutate(case: Case, others: Sequence[Case], dice: Dice) -> Case:
    """The case with one to six changes; `others` are cases to take lines from."""
    for _ in range(dice.choice((1, 1, 2, 3, 6))):
        if dice.random() < 0.15:
            case = Case(_flags(case.flags, dice), case.numbers, case.stream)
        elif dice.random() < 0.15:
            case = Case(case.flags, _numbers(case, dice), case.stream)
        else:
            case = Case(case.flags, case.numbers, _stream(case.stream, others, dice))
    return case


def mutate_octets(octets: bytes, others: Sequence[bytes], dice: Dice) -> bytes:
    """Octets with one to four changes; `others` are some to go on with."""
    for _ in range(dice.randint(1, 4)):
        place = dice.randint(0, len(octets))
        behind = dice.choice(others)
        octets = dice.choice(
            (
                octets[:place] + bytes([dice.randrange(256)]) + octets[place:],
                octets[:place] + bytes([dice.randrange(256)]) + octets[place + 1 :],
                octets[:place] + dice.choice(SNIPPETS) + octets[place:],
                octets[:place] + octets[place + dice.choice((1, 2, 5)) :],
                octets[:place] + behind[dice.randint(0, len(behind)) :],
            )
        )
    return octets[:LONGEST]


def _flags(flags: frozenset[str], dice: Dice) -> frozenset[str]:
    return flags ^ {dice.choice(FLAGS)}


def _numbers(case: Case, dice: Dice) -> dict[str, int]:
    name = dice.choice(list(NUMBERS))
    numbers = {other: n for other, n in case.numbers.items() if other != name}
    if name in INTERVENTIONS:
        value = dice.randint(1, 12)
    elif name == "cut":
        value = dice.getrandbits(32)
    else:
        value = dice.choice((NUMBERS[name].least, 2, 20, 40, 100, 1000, NUMBERS[name].default))
    if dice.random() < 0.7:
        numbers[name] = min(max(value, NUMBERS[name].least), NUMBERS[name].most)
    return numbers


def _stream(stream: bytes, others: Sequence[Case], dice: Dice) -> bytes:
    change = dice.choice(_CHANGES)
    return change(stream, others, dice)[:LONGEST]


def _lines(stream: bytes) -> list[bytes]:
    return stream.splitlines(keepends=True) or [b""]


def _insert_line(stream: bytes, others: Sequence[Case], dice: Dice) -> bytes:
    lines = _lines(stream)
    lines.insert(dice.randint(0, len(lines)), dice.choice(LINES))
    return b"".join(lines)


def _drop_line(stream: bytes, others: Sequence[Case], dice: Dice) -> bytes:
    lines = _lines(stream)
    del lines[dice.randrange(len(lines))]
    return b"".join(lines)


def _repeat_lines(stream: bytes, others: Sequence[Case], dice: Dice) -> bytes:
    lines = _lines(stream)
    start = dice.randrange(len(lines))
    some = lines[start : start + dice.randint(1, 6)]
    return b"".join(
        [*lines[: start + len(some)], *some * dice.choice((1, 1, 2, 5)), *lines[start + len(some) :]]
    )


def _swap_lines(stream: bytes, others: Sequence[Case], dice: Dice) -> bytes:
    lines = _lines(stream)
    one, two = dice.randrange(len(lines)), dice.randrange(len(lines))
    lines[one], lines[two] = lines[two], lines[one]
    return b"".join(lines)


def _change_line_end(stream: bytes, others: Sequence[Case], dice: Dice) -> bytes:
    lines = _lines(stream)
    number = dice.randrange(len(lines))
    lines[number] = lines[number].rstrip(b"\r\n") + dice.choice(
        (b"\n", b"\r\n", b"\r", b"\r\r\n", b"", b" \r\n")
    )
    return b"".join(lines)


def _insert_snippet(stream: bytes, others: Sequence[Case], dice: Dice) -> bytes:
    place = dice.randint(0, len(stream))
    return stream[:place] + dice.choice(SNIPPETS) + stream[place:]


def _drop_octets(stream: bytes, others: Sequence[Case], dice: Dice) -> bytes:
    place = dice.randint(0, len(stream))
    return stream[:place] + stream[place + dice.choice((1, 1, 2, 5, 30)) :]


def _change_octet(stream: bytes, others: Sequence[Case], dice: Dice) -> bytes:
    if not stream:
        return bytes([dice.randrange(256)])
    place = dice.randrange(len(stream))
    return stream[:place] + bytes([dice.randrange(256)]) + stream[place + 1 :]


def _cross(stream: bytes, others: Sequence[Case], dice: Dice) -> bytes:
    other = dice.choice(others).stream if others else b""
    mine, theirs = _lines(stream), _lines(other)
    return b"".join([*mine[: dice.randint(0, len(mine))], *theirs[dice.randint(0, len(theirs)) :]])


_CHANGES: Sequence[Callable[[bytes, Sequence[Case], Dice], bytes]] = (
    _insert_line,
    _insert_line,
    _drop_line,
    _repeat_lines,
    _swap_lines,
    _change_line_end,
    _insert_snippet,
    _insert_snippet,
    _drop_octets,
    _change_octet,
    _cross,
)
