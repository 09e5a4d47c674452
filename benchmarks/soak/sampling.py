"""What the server's processes use, over time."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process uses.

    Attributes:
        rss: resident memory in KiB.
        descriptors: open file descriptors.
        sockets: those of them that are sockets.
        threads: threads.
    """

    rss: int
    descriptors: int
    sockets: int
    threads: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at everything.

    Attributes:
        time: seconds since the start.
        taken: copies that have had their 250 since the sample before.
        p50, p99: how long their clients waited for it, in ms; None if there were none.
        usages: what each process of the server uses, by pid.
    """

    time: float
    taken: int
    p50: float | None
    p99: float | None
    usages: dict[int, Usage]


def usages(pids: Iterable[int]) -> dict[int, Usage]:
    """What processes use; those that are gone are left out."""
    found = {}
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            found[pid] = usage(pid)
    return found


def usage(pid: int) -> Usage:
    """What a process uses.

    Raises:
        FileNotFoundError, ProcessLookupError: it is gone.
    """
    process = Path("/proc") / str(pid)
    links = []
    for descriptor in os.listdir(process / "fd"):
        with suppress(FileNotFoundError):  # closed meanwhile
            links.append(os.readlink(process / "fd" / descriptor))
    resident = int((process / "statm").read_text().split()[1])
    return Usage(
        rss=resident * _PAGE_KIB,
        descriptors=len(links),
        sockets=sum(link.startswith("socket:") for link in links),
        threads=len(os.listdir(process / "task")),
    )


def percentile(values: list[float], share: float) -> float | None:
    """Of sorted values, by nearest rank; None without any."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else None
