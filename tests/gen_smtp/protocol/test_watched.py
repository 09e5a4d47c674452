"""A connection with an onlooker says what one without says, and tells of all that comes and goes."""

from __future__ import annotations

import pytest

from gen_smtp.protocol.config import ProtocolConfig
from gen_smtp.protocol.protocol import Protocol
from gen_smtp.protocol.watched import WatchedProtocol
from tests.fuzz.cases.case import Case, Cut
from tests.fuzz.corpus import read_cases
from tests.fuzz.harnesses.harness import drive

CORPUS = read_cases()


class Onlooker:
    """Notes what is told."""

    def __init__(self) -> None:
        self.came = 0
        self.said = b""
        self.told: list[tuple[str, object]] = []

    def hear_line(self, line: bytes, mechanisms: str) -> None:
        self.came += len(line)
        self.told.append(("line", line))

    def hear_response(self, octets: int) -> None:
        self.came += octets
        self.told.append(("response", octets))

    def hear_body(self, octets: int) -> None:
        self.came += octets
        self.told.append(("body", octets))

    def hear_cut_line(self, octets: int) -> None:
        self.came += octets
        self.told.append(("cut", octets))

    def drop(self, octets: int) -> None:
        self.came += octets
        self.told.append(("drop", octets))

    def say(self, replies: bytes) -> None:
        self.said += replies
        self.told.append(("say", replies))

    def begin_tls(self) -> None:
        self.told.append(("tls", None))


def watched(onlooker: Onlooker) -> type[WatchedProtocol]:
    """Makes protocols as the fuzzer's harness makes them."""

    class Made(WatchedProtocol):
        def __init__(self, config: ProtocolConfig, *, tls: bool = False) -> None:
            super().__init__(config, onlooker, tls=tls)

    return Made


def cuts(case: Case) -> dict[str, Cut]:
    return {str(number): cut for number, cut in enumerate(case.cuts())}


@pytest.mark.parametrize("name", CORPUS)
def test_it_says_and_asks_the_same(name: str) -> None:
    case = CORPUS[name]
    for cut in case.cuts():
        onlooker = Onlooker()
        seen = drive(case, cut, watched(onlooker))
        assert seen.items == drive(case, cut).items
        assert b"".join(each for kind, each in onlooker.told if kind == "say") == onlooker.said


@pytest.mark.parametrize("name", CORPUS)
def test_it_tells_of_every_octet(name: str) -> None:
    case = CORPUS[name]
    for cut in case.cuts():
        onlooker = Onlooker()
        drive(case, cut, watched(onlooker))
        came = len(case.clear) + len(case.secret or b"")
        assert onlooker.came <= came
        if case.secret is None:  # what is sent on behind the end is not fed any more by some ways of cutting
            assert onlooker.came == came


def test_a_line_is_told_before_its_reply_and_a_body_by_its_size() -> None:
    onlooker = Onlooker()
    protocol = WatchedProtocol(ProtocolConfig("mx.test"), onlooker)
    protocol.greet("ready")
    protocol.hear(b"NOOP\r\nHELP me\n")
    assert onlooker.told == [
        ("say", b"220 ready\r\n"),
        ("line", b"NOOP\r\n"),
        ("say", b"250 Ok\r\n"),
        ("line", b"HELP me\n"),
    ]


def test_the_replies_are_taken_as_those_of_any() -> None:
    protocol = WatchedProtocol(ProtocolConfig("mx.test"), Onlooker())
    other = Protocol(ProtocolConfig("mx.test"))
    for each in (protocol, other):
        each.greet("ready")
        each.hear(b"NOOP\r\n")
    assert protocol.unsent == other.unsent == b"220 ready\r\n250 Ok\r\n"
    assert protocol.data_to_send() == other.data_to_send()
    assert protocol.unsent == b""
