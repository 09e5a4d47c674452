"""The results of a run as JSON and as a page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.soak.ledger import FaultKind, Outcome
from benchmarks.soak.run import Record
from benchmarks.soak.schedule import Action
from benchmarks.soak.verdict import growth, problems

_DONE: dict[Action, str] = {
    "kill": "times all processes were killed, and started again",
    "kill_worker": "times a worker was killed",
    "restart": "times a successor took over",
    "reload": "times certificates and code were read again",
}

MOST_SAMPLES = 600
"""As many as a picture can show."""


def as_json(record: Record, machine: Mapping[str, str]) -> dict[str, Any]:
    """Everything, with no more samples than anybody looks at."""
    grown = growth(record)
    step = -(-len(record.samples) // MOST_SAMPLES) or 1
    return {
        "machine": dict(machine),
        "settings": asdict(record.settings),
        "seconds": record.seconds,
        "copies": {str(outcome): number for outcome, number in record.ledger.outcomes.items()},
        "found": record.ledger.found,
        "repeated": record.ledger.repeated,
        "unfinished": record.unfinished,
        "events": [event._asdict() for event in record.events],
        "growth": None if grown is None else asdict(grown),
        "problems": problems(record),
        "samples": [asdict(sample) for sample in record.samples[::step]],
    }


def markdown(record: Record, machine: Mapping[str, str]) -> str:
    """The page."""
    return "\n".join(_lines(record, machine)) + "\n"


def write(record: Record, machine: Mapping[str, str], folder: Path) -> None:
    """Write `soak.json` and `soak.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "soak.json").write_text(json.dumps(as_json(record, machine), indent=1) + "\n")
    (folder / "soak.md").write_text(markdown(record, machine))


def _lines(record: Record, machine: Mapping[str, str]) -> Iterator[str]:
    settings = record.settings
    yield "# Soak"
    yield ""
    yield (
        f"{record.seconds / 60:.1f} minutes, {settings.visitors} clients at a time in {settings.clients} "
        f"processes, {settings.workers} workers, seed {settings.seed}. Made by `make soak`, which "
        "[docs/maildir.md](../../docs/maildir.md) describes."
    )
    yield ""
    wrong = problems(record)
    yield "**Nothing was wrong.**" if not wrong else f"**{len(wrong)} things were wrong:**"
    yield ""
    yield from (f"* {each}" for each in wrong[:50])
    if wrong:
        yield ""
    yield "| | |"
    yield "|---|---|"
    yield from (f"| {name} | {value} |" for name, value in _figures(record))
    yield ""
    yield "![throughput, replies, memory and descriptors over time](soak.png)"
    yield ""
    yield from (f"* {name}: {value}" for name, value in machine.items())


def _figures(record: Record) -> Iterator[tuple[str, str]]:
    outcomes = record.ledger.outcomes
    yield (
        "copies that had their 250",
        f"{record.taken} ({record.taken / max(record.seconds, 1):.0f} a second)",
    )
    yield (
        "copies whose end was never sent: the client or the server was cut off",
        str(outcomes[Outcome.CUT_OFF]),
    )
    yield "copies sent without a reply", str(outcomes[Outcome.UNANSWERED])
    yield "copies found, every one checked by its hash", str(record.ledger.found)
    yield "of these again, as they may be after no reply", str(record.ledger.repeated)
    for kind in FaultKind:
        yield str(kind), str(sum(fault.kind is kind for fault in record.faults))
    done = Counter(event.action for event in record.events)
    yield from ((text, str(done[action])) for action, text in _DONE.items())
    for name, values in (
        ("p50", [sample.p50 for sample in record.steady if sample.p50 is not None]),
        ("p99", [sample.p99 for sample in record.steady if sample.p99 is not None]),
    ):
        if values:
            yield (
                f"ms from the end of a message to its 250, {name} of a second (median)",
                f"{median(values):.0f}",
            )
    grown = growth(record)
    if grown is not None:
        yield (
            "RSS of the oldest worker, MiB, second and last third of its time",
            (f"{grown.rss_early / 1024:.1f}, {grown.rss_late / 1024:.1f}"),
        )
        yield "its descriptors, likewise", f"{grown.descriptors_early:.0f}, {grown.descriptors_late:.0f}"
    if record.fresh is not None and record.rested is not None:
        yield (
            "its sockets before the first client and after the last",
            (f"{record.fresh.sockets}, {record.rested.sockets}"),
        )
