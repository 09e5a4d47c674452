"""What a process and its children use, read from /proc, and what is made of it."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

# Fields of /proc/PID/stat behind the command's name, see proc(5).
_PARENT = 1
_USER, _SYSTEM, _USER_OF_REAPED, _SYSTEM_OF_REAPED = 11, 12, 13, 14

RESET_PEAK = "5"
"""Written to /proc/PID/clear_refs, it makes the present RSS the peak so far."""


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Seconds on a CPU.

    Attributes:
        user: in the program; counted in hundredths.
        system: in the kernel on its behalf; counted in hundredths.
        total: both, by the scheduler's finer count.
    """

    user: float = 0.0
    system: float = 0.0
    total: float = 0.0

    def __sub__(self, earlier: Self) -> CpuTime:
        return CpuTime(self.user - earlier.user, self.system - earlier.system, self.total - earlier.total)


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory in KiB.

    Attributes:
        now: at present.
        peak: the most since the process began or its peak was reset.
    """

    now: int
    peak: int


def cpu_time(pid: int) -> CpuTime:
    """The CPU time of a process, its living descendants, and those it has waited for."""
    user = system = nanoseconds = reaped = 0
    for member in _family(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = _stat(member)
            user += int(fields[_USER]) + int(fields[_USER_OF_REAPED])
            system += int(fields[_SYSTEM]) + int(fields[_SYSTEM_OF_REAPED])
            reaped += int(fields[_USER_OF_REAPED]) + int(fields[_SYSTEM_OF_REAPED])
            nanoseconds += _scheduled(member)
    ticks = (user + system) / TICKS_PER_SECOND
    # The finer count lacks threads that have ended.
    total = max(ticks, nanoseconds / 1e9 + reaped / TICKS_PER_SECOND)
    return CpuTime(user / TICKS_PER_SECOND, system / TICKS_PER_SECOND, total)


def seconds_by_process(pid: int) -> dict[int, float]:
    """The seconds on a CPU of a process and of each living descendant, by pid."""
    found = {}
    for member in _family(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found[member] = _scheduled(member) / 1e9
    return found


def memory(pid: int) -> Memory:
    """The resident memory of a process and its living descendants."""
    now = peak = 0
    for member in _family(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = dict(
                line.split(":", 1) for line in (PROC / str(member) / "status").read_text().splitlines()
            )
            now += _kib(fields["VmRSS"])
            peak += _kib(fields["VmHWM"])
    return Memory(now, peak)


def reset_peak(pid: int) -> None:
    """Forget the peak of a process's memory so far."""
    for member in _family(pid):
        (PROC / str(member) / "clear_refs").write_text(RESET_PEAK)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Minimum, p50, p90, p99, p99.9 and maximum by the nearest rank; nothing of nothing."""
    if not values:
        return {}
    ordered = sorted(values)
    ranks = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
    found = {name: ordered[math.ceil(rank * len(ordered)) - 1] for name, rank in ranks.items()}
    return {"min": ordered[0], **found, "max": ordered[-1]}


def _kib(field: str) -> int:
    return int(field.split()[0])


def _stat(pid: int) -> list[str]:
    # The command's name comes in brackets and may contain anything, brackets too.
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _scheduled(pid: int) -> int:
    """Nanoseconds that a process's threads were on a CPU."""
    threads = (PROC / str(pid) / "task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads)


def _family(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for process, parent in _parents():
        children.setdefault(parent, []).append(process)
    family = [pid]
    for member in family:
        family += children.get(member, [])
    return family


def _parents() -> Iterator[tuple[int, int]]:
    for entry in os.listdir(PROC):
        if entry.isdecimal():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                yield int(entry), int(_stat(int(entry))[_PARENT])
