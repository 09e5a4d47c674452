"""What all actors of a scenario know: who there is, and the journal that all write into."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import actors
from tests.otp.python.text import plain

NAMES = ("n1", "n2", "n3", "m1")

Who = tuple[str, int]
"""A label, and how many of that label there were: `("a", 2)` was started again."""

Entry = tuple[Who, Any, Any]
"""Who wrote it, of which supervisor's tree, and what."""


class World:
    """One scenario's actors, timers, gates and journal; used from the hub and from threads."""

    def __init__(self) -> None:
        self.refs: dict[str, actors.GeventRef[Any]] = {}
        self.names: dict[actors.GeventRef[Any], Who] = {}
        self.gates: dict[actors.GeventRef[Any], actors.GeventFuture[None]] = {}
        self.timers: dict[str, actors.TimerRef] = {}
        self.callers: dict[str, Any] = {}
        self._ringing: list[actors.TimerRef] = []
        self._counts: Counter[str] = Counter()
        self._entries: list[Entry] = []
        self._told = 0
        self._ended: set[actors.GeventRef[Any]] = set()
        self._limits: Counter[Any] = Counter()
        self._until = 0.0
        self._timeouts: dict[Who, actors.GeventRef[Any]] = {}
        self._lock = threading.Lock()

    def join(self, label: str, ref: actors.GeventRef[Any]) -> Who:
        """An actor says who it is."""
        self._counts[label] += 1
        who = (label, self._counts[label])
        self.refs[label] = ref
        self.names[ref] = who
        return who

    # -- the journal ----------------------------------------------------------------------------------

    def write(self, who: Who, tree: str | None, entry: Any) -> None:
        """Note that something happened."""
        self._entries.append((who, tree, plain(entry, self.names)))

    @property
    def written(self) -> int:
        """How much was written so far."""
        return len(self._entries)

    def news(self) -> list[Entry]:
        """What was written since the last call, and who ended."""
        for ref, who in list(self.names.items()):
            if ref not in self._ended and not ref.is_alive():
                self._ended.add(ref)
                self.write(who, None, ("ended", ref.exit_reason))
        told, self._told = self._told, len(self._entries)
        return self._entries[told : self._told]

    def named(self) -> list[tuple[str, Any]]:
        """Who has which name."""
        holders = [(name, actors.whereis(name)) for name in NAMES]
        return [(name, plain(ref, self.names)) for name, ref in holders if ref is not None]

    # -- gates and time limits ------------------------------------------------------------------------

    def wait_at_gate(self, ref: actors.GeventRef[Any]) -> None:
        """Wait in a turn until the gate is opened."""
        gate = self.gates[ref] = actors.GeventFuture[None]()
        try:
            gate.get()
        finally:
            del self.gates[ref]

    def open_gate(self, label: str) -> None:
        """Let an actor go on that waits at its gate."""
        ref = self.refs.get(label)
        gate = None if ref is None else self.gates.get(ref)
        if gate is not None:
            gate.set()

    @contextmanager
    def limit(self, milliseconds: int | str) -> Generator[float | None]:
        """Something that goes on by itself when a time is over; the seconds."""
        if milliseconds == "infinity":
            yield None
            return
        assert isinstance(milliseconds, int)
        key = actors.current() or threading.get_ident()
        self._limits[key] += 1
        try:
            yield milliseconds / 1000
        finally:
            self._limits[key] -= 1

    def someone_has_a_limit(self) -> bool:
        """Whether anybody waits for something that goes on by itself."""
        if time.monotonic() < self._until or any(ref.is_alive() for ref in list(self._timeouts.values())):
            return True
        return any(
            count and (not isinstance(key, actors.GeventRef) or key.is_alive())
            for key, count in list(self._limits.items())
        )

    def note_limit(self, who: Who, ref: actors.GeventRef[Any], milliseconds: int) -> None:
        """A server has a timeout, which comes within the step if it is short."""
        if milliseconds < 1000:
            self._timeouts[who] = ref

    def forget_limit(self, who: Who) -> None:
        """A server does something else than to wait for its timeout."""
        self._timeouts.pop(who, None)

    def wait_for(self, milliseconds: int) -> None:
        """A step is not over before a short time has passed."""
        if milliseconds < 1000:
            self._until = max(self._until, time.monotonic() + milliseconds / 1000 + 0.002)

    def note_ring(self, ref: actors.TimerRef) -> None:
        """A timer was set; those of a few milliseconds ring within the step."""
        if ref.seconds < 1:
            self._ringing.append(ref)

    def is_ringing(self) -> bool:
        """Whether such a timer has not rung yet."""
        self._ringing = [
            ref for ref in self._ringing if not ref.cancelled and (ref.timer is None or ref.timer.pending)
        ]
        return bool(self._ringing)
