"""The soak itself: a short one passes, and one that finds something says so."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.soak import report
from benchmarks.soak.ledger import Outcome
from benchmarks.soak.maildirs import collect
from benchmarks.soak.mails import make_lines
from benchmarks.soak.run import Record, Settings, run
from benchmarks.soak.sampling import Sample, Usage, percentile
from benchmarks.soak.schedule import schedule, steady_from
from benchmarks.soak.server import LISTENERS, SoakHandler, listeners
from benchmarks.soak.smtp import Broken
from benchmarks.soak.verdict import Growth, growth, problems
from benchmarks.soak.visits import VISITS, Visitor
from gen_smtp import gen_smtp_server
from tests.certificates import Certificates

PARENT, WORKER = 100, 101


def test_a_soak_of_some_seconds_kills_and_restarts_and_finds_nothing_wrong(tmp_path: Path) -> None:
    said: list[float] = []
    settings = Settings(seconds=5.0, visitors=16, clients=1, seed=3)
    record = run(settings, tmp_path, lambda record: said.append(record.samples[-1].time))
    assert problems(record) == []
    assert {"kill", "kill_worker"} <= {event.action for event in record.events}
    assert record.ledger.found >= record.taken > 0
    assert len(said) == len(record.samples)
    assert list((tmp_path / "maildirs").glob("*/new/*")) == []
    text = report.markdown(record, {"cores": "2"})
    assert "**Nothing was wrong.**" in text
    assert "| lost | 0 |" in text
    report.write(record, {}, tmp_path / "results")
    assert (tmp_path / "results" / "soak.json").stat().st_size > 1000


@pytest.fixture(scope="module")
def server(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Generator[tuple[Path, dict[str, int]]]:
    """The Maildirs and the ports of a server as the soak has it, without workers."""
    maildirs = tmp_path_factory.mktemp("maildirs")
    files = certificates.ecdsa
    settings = {
        "maildirs": maildirs,
        "certfile": files.certfile,
        "keyfile": files.keyfile,
        "ports": [0, 0, 0],
    }
    with gen_smtp_server.running(SoakHandler, listeners(settings)) as ref:
        ports = [port for _, port in gen_smtp_server.addresses(ref)]
        yield maildirs, dict(zip(LISTENERS, ports, strict=True))


@pytest.mark.parametrize("visit", VISITS, ids=lambda visit: visit.__name__)
def test_each_kind_of_visit_goes_as_it_should(
    visit: Callable[[Visitor], None],
    server: tuple[Path, dict[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Visitor, "pause", lambda self, longest: None)
    maildirs, ports = server
    record = Record(Settings(seconds=1.0))
    lines = make_lines(random.Random(1))

    def take(told: Any) -> None:
        kind, *facts = told
        assert kind == "copy", told
        record.ledger.note_attempt(facts[0], facts[1], Outcome(facts[2]))

    for seed in range(3):
        visitor = Visitor(f"{visit.__name__}{seed}", ports, random.Random(seed), lines, take)
        try:
            visit(visitor)
        except Broken:
            assert not visit.__name__.startswith("sends")
    collect(maildirs, record.ledger, remove=True)
    if visit.__name__.startswith("sends") and record.ledger.found:
        assert record.ledger.outcomes[Outcome.TAKEN] == sum(record.ledger.outcomes.values())
        assert list(record.ledger.faults()) == []


# -- what is done when -------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [8.0, 120.0, 1800.0, 36000.0])
def test_all_is_killed_in_the_first_part_alone(seconds: float) -> None:
    events = schedule(seconds)
    assert [event.time for event in events] == sorted(event.time for event in events)
    early = {event.action for event in events if event.time < steady_from(seconds)}
    late = {event.action for event in events if event.time >= steady_from(seconds)}
    assert "kill" in early
    assert late == ({"kill_worker", "reload"} if seconds >= 120 else {"kill_worker"})
    assert len(early) == (4 if seconds >= 120 else 1)


def test_workers_are_not_killed_so_often_that_their_parent_gives_up() -> None:
    for seconds in (8.0, 60.0, 1800.0):
        kills = [event.time for event in schedule(seconds) if event.action == "kill_worker"]
        for time in kills:
            assert sum(time <= each < time + 10.0 for each in kills) <= 4


# -- the verdict -------------------------------------------------------------------------------------


def usage(rss: int = 30_000, descriptors: int = 20, sockets: int = 6) -> Usage:
    return Usage(rss=rss, descriptors=descriptors, sockets=sockets, threads=13)


def good_record(seconds: float = 1000.0) -> Record:
    """A run with which nothing is wrong."""
    record = Record(Settings(seconds=seconds), seconds=seconds, fresh=usage(), rested=usage())
    record.ledger.note_attempt("one for me", "digest", Outcome.TAKEN)
    record.ledger.note_found(["one for me"], "digest", "somewhere")
    record.samples = [
        Sample(float(time), 5, 4.0, 9.0, {PARENT: usage(), WORKER: usage()}) for time in range(int(seconds))
    ]
    return record


def growing(rss: int = 0, descriptors: int = 0) -> Callable[[Record], object]:
    """Has the oldest worker grow by so much from each sample to the next."""

    def grow(record: Record) -> None:
        for number, sample in enumerate(record.samples):
            sample.usages[WORKER] = usage(30_000 + rss * number, 20 + descriptors * number)

    return grow


def test_a_good_run_has_no_problems() -> None:
    assert problems(good_record()) == []


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda record: record.surprises.update(["sends_mail 500 what?"]), "1 times a reply that should not"),
        (lambda record: record.complaints.append("it hurts"), "the server logged: it hurts"),
        (lambda record: record.clients_failed.append(1), "a process of clients ended with 1"),
        (lambda record: setattr(record, "rested", usage(sockets=9)), "3 sockets are left"),
        (lambda record: setattr(record, "rested", None), "there was no worker to look at"),
        (growing(rss=30), "the oldest worker grew from 4"),
        (growing(descriptors=1), "the oldest worker had "),
    ],
)
def test_a_run_that_is_spoilt_in_one_way_has_one_problem(
    spoil: Callable[[Record], object], problem: str
) -> None:
    record = good_record()
    spoil(record)
    [found] = problems(record)
    assert found.startswith(problem)
    assert "**1 things were wrong:**" in report.markdown(record, {})


def test_a_run_that_lost_a_message_or_took_none_says_so() -> None:
    record = good_record()
    record.ledger.note_attempt("two for me", "digest", Outcome.TAKEN)
    record.faults = list(record.ledger.faults())
    assert problems(record) == ["lost: two for me: taken 1, unanswered 0, found 0"]
    assert "| lost | 1 |" in report.markdown(record, {})
    assert problems(Record(Settings(seconds=1.0), fresh=usage(), rested=usage())) == ["no message was taken"]


def test_a_little_growth_is_none_and_growth_in_a_short_run_is_not_judged() -> None:
    record = good_record()
    growing(rss=2)(record)
    assert problems(record) == []
    record = good_record(seconds=599.0)
    growing(rss=100)(record)
    assert growth(record) is not None
    assert problems(record) == []


def test_growth_is_that_of_the_worker_that_lived_through_the_steady_part() -> None:
    record = good_record()
    growing(rss=10)(record)
    begin = int(steady_from(1000.0))
    for sample in record.samples[:begin]:
        del sample.usages[WORKER]
    for number, sample in enumerate(record.samples):
        sample.usages[200 + number // 100] = usage(rss=99_999)  # others come and go
    third = (1000 - begin) // 3
    found = growth(record)
    assert isinstance(found, Growth)
    assert found.rss_late - found.rss_early == pytest.approx(10 * third, abs=10)
    assert (found.descriptors_early, found.descriptors_late) == (20, 20)
    del record.samples[-1].usages[WORKER]
    assert growth(record) is None


def test_percentiles_are_by_nearest_rank() -> None:
    values = [float(value) for value in range(100)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile([], 0.5)) == (50.0, 99.0, None)
