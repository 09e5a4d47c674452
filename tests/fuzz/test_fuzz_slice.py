"""A short piece of fuzzing, the same every time, without atheris: the corpus and what is made of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterator, Mapping

import pytest

from tests.certificates import Certificates
from tests.fuzz.cases.case import FLAGS, Case, Cut
from tests.fuzz.cases.mutations import mutate
from tests.fuzz.corpus import read_cases
from tests.fuzz.harnesses.harness import drive
from tests.fuzz.harnesses.session_harness import SessionHarness, harness, server_context
from tests.fuzz.keep import deeds_of, shortened
from tests.fuzz.rules.checker import check_all
from tests.fuzz.rules.transcript import Transcript

CORPUS = read_cases()
CORE_MUTATIONS, SESSION_MUTATIONS = 600, 120
SEEDS = range(5)

Drive = Callable[[Case, Cut], Transcript]


@pytest.fixture(scope="module")
def sessions(certificates: Certificates) -> Generator[SessionHarness]:
    """Whole sessions in memory."""
    with harness(server_context(certificates.ecdsa)) as made:
        yield made


def check_case(case: Case, drive: Drive) -> None:
    """One case, cut in every way."""
    check_all(case, {cut: drive(case, cut) for cut in case.cuts()})


def mutations(seed: int, count: int) -> Iterator[Case]:
    """Cases that follow from the seed; each can be the ground of later ones."""
    dice = random.Random(seed)
    cases = list(CORPUS.values())
    for _ in range(count):
        case = mutate(dice.choice(cases), cases, dice)
        if len(case.stream) < 1000:
            cases.append(case)
        yield case


@pytest.mark.parametrize("name", CORPUS)
def test_a_case_of_the_corpus_breaks_no_rule_of_the_core(name: str) -> None:
    check_case(CORPUS[name], drive)


@pytest.mark.parametrize("name", CORPUS)
def test_a_case_of_the_corpus_breaks_no_rule_of_the_session(name: str, sessions: SessionHarness) -> None:
    check_case(CORPUS[name], sessions.drive)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_made_of_the_corpus_breaks_no_rule_of_the_core(seed: int) -> None:
    for case in mutations(seed, CORE_MUTATIONS):
        check_case(case, drive)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_made_of_the_corpus_breaks_no_rule_of_the_session(
    seed: int, sessions: SessionHarness
) -> None:
    for case in mutations(-seed - 1, SESSION_MUTATIONS):
        check_case(case, sessions.drive)


@pytest.mark.parametrize("name", CORPUS)
def test_a_case_of_the_corpus_is_written_as_it_is_read(name: str) -> None:
    case = CORPUS[name]
    assert Case.decode(case.encode()) == case


@pytest.mark.parametrize("data", [b"", b"\n", b"\xff\x00=", b"size=x size=-1 line=\xb2 rcpts=9" + b"9" * 500])
def test_any_octets_are_a_case(data: bytes) -> None:
    check_case(Case.decode(data), drive)


def test_the_corpus_has_every_setting() -> None:
    cases: Mapping[str, Case] = CORPUS
    assert set().union(*(case.flags for case in cases.values())) == set(FLAGS)


def test_a_seed_makes_the_same_cases_every_time() -> None:
    assert list(mutations(1, 50)) == list(mutations(1, 50))
    assert list(mutations(1, 50)) != list(mutations(2, 50))


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_no_way_of_cutting_loses_an_octet(cut: int) -> None:
    octets = bytes(range(256)) * 3
    for way in Case(numbers={"cut": cut}, stream=octets).cuts():
        assert b"".join(way(octets)) == octets
        assert all(way(octets))


def test_what_is_kept_of_a_case_is_what_it_needs() -> None:
    long = Case.decode(b"lmtp codes rcpts=7\nNOOP\r\nRSET\r\nLHLO there\r\nMAIL FROM:<a@b>\r\nNOOP\r\n")
    needed = frozenset(deed for deed in deeds_of(long) if deed == ("MAIL", "accept", "250"))
    assert needed
    short = shortened(long, needed)
    assert short == Case.decode(b"lmtp\nLHLO there\r\nMAIL FROM:<a@b>\r\n")
    assert needed <= deeds_of(short)
