"""A run: the server, its clients, what is done to it, and the books."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.soak.fleet import Fleet
from benchmarks.soak.ledger import Fault, Ledger, Outcome
from benchmarks.soak.maildirs import collect, count_unfinished
from benchmarks.soak.sampling import Sample, Usage, percentile, usages
from benchmarks.soak.schedule import Event, schedule, steady_from
from benchmarks.soak.service import Service

SECONDS_TO_REST = 15.0
"""What the last sessions get to end when all clients are gone."""

_TICK = 1.0
_GLANCE = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What to run.

    Attributes:
        seconds: for how long.
        visitors: clients at a time.
        clients: processes of clients.
        workers: processes of the server.
        seed: decides what the clients do, but not when the system lets them.
    """

    seconds: float
    visitors: int = 80
    clients: int = 2
    workers: int = 2
    seed: int = 1


@dataclass(slots=True)
class Record:
    """What came of a run.

    Attributes:
        settings: what was run.
        seconds: how long it took, without the end.
        samples: one for about each second.
        events: what was done to the server, when it was.
        ledger: the books.
        faults: what is wrong in them.
        unfinished: files in `tmp`, left there by kills.
        surprises: replies that should not have come.
        complaints: what the server logged that it should not have to.
        fresh: what the oldest worker used before the first client came.
        rested: what the oldest worker used after the last one had gone.
        clients_failed: exit codes of client processes that are not 0.
    """

    settings: Settings
    seconds: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    faults: list[Fault] = field(default_factory=list)
    unfinished: int = 0
    surprises: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    fresh: Usage | None = None
    rested: Usage | None = None
    clients_failed: list[int] = field(default_factory=list)

    @property
    def taken(self) -> int:
        """Copies that had their 250."""
        return self.ledger.outcomes[Outcome.TAKEN]

    @property
    def steady(self) -> list[Sample]:
        """The samples of the second part, in which nobody kills everything."""
        begin = steady_from(self.settings.seconds)
        return [sample for sample in self.samples if sample.time >= begin]


Say = Callable[[Record], object]


def run(settings: Settings, folder: Path, say: Say = lambda record: None) -> Record:
    """Run it.

    Args:
        settings: what.
        folder: an empty folder: gets the Maildirs and the server's log.
        say: called after each sample.

    Raises:
        ServiceFailed: the server did not start, restart or stop.
    """
    maildirs = folder / "maildirs"
    maildirs.mkdir()
    with Service(folder, maildirs, settings.workers) as service:
        service.start()
        soak = _Soak(Record(settings), service, maildirs, say)
        soak.look_at_fresh()
        ledger = soak.record.ledger
        with Fleet(ledger, service.ports, settings.clients, settings.visitors, settings.seed) as fleet:
            soak.load(fleet)
        soak.rest()
        service.stop()
        soak.close_books()
    return soak.record


class _Soak:
    def __init__(self, record: Record, service: Service, maildirs: Path, say: Say) -> None:
        self.record = record
        self._service = service
        self._maildirs = maildirs
        self._say = say
        self._taken_before = 0

    def load(self, fleet: Fleet) -> None:
        """Have clients come for as long as asked, with all that is done to the server meanwhile."""
        due, started, next_tick = schedule(self.record.settings.seconds), time.monotonic(), 0.0
        while (now := time.monotonic() - started) < self.record.settings.seconds:
            while due and due[0].time <= now:
                self._act(due.pop(0), now)
            if now >= next_tick:
                next_tick = now + _TICK
                self._look(fleet, now)
            time.sleep(_GLANCE)
        self.record.seconds = now
        self.record.clients_failed = [code for code in fleet.finish() if code != 0]
        self.record.surprises = fleet.surprises

    def look_at_fresh(self) -> None:
        """See what a worker uses that has no client yet."""
        self.record.fresh = self._oldest_worker()

    def rest(self) -> None:
        """Wait for the last sessions to end, and see whether the oldest worker is as it was."""
        fresh, end = self.record.fresh, time.monotonic() + SECONDS_TO_REST
        while True:
            self.record.rested = rested = self._oldest_worker()
            is_at_rest = rested is not None and fresh is not None and rested.sockets <= fresh.sockets
            if is_at_rest or time.monotonic() > end:
                return
            time.sleep(_GLANCE)

    def close_books(self) -> None:
        """Everything has ended: see what there is."""
        record = self.record
        collect(self._maildirs, record.ledger, remove=True)
        record.unfinished = count_unfinished(self._maildirs)
        record.faults = list(record.ledger.faults())
        record.complaints = self._service.log().splitlines()

    def _act(self, event: Event, now: float) -> None:
        getattr(self._service, event.action)()
        if event.action == "kill":
            self._service.start()
        self.record.events.append(Event(now, event.action))

    def _look(self, fleet: Fleet, now: float) -> None:
        with fleet.lock:
            collect(self._maildirs, self.record.ledger, remove=True)
        waits, taken = fleet.take_waits(), self.record.taken
        p50, p99 = percentile(waits, 0.5), percentile(waits, 0.99)
        self.record.samples.append(
            Sample(
                now,
                taken - self._taken_before,
                None if p50 is None else p50 * 1000,
                None if p99 is None else p99 * 1000,
                usages([self._service.parent, *self._service.workers]),
            )
        )
        self._taken_before = taken
        self._say(self.record)

    def _oldest_worker(self) -> Usage | None:
        found = usages(self._service.workers[:1])
        return next(iter(found.values()), None)
