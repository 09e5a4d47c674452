"""What a run shows: whether something grew, and all that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.soak.run import Record
from benchmarks.soak.sampling import Sample, Usage

SHORTEST_TO_JUDGE = 600.0
"""Seconds: in less, a process is still warming up, and whether it grows can't be told."""

_MAY_GROW = 1.1
_MAY_GROW_KIB = 4096
_MAY_GROW_DESCRIPTORS = 8


@dataclass(frozen=True, slots=True)
class Growth:
    """What the oldest worker used early and late in the steady part: medians over a third of it each.

    Attributes:
        rss_early, rss_late: KiB.
        descriptors_early, descriptors_late: open files.
    """

    rss_early: float
    rss_late: float
    descriptors_early: float
    descriptors_late: float


def growth(record: Record) -> Growth | None:
    """How the oldest worker that lived through the steady part has grown; None if none did."""
    samples = record.steady
    third = len(samples) // 3
    survivors = set.intersection(*(set(sample.usages) for sample in samples)) if third else set()
    if len(survivors) < 2:  # the parent, and a worker
        return None
    oldest = list(samples[0].usages)[1]
    if oldest not in survivors:
        return None
    # The first third is left out: there it warms up.
    early, late = samples[third : 2 * third], samples[-third:]
    return Growth(
        _median(early, oldest, lambda usage: usage.rss),
        _median(late, oldest, lambda usage: usage.rss),
        _median(early, oldest, lambda usage: usage.descriptors),
        _median(late, oldest, lambda usage: usage.descriptors),
    )


def problems(record: Record) -> list[str]:
    """All that is wrong, in words; empty if nothing is."""
    return list(_problems(record))


def _problems(record: Record) -> Iterator[str]:
    yield from map(str, record.faults)
    yield from (
        f"{count} times a reply that should not come: {what}" for what, count in record.surprises.items()
    )
    yield from (f"the server logged: {line}" for line in record.complaints)
    yield from (f"a process of clients ended with {code}" for code in record.clients_failed)
    if not record.taken:
        yield "no message was taken"
    yield from _leaks(record)
    grown = growth(record) if record.settings.seconds >= SHORTEST_TO_JUDGE else None
    if grown is not None:
        yield from _growth_problems(grown)


def _leaks(record: Record) -> Iterator[str]:
    if record.fresh is None or record.rested is None:
        yield "there was no worker to look at"
    elif record.rested.sockets > record.fresh.sockets:
        left = record.rested.sockets - record.fresh.sockets
        yield f"{left} sockets are left in a worker that has no client any more"


def _growth_problems(grown: Growth) -> Iterator[str]:
    if grown.rss_late > max(grown.rss_early * _MAY_GROW, grown.rss_early + _MAY_GROW_KIB):
        yield f"the oldest worker grew from {grown.rss_early:.0f} to {grown.rss_late:.0f} KiB"
    if grown.descriptors_late > grown.descriptors_early + _MAY_GROW_DESCRIPTORS:
        yield (
            f"the oldest worker had {grown.descriptors_early:.0f} descriptors, "
            f"and {grown.descriptors_late:.0f} later"
        )


def _median(samples: Sequence[Sample], pid: int, figure: Callable[[Usage], int]) -> float:
    return median(figure(sample.usages[pid]) for sample in samples)
