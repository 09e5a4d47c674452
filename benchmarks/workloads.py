"""What is done to a running server, and what is measured meanwhile."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.clients import OwnClient, Work, own_client, smtp_source, work_together
from benchmarks.measure import CpuTime, cpu_time, memory, reset_peak, seconds_by_process
from benchmarks.servers import Target

Figures = dict[str, float]
"""Named figures. Those that every workload has are in `observed`."""

MILLISECONDS = 1000.0
SECONDS_OF_IDLING = 2.0
WARM_SESSIONS = 100


class Workload(Protocol):
    """Something to do to a server."""

    def run(self, target: Target) -> Figures:
        """Do it and measure."""


@dataclass(frozen=True, slots=True)
class SmtpSource:
    """smtp-source sends messages.

    Attributes:
        arguments: of smtp-source, without -m.
        messages: how many.
        units: how many units of the result one message is (MiB, say).
    """

    arguments: tuple[str, ...]
    messages: int
    units: float = 1.0

    def run(self, target: Target) -> Figures:
        """After a twentieth of them to warm up."""
        smtp_source(target, self.arguments, max(self.messages // 20, 1))
        return observed(target, lambda: smtp_source(target, self.arguments, self.messages), self.units)


@dataclass(frozen=True, slots=True)
class Own:
    """A client of the project's works; `processes` of them at once; beside `idle` sessions that say nothing.

    Attributes:
        kind: the kind of client.
        options: its options.
        processes: how many processes of it.
        units: how many units of the result one of its counts is.
        idle: sessions that are open meanwhile.
        warm_up: options for a client that warms the server up; None goes without.
    """

    kind: str
    options: Mapping[str, Any]
    processes: int = 1
    units: float = 1.0
    idle: int = 0
    warm_up: Mapping[str, Any] | None = None

    def run(self, target: Target) -> Figures:
        """Connect all, then measure the work alone."""
        if self.warm_up is not None:
            with own_client(target, self.kind, {**self.options, **self.warm_up}) as client:
                client.work()
        with contextlib.ExitStack() as opened:
            if self.idle:
                opened.enter_context(own_client(target, "idle", {"sessions": self.idle}))
            clients = [
                opened.enter_context(own_client(target, self.kind, self.options))
                for _ in range(self.processes)
            ]
            return observed(target, lambda: work_together(clients), self.units)


@dataclass(frozen=True, slots=True)
class IdleSessions:
    """Sessions are opened, say EHLO and then nothing.

    Figures: `kib_per_session` of RSS, `cpu_per_second` while they idle, and `rate` of sessions opened per
    second of server CPU.
    """

    sessions: int

    def run(self, target: Target) -> Figures:
        """Compare with the memory of a server that has some sessions already."""
        with own_client(target, "idle", {"sessions": WARM_SESSIONS}):
            before, cpu_before = memory(target.pid), cpu_time(target.pid)
            with own_client(target, "idle", {"sessions": self.sessions}):
                opened = cpu_time(target.pid)
                time.sleep(SECONDS_OF_IDLING)
                after, idled = memory(target.pid), cpu_time(target.pid) - opened
        cpu = opened - cpu_before
        return {
            "kib_per_session": (after.now - before.now) / self.sessions,
            "cpu_per_second": idled.total / SECONDS_OF_IDLING,
            "count": self.sessions,
            "rate": self.sessions / max(cpu.total, _LEAST),
            **_cpu_figures(cpu),
            "rss_kib": after.now,
            "peak_kib": after.peak,
        }


@dataclass(frozen=True, slots=True)
class Fairness:
    """A client says NOOP, alone; then beside one that floods and one that sends large messages.

    Figures: `idle_p99_ms`, `loaded_p99_ms` and their difference `p99_ms_more`, the same of the maximum; how
    many `flood_replies` and `large_messages` the others got through.
    """

    seconds: float
    size: int

    def run(self, target: Target) -> Figures:
        """Measure twice with the same connection."""
        noops = {"seconds": self.seconds}
        # The others begin before it and end after it.
        longer = self.seconds + 1.0
        with (
            own_client(target, "noops", noops) as client,
            own_client(target, "flood", {"seconds": longer}) as flood,
            own_client(target, "transactions", {"size": self.size, "seconds": longer}) as large,
        ):
            idle = client.work()
            loaded, others = _beside(client, [flood, large])
        figures: Figures = {}
        for rank in ("p50", "p99", "max"):
            alone, beside = (MILLISECONDS * work.found["latency"][rank] for work in (idle, loaded))
            figures |= {
                f"idle_{rank}_ms": alone,
                f"loaded_{rank}_ms": beside,
                f"{rank}_ms_more": beside - alone,
            }
        return {**figures, "flood_replies": others[0].count, "large_messages": others[1].count}


def _beside(client: OwnClient, others: list[OwnClient]) -> tuple[Work, list[Work]]:
    for other in others:
        other.begin()
    time.sleep(0.5)
    found = client.work()
    return found, [other.result() for other in others]


def observed(target: Target, work: Callable[[], Work], units: float = 1.0) -> Figures:
    """Have clients work, and measure the server meanwhile.

    Returns:
        `count` units done, and `rate`, those per second of server CPU, `rate_of_busiest`, those per second of
        the process that took the most of it; seconds of that as `cpu`, of which
        `user` and `system`; seconds of `wall` clock, `server_busy` and `client_busy`, the CPUs' part of it;
        `rss_kib` at the end, `peak_kib` at the most and `peak_kib_more` than at the beginning; latencies in
        milliseconds, as `p50_ms`.
    """
    reset_peak(target.pid)
    before, cpu_before = memory(target.pid), cpu_time(target.pid)
    each_before = seconds_by_process(target.pid)
    done = work()
    each = seconds_by_process(target.pid)
    cpu, after = cpu_time(target.pid) - cpu_before, memory(target.pid)
    busiest = max(seconds - each_before.get(pid, 0.0) for pid, seconds in each.items())
    return {
        "count": done.count * units,
        "rate": done.count * units / max(cpu.total, _LEAST),
        "rate_of_busiest": done.count * units / max(busiest, _LEAST),
        **_cpu_figures(cpu),
        "wall": done.wall,
        "server_busy": cpu.total / done.wall,
        "client_busy": done.cpu / done.wall,
        "rss_kib": after.now,
        "peak_kib": after.peak,
        "peak_kib_more": after.peak - before.now,
        **_found_figures(done.found),
    }


_LEAST = 1e-6
"""Seconds; less can't be counted."""


def _cpu_figures(cpu: CpuTime) -> Figures:
    return {"user": cpu.user, "system": cpu.system, "cpu": cpu.total}


def _found_figures(found: Mapping[str, Any]) -> Figures:
    figures: Figures = {}
    for name, value in found.items():
        if isinstance(value, dict):
            prefix = name.removesuffix("latency")
            figures |= {f"{prefix}{rank}_ms": MILLISECONDS * seconds for rank, seconds in value.items()}
        else:
            figures[name] = float(value)
    return figures
