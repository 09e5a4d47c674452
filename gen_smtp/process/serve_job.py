"""What a process that serves was told to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from actors import StopTimes
from actors.messages import DEFAULT_GRACE
from gen_smtp.callbacks.behaviour import Module
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.options.node import NodeOptions
from gen_smtp.options.server import ServerOptions

Observer: TypeAlias = Callable[[Any], Callable[[], object]]
"""Looks at a server in its process: called when it serves, and returns what ends that."""


@dataclass(slots=True)
class ServeJob:
    """What a process runs, its workers included.

    Attributes:
        module: makes the callback object of each session.
        configurations: the options of each listener, checked.
        server_options: what each server goes by.
        times: how much time sessions get at the end.
        node: how to join an Erlang cluster; None for not at all.
        on_serving: called with the server in each process that serves; what it returns is called at the end.
        suspended: whether the servers of processes to come leave their clients in the backlogs at first.
        observers: called with the server in each process that serves; what each returns is called at the end.
    """

    module: Module
    configurations: Sequence[ListenerOptions]
    server_options: ServerOptions
    times: StopTimes
    node: NodeOptions | None = None
    on_serving: Callable[[Any], object] | None = None
    suspended: bool = False
    observers: Sequence[Observer] = ()

    @property
    def grace(self) -> float:
        """The seconds for a message in hand."""
        return DEFAULT_GRACE if self.times.grace is None else self.times.grace
