"""The workers as the control socket sees them: a line to each, and what the parent has to do for all."""

from __future__ import annotations

import _socket
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gen_smtp.callbacks.behaviour import class_made_by
from gen_smtp.control.lines import WorkerLine
from gen_smtp.control.site import Line
from gen_smtp.options.parsing import parse_options
from gen_smtp.process.poll import PollLoop
from gen_smtp.process.serve_job import ServeJob
from gen_smtp.server.callback_options import check_callback_options
from gen_smtp.server.shown_address import shown_address
from gen_smtp.workers.shared_sockets import SharedSockets


class WorkerFleet:
    """All workers that there are; a `Fleet`.

    Args:
        job: what they run; what is changed here holds for workers to come.
        sockets: the sockets that they accept from.
        poll_loop: what the parent waits for.
    """

    def __init__(self, job: ServeJob, sockets: SharedSockets, poll_loop: PollLoop) -> None:
        self._job = job
        self._sockets = sockets
        self._poll_loop = poll_loop
        self._lines: list[WorkerLine] = []
        self._prepare: Mapping[str, Callable[[Mapping[str, Any]], int | None]] = {
            "add-listener": self._add_listener,
            "remove-listener": self._remove_listener,
            "suspend": lambda _: self._suspend(True),
            "resume": lambda _: self._suspend(False),
        }

    def add(self, connected: _socket.socket, process: int) -> None:
        """A worker was forked.

        Args:
            connected: the parent's end of the line to it.
            process: its number.
        """
        self._lines = [*self._present(), WorkerLine(connected, process, self._poll_loop)]

    def lines(self) -> Sequence[Line]:
        """A line to each worker."""
        self._lines = self._present()
        return self._lines

    def prepare(self, request: str, arguments: Mapping[str, Any]) -> int | None:
        """See `Fleet`."""
        prepare = self._prepare.get(request)
        return None if prepare is None else prepare(arguments)

    def leave_behind(self) -> None:
        """In a forked worker: these lines are between the parent and the others."""
        for each in self._lines:
            each.leave_behind()

    def close(self) -> None:
        """Hang up on all."""
        for each in self._lines:
            each.close()

    def _present(self) -> list[WorkerLine]:
        return [each for each in self._lines if each.is_open]

    def _add_listener(self, arguments: Mapping[str, Any]) -> int | None:
        (options,) = parse_options([arguments["options"]])
        check_callback_options(class_made_by(self._job.module), [options])
        opened = self._sockets.add(options)
        self._job.configurations = [*self._job.configurations, options]
        return os.dup(opened.fileno())

    def _remove_listener(self, arguments: Mapping[str, Any]) -> int | None:
        shown = [shown_address(each) for each in self._sockets.addresses]
        if arguments["address"] in shown:
            number = shown.index(arguments["address"])
            self._sockets.remove(number)
            kept = list(self._job.configurations)
            del kept[number]
            self._job.configurations = kept
        return None

    def _suspend(self, suspended: bool) -> None:
        self._job.suspended = suspended
