"""Counters that several workers share, so that each of them can tell the sum.

prometheus_client keeps the values of each process in files that are mapped into memory, and adds them up for
a scrape. A worker that dies, even by SIGKILL, leaves its counters in its files; asked over a line, as the
parent asks for numbers of sessions, it would take along what it had counted since it was asked last. Here the
files have the number of the worker instead of its process: its replacement goes on counting in them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.values import MultiProcessValue

from gen_smtp.process.child_process import worker_number
from gen_smtp.process.successor import PRIVATE

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's variable: where the files are."""

_MEMORY = Path("/dev/shm")


@contextmanager
def shared_values(user: int = -1, group: int = -1) -> Iterator[None]:
    """Have all metrics that are made from now on shared with workers to come, for a `with` block.

    Args:
        user, group: to whom the files belong; -1 is who this process is.
    """
    if FOLDER in os.environ:  # the program has a place for them already
        yield
        return
    place = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    folder = tempfile.mkdtemp(prefix="gen-smtp-metrics-", dir=place)
    before = values.ValueClass
    try:
        os.chown(folder, user, group)
        os.environ |= {FOLDER: folder, PRIVATE: FOLDER}
        values.ValueClass = MultiProcessValue(_who)  # type: ignore[no-untyped-call]
        yield
    finally:
        values.ValueClass = before
        for name in (FOLDER, PRIVATE):
            os.environ.pop(name, None)
        shutil.rmtree(folder, ignore_errors=True)


def are_shared() -> bool:
    """Whether the values of this process are shared."""
    return FOLDER in os.environ


def forget_dead_gauges() -> None:
    """What the worker before this one was like at its end."""
    mark_process_dead(_who())  # type: ignore[no-untyped-call]


def sum_of_all() -> CollectorRegistry:
    """A registry that has the sums of all workers."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def _who() -> int | str:
    number = worker_number()
    return "parent" if number is None else number
