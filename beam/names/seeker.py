"""The seeker: the actor that connects again to the BEAMs that keep names, when a connection is lost.

A BEAM has no reason to connect to a node whose processes it has just forgotten, so we have to. As long as no
actor here has a name nobody is sought.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pykka

from actors import GeventActor, TimerRef, cancel_timer, cast, send_after, spawn
from beam.names.holdings import Holdings
from beam.node.node import Node

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
"""Seconds until the first try, and between two of them at the most; twice as many each time."""

MOST_TRIES = 40
"""So often a node is sought that is no seed: it may be gone for good."""

DISCONNECTED = "disconnected"
"""The reason of a connection that this node has ended because it was told to."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection to a node is lost."""

    node: str


@dataclass(frozen=True, slots=True)
class Found:
    """A node that keeps names is connected."""

    node: str


@dataclass(frozen=True, slots=True)
class Seek:
    """It is time to try."""


class Seeker(GeventActor):
    """Connects again.

    Args:
        node: this process's.
        holdings: the names that actors have here.
    """

    def __init__(self, node: Node, holdings: Holdings) -> None:
        super().__init__()
        self._node = node
        self._holdings = holdings
        self._known: set[str] = set(node.seeds)
        self._missing: dict[str, int] = {}
        self._pause = FIRST_PAUSE
        self._timer: TimerRef | None = None
        self._undo: list[Callable[[], object]] = []

    def on_start(self) -> None:
        self._undo = [self._node.on_up(self._hear_up), self._node.on_down(self._hear_down)]

    def release(self) -> None:
        for undo in self._undo:
            undo()
        if self._timer is not None:
            cancel_timer(self._timer)

    def _hear_up(self, node: str) -> None:
        if self._node.is_visible(node):
            cast(self.actor_ref, Found(node))

    def _hear_down(self, node: str, reason: str) -> None:
        if reason != DISCONNECTED:
            cast(self.actor_ref, Lost(node))

    def on_receive(self, message: Any) -> None:
        match message:
            case Found(node):
                self._known.add(node)
                self._missing.pop(node, None)
                self._pause = FIRST_PAUSE
            case Lost(node) if node in self._known:
                self._missing[node] = 0
                self._pause = FIRST_PAUSE
                self._try_later()
            case Seek():
                self._timer = None
                self._seek()
            case Lost():
                return
            case _:
                super().on_receive(message)

    def _seek(self) -> None:
        connected = set(self._node.nodes())
        for node, tries in list(self._missing.items()):
            if node in connected:
                del self._missing[node]
            elif tries >= MOST_TRIES and node not in self._node.seeds:
                del self._missing[node]
                self._known.discard(node)
            elif self._holdings.has_any():
                self._missing[node] = tries + 1
                spawn(self._connect, node)
        if self._missing:
            self._try_later()

    def _connect(self, node: str) -> None:
        with contextlib.suppress(pykka.Timeout, RuntimeError):  # not yet, or this node has stopped
            self._node.connect(node)

    def _try_later(self) -> None:
        if self._timer is None:
            self._timer = send_after(self._pause, self.actor_ref, Seek())
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
