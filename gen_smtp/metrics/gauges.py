"""What a process is like now, and how late its hub is: looked at once a second, and at a scrape."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import gevent

from actors import GeventRef, spawn
from actors.runtime.hub import Hub
from actors.runtime.threads import thread_figures
from gen_smtp.facts import ProcessFacts, figures
from gen_smtp.metrics.counting import Counting
from gen_smtp.metrics.labels import OTHER, finite

INTERVAL = 1.0
"""Seconds between two looks."""


class Gauges:
    """Sets the gauges of one process, from `start` to `close`.

    Args:
        server: whose.
        counting: counts what only grows.
        worker: the number of this worker, as text.
    """

    def __init__(self, server: GeventRef[Any], counting: Counting, worker: str) -> None:
        self._server = server
        self._counting = counting
        self._worker = worker
        self._began = time.time()
        self._turns = 0
        self._cpu = 0.0
        self._listeners: set[str] = set()
        self._looking: Any = None

    def start(self) -> None:
        """Look every second; on the hub."""
        self._looking = gevent.spawn(self._look_on)

    def close(self) -> None:
        """Look no more, and leave nothing that would be added to what other processes have; on the hub."""
        if self._looking is not None:
            self._looking.kill(block=False)
            self._looking = None
        for gauge in _SIMPLE:
            self._set(gauge, 0.0)
        for listener in self._listeners:
            self._set("sessions", 0.0, listener)

    def look(self) -> None:
        """Set all of them; on the hub."""
        facts = figures(self._server, self._began)
        for gauge, value_of in _SIMPLE.items():
            self._set(gauge, value_of(facts))
        self._count_sessions(facts)
        threads, calls = thread_figures()
        self._set("worker_threads", min(threads, calls), "busy")
        self._set("worker_threads", max(0, threads - calls), "idle")
        self._set("worker_tasks_waiting", max(0, calls - threads))
        self._set("turn_greenlets", facts.greenlets - facts.idle_greenlets, "busy")
        self._set("turn_greenlets", facts.idle_greenlets, "idle")
        self._set("mailbox_longest_messages", facts.longest_mailbox, self._worker)
        self._set("process_resident_memory_bytes", facts.memory, self._worker)
        self._set("process_open_fds", _open_descriptors(), self._worker)
        self._set("process_start_time_seconds", self._began, self._worker)
        self._count_up(facts)

    def _look_on(self) -> None:
        while True:
            self.look()
            due = time.monotonic() + INTERVAL
            gevent.sleep(INTERVAL)
            self._counting.observe("hub_lag_seconds", max(0.0, time.monotonic() - due))

    def _count_sessions(self, facts: ProcessFacts) -> None:
        counts = dict.fromkeys(self._listeners, 0)
        for each in facts.listeners:
            listener = self._counting.listener(each.address)
            counts[listener] = counts.get(listener, 0) + each.sessions
        # Those whose listener is gone.
        gone = facts.sessions + facts.arriving - sum(counts.values())
        if gone > 0 or OTHER in counts:
            counts[OTHER] = counts.get(OTHER, 0) + max(0, gone)
        for listener, count in counts.items():
            self._set("sessions", count, listener)
        self._listeners = set(counts)

    def _count_up(self, facts: ProcessFacts) -> None:
        turns = Hub.current().turns_begun
        self._counting.add("turns_total", amount=max(0, turns - self._turns))
        self._turns = turns
        self._counting.add("process_cpu_seconds_total", self._worker, amount=max(0.0, facts.cpu - self._cpu))
        self._cpu = facts.cpu

    def _set(self, name: str, value: float, *labels: str) -> None:
        gauge = self._counting.instruments[name]
        (gauge.labels(*labels) if labels else gauge).set(value)


def on_hub(function: Any, *args: Any, timeout: float = 5.0) -> Any:
    """Call a function on the hub, from any thread."""
    return spawn(function, *args).get(timeout=timeout)


def _open_descriptors() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:  # not Linux
        return 0


_SIMPLE: Mapping[str, Any] = {
    "sessions_arriving": lambda facts: facts.arriving,
    "sessions_limit": lambda facts: finite(facts.most_sessions),
    "suspended": lambda facts: float(facts.suspended),
    "message_memory_bytes": lambda facts: facts.message_memory,
    "message_memory_limit_bytes": lambda facts: finite(facts.most_message_memory),
    "actors": lambda facts: facts.actors,
    "mailbox_messages": lambda facts: facts.mailboxes,
    "processes": lambda facts: 1.0,
}
