"""A run as a picture."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.soak.run import Record
from benchmarks.soak.sampling import Sample, Usage
from benchmarks.soak.schedule import Action

mpl.use("Agg")

import matplotlib.pyplot as plt

_GREEN, _RED, _YELLOW, _GREY = "#0b6e4f", "#c8553d", "#d9a441", "#7a7a7a"
_ROLES = (_GREY, _GREEN, _YELLOW)
"""A parent, its oldest worker, another."""

_COLOURS: dict[Action, str] = {
    "kill": _RED,
    "kill_worker": _YELLOW,
    "restart": "#588b8b",
    "reload": "#d8d8d8",
}
_NAMES: dict[Action, str] = {
    "kill": "all killed",
    "kill_worker": "a worker killed",
    "restart": "successor",
    "reload": "reload",
}


def draw(record: Record, path: Path) -> None:
    """Draw throughput, waits, memory and descriptors over time into a PNG."""
    figure, axes = plt.subplots(4, 1, figsize=(13, 12), sharex=True, layout="constrained")
    times = [sample.time / 60 for sample in record.samples]
    axes[0].plot(times, _rates(record.samples), color=_GREEN, linewidth=0.8)
    axes[0].set_title("Messages taken a second, by recipient")
    for name, colour in (("p50", _GREEN), ("p99", _RED)):
        values = [getattr(sample, name) for sample in record.samples]
        axes[1].plot(times, values, color=colour, linewidth=0.8, label=name)
    axes[1].set_title("ms from the end of a message to its 250: p50 (green) and p99 (red) of each second")
    axes[1].set_yscale("log")
    _usage(axes[2], record, lambda usage: usage.rss / 1024)
    axes[2].set_title("MiB of RSS of the parent (grey), the oldest worker (green) and the others (yellow)")
    _usage(axes[3], record, lambda usage: usage.descriptors)
    axes[3].set_title("File descriptors, likewise")
    axes[3].set_xlabel("minutes")
    for each in axes:
        _mark(each, record)
        if each is not axes[1]:
            each.set_ylim(bottom=0)
    marks = {line.get_label(): line for line in axes[0].lines if line.get_label() in _NAMES.values()}
    figure.legend(marks.values(), marks.keys(), loc="outside lower center", ncols=len(_NAMES))
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _rates(samples: list[Sample]) -> list[float]:
    spans = [after.time - before.time for before, after in pairwise(samples)]
    return [sample.taken / span for sample, span in zip(samples, [1.0, *spans], strict=False)]


def _usage(axes: Any, record: Record, figure: Callable[[Usage], float]) -> None:
    """A line for each process, for as long as it lived."""
    roles = {pid: role for sample in record.samples for role, pid in enumerate(sample.usages)}
    for pid, role in roles.items():
        alive = [sample for sample in record.samples if pid in sample.usages]
        axes.plot(
            [sample.time / 60 for sample in alive],
            [figure(sample.usages[pid]) for sample in alive],
            color=_ROLES[min(role, len(_ROLES) - 1)],
            linewidth=1.0,
        )


def _mark(axes: Any, record: Record) -> None:
    for event in record.events:
        axes.axvline(
            event.time / 60, color=_COLOURS[event.action], linewidth=0.6, zorder=0, label=_NAMES[event.action]
        )
