"""What tests of a node share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import beam as cluster

PATIENCE = 5.0


def until(condition: Callable[[], Any]) -> Any:
    """Wait until something is so. Returns: what the condition returned."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"it did not come to that: {condition}"
        time.sleep(0.005)
    return value


def nothing_left(node: cluster.Node) -> None:
    """Wait until all tables of a node are empty."""
    deadline = time.monotonic() + PATIENCE
    while full := tables(node):
        assert time.monotonic() < deadline, full
        time.sleep(0.005)


def tables(node: cluster.Node) -> list[str]:
    """The tables of a node that are not empty; none should be, when nothing is under way."""
    home = node._home
    full = ["onlookers"] if home.onlookers else []
    # Global names have one hook of each kind as long as the node lives.
    full += [name for name in ("link_hooks", "demonitor_hooks") if len(getattr(home, name)) > 1]
    for peer in home.peers.values():
        named = ("waiting", "monitors", "references", "watches", "serving", "linked")
        full += [f"{peer.name}: {name}" for name in named if getattr(peer, name)]
    return full
